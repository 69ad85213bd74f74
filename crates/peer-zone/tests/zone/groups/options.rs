//! Groups with options of their own.

mod any_order;

use std::sync::Arc;

use peer_zone::{
    Among, GroupName, GroupOptions, GroupTraits, KeyPeers, KeyProgress, LeastTime, Method,
    PeerSpec, Pick, PickContext, PickedPeer, Publisher, RequestOutcome, ResponseTime, Times,
    Worker, protocol::Publishing,
};

use super::{grouped, member};
use crate::fixture::{Fixture, METHODS, address, at, at_ms, collect, publish, with};

const HEADER: Method =
    Method::LeastTime(LeastTime { time: ResponseTime::Header, is_inflight: false });

fn among(group: &str) -> Among<'_> {
    Among::Group(GroupName::new(group.as_bytes()))
}

pub(super) fn of_method(method: Method) -> GroupOptions {
    GroupOptions { method: Some(method), ..GroupOptions::default() }
}

pub(super) fn set(publisher: &mut Publisher, group: &str, options: GroupOptions) {
    let set = publisher.set_group_options(group, options, 0, &Publishing::unshared());
    set.expect("few closings");
}

fn key_of(worker: &mut Worker, group: &str) -> Option<String> {
    worker.with_hash_key(among(group), |key| {
        key.map(|key| String::from_utf8(key.to_vec()).expect("text"))
    })
}

/// A request with this key and cookie, in an upstream of this method.
fn pick(worker: &mut Worker, context: PickContext<'_>) -> Option<PickedPeer> {
    match worker.pick(&context, &mut KeyProgress::default(), at(1), |_| false, false) {
        Pick::Peer(held) => Some(held),
        Pick::Busy => None,
    }
}

/// The addresses of so many requests that are open at the same time.
pub(super) fn addresses(
    worker: &mut Worker,
    context: PickContext<'_>,
    requests: usize,
) -> Vec<String> {
    let held: Vec<PickedPeer> = (0..requests).filter_map(|_| pick(worker, context)).collect();
    let addresses = held.iter().map(|held| address(worker, held)).collect();
    for held in held {
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    addresses
}

#[test]
fn options_act_with_the_next_publication() {
    let unshared = Publishing::unshared();
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let own = GroupOptions {
        method: Some(Method::HashConsistent),
        hash_key: Some("$request_uri".into()),
        is_sticky: Some(false),
        ..GroupOptions::default()
    };
    // Before the group is there.
    set(&mut publisher, "own", own.clone());
    let node = |group: &str, number: u64| {
        let peer = member(group, &number.to_string(), &format!("{group}{number}"));
        PeerSpec { sticky: number, ..peer }
    };
    let peers: Vec<PeerSpec> =
        ["other", "own"].iter().flat_map(|group| (1..4).map(|it| node(group, it))).collect();
    publish(&mut publisher, &peers).expect("room");
    assert_eq!(publisher.group_options("own"), &own);
    assert_eq!(publisher.group_options("other"), &GroupOptions::default());
    let mut worker = fixture.worker();
    let traits =
        GroupTraits { method: Some(Method::HashConsistent), is_sticky: false, has_hash_key: true };
    assert_eq!(worker.traits_among(among("own")), traits);
    assert_eq!(worker.traits_among(among("other")), GroupTraits::default());
    assert_eq!(worker.traits_among(among("none")), GroupTraits::default());
    assert_eq!(worker.traits_among(Among::Any(7)), GroupTraits::default());
    assert_eq!(key_of(&mut worker, "own").as_deref(), Some("$request_uri"));
    assert_eq!(key_of(&mut worker, "other"), None);
    // One key, one peer; and its cookie leads nowhere.
    let context = |group| PickContext {
        key: b"key",
        among: among(group),
        sticky: Some(2),
        ..PickContext::default()
    };
    let answers = addresses(&mut worker, context("own"), 6);
    assert!(answers.iter().all(|it| *it == answers[0]), "{answers:?}");
    assert_eq!(addresses(&mut worker, context("other"), 6), ["other2"; 6]);
    assert!(!worker.serves_session(GroupName::new(b"own"), 2));
    assert!(worker.serves_session(GroupName::new(b"other"), 2));
    // What a request has got says of which group it is.
    for (group, method) in [("own", Some(Method::HashConsistent)), ("other", None)] {
        let held = pick(&mut worker, context(group)).expect("a peer");
        assert_eq!((held.own_method(), held.is_in_sticky_group()), (method, method.is_none()));
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    // Others, with the peers as they are: not before they are published.
    for (round, method) in [Method::RoundRobin, Method::Hash].into_iter().enumerate() {
        set(&mut publisher, "own", GroupOptions { is_sticky: Some(true), ..of_method(method) });
        collect(&mut publisher);
        assert_ne!(worker.traits_among(among("own")).method, Some(method));
        if round == 0 {
            publish(&mut publisher, &peers).expect("room");
        } else {
            let key = KeyPeers { key: "own/1".into(), peers: vec![Arc::new(node("own", 1))] };
            publisher.publish_keys(vec![key], 0, &unshared).expect("published");
        }
        let traits = GroupTraits { method: Some(method), ..GroupTraits::default() };
        assert_eq!(worker.traits_among(among("own")), traits);
    }
    assert_eq!(addresses(&mut worker, context("own"), 3), ["own2"; 3]);
    set(&mut publisher, "own", GroupOptions::default());
    publish(&mut publisher, &peers).expect("room");
    assert_eq!(worker.traits_among(among("own")), GroupTraits::default());
}

#[test]
fn a_ring_comes_and_goes_with_the_method() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let peers: Vec<PeerSpec> =
        (0..60).map(|it| member("a", &it.to_string(), &format!("{it}"))).collect();
    let mut used = |options: GroupOptions| {
        set(&mut publisher, "a", options);
        publish(&mut publisher, &peers).expect("room");
        collect(&mut publisher);
        fixture.used()
    };
    let without = used(GroupOptions::default());
    // 160 points for each peer, of 28 bits or so.
    let with = used(of_method(Method::HashConsistent));
    assert!(with > without + 60 * 500, "{with} and {without}");
    assert_eq!(used(of_method(Method::LeastConn)), without);
    assert_eq!(used(GroupOptions::default()), without);
}

/// With no peer changed a successor writes nothing, whatever groups have of their own.
#[test]
fn a_successor_writes_no_table_again() {
    let unshared = Publishing::unshared();
    let fixture = Fixture::new(1 << 20);
    let all = || {
        METHODS.into_iter().enumerate().map(|(number, method)| {
            let hash_key = (number % 2 == 0).then(|| format!("$arg_{number}").into());
            let is_sticky = [None, Some(false), Some(true)][number % 3];
            let options = GroupOptions { hash_key, is_sticky, ..of_method(method) };
            (format!("group-{number}"), options)
        })
    };
    let take_over = || {
        let mut publisher = grouped(&fixture, Method::IpHash);
        all().for_each(|(group, options)| set(&mut publisher, &group, options));
        publisher
    };
    let mut publisher = take_over();
    let peers: Vec<PeerSpec> = (0..60)
        .map(|number| {
            let group = format!("group-{}", number % 12);
            let peer = member(&group, &number.to_string(), &number.to_string());
            let peer = PeerSpec { sticky: number, ..peer };
            with(peer, |it| it.weight = 1 + (number % 5) as u32)
        })
        .collect();
    publish(&mut publisher, &peers).expect("room");
    collect(&mut publisher);
    let mut worker = fixture.worker();
    for (group, options) in all() {
        let traits = worker.traits_among(among(&group));
        assert_eq!(traits.method, options.method);
        assert_eq!(traits.is_sticky, options.is_sticky != Some(false));
        let key = options.hash_key.filter(|_| options.method.is_some_and(Method::needs_key));
        assert_eq!(key_of(&mut worker, &group).as_deref(), key.as_deref());
    }
    drop(publisher);
    let mut publisher = take_over();
    publisher.reclaim_memory(crate::fixture::publisher_process(), |_| true, &unshared);
    let before = fixture.bytes();
    publish(&mut publisher, &peers).expect("room");
    assert!(fixture.bytes() == before, "something was written");
    // One that is to be other than it is, is written.
    set(&mut publisher, "group-3", GroupOptions::default());
    publish(&mut publisher, &peers).expect("room");
    assert_eq!(worker.traits_among(among("group-3")), GroupTraits::default());
}

/// Each group that is drawn is asked by its own method, and its cookies count or not.
#[test]
fn any_group_is_asked_by_its_own_method() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    set(&mut publisher, "hashed", of_method(Method::Hash));
    let own_key = GroupOptions { hash_key: Some("$uri".into()), ..of_method(Method::Hash) };
    set(&mut publisher, "keyed", own_key);
    let closed = GroupOptions { is_sticky: Some(false), ..GroupOptions::default() };
    set(&mut publisher, "closed", closed);
    let groups = ["closed", "hashed", "keyed"];
    let peers: Vec<PeerSpec> = groups
        .iter()
        .flat_map(|group| {
            (1..5).map(move |number| PeerSpec {
                sticky: number,
                ..member(group, &number.to_string(), &format!("{group}{number}"))
            })
        })
        .collect();
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    let mut ask = |group: u64, method: Method, sticky: Option<u64>| {
        let number = (u64::MAX / 3) * group + u64::MAX / 6;
        let among = Among::Any(number);
        let context = PickContext { method, key: b"key", among, sticky, ..PickContext::default() };
        let mut all = addresses(&mut worker, context, 8);
        all.sort();
        all.dedup();
        all
    };
    assert_eq!(ask(0, Method::RoundRobin, None).len(), 4);
    // The upstream's method has no key that a group could hash, or it has.
    assert_eq!(ask(1, Method::RoundRobin, None).len(), 4);
    assert_eq!(ask(1, Method::HashConsistent, None).len(), 1);
    assert_eq!(ask(1, Method::IpHash, None).len(), 4);
    // The text of the group's own is another one.
    assert_eq!(ask(2, Method::HashConsistent, None).len(), 4);
    // A cookie is looked for in the first group that has cookies.
    assert_eq!(ask(0, Method::RoundRobin, Some(3)), ["hashed3"]);
    let among = Among::Any(u64::MAX / 6);
    let context = PickContext { among, ..PickContext::default() };
    let held = pick(&mut worker, context).expect("a peer");
    assert!(!held.is_in_sticky_group());
    worker.release(held, RequestOutcome::Answered, None, at(1));
}

/// The times of a peer are those that the method of its group goes by.
#[test]
fn times_are_noted_for_the_method_of_the_group() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::PeakEwma);
    set(&mut publisher, "average", of_method(HEADER));
    set(&mut publisher, "none", of_method(Method::RoundRobin));
    let peers: Vec<PeerSpec> = ["average", "none", "peak"]
        .iter()
        .flat_map(|group| ["1", "2"].map(|node| member(group, node, &format!("{group}{node}"))))
        .collect();
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    let all = [Times::Peak(70_000), Times::Average { header: 70, response: 90 }];
    for (group, times) in ["average", "none", "peak"].into_iter().zip([1, 0, 0]) {
        let context =
            PickContext { method: Method::PeakEwma, among: among(group), ..PickContext::default() };
        let mut held = pick(&mut worker, context).expect("a peer");
        let name = address(&worker, &held);
        if group != "peak" {
            // Of a method that does not go by it, it says nothing.
            worker.note_header(&mut held, 50, HEADER.least_time().expect("it is"));
        }
        worker.release(held, RequestOutcome::Answered, Some(all[times]), at_ms(2_000));
        let table = worker.table().expect("a directory");
        let number = table.number_of_group(group.as_bytes()).expect("there");
        let table = table.into_group_at(number).expect("there");
        let row = table.rows().find(|row| row.peer.socket_address == name.as_bytes());
        let row = row.expect("there");
        let known = (row.peer.averages.header(), row.peer.peak.cost(2_000));
        let expected = match group {
            "average" => (Some(50), 0),
            "none" => (None, 0),
            _ => (None, 70_000),
        };
        assert_eq!(known, expected, "{group}");
    }
    // The slow one of the group is left alone.
    let context =
        PickContext { method: Method::PeakEwma, among: among("average"), ..PickContext::default() };
    let slow = |worker: &mut Worker| {
        let table = worker.table().and_then(|table| table.into_group_at(0)).expect("there");
        let row = table.rows().find(|row| row.peer.averages.header().is_some());
        String::from_utf8(row.expect("one").peer.socket_address.to_vec()).expect("text")
    };
    let slow = slow(&mut worker);
    for _ in 0..6 {
        let answers = addresses(&mut worker, context, 1);
        assert_ne!(answers, [slow.as_str()]);
    }
}

/// A successor that has not been told of options yet writes a table as it was, where it goes on
/// with the base of a ring.
#[test]
fn a_successor_that_knows_of_no_options_leaves_them_as_they_are() {
    let fixture = Fixture::new(1 << 23);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let own = GroupOptions {
        hash_key: Some("$uri".into()),
        is_sticky: Some(false),
        ..of_method(Method::HashConsistent)
    };
    set(&mut publisher, "a", own);
    // A ring with so many points gets its base in steps.
    let peers = |round: usize| -> Vec<PeerSpec> {
        let nodes = (0..1_000).map(|node| (node, if node % 5 == 0 { round } else { 0 }));
        nodes
            .map(|(node, round)| member("a", &node.to_string(), &format!("{node}.{round}")))
            .collect()
    };
    publish(&mut publisher, &peers(0)).expect("room");
    publish(&mut publisher, &peers(1)).expect("room");
    assert!(publisher.is_reclaiming());
    let mut worker = fixture.worker();
    let mut known = || {
        let answers: Vec<String> = (0..200_u32)
            .flat_map(|key| {
                let key = key.to_le_bytes();
                let context =
                    PickContext { key: &key, among: among("a"), ..PickContext::default() };
                addresses(&mut worker, context, 1)
            })
            .collect();
        (worker.traits_among(among("a")), key_of(&mut worker, "a"), answers)
    };
    let before = known();
    drop(publisher);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let generation = publisher.generation();
    for _ in 0..1_000 {
        collect(&mut publisher);
    }
    assert!(!publisher.is_reclaiming() && publisher.generation() == generation);
    assert_eq!(known(), before);
}
