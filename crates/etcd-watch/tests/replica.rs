//! Properties of what is in hand while etcd is wiped, restored and replaced.

use std::collections::BTreeMap;

use etcd_watch::{Continuity, Holding, Origin, Replica};
use proptest::prelude::*;

const HOLD: u64 = 100;

/// Keys with their values, where `None` is a value that is not valid.
type Values = BTreeMap<u8, u32>;

/// What happens; the store is made of the parts that are still known.
#[derive(Clone, Debug)]
enum Step {
    /// etcd lists.
    List,
    Put(u8, Option<u32>),
    Delete(u8),
    /// etcd loses all keys, and its revision.
    Wipe,
    /// Another cluster takes its place, at any revision.
    Replace(i64),
    /// Nothing but time passes.
    Wait(u64),
    /// Another process goes on with what was kept.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::List),
        4 => (0_u8..4, proptest::option::weighted(0.6, 0_u32..9)).prop_map(|(key, value)| {
            Step::Put(key, value)
        }),
        2 => (0_u8..4).prop_map(Step::Delete),
        1 => Just(Step::Wipe),
        1 => (1_i64..50).prop_map(Step::Replace),
        2 => (0_u64..60).prop_map(Step::Wait),
        2 => Just(Step::Restart),
    ]
}

/// An etcd, and who follows it.
struct World {
    cluster_id: u64,
    revision: i64,
    store: BTreeMap<u8, Option<u32>>,
    /// Whether the replica has listed since etcd was last wiped or replaced.
    is_watched: bool,
    replica: Replica<Values>,
    now: u64,
    /// When the present hold began.
    held_since: Option<u64>,
}

impl World {
    fn new() -> Self {
        Self {
            cluster_id: 1,
            revision: 1,
            store: BTreeMap::new(),
            is_watched: false,
            replica: Replica::new(Values::new(), None, HOLD),
            now: 0,
            held_since: None,
        }
    }

    fn apply(&mut self, step: &Step) {
        let (in_hand, origin) = (self.replica.in_hand().clone(), self.replica.origin());
        let was_held = self.replica.ends_at().is_some();
        let mut is_deletion = false;
        let mut has_ended = false;
        match step {
            Step::List => self.list(),
            Step::Put(key, value) => {
                self.revision += 1;
                self.store.insert(*key, *value);
                if self.is_watched {
                    self.replica.note_revision(self.revision);
                    self.replica.newest_mut().extend(value.map(|value| (*key, value)));
                    has_ended = self.settle();
                }
            }
            Step::Delete(key) => {
                self.revision += 1;
                self.store.remove(key);
                if self.is_watched {
                    is_deletion = true;
                    self.replica.note_revision(self.revision);
                    let _ = self.replica.delete(|values| values.remove(key));
                    has_ended = self.settle();
                }
            }
            Step::Wipe => {
                (self.revision, self.is_watched) = (1, false);
                self.store.clear();
            }
            Step::Replace(revision) => {
                self.cluster_id += 1;
                (self.revision, self.is_watched) = (*revision, false);
                self.store.clear();
            }
            Step::Wait(time) => {
                self.now += time;
                // Nobody knows what etcd has while it cannot be followed.
                assert_eq!(self.replica.end_hold(u64::MAX, false), None);
                has_ended = self.replica.end_hold(self.now, self.is_watched).is_some();
            }
            Step::Restart => {
                let before = self.replica.clone();
                self.replica = Replica::new(in_hand.clone(), origin, HOLD);
                if let Some(holding) = before.holding() {
                    self.replica = self.replica.clone().resume(holding);
                }
                self.is_watched = false;
                assert_eq!(self.replica.holding(), before.holding());
            }
        }
        let is_held = self.replica.holding().is_some();
        if was_held && is_held && !is_deletion {
            assert_eq!(self.replica.in_hand(), &in_hand, "{step:?}");
        }
        if was_held && is_held {
            assert_eq!(self.replica.origin(), origin, "a further start must see the same");
        }
        if has_ended {
            assert_eq!(self.replica.origin(), Some(self.origin()));
        }
        self.held_since = match (self.held_since, is_held) {
            (_, false) => None,
            (Some(since), true) => Some(since),
            (None, true) => Some(self.now),
        };
        if let (Some(since), Some(holding)) = (self.held_since, self.replica.holding()) {
            assert_eq!(holding.until, since + HOLD, "nothing prolongs a hold");
            assert_ne!(holding.continuity, Continuity::Same);
        }
        if self.is_watched && !is_held {
            for (key, value) in &self.store {
                if let Some(value) = value {
                    assert_eq!(self.replica.in_hand().get(key), Some(value));
                }
            }
            let is_there = |key| self.store.contains_key(key);
            assert!(self.replica.in_hand().keys().all(is_there));
        }
    }

    fn origin(&self) -> Origin {
        Origin { cluster_id: self.cluster_id, revision: self.revision }
    }

    fn list(&mut self) {
        let before = self.replica.origin();
        let was_held = self.replica.holding().is_some();
        let listing = self.replica.list(self.origin(), self.now, |_| Values::new());
        self.is_watched = true;
        let newest = self.replica.newest_mut();
        newest.retain(|key, _| self.store.contains_key(key));
        newest.extend(self.store.iter().filter_map(|(key, value)| Some((*key, (*value)?))));
        let is_other =
            before.is_some_and(|before| before.continuity(self.origin()) != Continuity::Same);
        assert_eq!(listing.begins_hold, is_other && !was_held);
        let has_valid = self.store.values().any(Option::is_some);
        let had_any = !self.replica.in_hand().is_empty();
        let _ = self.settle();
        if (is_other || was_held) && had_any {
            assert_eq!(self.replica.holding().is_some(), !has_valid, "one valid key, and no other");
        } else {
            assert_eq!(self.replica.holding(), None);
        }
    }

    fn settle(&mut self) -> bool {
        self.replica.adopt_if(|in_hand, new| in_hand.is_empty() || !new.is_empty()).is_some()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn values_stay_for_the_hold_and_no_longer(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
        }
        // Whatever has happened, an etcd that is followed for long enough is obeyed.
        world.apply(&Step::List);
        world.apply(&Step::Wait(HOLD));
        prop_assert_eq!(world.replica.holding(), None);
        prop_assert_eq!(world.replica.origin(), Some(world.origin()));
    }
}

fn origin(cluster_id: u64, revision: i64) -> Origin {
    Origin { cluster_id, revision }
}

#[test]
fn a_hold_of_no_time_ends_at_the_next_look_at_the_clock() {
    let mut replica = Replica::new(Values::from([(1, 1)]), Some(origin(1, 9)), 0);
    let _ = replica.list(origin(2, 1), 5, |_| Values::new());
    assert_eq!(replica.in_hand().len(), 1);
    let replaced = replica.end_hold(5, true).expect("it is over");
    assert_eq!(replaced.continuity, Continuity::OtherCluster);
    assert_eq!(replaced.former, Values::from([(1, 1)]));
    assert!(replica.in_hand().is_empty());
}

#[test]
fn the_rest_of_a_hold_is_resumed_also_where_the_new_etcd_has_come_past_the_old_one() {
    let holding = Holding { continuity: Continuity::OlderRevision, until: 70 };
    let kept = Replica::new(Values::from([(1, 1)]), Some(origin(1, 9)), HOLD);
    let mut replica = kept.resume(holding);
    assert_eq!(replica.end_hold(500, true), None, "what etcd has is not known before it lists");
    let listing = replica.list(origin(1, 1_000), 50, |_| Values::new());
    assert!(!listing.begins_hold && listing.continuity == Continuity::Same);
    assert_eq!((replica.holding(), replica.origin()), (Some(holding), Some(origin(1, 9))));
    assert!(replica.end_hold(69, true).is_none() && replica.end_hold(70, true).is_some());
}

/// A value whose key counts whatever it says: a malformed one ends the hold, and the last good one
/// stays.
#[test]
fn a_successor_may_begin_as_a_copy_of_what_is_in_hand() {
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Single {
        value: Option<u32>,
        has_key: bool,
    }
    let single = Single { value: Some(5), has_key: true };
    let mut replica = Replica::new(single, Some(origin(1, 9)), HOLD);
    let copy = |single: &Single| Single { has_key: false, ..single.clone() };
    let _ = replica.list(origin(1, 2), 0, copy);
    assert!(replica.adopt_if(|_, new| new.has_key).is_none());
    replica.newest_mut().has_key = true;
    assert!(replica.adopt_if(|_, new| new.has_key).is_some());
    assert_eq!(replica.in_hand().value, Some(5));
}
