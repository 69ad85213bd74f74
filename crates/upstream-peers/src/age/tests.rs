use std::sync::Arc;

use super::{Ages, KnownAge};

/// A key that is there since some revision, at an address that is known.
fn known(create_revision: i64, joined: u64) -> Option<KnownAge> {
    Some(KnownAge { create_revision, joined })
}

fn settle(ages: &mut Ages, now: u64) {
    ages.settle([], now);
}

/// A follower that has all up to revision 100, and heard of etcd last at 1000.
fn settled() -> Ages {
    let mut ages = Ages::new(0, 0);
    ages.listed(100, 1_000);
    settle(&mut ages, 1_001);
    ages
}

#[test]
fn what_the_first_list_has_is_old() {
    let mut ages = Ages::new(0, 0);
    ages.listed(100, 5_000);
    assert_eq!(ages.joined("a", 3, None, 5_001), 0);
    assert_eq!(ages.joined("a", 100, None, 5_001), 0);
    // An event that came behind the list, before anything was published.
    ages.applied(101, 5_001);
    assert_eq!(ages.joined("b", 101, None, 5_002), 5_002);
    // What a zone of another size had brought along keeps its time.
    assert_eq!(ages.joined("c", 50, known(49, 777), 5_002), 777);
    settle(&mut ages, 5_002);
    assert_eq!(ages.joined("a", 3, None, 6_000), 6_000, "a key with another address");
}

#[test]
fn a_list_after_the_first_one_changes_nothing_before_it_is_settled() {
    let mut ages = Ages::new(0, 0);
    ages.listed(100, 5_000);
    ages.listed(102, 5_010);
    assert_eq!(ages.joined("a", 100, None, 5_020), 0);
    assert_eq!(ages.joined("b", 101, None, 5_020), 5_020);
}

#[test]
fn what_an_event_tells_joins_now() {
    let mut ages = settled();
    ages.applied(101, 2_000);
    assert_eq!(ages.joined("a", 101, None, 2_001), 2_001);
    // KnownAge as it is, by a value written again or another.
    assert_eq!(ages.joined("b", 7, known(7, 0), 2_001), 0);
    assert_eq!(ages.joined("b", 7, known(7, 1_500), 2_001), 1_500);
    // Deleted and made again.
    assert_eq!(ages.joined("c", 101, known(7, 0), 2_001), 2_001);
    // Not known when.
    assert_eq!(ages.joined("d", 101, known(0, 3), 2_001), 3);
    assert_eq!(ages.joined("d", 0, known(7, 3), 2_001), 3);
    // An address that an old key did not have.
    assert_eq!(ages.joined("e", 7, None, 2_001), 2_001);
}

#[test]
fn what_an_outage_hid_is_estimated() {
    let mut ages = settled();
    ages.listed(200, 11_000);
    for (create_revision, joined) in [(101, 1_100), (150, 6_000), (199, 10_900), (200, 11_000)] {
        assert_eq!(ages.joined("a", create_revision, None, 12_000), joined);
        assert_eq!(ages.joined("a", create_revision, known(9, 5), 12_000), joined, "made again");
    }
    assert_eq!(
        ages.joined("b", 100, None, 12_000),
        12_000,
        "the key was there, the address was not"
    );
    assert_eq!(ages.joined("b", 100, known(100, 5), 12_000), 5);
    // By an event behind the list.
    ages.applied(201, 11_500);
    assert_eq!(ages.joined("c", 201, None, 12_000), 12_000);
    settle(&mut ages, 12_000);
    assert_eq!(ages.joined("a", 150, known(150, 6_000), 13_000), 6_000);
}

#[test]
fn the_estimate_begins_at_the_last_word() {
    let mut ages = settled();
    ages.alive(150, 9_000);
    ages.listed(160, 10_000);
    // Named before it came, and then it did not come.
    assert_eq!(ages.joined("a", 120, None, 10_000), 9_000);
    assert_eq!(ages.joined("a", 155, None, 10_000), 9_500);
}

#[test]
fn two_outages_are_one() {
    let mut ages = settled();
    ages.listed(150, 6_000);
    ages.listed(200, 11_000);
    assert_eq!(ages.joined("a", 150, None, 11_000), 6_000);
    assert_eq!(ages.joined("a", 101, None, 11_000), 1_100);
    settle(&mut ages, 11_000);
    ages.listed(200, 20_000);
    assert_eq!(ages.joined("b", 150, None, 20_000), 20_000, "the key was there");
}

#[test]
fn a_successor_goes_on() {
    let mut ages = Ages::new(100, 1_000);
    // Before the first list: host names may have other addresses.
    assert_eq!(ages.joined("a", 50, known(50, 900), 1_500), 900);
    assert_eq!(ages.joined("a", 50, None, 1_500), 1_500);
    settle(&mut ages, 1_500);
    ages.listed(110, 2_000);
    assert_eq!(ages.joined("a", 50, known(50, 900), 2_000), 900);
    assert_eq!(ages.joined("b", 105, None, 2_000), 1_500);
}

#[test]
fn another_history_makes_nobody_young() {
    let mut ages = settled();
    ages.applied(20, 5_000);
    assert_eq!(ages.joined("a", 90, known(90, 7), 5_000), 7, "still the old one's");
    settle(&mut ages, 5_000);
    ages.applied(21, 6_000);
    ages.adopted();
    assert_eq!(ages.joined("a", 3, known(90, 7), 6_000), 7);
    assert_eq!(ages.joined("b", 3, None, 6_000), 6_000);
    settle(&mut ages, 6_000);
    // From there on as ever.
    assert_eq!(ages.joined("a", 22, known(3, 7), 7_000), 7_000);
    ages.listed(31, 16_000);
    assert_eq!(ages.joined("c", 26, None, 16_000), 11_000);
}

#[test]
fn a_peer_is_as_old_as_its_key_once_its_name_is_resolved() {
    let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
    let mut ages = Ages::new(0, 0);
    ages.listed(100, 1_000);
    ages.settle([(&one, 5)], 1_000);
    ages.applied(101, 2_000);
    ages.settle([(&one, 5), (&other, 101)], 2_000);
    assert_eq!(ages.joined("one", 5, None, 3_000), 0);
    assert_eq!(ages.joined("other", 101, None, 3_000), 2_000);
    assert_eq!(ages.joined("one", 102, None, 3_000), 3_000, "made again");
    assert_eq!(ages.joined("third", 5, None, 3_000), 3_000);
    // Resolved: from now on the address counts.
    ages.settle([(&other, 101)], 3_000);
    assert_eq!(ages.joined("one", 5, None, 4_000), 4_000);
    assert_eq!(ages.joined("other", 101, None, 4_000), 2_000);
}

#[test]
fn clocks_and_revisions_that_make_no_sense_stay_within_bounds() {
    for (revision, time) in [(100, u64::MAX), (i64::MAX, 0), (100, 50)] {
        for listed in [i64::MIN, 0, 101, i64::MAX] {
            let mut ages = Ages::new(revision, time);
            ages.listed(listed, 10);
            for create_revision in [i64::MIN, -1, 0, 100, 101, i64::MAX] {
                let joined = ages.joined("a", create_revision, None, 10);
                assert!((1..=10).contains(&joined), "{joined}");
            }
        }
    }
    // Long ago is not a moment.
    assert_eq!(Ages::new(100, 0).joined("a", 101, None, 0), 1);
}
