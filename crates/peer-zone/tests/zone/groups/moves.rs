//! A peer that goes from one group to another stays the same peer.

use peer_zone::{
    CheckPolicy, DrainReasons, GroupName, Health, KeyPeers, Method, PeerSpec, RequestOutcome,
    TableOptions, protocol::Publishing,
};

use super::{all_rows, ask_in, grouped, in_group, options, pick_in};
use crate::fixture::{Fixture, at, collect, peer, publish, with};

const REASONS: DrainReasons = DrainReasons { removed: true, drain: true, check: true };

fn node(group: &str) -> PeerSpec {
    with(in_group(peer("node", "address"), group), |it| it.max_conns = 2)
}

#[test]
fn connections_are_neither_drained_nor_forgotten() {
    let unshared = Publishing::unshared();
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let beside = |group: &str| in_group(peer(&format!("beside {group}"), group), group);
    publish(&mut publisher, &[node("blue"), beside("blue"), beside("green")]).expect("room");
    let mut worker = fixture.worker();
    let held = std::iter::from_fn(|| pick_in(&mut worker, "blue"));
    let mut held: Vec<_> = held.take(4).collect();
    assert_eq!(held.len(), 4, "two are at the node");
    let places = |worker: &mut peer_zone::Worker, held: &[peer_zone::PickedPeer]| {
        let draining = held.iter().filter(|held| worker.draining_since(held, REASONS, 9).is_some());
        draining.count()
    };
    // In one step, and in another by its key alone; there and back.
    for round in 0..4 {
        let group = ["green", "blue"][round % 2];
        let changes = if round < 2 {
            let list = [node(group), beside("blue"), beside("green")];
            publish(&mut publisher, &list).expect("room")
        } else {
            let key = KeyPeers { key: "node".into(), peers: vec![node(group).into()] };
            publisher.publish_keys(vec![key], 7, &unshared).expect("published")
        };
        assert_eq!((changes.added, changes.removed, changes.changed), (0, 0, 1));
        assert_eq!(places(&mut worker, &held), 0, "none is drained");
        collect(&mut publisher);
        let rows = all_rows(&mut worker);
        let row = ("node@address".to_owned(), 2);
        assert!(rows[&Some(group.to_owned())].contains(&row), "{rows:?}");
        assert!(rows[&None].is_empty(), "{rows:?}");
        // Its limit holds: all requests of the group go to the other peer.
        assert!((0..6).all(|_| ask_in(&mut worker, group).as_deref() == Some(group)));
        publisher = grouped(&fixture, Method::RoundRobin);
    }
    held.drain(..).for_each(|held| {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    });
}

#[test]
fn groups_that_swap_their_nodes_have_the_nodes_of_the_other() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let [one, two] = ["one", "two"].map(|name| peer(name, name));
    let mut worker = fixture.worker();
    for round in 0..6 {
        let names = if round % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
        let peers = [in_group(one.clone(), names[0]), in_group(two.clone(), names[1])];
        publish(&mut publisher, &peers).expect("room");
        assert_eq!(ask_in(&mut worker, names[0]).as_deref(), Some("one"));
        assert_eq!(ask_in(&mut worker, names[1]).as_deref(), Some("two"));
    }
    publish(&mut publisher, &[]).expect("room");
    collect(&mut publisher);
    assert_eq!(all_rows(&mut worker).len(), 1);
}

#[test]
fn each_group_has_its_own_panic() {
    let unshared = Publishing::unshared();
    let checking = Some(CheckPolicy { mandatory: false, panic: true });
    let options = TableOptions { checking, ..options(Method::RoundRobin) };
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher_with(options);
    let members = |group: &str| {
        [1, 2]
            .map(|node| in_group(peer(&format!("{group}{node}"), &format!("{group}{node}")), group))
    };
    let mut list: Vec<PeerSpec> = ["a", "b"].iter().flat_map(|group| members(group)).collect();
    publish(&mut publisher, &list).expect("room");
    let set = |publisher: &mut peer_zone::Publisher, key: &str, health| {
        assert!(publisher.set_health(Some(key), key.as_bytes(), health, 5, &unshared));
    };
    set(&mut publisher, "a1", Health::Failing);
    set(&mut publisher, "b1", Health::Failing);
    set(&mut publisher, "b2", Health::Failing);
    let mut worker = fixture.worker();
    let mut answers = |group: &str| -> Vec<String> {
        let mut all: Vec<String> =
            (0..4).map(|_| ask_in(&mut worker, group).expect("a peer")).collect();
        all.sort();
        all.dedup();
        all
    };
    assert_eq!(answers("a"), ["a2"]);
    assert_eq!(answers("b"), ["b1", "b2"], "all fail, and all are used");
    assert!(fixture.zone.statistics().is_panicking);
    // A successor finds it so.
    let mut publisher = fixture.publisher_with(options);
    assert!(fixture.zone.statistics().is_panicking);
    assert_eq!((answers("a"), answers("b").len()), (vec!["a2".to_owned()], 2));
    // One that fails comes to a group where others do not.
    list[2] = in_group(list[2].clone(), "a");
    publish(&mut publisher, &list).expect("room");
    assert_eq!((answers("a"), answers("b")), (vec!["a2".to_owned()], vec!["b2".to_owned()]));
    set(&mut publisher, "b2", Health::Passing);
    assert!(!fixture.zone.statistics().is_panicking);
    // A group that panics and is gone does not panic any more.
    set(&mut publisher, "b2", Health::Failing);
    assert!(fixture.zone.statistics().is_panicking);
    publish(&mut publisher, &list[..3]).expect("room");
    assert!(!fixture.zone.statistics().is_panicking);
    let _ = GroupName::new(b"b");
}
