//! `hash … consistent` after any history of changes, beside a plain list of all points in order.

use std::{collections::BTreeMap, sync::Arc};

use peer_zone::{
    KeyPeers, KeyProgress, Method, PeerSpec, PickContext, Publisher, RequestOutcome, Worker,
    protocol::Publishing,
};
use proptest::prelude::*;

use crate::fixture::{Fixture, address, at, collect_once, peer, pick_by, server, with};

const METHOD: Method = Method::HashConsistent;

/// Keys that a list may have, and addresses that each may have.
const KEYS: usize = 24;
const ADDRESSES: usize = 2;

/// A weight of which three make a ring with so many points that it gets its bases in steps.
const HEAVY: u32 = 150;

/// By address, a weight, and whether it is a backup; `None`: the key has not that one.
type Wanted = [Option<(u32, bool)>; ADDRESSES];

#[derive(Clone, Debug)]
enum Step {
    Keys(Vec<(usize, Wanted)>),
    All(Vec<(usize, Wanted)>),
    Collect,
    TakeOver,
}

fn step() -> impl Strategy<Value = Step> {
    let weight = prop_oneof![20 => 0_u32..4, 1 => Just(HEAVY)];
    let one = prop::option::weighted(0.6, (weight, prop::bool::weighted(0.1)));
    let changed =
        |most| prop::collection::vec((0..KEYS, prop::array::uniform2(one.clone())), 1..most);
    prop_oneof![
        8 => changed(4).prop_map(Step::Keys),
        2 => changed(KEYS).prop_map(Step::All),
        6 => Just(Step::Collect),
        1 => Just(Step::TakeOver),
    ]
}

fn peers(key: usize, wanted: &Wanted) -> Vec<Arc<PeerSpec>> {
    let one = |(number, wanted): (usize, &Option<(u32, bool)>)| {
        let &(weight, backup) = wanted.as_ref()?;
        let name = format!("10.0.{key}.{number}:80");
        let mut spec = with(peer(&format!("key-{key:02}"), &name), |it| {
            (it.weight, it.backup) = (weight, backup);
        });
        // Some keys have names, each with two addresses; two keys, and a line, have the same one.
        spec.server = match key {
            0..8 => format!("name-{}:80", key / 2).into(),
            _ => name.as_str().into(),
        };
        Some(Arc::new(spec))
    };
    wanted.iter().enumerate().filter_map(one).collect()
}

fn lines() -> Vec<Arc<PeerSpec>> {
    let of_a_name = PeerSpec { server: "name-3:80".into(), ..server("line 2") };
    [server("line 3"), of_a_name, server("line 1")].map(Arc::new).to_vec()
}

/// The points, by hash, each with the text of the first server that has it.
fn points(peers: &[Arc<PeerSpec>]) -> Vec<(u32, &str)> {
    let mut points: Vec<(u32, &str)> = Vec::new();
    for peer in peers.iter().filter(|peer| !peer.parameters.backup) {
        let hashes = peer_balance::points(&peer.server, peer.parameters.weight);
        points.extend(hashes.map(|hash| (hash, &*peer.server)));
    }
    points.sort_by_key(|point| point.0);
    points.dedup_by_key(|point| point.0);
    points
}

/// Compares where keys go, and where a request goes on if a peer fails.
fn compare(worker: &mut Worker, peers: &[Arc<PeerSpec>]) -> Result<(), TestCaseError> {
    let points = points(peers);
    for number in 0..40 {
        let key = format!("/channel/{number}");
        let context = PickContext { method: METHOD, key: key.as_bytes(), ..PickContext::default() };
        let hash = peer_balance::key_hash(key.as_bytes());
        let mut place = points.partition_point(|point| point.0 < hash);
        let (mut progress, mut tried, mut left) = (KeyProgress::default(), Vec::new(), 20);
        let mut addresses: Vec<String> = Vec::new();
        while addresses.len() < 3 {
            let of_server = |peer: &&Arc<PeerSpec>| {
                let (_, text) = points[place % points.len()];
                let parameters = &peer.parameters;
                let is_tried = addresses.iter().any(|it| it.as_bytes() == &*peer.socket_address);
                *peer.server == *text && !parameters.backup && parameters.weight > 0 && !is_tried
            };
            let expected: Vec<&Arc<PeerSpec>> = peers.iter().filter(of_server).collect();
            if expected.is_empty() {
                (place, left) = (place + 1, left - 1);
                if left == 0 {
                    break;
                }
                continue;
            }
            let held = pick_by(worker, &context, &mut progress, at(1), &tried);
            let Some(held) = held else { break };
            let address = address(worker, &held);
            tried.push(held.id());
            worker.release(held, RequestOutcome::Answered, None, at(1));
            prop_assert!(
                expected.iter().any(|peer| *peer.socket_address == *address.as_bytes()),
                "{key}, try {}: {address} instead of {expected:?}",
                addresses.len()
            );
            addresses.push(address);
        }
    }
    Ok(())
}

/// As the watcher does: key by key if that is possible.
fn publish(publisher: &mut Publisher, keys: Vec<KeyPeers>, all: Vec<Arc<PeerSpec>>) {
    let publishing = Publishing::unshared();
    if publisher.publish_keys(keys, 0, &publishing).is_none() {
        publisher.publish(all, 0, &publishing).expect("room");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 32,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_ring_after_any_history_is_that_of_its_servers(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let fixture = Fixture::new(1 << 23);
        let mut publisher = fixture.publisher_of(METHOD);
        let publishing = Publishing::unshared();
        publisher.publish(lines(), 0, &publishing).expect("room");
        let empty = fixture.used();
        let mut worker = fixture.worker();
        let mut wanted: BTreeMap<usize, Wanted> = BTreeMap::new();
        let mut list = lines();
        for step in steps {
            match step {
                Step::Keys(changed) | Step::All(changed) => {
                    wanted.extend(changed.iter().copied());
                    let all = wanted.iter().flat_map(|(&key, wanted)| peers(key, wanted));
                    list = lines().into_iter().chain(all).collect();
                    let keys = changed.iter().map(|(key, wanted)| KeyPeers {
                        key: format!("key-{key:02}").into(),
                        peers: peers(*key, wanted),
                    });
                    publish(&mut publisher, keys.collect(), list.clone());
                }
                Step::Collect => collect_once(&mut publisher),
                Step::TakeOver => publisher = fixture.publisher_of(METHOD),
            }
            compare(&mut worker, &list)?;
        }
        // Nothing is lost; a ring without servers begins at the first slots again.
        publisher.publish(Vec::<PeerSpec>::new(), 0, &publishing).expect("room");
        publisher.publish(lines(), 0, &publishing).expect("room");
        (0..5).for_each(|_| collect_once(&mut publisher));
        prop_assert!(!publisher.is_reclaiming());
        prop_assert_eq!(fixture.used(), empty);
    }
}

/// A merge goes on in steps while changes are published, and a publisher that takes over in between
/// begins once more.
#[test]
fn a_large_ring_gets_its_bases_in_steps() {
    const SERVERS: usize = 600;
    let named = |number: usize| {
        let name = format!("10.1.{}.{}:80", number / 200, number % 200);
        Arc::new(PeerSpec {
            server: name.as_str().into(),
            ..peer(&format!("key-{number:04}"), &name)
        })
    };
    let fixture = Fixture::new(1 << 23);
    let mut publisher = fixture.publisher_of(METHOD);
    let publishing = Publishing::unshared();
    let mut list: Vec<_> = (0..SERVERS).map(named).collect();
    publisher.publish(list.clone(), 0, &publishing).expect("room");
    while publisher.is_reclaiming() {
        collect_once(&mut publisher);
    }
    let mut worker = fixture.worker();
    let (mut merges, mut was_merging) = (0, false);
    for number in SERVERS..SERVERS + 300 {
        let new = named(number);
        list.push(Arc::clone(&new));
        let keys = vec![KeyPeers { key: new.key.clone().expect("a key"), peers: vec![new] }];
        let changes = publisher.publish_keys(keys, 0, &publishing).expect("room");
        assert_eq!(changes.added, 1);
        if number % 10 == 0 {
            compare(&mut worker, &list).expect("as the points");
        }
        if number % 100 == 20 {
            publisher = fixture.publisher_of(METHOD);
            // It compares the counts of connections first.
            while publisher.is_reclaiming() {
                collect_once(&mut publisher);
            }
        }
        let is_merging = publisher.is_reclaiming();
        merges += usize::from(was_merging && !is_merging);
        was_merging = is_merging;
    }
    assert!(merges >= 2, "{merges}");
}
