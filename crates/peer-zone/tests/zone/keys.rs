//! What is published key by key is what would be published at once.

use std::{collections::BTreeMap, sync::Arc};

use peer_zone::{
    CheckPolicy, Health, KeyPeers, Method, PeerSpec, PickContext, PickedPeer, Publisher,
    RequestOutcome, TableOptions, Worker, protocol::Publishing,
};
use proptest::prelude::*;

use crate::fixture::{
    Fixture, METHODS, PARAMETERS, at_ms, collect, context, peer, pick, pick_first, publish_at,
    server, with, withdrawn,
};

/// Keys that a list may have, and addresses that each may have.
const KEYS: usize = 6;
const ADDRESSES: usize = 3;

/// What one address of a key says: its weight, flags, and something else.
type Said = (u32, [bool; 4], u8);

/// What each address of a key says; `None`: it has not that one.
type Wanted = [Option<Said>; ADDRESSES];

fn wanted() -> impl Strategy<Value = Wanted> {
    let one = (1_u32..4, any::<[bool; 4]>(), 0_u8..4);
    prop::array::uniform3(prop::option::weighted(0.5, one))
}

#[derive(Clone, Debug)]
enum Step {
    /// Keys change, some of them twice.
    Change(Vec<(usize, Wanted)>),
    Pick,
    Release(usize),
    Fail(usize),
    Collect,
    TakeOver,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec((0..KEYS, wanted()), 1..4).prop_map(Step::Change),
        4 => Just(Step::Pick),
        3 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Fail),
        2 => Just(Step::Collect),
        1 => Just(Step::TakeOver),
    ]
}

/// With `heavy`, some have so many times their weights.
fn peers(key: usize, wanted: &Wanted, heavy: u32) -> Vec<Arc<PeerSpec>> {
    let one = |(number, wanted): (usize, &Option<Said>)| {
        let &(weight, [backup, down, drain, limited], other) = wanted.as_ref()?;
        let address = format!("{key}.{number}");
        let mut spec = with(peer(&format!("key-{key}"), &address), |it| {
            (it.weight, it.backup) = (weight * [1, heavy][usize::from(other == 3)], backup);
            (it.down, it.drain) = (down && other == 0, drain && other == 1);
            it.max_conns = 3 * u32::from(limited);
            it.slow_start = u32::from(other == 2);
        });
        spec.sticky = (key * ADDRESSES + number) as u64 + 1;
        spec.route = (other == 1).then(|| format!("route {address}").into());
        spec.labels = (other > 1).then(|| "{\"zone\":\"a\"}".repeat(usize::from(other)).into());
        spec.joined = 1_000 * u64::from(other);
        Some(Arc::new(spec))
    };
    wanted.iter().enumerate().filter_map(one).collect()
}

fn lines() -> Vec<Arc<PeerSpec>> {
    let backup = with(server("line 2"), |it| it.backup = true);
    let with_id = |(sticky, line)| Arc::new(PeerSpec { sticky, ..line });
    [(100, server("line 1")), (101, backup)].map(with_id).to_vec()
}

/// A zone with all that uses it.
struct Side {
    fixture: Fixture,
    publisher: Publisher,
    worker: Worker,
    held: Vec<PickedPeer>,
    options: TableOptions,
}

impl Side {
    fn new(options: TableOptions) -> Self {
        let fixture = Fixture::new(1 << 21);
        let mut publisher = fixture.publisher_with(options);
        publisher.publish(lines(), 0, &Publishing::unshared()).expect("room");
        let worker = fixture.worker();
        Self { fixture, publisher, worker, held: Vec::new(), options }
    }

    fn rows(&mut self) -> Vec<String> {
        let table = self.worker.table().expect("a table");
        let row = |row: peer_zone::PeerRow<'_>| {
            // Places and numbers of peers may differ.
            let peer = peer_zone::PeerView { id: 0, ..row.peer };
            let texts = (row.route, row.labels, row.parameters, row.connections.all());
            format!("{peer:?} {texts:?} {}", row.is_removed)
        };
        let mut rows: Vec<String> = table.rows().map(row).collect();
        let listed = rows.iter().take_while(|row| row.ends_with("false")).count();
        // Those that are gone are in no order.
        rows[listed..].sort();
        rows
    }

    fn addresses_withdrawn(&mut self) -> usize {
        withdrawn(&mut self.worker, 0).len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_by_themselves_are_as_all_at_once(
        steps in prop::collection::vec(step(), 1..60),
        method in prop::sample::select(METHODS.to_vec()),
        is_checked in any::<bool>(),
    ) {
        let checking = is_checked.then_some(CheckPolicy { mandatory: true, panic: true });
        let options = TableOptions { method, is_sticky: true, checking, is_grouped: false };
        let (mut all, mut keys) = (Side::new(options), Side::new(options));
        // A ring of many points gets its bases in steps.
        let heavy = if method == Method::HashConsistent { 9 } else { 509 };
        let peers = |key: usize, wanted: &Wanted| peers(key, wanted, heavy);
        let mut wanted: BTreeMap<usize, Wanted> = BTreeMap::new();
        for (now, step) in (1..).map(|step| step * 100).zip(steps) {
            match step {
                Step::Change(changed) => {
                    wanted.extend(changed.iter().copied());
                    let list = wanted.iter().flat_map(|(&key, wanted)| peers(key, wanted));
                    let list: Vec<_> = lines().into_iter().chain(list).collect();
                    let publishing = Publishing::unshared();
                    let changes = all.publisher.publish(list, now, &publishing);
                    let key_peers = changed.iter().map(|(key, wanted)| KeyPeers {
                        key: format!("key-{key}").into(),
                        peers: peers(*key, wanted),
                    });
                    let key_peers = key_peers.collect();
                    let by_keys = keys.publisher.publish_keys(key_peers, now, &publishing);
                    prop_assert_eq!(by_keys, Some(changes.expect("room")));
                }
                Step::Pick => {
                    let picked = pick_first(&mut all.worker, &context(method), at_ms(now));
                    // The same one, where chance has its part in that.
                    let sticky = picked.as_ref().map(|held| held.sticky().expect("an id"));
                    let context = PickContext { sticky, ..context(method) };
                    let same = pick_first(&mut keys.worker, &context, at_ms(now));
                    let same_sticky = same.as_ref().map(|held| held.sticky().expect("an id"));
                    prop_assert_eq!(same_sticky, sticky);
                    all.held.extend(picked);
                    keys.held.extend(same);
                }
                Step::Release(which) | Step::Fail(which) if !all.held.is_empty() => {
                    let outcome = if matches!(step, Step::Fail(_)) {
                        RequestOutcome::Failed
                    } else {
                        RequestOutcome::Answered
                    };
                    for side in [&mut all, &mut keys] {
                        let held = side.held.swap_remove(which % side.held.len());
                        side.worker.release(held, outcome, None, at_ms(now));
                    }
                }
                Step::Release(_) | Step::Fail(_) => {}
                Step::Collect => {
                    let health = [Health::Passing, Health::Failing][now as usize / 100 % 2];
                    for side in [&mut all, &mut keys] {
                        if is_checked {
                            let first = side.publisher.listed().next().cloned().expect("a line");
                            let address = &first.socket_address;
                            let key = first.key.as_deref();
                            side.publisher.set_health(
                                key, address, health, now, &Publishing::unshared());
                        }
                        collect(&mut side.publisher);
                    }
                }
                Step::TakeOver => {
                    for side in [&mut all, &mut keys] {
                        side.publisher = side.fixture.publisher_with(side.options);
                    }
                }
            }
            prop_assert_eq!(all.rows(), keys.rows());
            prop_assert_eq!(all.publisher.generation(), keys.publisher.generation());
            prop_assert_eq!(all.addresses_withdrawn(), keys.addresses_withdrawn());
            prop_assert!(all.publisher.listed().eq(keys.publisher.listed()));
            prop_assert_eq!(all.publisher.keyed(), keys.publisher.keyed());
            let panics = |side: &Side| side.fixture.zone.statistics().is_panicking;
            prop_assert_eq!(panics(&all), panics(&keys));
        }
        // Nothing is lost, and nothing is there twice.
        let used = [all, keys].map(|mut side| {
            for held in side.held.drain(..) {
                side.worker.release(held, RequestOutcome::Answered, None, at_ms(0));
            }
            publish_at(&mut side.publisher, &[], 0);
            collect(&mut side.publisher);
            side.fixture.used()
        });
        prop_assert_eq!(used[0], used[1]);
    }
}

/// A request that outlives a change has what its table said, and the entry that is replaced is not
/// given to another meanwhile.
#[test]
fn an_entry_that_is_replaced_stays_while_a_table_with_it_is_read() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    publisher
        .publish(vec![peer("a", "1"), peer("b", "2")], 0, &Publishing::unshared())
        .expect("room");
    let mut reader = fixture.worker();
    let table = reader.table().expect("a table");
    for weight in 2..40 {
        let heavier = Arc::new(with(peer("a", "1"), |it| it.weight = weight));
        let keys = vec![KeyPeers { key: "a".into(), peers: vec![heavier] }];
        let changes = publisher.publish_keys(keys, 0, &Publishing::unshared()).expect("room");
        assert_eq!((changes.added, changes.removed, changes.changed), (0, 0, 1));
        collect(&mut publisher);
        // Another publisher finds out which memory is read.
        publisher = fixture.publisher();
        assert!(table.rows().all(|row| row.parameters == PARAMETERS));
    }
    drop(table);
    collect(&mut publisher);
    let mut worker = fixture.worker_of(2);
    let held = pick(&mut worker, 1);
    assert_eq!(worker.peer(&held).socket_address, b"1");
    worker.release(held, RequestOutcome::Answered, None, at_ms(0));
}
