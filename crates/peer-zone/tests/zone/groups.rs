//! Peers in groups: each is as a zone of its own, whatever comes and goes around it.

mod checks;
mod closings;
mod full;
mod moves;
mod options;
mod stress;

use std::{collections::BTreeMap, sync::Arc};

use peer_zone::{
    Among, GroupName, GroupStatus, KeyPeers, KeyProgress, Method, PeerSpec, Pick, PickContext,
    PickedPeer, Publisher, RequestOutcome, TableOptions, Worker, protocol::Publishing,
};
use proptest::prelude::*;

use crate::fixture::{Fixture, address, at, collect, peer, publish, server, with};

/// A zone whose peers are in groups.
fn options(method: Method) -> TableOptions {
    TableOptions { method, is_sticky: true, is_grouped: true, ..TableOptions::default() }
}

fn grouped(fixture: &Fixture, method: Method) -> Publisher {
    fixture.publisher_with(options(method))
}

/// A peer of a group.
fn member(group: &str, node: &str, address: &str) -> PeerSpec {
    in_group(peer(&format!("{group}/{node}"), address), group)
}

fn in_group(peer: PeerSpec, group: &str) -> PeerSpec {
    PeerSpec { group: Some(group.into()).filter(|_| !group.is_empty()), ..peer }
}

fn pick_among(worker: &mut Worker, among: Among<'_>, method: Method) -> Option<PickedPeer> {
    let context = PickContext { method, key: b"some key", among, ..PickContext::default() };
    match worker.pick(&context, &mut KeyProgress::default(), at(1), |_| false, false) {
        Pick::Peer(held) => Some(held),
        Pick::Busy => None,
    }
}

fn pick_in(worker: &mut Worker, group: &str) -> Option<PickedPeer> {
    let among = Among::Group(GroupName::new(group.as_bytes()));
    pick_among(worker, among, Method::RoundRobin)
}

/// The address of the next peer of a group, which answers.
fn ask_in(worker: &mut Worker, group: &str) -> Option<String> {
    let held = pick_in(worker, group)?;
    let address = address(worker, &held);
    worker.release(held, RequestOutcome::Answered, None, at(1));
    Some(address)
}

/// By group, keys and addresses in their order, and open connections; those that are gone under
/// `None`.
fn all_rows(worker: &mut Worker) -> BTreeMap<Option<String>, Vec<(String, u32)>> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let rows = |table: &peer_zone::Table<'_>| {
        let row = |row: peer_zone::PeerRow<'_>| {
            let name = format!(
                "{}@{}",
                text(row.peer.key.unwrap_or_default()),
                text(row.peer.socket_address)
            );
            (name, row.connections.all())
        };
        table.rows().map(row).collect::<Vec<_>>()
    };
    let mut all = BTreeMap::new();
    let Some(table) = worker.table() else { return all };
    let groups = table.groups();
    all.insert(None, rows(&table));
    drop(table);
    for number in 0..groups {
        let table = worker.table().and_then(|table| table.into_group_at(number));
        // In the next directory there may be fewer.
        let Some(table) = table else { break };
        all.insert(Some(text(table.group_name())), rows(&table));
    }
    all
}

#[test]
fn a_request_gets_peers_of_its_group_in_turn() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let peers = [
        server("line"),
        member("api", "1", "a1"),
        member("api", "2", "a2"),
        member("web", "1", "w1"),
        member("web", "2", "w2"),
        member("web", "3", "w3"),
    ];
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    let mut ask = |group: &str| ask_in(&mut worker, group);
    let turns = ["web", "api", "web", "api", "web", "api", "web", "api"].map(&mut ask);
    let turns = turns.map(|turn| turn.expect("a peer"));
    assert_eq!(turns, ["w1", "a1", "w2", "a2", "w3", "a1", "w1", "a2"]);
    // Neither a prefix of a name nor none at all is a name.
    for name in ["", "we", "web\0", "w", "webb", "WEB", "web/1"] {
        assert_eq!(ask(name), None, "{name:?}");
    }
    assert_eq!(worker.tries_among(Among::Group(GroupName::new(b"web"))), 3);
    assert_eq!(worker.tries_among(Among::Group(GroupName::new(b"none"))), 0);
    assert_eq!(fixture.zone.tries(), 6);
}

#[test]
fn a_group_is_unknown_empty_or_can_serve() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    publish(&mut publisher, &[]).expect("room");
    let mut worker = fixture.worker();
    let mut status = |name: &str| worker.group_status(GroupName::new(name.as_bytes())).0;
    assert_eq!(status("web"), GroupStatus::Unknown);
    let down = with(member("web", "1", "w"), |it| it.down = true);
    publish(&mut publisher, &[down, server("line")]).expect("room");
    assert_eq!([status("web"), status("")], [GroupStatus::Empty, GroupStatus::Unknown]);
    publish(&mut publisher, &[member("web", "1", "w")]).expect("room");
    assert_eq!(status("web"), GroupStatus::Ok);
    publish(&mut publisher, &[]).expect("room");
    assert_eq!(status("web"), GroupStatus::Unknown);
}

#[test]
fn any_group_is_drawn_by_its_weights_until_one_serves() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let heavy = with(member("heavy", "1", "h"), |it| it.weight = 300);
    let light = with(member("light", "1", "l"), |it| it.weight = 100);
    let down = with(member("down", "1", "d"), |it| it.down = true);
    let backup = with(member("spare", "1", "s"), |it| it.backup = true);
    publish(&mut publisher, &[heavy, light, down.clone(), backup.clone()]).expect("room");
    let mut worker = fixture.worker();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let step = u64::MAX / 400;
    for number in 0..400 {
        let held =
            pick_among(&mut worker, Among::Any(number * step + step / 2), Method::RoundRobin);
        let held = held.expect("a peer");
        *counts.entry(address(&worker, &held)).or_default() += 1;
        worker.release(held, RequestOutcome::Answered, None, at(1));
    }
    assert_eq!(counts, BTreeMap::from([("h".to_owned(), 300), ("l".to_owned(), 100)]));
    // Only a backup is left; then nobody.
    publish(&mut publisher, &[down.clone(), backup]).expect("room");
    let held = pick_among(&mut worker, Among::Any(7), Method::RoundRobin).expect("the backup");
    assert_eq!(address(&worker, &held), "s");
    worker.release(held, RequestOutcome::Answered, None, at(1));
    publish(&mut publisher, &[down]).expect("room");
    assert!(pick_among(&mut worker, Among::Any(7), Method::RoundRobin).is_none());
    // Peers without a group are one of them.
    publish(&mut publisher, &[server("line")]).expect("room");
    let held = pick_among(&mut worker, Among::Any(7), Method::RoundRobin).expect("the line");
    assert_eq!(address(&worker, &held), "line");
    worker.release(held, RequestOutcome::Answered, None, at(1));
}

#[test]
fn the_only_peer_of_a_group_is_one_of_several_among_all_groups() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    publish(&mut publisher, &[member("a", "1", "a1"), member("b", "1", "b1")]).expect("room");
    let mut worker = fixture.worker();
    let mut ask = |tried: Option<u64>, outcome: RequestOutcome| {
        let context = PickContext { among: Among::Any(0), ..PickContext::default() };
        let mut progress = KeyProgress::default();
        let is_tried = |id: u64| tried == Some(id);
        let picked = worker.pick(&context, &mut progress, at(1), is_tried, tried.is_some());
        let Pick::Peer(held) = picked else { return None };
        let got = (held.id(), address(&worker, &held));
        let group = worker.last_group();
        worker.release_in(group, held, outcome, None, at(1));
        Some(got)
    };
    let (first, name) = ask(None, RequestOutcome::Answered).expect("a peer");
    assert_eq!(name, "a1");
    // A retry goes elsewhere, and a failure has others go elsewhere.
    assert_eq!(ask(Some(first), RequestOutcome::Answered).expect("another").1, "b1");
    ask(None, RequestOutcome::Failed).expect("a peer");
    assert_eq!(ask(None, RequestOutcome::Answered).expect("another").1, "b1");
    // Within its group it is the only one, which is asked whatever it has done.
    assert_eq!(ask_in(&mut worker, "a").as_deref(), Some("a1"));
}

#[test]
fn memory_comes_back_with_the_groups() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = grouped(&fixture, Method::HashConsistent);
    let peers: Vec<PeerSpec> = (0..100)
        .flat_map(|group| {
            (0..5).map(move |node| {
                let address = format!("{group}.{node}");
                member(&format!("service-{group}"), &node.to_string(), &address)
            })
        })
        .collect();
    let mut after = Vec::new();
    for round in 0..6 {
        publish(&mut publisher, &peers).expect("room");
        let mut worker = fixture.worker_of(round + 1);
        let held = pick_in(&mut worker, "service-7").expect("a peer");
        publish(&mut publisher, &[]).expect("room");
        collect(&mut publisher);
        assert_eq!(all_rows(&mut worker)[&None].len(), 1, "what a request holds is there");
        worker.release(held, RequestOutcome::Answered, None, at(1));
        collect(&mut publisher);
        assert_eq!(all_rows(&mut worker)[&None].len(), 0);
        worker.leave();
        after.push(fixture.used());
    }
    // The reserve stays as large as it was.
    assert_eq!(after[1..], [after[1]; 5], "{after:?}");
}

const GROUPS: [&str; 4] = ["", "a", "b", "b-c"];

/// An address, a weight, a group, down, backup.
type Value = (u8, u32, usize, bool, bool);

/// What each of some keys is: none, or such a peer.
type List = Vec<Option<Value>>;

#[derive(Clone, Debug)]
enum Step {
    Publish(List),
    Keys(Vec<(usize, Option<Value>)>),
    TakeOver,
    Collect,
    Ask(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value =
        || proptest::option::of((0..3_u8, 1..4_u32, 0..GROUPS.len(), any::<bool>(), any::<bool>()));
    let step = prop_oneof![
        2 => proptest::collection::vec(value(), 8).prop_map(Step::Publish),
        6 => proptest::collection::vec((0..8_usize, value()), 1..4).prop_map(Step::Keys),
        1 => Just(Step::TakeOver),
        1 => Just(Step::Collect),
        6 => (0..GROUPS.len(), 1..6_usize).prop_map(|(group, count)| Step::Ask(group, count)),
    ];
    proptest::collection::vec(step, 1..30)
}

fn spec(key: usize, value: &Value) -> PeerSpec {
    let &(address, weight, group, down, backup) = value;
    let peer = peer(&format!("key-{key}"), &format!("{key}.{address}"));
    let peer = with(peer, |it| {
        (it.weight, it.down, it.backup) = (weight, down && backup, backup);
    });
    PeerSpec { sticky: key as u64 + 1, ..in_group(peer, GROUPS[group]) }
}

/// Whatever is published: each group has what a fresh zone with its peers alone has, and picks as
/// that one does.
fn holds(steps: Vec<Step>, method: Method) -> Result<(), TestCaseError> {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, method);
    publish(&mut publisher, &[]).expect("room");
    let mut worker = fixture.worker();
    let mut list: List = vec![None; 8];
    for step in steps {
        match step {
            Step::Publish(new) => {
                list = new;
                let peers = list.iter().enumerate();
                let peers = peers.filter_map(|(key, value)| Some(spec(key, value.as_ref()?)));
                publish(&mut publisher, &peers.collect::<Vec<_>>()).expect("room");
            }
            Step::Keys(changes) => {
                let mut keys = Vec::new();
                for (key, value) in changes {
                    list[key] = value;
                    let peers = value.iter().map(|value| Arc::new(spec(key, value))).collect();
                    keys.push(KeyPeers { key: format!("key-{key}").into(), peers });
                }
                let unshared = Publishing::unshared();
                prop_assert!(publisher.publish_keys(keys, 0, &unshared).is_some());
            }
            Step::TakeOver => {
                let before: Vec<PeerSpec> = publisher.listed().cloned().collect();
                let used = fixture.used();
                publisher = grouped(&fixture, method);
                prop_assert!(publisher.listed().eq(&before));
                // A successor has places for the next directory, for a table, and for reports.
                prop_assert!(fixture.used() <= used + 4096, "{} of {used}", fixture.used());
            }
            Step::Collect => collect(&mut publisher),
            Step::Ask(group, count) => {
                for _ in 0..count {
                    let asked = ask_in(&mut worker, GROUPS[group]);
                    let own = list.iter().enumerate().filter_map(|(key, value)| {
                        let value = value.as_ref().filter(|value| value.2 == group)?;
                        Some(spec(key, value))
                    });
                    let serving: Vec<PeerSpec> =
                        own.filter(|peer| peer.parameters.is_in_service()).collect();
                    let expected = !serving.is_empty() && group != 0;
                    prop_assert_eq!(asked.is_some(), expected, "{:?}", serving);
                }
            }
        }
        check(&mut worker, &list, method)?;
    }
    Ok(())
}

/// Compares each group with a fresh zone.
fn check(worker: &mut Worker, list: &List, method: Method) -> Result<(), TestCaseError> {
    let rows = all_rows(worker);
    for (number, name) in GROUPS.into_iter().enumerate() {
        let own = list.iter().enumerate().filter_map(|(key, value)| {
            let value = value.as_ref().filter(|value| value.2 == number)?;
            Some(PeerSpec { group: None, ..spec(key, value) })
        });
        let own: Vec<PeerSpec> = own.collect();
        let Some(found) = rows.get(&Some(name.to_owned())) else {
            prop_assert!(own.is_empty(), "{name:?} is not there: {own:?}");
            continue;
        };
        let fresh = Fixture::new(1 << 18);
        let options = TableOptions { is_grouped: false, ..options(method) };
        publish(&mut fresh.publisher_with(options), &own).expect("room");
        let mut alone = fresh.worker();
        prop_assert_eq!(found, &all_rows(&mut alone)[&None]);
        let goes_by_key = matches!(method, Method::Hash | Method::HashConsistent | Method::IpHash);
        if goes_by_key && number > 0 {
            for key in [&b"k1"[..], b"key 2", b"another"] {
                let answer = |worker: &mut Worker, among: Among<'_>| {
                    let context = PickContext { method, key, among, ..PickContext::default() };
                    let mut progress = KeyProgress::default();
                    let picked = worker.pick(&context, &mut progress, at(1), |_| false, false);
                    let Pick::Peer(held) = picked else { return None };
                    let address = address(worker, &held);
                    worker.release(held, RequestOutcome::Answered, None, at(1));
                    Some(address)
                };
                let among = Among::Group(GroupName::new(name.as_bytes()));
                let [one, other] = [answer(worker, among), answer(&mut alone, Among::Everyone)];
                // With one peer or a backup they go by turns, which differ.
                if own.iter().filter(|peer| !peer.parameters.backup).count() > 1 {
                    prop_assert_eq!(one.is_some(), other.is_some());
                    let serves = |it: &PeerSpec| it.parameters.is_in_service();
                    if own.iter().all(serves) {
                        prop_assert_eq!(one, other, "{:?}", own);
                    }
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn each_group_is_as_a_zone_of_its_own(steps in steps()) {
        holds(steps, Method::RoundRobin)?;
    }

    #[test]
    fn each_group_has_its_own_ranges(steps in steps()) {
        holds(steps, Method::Hash)?;
    }

    #[test]
    fn each_group_has_its_own_ring(steps in steps()) {
        holds(steps, Method::HashConsistent)?;
    }
}
