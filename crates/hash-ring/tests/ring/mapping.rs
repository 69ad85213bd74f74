//! A ring maps as nginx's does, whatever has happened to it.

use crate::model::{Publisher, Server};
use proptest::prelude::*;

/// A thing that happens to a ring. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Event {
    Add(Server),
    Remove(usize),
    BeginMerge,
    Step(usize),
    FinishMerge,
    CancelMerge,
    MergeAtOnce,
    TakeOver,
    Publish,
}

/// Few enough hashes that servers often have some in common.
fn hash() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => (0_u32..24).prop_map(|number| number * 0x0ABC_DEF1),
        1 => 0_u32..4,
        1 => (0_u32..4).prop_map(|number| u32::MAX - number),
        1 => any::<u32>(),
    ]
}

fn server() -> impl Strategy<Value = Server> {
    (0_u32..1_000, prop::collection::vec(hash(), 0..12))
        .prop_map(|(order, hashes)| Server { order, hashes })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => server().prop_map(Event::Add),
        4 => any::<usize>().prop_map(Event::Remove),
        1 => Just(Event::BeginMerge),
        4 => (0_usize..40).prop_map(Event::Step),
        2 => Just(Event::FinishMerge),
        1 => Just(Event::CancelMerge),
        1 => Just(Event::MergeAtOnce),
        1 => Just(Event::TakeOver),
        3 => Just(Event::Publish),
    ]
}

/// `unique` tells servers apart that chance has put in the same place of the upstream.
fn apply(publisher: &mut Publisher, event: Event, unique: u32) {
    match event {
        Event::Add(server) => {
            let order = server.order << 16 | unique;
            publisher.add(Server { order, ..server });
        }
        Event::Remove(number) => {
            let count = publisher.servers.len().max(1);
            if let Some(&slot) = publisher.servers.keys().nth(number % count) {
                publisher.remove(slot);
            }
        }
        Event::BeginMerge => publisher.begin_merge(),
        Event::Step(budget) => {
            publisher.step(budget);
        }
        Event::FinishMerge => {
            if publisher.step(0) {
                publisher.finish_merge().expect("it is complete");
            }
        }
        Event::CancelMerge => {
            publisher.ring.cancel_merge();
            publisher.merge = None;
        }
        Event::MergeAtOnce => publisher.merge_at_once(),
        Event::TakeOver => publisher.restore(),
        Event::Publish => {
            publisher.publish();
        }
    }
}

proptest! {
    #[test]
    fn any_history_maps_as_nginx_does(events in prop::collection::vec(event(), 0..40)) {
        let mut publisher = Publisher::new();
        let mut before = Vec::new();
        for (unique, event) in (0..).zip(events) {
            apply(&mut publisher, event, unique);
            if unique % 2 == 0 {
                let published = publisher.publish();
                published.assert_maps_as_nginx(30, 1);
                before.push(published);
            }
        }
        // Readers may still have what was published before.
        for published in before {
            published.assert_maps_as_nginx(3, 5);
        }
    }

    #[test]
    fn servers_with_weights_map_as_in_nginx(
        names in prop::collection::vec("(unix:|UNIX:|Unix:)?[ab](:[12])?", 1..12),
        weights in prop::collection::vec(0_u32..4, 12),
        events in prop::collection::vec((0_usize..12, 0_usize..2_000), 0..12),
    ) {
        let mut publisher = Publisher::new();
        let mut slots = vec![None; names.len()];
        for (number, budget) in events {
            let number = number % names.len();
            slots[number] = match slots[number] {
                Some(slot) => {
                    publisher.remove(slot);
                    None
                }
                None => {
                    let hashes = peer_balance::points(&names[number], weights[number]).collect();
                    Some(publisher.add(Server { order: number as u32, hashes }))
                }
            };
            publisher.publish().assert_maps_as_nginx(25, 61);
            if publisher.merge.is_none() {
                publisher.begin_merge();
            }
            if publisher.step(budget) {
                publisher.finish_merge().expect("it is complete");
                publisher.publish().assert_maps_as_nginx(25, 61);
            }
        }
    }
}

#[test]
fn servers_of_equal_points_take_turns_by_their_order() {
    let hashes = |name| peer_balance::points(name, 1).collect::<Vec<_>>();
    assert_eq!(hashes("unix:a"), hashes("UNIX:a"));
    let mut publisher = Publisher::new();
    let first = publisher.add(Server { order: 2, hashes: hashes("unix:a") });
    publisher.merge_at_once();
    publisher.publish().assert_maps_as_nginx(20, 1);
    // It comes before the other one in the upstream, whatever its slot.
    let second = publisher.add(Server { order: 1, hashes: hashes("UNIX:a") });
    assert!(first < second);
    publisher.publish().assert_maps_as_nginx(20, 1);
    publisher.merge_at_once();
    publisher.publish().assert_maps_as_nginx(20, 1);
    publisher.remove(second);
    publisher.publish().assert_maps_as_nginx(20, 1);
}

#[test]
fn a_ring_with_high_slots_maps_as_nginx_does() {
    // Few points and many slots: nearly all buckets are empty.
    let mut publisher = Publisher::new();
    publisher.free = vec![70_001, 65_536, 3];
    for (order, name) in (0..).zip(["a", "b", "c"]) {
        publisher.add(Server { order, hashes: peer_balance::points(name, 1).collect() });
    }
    publisher.publish().assert_maps_as_nginx(200, 3);
    publisher.merge_at_once();
    publisher.publish().assert_maps_as_nginx(500, 3);
    publisher.remove(65_536);
    publisher.publish().assert_maps_as_nginx(500, 3);
}
