//! What goes wrong is noticed, and what was published stays valid.

use crate::model::{Publisher, Server};
use hash_ring::{
    AddError, Base, Delta, Malformed, MergeError, NoServer, Ring, View, base_words, delta_words,
};
use proptest::prelude::*;

fn server(number: u32) -> Server {
    let name = format!("10.0.0.{number}:80");
    Server { order: number, hashes: peer_balance::points(&name, 1).collect() }
}

fn publisher(servers: u32) -> Publisher {
    let mut publisher = Publisher::new();
    for number in 0..servers {
        publisher.add(server(number));
    }
    publisher.merge_at_once();
    publisher
}

#[test]
fn a_change_cannot_be_applied_twice() {
    let mut publisher = publisher(3);
    assert_eq!(publisher.ring.add(2, [1, 2]), Err(AddError::InUse(2)));
    publisher.remove(2);
    assert_eq!(publisher.ring.remove(2), Err(NoServer(2)));
    assert_eq!(publisher.ring.remove(9), Err(NoServer(9)));
    publisher.publish().assert_maps_as_nginx(20, 1);
}

#[test]
fn a_slot_is_not_used_again_while_it_is_named() {
    let mut publisher = publisher(3);
    publisher.remove(1);
    // The base names it,
    assert_eq!(publisher.ring.add(1, [1]), Err(AddError::InUse(1)));
    publisher.begin_merge();
    publisher.add(server(7));
    publisher.publish();
    assert_eq!(publisher.ring.add(1, [1]), Err(AddError::InUse(1)));
    publisher.step(usize::MAX);
    publisher.finish_merge().expect("it is complete");
    // and the next one does not.
    assert!(publisher.ring.names(0) && !publisher.ring.names(1) && !publisher.ring.names(99));
    publisher.publish();
    assert_eq!(publisher.free, [1]);
    publisher.add(server(8));
    publisher.publish().assert_maps_as_nginx(20, 1);
}

#[test]
fn a_slot_that_joins_by_a_merge_is_named_by_it() {
    let mut publisher = publisher(2);
    let slot = publisher.add(server(2));
    publisher.begin_merge();
    publisher.remove(slot);
    publisher.publish().assert_maps_as_nginx(20, 1);
    assert_eq!(publisher.ring.add(slot, [1]), Err(AddError::InUse(slot)));
    publisher.step(usize::MAX);
    publisher.finish_merge().expect("it is complete");
    publisher.publish().assert_maps_as_nginx(20, 1);
    assert_eq!(publisher.ring.add(slot, [1]), Err(AddError::InUse(slot)));
    publisher.merge_at_once();
    publisher.publish().assert_maps_as_nginx(20, 1);
    assert_eq!(publisher.free, [slot]);
}

#[test]
fn a_canceled_merge_frees_what_only_it_named() {
    let mut publisher = publisher(2);
    let slot = publisher.add(server(2));
    publisher.begin_merge();
    publisher.remove(slot);
    publisher.publish();
    assert_eq!(publisher.free, []);
    publisher.ring.cancel_merge();
    publisher.publish();
    assert_eq!(publisher.free, [slot]);
}

#[test]
fn a_merge_that_is_dropped_half_way_loses_nothing() {
    let mut publisher = publisher(5);
    publisher.remove(3);
    publisher.add(server(5));
    let published = publisher.publish();
    publisher.begin_merge();
    for _ in 0..5 {
        assert!(!publisher.step(100));
        let (_, words) = publisher.merge.as_ref().expect("a merge");
        assert_eq!(Base::new(words).err(), Some(Malformed), "not complete yet");
        published.assert_maps_as_nginx(20, 1);
    }
    assert_eq!(publisher.finish_merge(), Err(MergeError::Incomplete));
    publisher.publish().assert_maps_as_nginx(20, 1);
    publisher.restore();
    publisher.merge_at_once();
    publisher.publish().assert_maps_as_nginx(20, 1);
}

#[test]
fn a_merge_counts_once_and_only_the_last_one() {
    let mut publisher = publisher(3);
    publisher.begin_merge();
    publisher.step(usize::MAX);
    let (first, _) = publisher.merge.take().expect("a merge");
    publisher.begin_merge();
    assert_eq!(publisher.ring.finish_merge(&first), Err(MergeError::Superseded));
    publisher.step(usize::MAX);
    let (second, words) = publisher.merge.take().expect("a merge");
    publisher.ring.finish_merge(&second).expect("it is complete");
    publisher.base = words;
    assert_eq!(publisher.ring.finish_merge(&second), Err(MergeError::Superseded));
    publisher.publish().assert_maps_as_nginx(20, 1);
}

#[test]
fn a_merge_goes_by_one_base_and_enough_memory() {
    let mut publisher = publisher(3);
    let before = publisher.base.clone();
    publisher.merge_at_once();
    let mut merge = publisher.ring.begin_merge().expect("not too large");
    let mut words = vec![0; merge.words()];
    let old = Base::new(&before).expect("a base");
    assert_eq!(merge.step(&old, &mut words, 9), Err(MergeError::OtherBase));
    let base = Base::new(&publisher.base).expect("a base");
    words.pop();
    assert_eq!(merge.step(&base, &mut words, 9), Err(MergeError::TooShort));
}

#[test]
fn a_delta_belongs_to_one_base() {
    let mut publisher = publisher(3);
    let before = publisher.publish();
    publisher.remove(1);
    // As many points as before.
    publisher.add(server(3));
    publisher.merge_at_once();
    let after = publisher.publish();
    let base = Base::new(&after.base).expect("a base");
    let delta = Delta::new(&before.delta).expect("a delta");
    assert_eq!(View::new(base, delta).err(), Some(Malformed));
    assert_eq!(Ring::restore(&base, &delta, [(0, 160), (2, 160)]).err(), Some(Malformed));
}

#[test]
fn a_ring_is_restored_with_its_own_servers_only() {
    let mut publisher = publisher(3);
    publisher.remove(1);
    let added = publisher.add(server(5));
    let published = publisher.publish();
    let base = Base::new(&published.base).expect("a base");
    let delta = Delta::new(&published.delta).expect("a delta");
    let is_restored =
        |servers: &[(u32, u32)]| Ring::restore(&base, &delta, servers.iter().copied()).is_ok();
    assert!(is_restored(&[(0, 160), (2, 160), (added, 160)]));
    assert!(!is_restored(&[(0, 160), (2, 160)]), "the added one has gone");
    assert!(!is_restored(&[(0, 160), (added, 160)]), "one of the base has gone");
    assert!(!is_restored(&[(0, 160), (1, 160), (added, 160)]), "a removed one is there");
    assert!(!is_restored(&[(0, 160), (2, 320), (added, 160)]), "another weight");
    assert!(!is_restored(&[(0, 160), (0, 160), (2, 160), (added, 160)]), "one twice");
}

#[test]
fn sizes_are_within_what_is_documented() {
    for (points, slots) in [(0, 0), (1, 1), (1_600, 10), (1_600_000, 10_000), (160, 100_000)] {
        let most = 11 + points + points / 32 + points.max(u64::from(slots)) / 8;
        assert!(base_words(points, slots).expect("not too large") as u64 <= most);
    }
    assert!(base_words(u64::MAX, 1).is_err() && base_words(1, u32::MAX).is_err());
    for (points, removed) in [(0, 0), (1, 1), (160, 3), (10_240, 1_000)] {
        let most = 10 + (2 * points + points / 8 + 8 * removed);
        assert!(delta_words(points, removed) <= most);
    }
    let publisher = publisher(50);
    assert_eq!(publisher.base.len(), base_words(50 * 160, 50).expect("not too large"));
}

#[test]
fn a_small_delta_needs_no_merge_and_a_large_one_does() {
    let mut publisher = publisher(200);
    assert!(!publisher.ring.should_merge());
    for number in 0..20 {
        publisher.remove(number);
    }
    assert!(!publisher.ring.should_merge());
    for number in 200..210 {
        publisher.add(server(number));
    }
    assert!(publisher.ring.should_merge() && !publisher.ring.must_merge());
    for number in 210..500 {
        publisher.add(server(number));
    }
    assert!(publisher.ring.must_merge());
    publisher.publish().assert_maps_as_nginx(20, 99);
    publisher.merge_at_once();
    assert!(!publisher.ring.should_merge());
}

proptest! {
    #[test]
    fn damaged_words_do_no_harm(
        damage in prop::collection::vec((any::<bool>(), any::<usize>(), any::<u32>()), 1..20),
        hashes in prop::collection::vec(any::<u32>(), 10),
    ) {
        let mut publisher = publisher(4);
        publisher.remove(1);
        publisher.add(server(9));
        let mut published = publisher.publish();
        for (is_base, at, word) in damage {
            let words = if is_base { &mut published.base } else { &mut published.delta };
            let at = at % words.len();
            words[at] = if word % 2 == 0 { word } else { words[at] ^ 1 << (word % 32) };
        }
        let (base, delta) = (Base::new(&published.base), Delta::new(&published.delta));
        if let (Ok(base), Ok(delta)) = (base, delta) {
            if let Ok(view) = View::new(base, delta) {
                for hash in hashes {
                    view.walk(hash, |one, other| one < other).take(30).for_each(drop);
                }
            }
            let _ = Ring::restore(&base, &delta, [(0, 160), (2, 160), (3, 160)]);
            if let Ok(mut merge) = publisher.ring.begin_merge() {
                let mut words = vec![0; merge.words()];
                let _ = merge.step(&base, &mut words, usize::MAX);
            }
        }
    }
}
