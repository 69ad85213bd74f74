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
    assert!(guard.leases().is_empty());
}

#[test]
fn more_bring_back_those_that_went_before() {
    let mut guard = guarded();
    let mut back = vanish(&mut guard, 6);
    back.sort();
    assert_eq!(back, ["0", "1", "2", "3", "4"]);
    assert_eq!(guard.kept(), Some((6, HOLD)));
    assert_eq!(guard.leases().len(), 6);
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
        let goes =
            guard.vanish(&member.to_string(), 10 - usize::try_from(member).unwrap(), now) == Vanishing::Goes;
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
    assert_eq!(guard.leases(), (2..=6).collect());
    assert_eq!(guard.kept(), Some((6, HOLD)));
}

#[test]
fn nobody_can_be_asked_about_keys_of_unknown_lease() {
    let mut guard = ExpiryGuard::<()>::new(50, HOLD);
    assert_eq!(guard.vanish("0", 1, 0), Vanishing::Stays(vec![]));
    assert!(guard.leases().is_empty());
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
    let names = |keys: Vec<std::sync::Arc<str>>| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>();
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
    /// Members are exactly what etcd has and what is kept, and what somebody deleted without a lease is never kept.
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
            prop_assert_eq!(guard.kept().map_or(0, |(count, _)| count) + there.len(), members.len());
        }
    }
}
