//! A zone without room for all groups.

use std::collections::BTreeMap;

use peer_zone::{
    Among, Changes, GroupName, GroupOptions, Method, PeerSpec, PickContext, Publisher,
    RequestOutcome, Worker, ZoneFull,
};

use super::{
    all_rows, ask_in, grouped, in_group, member,
    options::{addresses, of_method, set},
    pick_in,
};
use crate::{
    fixture::{Fixture, at, collect, peer, publish, with},
    random::Random,
};

fn group(number: usize, nodes: usize) -> Vec<PeerSpec> {
    let name = format!("service-{number:03}");
    let node = |node: usize| {
        let peer = member(&name, &node.to_string(), &format!("{number}.{node}"));
        with(peer, |it| it.weight = 1 + (node % 3) as u32)
    };
    (0..nodes).map(node).collect()
}

fn publish_noted(
    fixture: &Fixture,
    publisher: &mut Publisher,
    peers: &[PeerSpec],
) -> Result<Changes, ZoneFull> {
    let result = publish(publisher, peers);
    fixture.zone.set_left_out(result.as_ref().err().map_or(0, |full| full.left_out));
    result
}

/// Until nothing more changes.
fn settle(
    fixture: &Fixture,
    publisher: &mut Publisher,
    peers: &[PeerSpec],
) -> Result<Changes, ZoneFull> {
    let mut last = publish_noted(fixture, publisher, peers);
    for _ in 0..6 {
        collect(publisher);
        last = publish_noted(fixture, publisher, peers);
    }
    last
}

/// How many peers there are of each group.
fn sizes(fixture: &Fixture) -> BTreeMap<String, usize> {
    let mut worker = fixture.worker_of(40);
    let rows = all_rows(&mut worker);
    worker.leave();
    rows.into_iter().filter_map(|(name, rows)| Some((name?, rows.len()))).collect()
}

#[test]
fn groups_that_do_not_fit_leave_the_others_whole() {
    for method in [Method::RoundRobin, Method::HashConsistent] {
        let fixture = Fixture::new(1 << 16);
        let mut publisher = grouped(&fixture, method);
        let all: Vec<PeerSpec> = (0..100).flat_map(|number| group(number, 4)).collect();
        let full = settle(&fixture, &mut publisher, &all).expect_err("no room for all");
        let there = sizes(&fixture);
        assert_eq!(there.values().sum::<usize>() + full.left_out, 400);
        assert!(there.len() >= 8, "{there:?}");
        // All of the first ones are whole.
        let first: Vec<usize> = there.values().copied().take(8).collect();
        assert_eq!(first, [4; 8], "{method:?}");
        // What the message says is enough.
        let larger = Fixture::new(peer_zone::messages::enough(&full, 1 << 16) + (1 << 15));
        let mut publisher = grouped(&larger, method);
        publish(&mut publisher, &all).expect("room for all");
    }
}

#[test]
fn what_is_gone_goes_from_a_full_zone_and_others_come() {
    let mut random = Random::from_environment();
    for method in [Method::RoundRobin, Method::HashConsistent, Method::Hash] {
        let fixture = Fixture::new(1 << 16);
        let mut publisher = grouped(&fixture, method);
        publish(&mut publisher, &[]).expect("room");
        for round in 0..25 {
            let (from, nodes) = (random.below(50) as usize, 1 + random.below(9) as usize);
            let wanted: Vec<PeerSpec> =
                (from..from + 60).flat_map(|number| group(number, nodes)).collect();
            let full = settle(&fixture, &mut publisher, &wanted);
            let there = sizes(&fixture);
            let names: Vec<String> =
                (from..from + 60).map(|number| format!("service-{number:03}")).collect();
            let strangers: Vec<_> = there.keys().filter(|name| !names.contains(name)).collect();
            assert!(strangers.is_empty(), "{method:?}, round {round}: {strangers:?} {full:?}");
            let is_small = there.values().all(|&count| count <= nodes);
            assert!(is_small, "{method:?}, round {round}, {nodes}: {there:?}");
            let left_out = full.map_or_else(|full| full.left_out, |_| 0);
            assert_eq!(there.values().sum::<usize>() + left_out, 60 * nodes);
            if random.one_in(3) {
                publisher = grouped(&fixture, method);
            }
        }
        settle(&fixture, &mut publisher, &[]).expect("what is gone goes");
        assert_eq!(sizes(&fixture).len(), 0);
        let few: Vec<PeerSpec> = (0..20).flat_map(|number| group(number, 2)).collect();
        settle(&fixture, &mut publisher, &few).expect("room for few");
    }
}

#[test]
fn groups_that_go_from_a_full_zone_are_gone() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let half = |of: usize| -> Vec<PeerSpec> {
        (0..100).filter(|number| number % 2 == of).flat_map(|number| group(number, 3)).collect()
    };
    for round in 0..10 {
        let wanted = half(round % 2);
        let _ = settle(&fixture, &mut publisher, &wanted);
        let there = sizes(&fixture);
        let is_own = |name: &String| name[8..].parse::<usize>().expect("number") % 2 == round % 2;
        assert!(there.keys().all(is_own), "round {round}: {there:?}");
        assert!(there.len() > 20, "{there:?}");
    }
}

#[test]
fn changes_are_made_in_a_full_zone() {
    let fixture = Fixture::new(1 << 16);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    let mut all: Vec<PeerSpec> = (0..100).flat_map(|number| group(number, 3)).collect();
    settle(&fixture, &mut publisher, &all).expect_err("no room for all");
    let there = sizes(&fixture);
    for round in 0..200 {
        let place = round * 7 % 60;
        all[place].parameters.weight = 1 + (round % 9) as u32;
        settle(&fixture, &mut publisher, &all).expect_err("still none");
        let key = all[place].key.clone();
        let listed = publisher.listed().find(|peer| peer.key == key).expect("it is there");
        assert_eq!(listed.parameters.weight, all[place].parameters.weight, "round {round}");
        assert_eq!(sizes(&fixture), there);
    }
    let mut worker = fixture.worker();
    assert!(ask_in(&mut worker, "service-000").is_some());
}

/// Nodes that change their group in a full zone: whatever has room, each is a peer once, and no
/// table names what was freed (which is spoiled in builds for tests).
#[test]
fn nodes_change_their_groups_in_a_full_zone() {
    let mut random = Random::from_environment();
    for method in [Method::RoundRobin, Method::Hash, Method::HashConsistent] {
        let fixture = Fixture::new(1 << 16);
        let mut publisher = grouped(&fixture, method);
        let mut worker = fixture.worker();
        let mut held = Vec::new();
        for round in 0..120 {
            let nodes: Vec<PeerSpec> = (0..120)
                .map(|node| {
                    let name = format!("label-{:02}", random.below(30));
                    let labels = format!("{{\"v\":\"{name}\"}}");
                    let peer = peer(&format!("node-{node:03}"), &node.to_string());
                    let peer = PeerSpec { labels: Some(labels.into()), ..peer };
                    with(in_group(peer, &name), |it| it.weight = 1 + (node % 3) as u32)
                })
                .collect();
            let result = publish_noted(&fixture, &mut publisher, &nodes);
            // All rows can be read, whatever did not fit.
            let rows = all_rows(&mut worker);
            let listed = rows.iter().filter(|(name, _)| name.is_some()).flat_map(|(_, rows)| rows);
            let mut names: Vec<&String> = listed.map(|(name, _)| name).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            let left_out = result.map_or_else(|full| full.left_out, |_| 0);
            assert!(count + left_out >= 120, "{method:?}, round {round}: {count} and {left_out}");
            assert!(names.len() + left_out >= 120, "{method:?}, round {round}");
            let group = format!("label-{:02}", random.below(30));
            held.extend(pick_in(&mut worker, &group));
            if held.len() > 10 {
                for held in held.drain(..) {
                    worker.release(held, RequestOutcome::Answered, None, at(1));
                }
            }
            match random.below(4) {
                0 => collect(&mut publisher),
                1 => publisher = grouped(&fixture, method),
                _ => {}
            }
        }
        for held in held {
            worker.release(held, RequestOutcome::Answered, None, at(1));
        }
        settle(&fixture, &mut publisher, &[]).expect("what is gone goes");
        assert!(all_rows(&mut worker)[&None].is_empty());
    }
}

/// How many of the peers of the group serve requests of one key.
fn answering(worker: &mut Worker, group: &str) -> usize {
    let among = Among::Group(GroupName::new(group.as_bytes()));
    let context = PickContext { key: b"key", among, ..PickContext::default() };
    let answers = addresses(worker, context, 8);
    answers.into_iter().collect::<std::collections::BTreeSet<String>>().len()
}

/// What a group wants for itself and has no room for is no other group's matter: the group is
/// served by round robin until there is room.
#[test]
fn a_group_without_room_for_its_options_takes_turns_until_there_is() {
    let long_key: String = "$arg_k".repeat(600);
    let keyed =
        GroupOptions { hash_key: Some(long_key.as_str().into()), ..of_method(Method::Hash) };
    for own in [of_method(Method::HashConsistent), keyed] {
        let fixture = Fixture::new(1 << 16);
        let mut publisher = grouped(&fixture, Method::RoundRobin);
        let take_over = || {
            let mut publisher = grouped(&fixture, Method::RoundRobin);
            set(&mut publisher, "service-000", own.clone());
            publisher
        };
        let all: Vec<PeerSpec> = (0..100).flat_map(|number| group(number, 4)).collect();
        settle(&fixture, &mut publisher, &all).expect_err("no room for all");
        let fitting: Vec<PeerSpec> = publisher.listed().cloned().collect();
        let there = sizes(&fixture);
        set(&mut publisher, "service-000", own.clone());
        for round in 0..4 {
            let full = settle(&fixture, &mut publisher, &fitting).expect_err("no room for that");
            assert!(full.lacks_method && full.left_out == 0, "{round}: {full:?}");
            assert_eq!(sizes(&fixture), there);
            let mut worker = fixture.worker_of(41);
            let name = GroupName::new(b"service-000");
            let traits = worker.traits_among(Among::Group(name));
            assert_eq!((traits.method, traits.has_hash_key), (own.method, own.hash_key.is_some()));
            let key = worker.with_hash_key(Among::Group(name), |key| key.map(<[u8]>::len));
            assert_eq!(key, own.hash_key.is_some().then_some(0));
            // Who has no key has none to give.
            if own.hash_key.is_none() {
                assert_eq!(answering(&mut worker, "service-000"), 4);
            }
            worker.leave();
            if round % 2 == 0 {
                publisher = take_over();
            }
        }
        // The others change and go, and what is wanted comes.
        let few = &fitting[..fitting.len() / 2];
        settle(&fixture, &mut publisher, few).expect("room");
        let mut worker = fixture.worker_of(41);
        assert_eq!(answering(&mut worker, "service-000"), 1);
        let name = Among::Group(GroupName::new(b"service-000"));
        let key = worker.with_hash_key(name, |key| key.map(<[u8]>::len));
        assert_eq!(key, own.hash_key.as_ref().map(|key| key.len()));
        // And what is wanted no more gives its room to others.
        set(&mut publisher, "service-000", GroupOptions::default());
        settle(&fixture, &mut publisher, few).expect("room");
        // Holes may be elsewhere than they were.
        let full = settle(&fixture, &mut publisher, &fitting);
        let left_out = full.map_or_else(|full| full.left_out, |_| 0);
        assert!(left_out <= 2, "{left_out} of {}", fitting.len());
    }
}
