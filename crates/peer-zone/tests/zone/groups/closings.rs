//! How connections to the peers of a group are closed, as the group has it.

use std::collections::BTreeMap;

use peer_zone::{
    Closing, DrainPolicy, DrainReasons, GroupOptions, KeyPeers, Method, PeerSpec, PickedPeer,
    Publisher, RequestOutcome, TooManyClosings, Worker, protocol::Publishing,
};
use proptest::prelude::*;

use super::{grouped, in_group, options::set, pick_in};
use crate::fixture::{Fixture, at, collect, peer, publish, publish_at};

const UNSHARED: fn() -> Publishing = Publishing::unshared;

const REMOVED: DrainReasons = DrainReasons { removed: true, drain: false, check: false };

/// So many can be in use.
const MOST: u64 = 31;

fn closing(after: u64) -> Closing {
    Closing { after, spread: 7 * after, on: REMOVED }
}

fn of_closing(closing: Option<Closing>) -> GroupOptions {
    GroupOptions { closing: Some(closing), ..GroupOptions::default() }
}

fn try_set(
    publisher: &mut Publisher,
    group: &str,
    options: GroupOptions,
) -> Result<(), TooManyClosings> {
    publisher.set_group_options(group, options, 0, &UNSHARED())
}

/// The node of this name, as its address.
fn node(name: &str, group: &str) -> PeerSpec {
    PeerSpec { sticky: 1, ..in_group(peer(name, name), group) }
}

fn release(worker: &mut Worker, held: PickedPeer) {
    worker.release(held, RequestOutcome::Answered, None, at(1));
}

#[test]
fn a_peer_is_left_as_the_group_that_it_was_in_last_says() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    set(&mut publisher, "a", of_closing(Some(closing(500))));
    set(&mut publisher, "b", of_closing(None));
    publish(&mut publisher, &[node("1", "a"), node("2", "b"), node("3", "c")]).expect("room");
    let mut worker = fixture.worker();
    let held = ["a", "b", "c"].map(|group| pick_in(&mut worker, group).expect("a peer"));
    let says = |worker: &Worker| held.each_ref().map(|held| worker.closing(held));
    assert_eq!(says(&worker), [Some(Some(closing(500))), Some(None), None]);
    // Options act with a publication, of the group or of any of its keys.
    set(&mut publisher, "a", of_closing(Some(closing(600))));
    set(&mut publisher, "c", of_closing(Some(closing(700))));
    assert_eq!(says(&worker), [Some(Some(closing(500))), Some(None), None]);
    let key = KeyPeers { key: "1".into(), peers: vec![node("1", "a").into()] };
    publisher.publish_keys(vec![key], 0, &UNSHARED()).expect("published");
    assert_eq!(says(&worker), [Some(Some(closing(600))), Some(None), None]);
    publish(&mut publisher, &[node("1", "a"), node("2", "b"), node("3", "c")]).expect("room");
    assert_eq!(says(&worker), [Some(Some(closing(600))), Some(None), Some(Some(closing(700)))]);
    // Who moves is the new group's, by its key or with all others.
    let key = KeyPeers { key: "2".into(), peers: vec![node("2", "a").into()] };
    publisher.publish_keys(vec![key], 0, &UNSHARED()).expect("published");
    assert_eq!(worker.closing(&held[1]), Some(Some(closing(600))));
    publish(&mut publisher, &[node("1", "d"), node("2", "b"), node("3", "a")]).expect("room");
    assert_eq!(says(&worker), [None, Some(None), Some(Some(closing(600)))]);
    // Who is gone is left as the group says from then on, which need not have peers any more, and
    // whoever publishes.
    publish(&mut publisher, &[node("1", "a")]).expect("room");
    set(&mut publisher, "a", of_closing(Some(closing(800))));
    assert_eq!(worker.closing(&held[2]), Some(Some(closing(800))));
    publish(&mut publisher, &[node("1", "a")]).expect("room");
    let expected = [Some(Some(closing(800))), Some(None), Some(Some(closing(800)))];
    assert_eq!(says(&worker), expected);
    set(&mut publisher, "b", GroupOptions::default());
    assert_eq!(worker.closing(&held[1]), None);
    drop(publisher);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    collect(&mut publisher);
    assert_eq!(says(&worker), [expected[0], None, expected[2]]);
    let group_of =
        |spec: &PeerSpec| Some(if spec.key.as_deref() == Some("2") { "b" } else { "a" }.into());
    publisher.name_groups_of_removed(group_of, &UNSHARED());
    set(&mut publisher, "a", of_closing(Some(closing(900))));
    set(&mut publisher, "b", of_closing(None));
    assert_eq!(says(&worker)[1..], [Some(None), Some(Some(closing(900)))]);
    // Who goes with a change is left as that says.
    set(&mut publisher, "a", of_closing(Some(closing(950))));
    publish(&mut publisher, &[]).expect("room");
    assert_eq!(says(&worker)[0], Some(Some(closing(950))));
    // Who returns is as the others.
    set(&mut publisher, "a", of_closing(None));
    publish(&mut publisher, &[node("1", "a"), node("3", "a")]).expect("room");
    assert_eq!(says(&worker), [Some(None); 3]);
    held.into_iter().for_each(|held| release(&mut worker, held));
}

/// A closing of its own comes before what the workers say of the upstream's.
#[test]
fn rows_say_when_connections_are_closed() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    set(&mut publisher, "own", of_closing(Some(closing(500))));
    set(&mut publisher, "never", of_closing(None));
    let nodes = ["own", "never", "other"].map(|group| node(group, group));
    publish_at(&mut publisher, &nodes, 1_000);
    let mut worker = fixture.worker();
    let held = ["own", "never", "other"].map(|group| pick_in(&mut worker, group).expect("a peer"));
    publish_at(&mut publisher, &[], 2_000);
    let closes_in = |worker: &mut Worker| -> BTreeMap<String, (Option<u64>, bool)> {
        let table = worker.table().expect("the directory");
        let policies = table.policies();
        let rows = table.rows().map(|row| {
            let name = String::from_utf8(row.peer.socket_address.to_vec()).expect("text");
            (name, (row.closes_in(&policies, 2_100), row.closing().is_some()))
        });
        rows.collect()
    };
    let expected = |other| {
        let all = [("never", (None, true)), ("other", (other, false)), ("own", (Some(400), true))];
        BTreeMap::from(all.map(|(name, it)| (name.to_owned(), it)))
    };
    worker.set_drain_policy(None);
    assert_eq!(closes_in(&mut worker), expected(None));
    worker.set_drain_policy(Some(DrainPolicy { after: 900, on: REMOVED }));
    assert_eq!(closes_in(&mut worker), expected(Some(800)));
    held.into_iter().for_each(|held| release(&mut worker, held));
}

#[test]
fn as_many_closings_as_a_zone_has_come_back() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let name = |number: u64| format!("group-{number:02}");
    let peers: Vec<PeerSpec> = (0..MOST).map(|it| node(&it.to_string(), &name(it))).collect();
    for number in 0..MOST {
        set(&mut publisher, &name(number), of_closing(Some(closing(number))));
    }
    publish(&mut publisher, &peers).expect("room");
    // None more, but any that there is, and no reasons at all are one of these.
    let one_more = of_closing(Some(closing(MOST)));
    let before = publisher.group_options(&name(3)).clone();
    assert_eq!(try_set(&mut publisher, &name(3), one_more.clone()), Err(TooManyClosings));
    assert_eq!(publisher.group_options(&name(3)), &before);
    set(&mut publisher, "another", of_closing(Some(closing(5))));
    let refused = try_set(&mut publisher, "another", of_closing(None));
    assert_eq!(refused, Err(TooManyClosings));
    assert_eq!(publisher.group_options("another").closing, Some(Some(closing(5))));
    // One that neither options nor peers have any more is free: not before they are published.
    set(&mut publisher, &name(3), GroupOptions::default());
    assert_eq!(try_set(&mut publisher, &name(3), one_more.clone()), Err(TooManyClosings));
    publish(&mut publisher, &peers).expect("room");
    set(&mut publisher, "another", of_closing(Some(closing(50))));
    assert_eq!(try_set(&mut publisher, &name(3), one_more.clone()), Err(TooManyClosings));
    // What only the group itself was to have makes room for what it is to have.
    set(&mut publisher, "another", of_closing(Some(closing(51))));
    set(&mut publisher, "another", GroupOptions::default());
    set(&mut publisher, &name(3), one_more);
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    for number in 0..MOST {
        let held = pick_in(&mut worker, &name(number)).expect("a peer");
        let expected = closing(if number == 3 { MOST } else { number });
        assert_eq!(worker.closing(&held), Some(Some(expected)));
        release(&mut worker, held);
    }
    // A peer that is gone has its own for as long as a request holds it, whoever publishes.
    let held = pick_in(&mut worker, &name(9)).expect("a peer");
    publish(&mut publisher, &peers[..9]).expect("room");
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    // Those of the other peers that are gone come back with them.
    let first = of_closing(Some(closing(100)));
    assert_eq!(try_set(&mut publisher, &name(0), first), Err(TooManyClosings));
    collect(&mut publisher);
    for number in 0..MOST - 1 {
        set(&mut publisher, &name(number), of_closing(Some(closing(100 + number))));
        publish(&mut publisher, &peers[..9]).expect("room");
        collect(&mut publisher);
    }
    let last = of_closing(Some(closing(200)));
    assert_eq!(try_set(&mut publisher, "last", last.clone()), Err(TooManyClosings));
    assert_eq!(worker.closing(&held), Some(Some(closing(9))));
    release(&mut worker, held);
    collect(&mut publisher);
    set(&mut publisher, "last", last);
}

const GROUPS: [&str; 4] = ["", "a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    /// The groups of the nodes, if they are there.
    Publish(Vec<Option<usize>>),
    Keys(Vec<(usize, Option<usize>)>),
    /// Of a group: nothing of its own, that none is closed, or a time.
    Set(usize, Option<Option<u64>>),
    Hold(usize),
    Release(usize),
    TakeOver,
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let group = || proptest::option::of(0..GROUPS.len());
    let closing = proptest::option::of(proptest::option::of(1..12_u64));
    let step = prop_oneof![
        2 => proptest::collection::vec(group(), 6).prop_map(Step::Publish),
        5 => proptest::collection::vec((0..6_usize, group()), 1..4).prop_map(Step::Keys),
        5 => (0..GROUPS.len(), closing).prop_map(|(group, it)| Step::Set(group, it)),
        5 => (1..GROUPS.len()).prop_map(Step::Hold),
        2 => (0..9_usize).prop_map(Step::Release),
        1 => Just(Step::TakeOver),
        1 => Just(Step::Collect),
    ];
    proptest::collection::vec(step, 1..60)
}

type OwnClosing = Option<Option<Closing>>;

/// What the peers that are listed, or held, have.
#[derive(Default)]
struct Model {
    groups: Vec<Option<usize>>,
    /// Those that the nodes were in last.
    last: Vec<usize>,
    wanted: [OwnClosing; GROUPS.len()],
    /// By the numbers of the nodes.
    closings: BTreeMap<usize, OwnClosing>,
}

impl Model {
    /// These groups are published, and so are the nodes that are in them.
    fn publish(&mut self, touched: &[usize]) {
        for (number, group) in self.groups.iter().enumerate() {
            if let Some(group) = *group {
                self.last[number] = group;
            }
            if touched.contains(&self.last[number]) {
                self.closings.insert(number, self.wanted[self.last[number]]);
            }
        }
    }

    /// A group is to have this, and its nodes that are gone have it.
    fn set(&mut self, group: usize, closing: OwnClosing) {
        self.wanted[group] = closing;
        for (number, last) in self.last.iter().enumerate() {
            if self.groups[number].is_none() && *last == group {
                self.closings.insert(number, closing);
            }
        }
    }
}

fn spec(number: usize, group: usize) -> PeerSpec {
    node(&number.to_string(), GROUPS[group])
}

fn holds(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    publish(&mut publisher, &[]).expect("room");
    let mut worker = fixture.worker();
    let mut model = Model { groups: vec![None; 6], last: vec![0; 6], ..Model::default() };
    let mut held: Vec<PickedPeer> = Vec::new();
    for step in steps {
        match step {
            Step::Publish(groups) => {
                model.groups = groups;
                let peers = model.groups.iter().enumerate();
                let peers = peers.filter_map(|(number, group)| Some(spec(number, (*group)?)));
                publish(&mut publisher, &peers.collect::<Vec<_>>()).expect("room");
                model.publish(&[0, 1, 2, 3]);
            }
            Step::Keys(changes) => {
                let mut touched: Vec<usize> =
                    changes.iter().filter_map(|&(number, _)| model.groups[number]).collect();
                let mut keys = Vec::new();
                for &(number, group) in &changes {
                    model.groups[number] = group;
                    let peers = group.iter().map(|&group| spec(number, group).into()).collect();
                    keys.push(KeyPeers { key: number.to_string().into(), peers });
                }
                touched.extend(changes.iter().filter_map(|&(number, _)| model.groups[number]));
                prop_assert!(publisher.publish_keys(keys, 0, &UNSHARED()).is_some());
                model.publish(&touched);
            }
            Step::Set(group, it) => {
                model.set(group, it.map(|after| after.map(closing)));
                let own = GroupOptions { closing: model.wanted[group], ..GroupOptions::default() };
                set(&mut publisher, GROUPS[group], own);
            }
            Step::Hold(group) => held.extend(pick_in(&mut worker, GROUPS[group])),
            Step::Release(at) if at < held.len() => release(&mut worker, held.swap_remove(at)),
            Step::Release(_) => {}
            Step::TakeOver => {
                publisher = grouped(&fixture, Method::RoundRobin);
                let group_of = |spec: &PeerSpec| {
                    let number: usize = spec.key.as_ref()?.parse().ok()?;
                    Some(GROUPS[model.last[number]].into())
                };
                publisher.name_groups_of_removed(group_of, &UNSHARED());
                for (name, &closing) in GROUPS.iter().zip(&model.wanted) {
                    set(&mut publisher, name, GroupOptions { closing, ..GroupOptions::default() });
                }
            }
            Step::Collect => collect(&mut publisher),
        }
        for held in &held {
            let name = String::from_utf8(worker.peer(held).key.expect("a key").to_vec());
            let number: usize = name.expect("text").parse().expect("a number");
            prop_assert_eq!(worker.closing(held), model.closings[&number], "{}", number);
        }
    }
    held.into_iter().for_each(|held| release(&mut worker, held));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// In whatever order options, peers and moves come: a peer has what its group had when it was
    /// published last, and one that is gone what it has now.
    #[test]
    fn each_peer_has_the_closing_of_its_group(steps in steps()) {
        holds(steps)?;
    }
}
