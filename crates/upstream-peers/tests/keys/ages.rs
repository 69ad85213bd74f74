//! Whatever is written, and however etcd is followed: a peer joins once, about when its key was
//! made.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use upstream_peers::{Ages, KnownAge};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Step {
    /// Time goes by.
    Wait(u64),
    Put(&'static str),
    Delete(&'static str),
    /// Something elsewhere in the store.
    Other,
    /// Nothing is heard from now on.
    Lose,
    /// The keys are listed; changes are told again from there on.
    List,
    /// A progress request is answered.
    Alive,
    /// Another follower takes over from the zone.
    TakeOver,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..1_000_u64).prop_map(Step::Wait),
        4 => select(&KEYS[..]).prop_map(Step::Put),
        2 => select(&KEYS[..]).prop_map(Step::Delete),
        2 => Just(Step::Other),
        1 => Just(Step::Lose),
        2 => Just(Step::List),
        1 => Just(Step::Alive),
        1 => Just(Step::TakeOver),
    ]
}

/// A key in etcd.
#[derive(Clone, Copy)]
struct Made {
    revision: i64,
    time: u64,
}

/// etcd, the follower and the zone.
struct World {
    now: u64,
    revision: i64,
    keys: BTreeMap<&'static str, Made>,
    is_heard: bool,
    ages: Ages,
    /// What a zone has, with the last word and the revision that was applied.
    zone: BTreeMap<&'static str, KnownAge>,
    last_word: u64,
    applied: i64,
    /// When the first list came.
    first: Option<u64>,
}

impl World {
    fn new() -> Self {
        Self {
            now: 1,
            revision: 1,
            keys: BTreeMap::new(),
            is_heard: false,
            ages: Ages::new(0, 0),
            zone: BTreeMap::new(),
            last_word: 0,
            applied: 0,
            first: None,
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(time) => self.now += time,
            Step::Put(key) => {
                self.revision += 1;
                let made = Made { revision: self.revision, time: self.now };
                self.keys.entry(key).or_insert(made);
                self.event()?;
            }
            Step::Delete(key) => {
                if self.keys.remove(key).is_some() {
                    self.revision += 1;
                    self.event()?;
                }
            }
            Step::Other => self.revision += 1,
            Step::Lose => self.is_heard = false,
            Step::List => {
                self.ages.listed(self.revision, self.now);
                self.is_heard = true;
                self.publish(false)?;
                self.first.get_or_insert(self.now);
            }
            Step::Alive => {
                if self.is_heard {
                    self.ages.alive(self.revision, self.now);
                    self.last_word = self.now;
                }
            }
            Step::TakeOver => {
                self.ages = Ages::new(self.applied, self.last_word);
                self.is_heard = false;
            }
        }
        Ok(())
    }

    fn event(&mut self) -> Result<(), TestCaseError> {
        if self.is_heard {
            self.ages.applied(self.revision, self.now);
            self.publish(true)?;
        }
        Ok(())
    }

    fn publish(&mut self, is_event: bool) -> Result<(), TestCaseError> {
        let before = std::mem::take(&mut self.zone);
        for (key, made) in &self.keys {
            let known = before.get(key).copied();
            let joined = self.ages.joined(key, made.revision, known, self.now);
            prop_assert!(joined <= self.now);
            match (self.first, known) {
                (_, Some(known)) if known.create_revision == made.revision => {
                    prop_assert_eq!(joined, known.joined, "it joins once");
                }
                (None, _) => prop_assert_eq!(joined, 0, "there before anybody looked"),
                // What was not heard of before was made since etcd was heard last.
                (Some(_), _) => {
                    prop_assert!(joined >= self.last_word && made.time >= self.last_word);
                    if is_event {
                        prop_assert_eq!(joined, self.now, "as it happened");
                    }
                }
            }
            self.zone.insert(key, KnownAge { create_revision: made.revision, joined });
        }
        self.ages.settle([], self.now);
        (self.last_word, self.applied) = (self.now, self.revision);
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_peer_joins_once_about_when_its_key_was_made(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step)?;
        }
    }
}
