use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{EXPIRY_WINDOW, ExpiryGuard, Vanishing};

const HOLD: u64 = 60_000;

/// A guard of 50 % and the members "0" to "9", each with a lease of its own.
fn guarded() -> ExpiryGuard<String> {
    let mut guard = ExpiryGuard::new(50, HOLD);
    for member in 0..10_i64 {
        guard.put(&member.to_string(), member + 1);
    }
    guard
}

/// Lets the first `count` of ten members vanish at the moment 0; returns what has come back.
fn vanish(guard: &mut ExpiryGuard<String>, count: usize) -> Vec<String> {
    let mut members = 10;
    let mut back = Vec::new();
    for member in 0..count {
        let key = member.to_string();
        match guard.vanish(&key, members, 0) {
            Vanishing::Goes => {
                guard.let_go(&key, key.clone());
                members -= 1;
            }
            Vanishing::Stays(more) => {
                members += more.len();
                back.extend(more);
            }
        }
    }
    back
}

#[test]
fn a_few_go_as_they_would_without_it() {
    let mut guard = guarded();
    assert!(vanish(&mut guard, 5).is_empty());
    assert_eq!(guard.kept(), None);
    // Whether somebody has deleted them is asked all the same: those would not count.
    assert_eq!(guard.leases().collect::<BTreeSet<_>>(), (1..=5).collect());
}

#[test]
fn more_bring_back_those_that_went_before() {
    let mut guard = guarded();
    let mut back = vanish(&mut guard, 6);
    back.sort();
    assert_eq!(back, ["0", "1", "2", "3", "4"]);
    assert_eq!(guard.kept(), Some((6, HOLD)));
    assert_eq!(guard.leases().count(), 6);
    // The next one stays as well.
    assert_eq!(guard.vanish("6", 10, 1), Vanishing::Stays(vec![]));
    assert!(guard.keeps("6"));
}

#[test]
fn what_goes_one_by_one_is_not_counted_together() {
    let mut guard = guarded();
    for member in 0..10_u64 {
        let now = member * (EXPIRY_WINDOW + 1);
        // The last two are half of what is left, and all of it.
        let expected = member < 9;
        let goes = guard.vanish(&member.to_string(), 10 - usize::try_from(member).unwrap(), now)
            == Vanishing::Goes;
        assert_eq!(goes, expected, "{member}");
    }
}

#[test]
fn what_somebody_deletes_goes() {
    let mut guard = guarded();
    guard.put("plain", 0);
    vanish(&mut guard, 9);
    assert_eq!(guard.vanish("plain", 11, 0), Vanishing::Goes);
    // Their leases live: they were deleted.
    let gone: Vec<_> = (1..=9).flat_map(|lease| guard.judge(lease, true)).collect();
    assert_eq!(gone.len(), 9);
    assert_eq!(guard.kept(), None);
}

#[test]
fn a_lease_that_is_gone_is_asked_for_once() {
    let mut guard = guarded();
    vanish(&mut guard, 6);
    assert!(guard.judge(1, false).is_empty());
    assert_eq!(guard.leases().collect::<BTreeSet<_>>(), (2..=6).collect());
    assert_eq!(guard.kept(), Some((6, HOLD)));
}

#[test]
fn nobody_can_be_asked_about_keys_of_unknown_lease() {
    let mut guard = ExpiryGuard::<()>::new(50, HOLD);
    assert_eq!(guard.vanish("0", 1, 0), Vanishing::Stays(vec![]));
    assert_eq!(guard.leases().count(), 0);
    assert!(guard.keeps("0"));
}

#[test]
fn they_go_when_their_time_is_up_or_their_checks_fail() {
    let mut guard = guarded();
    vanish(&mut guard, 9);
    let checked = |key: &str| match key {
        "0" => Some(true),
        "1" => Some(false),
        _ => None,
    };
    let names =
        |keys: Vec<std::sync::Arc<str>>| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>();
    assert_eq!(names(guard.due(HOLD - 1, checked)), ["1"]);
    assert_eq!(names(guard.due(HOLD, checked)), ["2", "3", "4", "5", "6", "7", "8"]);
    assert!(guard.due(10 * HOLD, checked).is_empty());
    assert_eq!(names(guard.due(10 * HOLD, |_| None)), ["0"]);
}

#[test]
fn a_key_that_is_there_again_is_kept_no_more() {
    let mut guard = guarded();
    vanish(&mut guard, 9);
    guard.put("3", 77);
    assert!(!guard.keeps("3"));
    assert!(guard.judge(4, true).is_empty());
}

/// A fleet with its guard: who is in service, and who is in etcd.
struct Fleet {
    guard: ExpiryGuard<usize>,
    in_service: BTreeSet<usize>,
}

impl Fleet {
    fn new(percent: u8, count: usize) -> Self {
        let mut fleet =
            Self { guard: ExpiryGuard::new(percent, HOLD), in_service: BTreeSet::new() };
        (0..count).for_each(|node| fleet.join(node));
        fleet
    }

    fn join(&mut self, node: usize) {
        self.guard.put(&node.to_string(), node as i64 + 1);
        self.in_service.insert(node);
    }

    /// The node's key vanishes at the moment `now`. Says whether it stays.
    fn vanish(&mut self, node: usize, now: u64) -> bool {
        let key = node.to_string();
        match self.guard.vanish(&key, self.in_service.len(), now) {
            Vanishing::Goes => {
                assert!(self.in_service.remove(&node));
                self.guard.let_go(&key, node);
                false
            }
            Vanishing::Stays(back) => {
                back.into_iter().for_each(|node| assert!(self.in_service.insert(node)));
                true
            }
        }
    }

    fn judge(&mut self, node: usize, is_alive: bool) {
        for key in self.guard.judge(node as i64 + 1, is_alive) {
            assert!(self.in_service.remove(&key.parse().expect("a number")));
        }
    }
}

/// The leases of all nodes run out, one after the other within `spread` ms. Returns how many are in
/// service in the end, and were at least.
fn all_run_out(percent: u8, count: usize, spread: u64) -> (usize, usize) {
    let mut fleet = Fleet::new(percent, count);
    let mut least = count;
    for node in 0..count {
        // etcd revokes what has run out twice in a second.
        let now = spread * node as u64 / count as u64 / 500 * 500;
        fleet.vanish(node, now);
        least = least.min(fleet.in_service.len());
        fleet.judge(node, false);
    }
    (fleet.in_service.len(), least)
}

/// Of so many, how many may be lost.
fn may_go(percent: u8, count: usize) -> usize {
    usize::from(percent) * count / 100
}

#[test]
fn a_great_fleet_whose_leases_run_out_for_half_a_minute_is_kept() {
    // As many in a second as after etcd's restart.
    assert_eq!(all_run_out(50, 20_000, 20_000 * 1_000 / 750), (20_000, 10_000));
    assert_eq!(all_run_out(30, 100_000, 100_000 * 1_000 / 750), (100_000, 70_000));
}

#[test]
fn those_that_are_kept_are_not_counted_as_there() {
    let mut fleet = Fleet::new(50, 100);
    for node in 0..60 {
        fleet.vanish(node, 0);
        fleet.judge(node, false);
    }
    assert_eq!(fleet.in_service.len(), 100);
    for node in 60..100 {
        assert!(fleet.vanish(node, EXPIRY_WINDOW + 1_000), "{node}");
    }
    assert_eq!(fleet.in_service.len(), 100);
}

#[test]
fn a_fleet_that_slowly_becomes_smaller_is_not_held() {
    let mut fleet = Fleet::new(50, 1_000);
    // Every other second one, for some 25 minutes.
    for node in 0..700 {
        assert!(!fleet.vanish(node, node as u64 * 2_000), "{node}");
    }
    assert_eq!(fleet.in_service.len(), 300);
}

#[test]
fn what_somebody_deletes_does_not_count_however_fast_it_goes() {
    let mut fleet = Fleet::new(30, 1_000);
    for node in 0..900 {
        assert!(!fleet.vanish(node, node as u64 * 50), "{node}");
        // Their leases live.
        fleet.judge(node, true);
    }
    assert_eq!((fleet.in_service.len(), fleet.guard.kept()), (100, None));
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, i64),
    Vanish(u8),
    Judge(i64, bool),
    Due(bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..20_u8, 0..6_i64).prop_map(|(key, lease)| Step::Put(key, lease)),
        (0..20_u8).prop_map(Step::Vanish),
        (1..6_i64, any::<bool>()).prop_map(|(lease, alive)| Step::Judge(lease, alive)),
        any::<bool>().prop_map(Step::Due),
        (0..2 * EXPIRY_WINDOW).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn nothing_is_lost_that_the_percentage_says_to_keep(
        percent in 1..=99_u8,
        count in 1..2_000_usize,
        spread in 0..400_000_u64,
    ) {
        // The next follows within the window.
        let spread = spread.min(count as u64 * (EXPIRY_WINDOW - 1_000));
        let (in_the_end, least) = all_run_out(percent, count, spread);
        prop_assert_eq!(in_the_end, count);
        prop_assert!(least >= count - may_go(percent, count), "{least} of {count}");
    }

    /// Some run out, and the others much later: what is kept until then is among those that are
    /// missing.
    #[test]
    fn what_is_kept_counts_for_as_long_as_it_is(
        percent in 1..=98_u8,
        count in 2..1_000_usize,
        pause in 0..HOLD,
    ) {
        let mut fleet = Fleet::new(percent, count);
        let first = may_go(percent, count) + 1;
        prop_assume!(first < count);
        for node in 0..first {
            fleet.vanish(node, 0);
        }
        for node in first..count {
            prop_assert!(fleet.vanish(node, pause));
        }
        prop_assert_eq!(fleet.in_service.len(), count);
    }

    /// Nodes whose leases run out and that others replace are not missing, however long that goes
    /// on.
    #[test]
    fn what_is_replaced_goes(
        percent in 20..=99_u8,
        count in 10..500_usize,
        waits in prop::collection::vec(0..5_000_u64, 1..1_000),
    ) {
        let mut fleet = Fleet::new(percent, count);
        let mut now = 0;
        for (node, wait) in waits.into_iter().enumerate() {
            now += wait;
            prop_assert!(!fleet.vanish(node, now));
            fleet.join(count + node);
            prop_assert_eq!(fleet.in_service.len(), count);
        }
    }

    /// Members are exactly what etcd has and what is kept, and what somebody deleted without a
    /// lease is never kept.
    #[test]
    fn members_are_what_is_there_and_what_is_kept(percent in 0..=100_u8, steps in steps()) {
        let mut guard = ExpiryGuard::new(percent, HOLD);
        let mut there = BTreeMap::new();
        let mut members = BTreeSet::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Put(key, lease) => {
                    guard.put(&key.to_string(), lease);
                    there.insert(key.to_string(), lease);
                    members.insert(key.to_string());
                }
                Step::Vanish(key) => {
                    let key = key.to_string();
                    let Some(lease) = there.remove(&key) else { continue };
                    match guard.vanish(&key, members.len(), now) {
                        Vanishing::Goes => {
                            members.remove(&key);
                            guard.let_go(&key, key.clone());
                        }
                        Vanishing::Stays(back) => {
                            prop_assert!(lease != 0);
                            for key in back {
                                prop_assert!(members.insert(key));
                            }
                        }
                    }
                }
                Step::Judge(lease, alive) => guard.judge(lease, alive).iter().for_each(|key| {
                    members.remove(&**key);
                }),
                Step::Due(passes) => {
                    guard.due(now, |_| passes.then_some(true)).iter().for_each(|key| {
                        members.remove(&**key);
                    });
                }
                Step::Wait(time) => now += time,
            }
            for key in &members {
                prop_assert!(there.contains_key(key) != guard.keeps(key), "{key}");
            }
            prop_assert!(there.keys().all(|key| members.contains(key)));
            prop_assert_eq!(
                guard.kept().map_or(0, |(count, _)| count) + there.len(),
                members.len()
            );
        }
    }
}
