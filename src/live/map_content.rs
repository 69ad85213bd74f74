//! What the watcher has of the keys of an `etcd_map`.

use core::{mem, sync::atomic::AtomicU64};
use std::collections::{BTreeMap, HashMap, hash_map};

use client_networks::shown;
use etcd_watch::{Item, Limits};
use live_map::Full;
use live_value::{Tag, messages::Nouns};

use super::{
    content::{Content, ContentUpdate, RejectedValue, hash_of},
    map_place::{Place, Wanted, wipe},
    map_rules::Rules,
    map_spellings::{Former, Spellings, Standing},
    memory::LiveMemory,
};

/// The entries, and what is known of keys that are none.
#[derive(Debug)]
pub(super) struct Entries {
    rules: Rules,
    /// The shared memory of the entries.
    words: &'static [AtomicU64],
    place: Place,
    spellings: Spellings,
    left_out: LeftOut,
    /// Whether a key counts now whose value nobody has kept, since another one counted.
    is_stale: bool,
}

/// Entries that have no room, by their keys.
#[derive(Debug, Default)]
struct LeftOut {
    /// The bytes that each takes.
    needed: BTreeMap<Vec<u8>, usize>,
    /// Their sum.
    sum: usize,
    /// The bytes that were left when the last one found no room.
    left: usize,
}

impl LeftOut {
    fn add(&mut self, key: &[u8], full: Full) {
        self.sum += full.needed;
        self.sum -= self.needed.insert(key.to_vec(), full.needed).unwrap_or_default();
        self.left = full.left;
    }

    fn remove(&mut self, key: &[u8]) {
        if !self.needed.is_empty() {
            self.sum -= self.needed.remove(key).unwrap_or_default();
        }
    }
}

impl Entries {
    /// None, for this memory: nothing is written there yet.
    pub(super) fn new(rules: Rules, words: &'static [AtomicU64]) -> Self {
        Self {
            rules,
            words,
            place: Place::Beside(BTreeMap::new()),
            spellings: Spellings::default(),
            left_out: LeftOut::default(),
            is_stale: false,
        }
    }

    /// Puts entries. Where there is no room for all, those that are there come before new ones.
    fn put_all(&mut self, wanted: Vec<Wanted<'_>>, update: &mut ContentUpdate) {
        let mut full = Vec::new();
        let (known, new): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| self.place.has(&wanted.name, wanted.key));
        for wanted in known.into_iter().chain(new) {
            match self.place.put(wanted) {
                Ok(is_changed) => update.is_changed |= is_changed,
                Err(error) => {
                    self.left_out.add(wanted.key, error);
                    full.push((wanted, error));
                }
            }
        }
        // Only now it is known how much is needed for all.
        let rejected = full
            .iter()
            .map(|(wanted, error)| rejected(wanted.key, self.no_room(*error), wanted.value));
        update.rejected.extend(rejected);
    }

    /// What is said of an entry that has no room.
    fn no_room(&self, error: Full) -> String {
        let (used, _) = self.place.bytes();
        let zone = self.rules.zone_for(used + self.left_out.sum);
        format!("{error}: increase \"zone\" of the \"etcd_map\" directive to {zone}")
    }
}

impl Content for Entries {
    fn limits(&self) -> Limits {
        self.rules.limits()
    }

    fn nouns(&self) -> Nouns {
        Nouns {
            values: "values",
            kept: "current values are kept",
            removed: "current values are removed",
            one: "valid value",
            last_valid: "the key's last valid value is kept, if any",
        }
    }

    fn successor(&self) -> Box<dyn Content> {
        Box::new(Self::new(self.rules.clone(), self.words))
    }

    fn restore(&self, _memory: &LiveMemory) -> Option<Box<dyn Content>> {
        let place = Place::shared(self.words, self.rules.is_secret);
        Some(Box::new(Self { place, ..Self::new(self.rules.clone(), self.words) }))
    }

    fn publish(&mut self, _memory: &LiveMemory, tag: Tag) {
        self.place.publish(tag);
    }

    fn copy(&self, old: &LiveMemory, new: &LiveMemory, tag: Tag) {
        // Where somebody writes all the time, the next watcher has them from etcd.
        let Some(Ok(mut entries)) = old.table().map(|table| table.entries()) else { return };
        let mut place = Place::shared(new.words(), self.rules.is_secret);
        for entry in &mut entries {
            if let Some(name) = live_map::Name::new(entry.kind, &entry.text) {
                // What has no room is left out; the next watcher says so.
                let _ = place.put(Wanted { name, key: &[], value: &entry.value });
            }
            wipe(&mut entry.value);
        }
        place.publish(tag);
    }

    fn is_set(&self) -> bool {
        !self.is_empty()
    }

    fn succeed(&mut self, former: Box<dyn Content>) -> ContentUpdate {
        // There is one writer of the memory at a time.
        drop(former);
        let shared = Place::shared(self.words, self.rules.is_secret);
        let own = mem::replace(&mut self.place, shared);
        let Place::Beside(entries) = &own else { return ContentUpdate::default() };
        let mut update = ContentUpdate {
            is_changed: self.place.retain(|key| entries.contains_key(key)),
            rejected: Vec::new(),
        };
        let wanted = entries.iter().filter_map(|(key, value)| {
            Some(Wanted { name: self.rules.name(key).ok()?, key, value })
        });
        self.put_all(wanted.collect(), &mut update);
        update
    }

    fn replace(&mut self, items: &[Item]) -> ContentUpdate {
        (self.spellings, self.left_out, self.is_stale) = Default::default();
        let mut update = ContentUpdate::default();
        let mut keys: HashMap<Vec<u8>, &[u8]> = HashMap::with_capacity(items.len());
        let mut wanted = Vec::with_capacity(items.len());
        for Item { key, value, .. } in items {
            let lower = key.to_ascii_lowercase();
            let taken = self.rules.name(key).and_then(|name| {
                match keys.entry(lower) {
                    hash_map::Entry::Vacant(place) => {
                        self.spellings.add(key, place.key(), false);
                        place.insert(key);
                    }
                    hash_map::Entry::Occupied(first) => {
                        // A list is in the order of the keys: the first one has been there.
                        self.spellings.add(key, first.key(), true);
                        return Err(behind(first.get()));
                    }
                }
                Ok(Wanted { name, key, value: self.rules.value(value)? })
            });
            match taken {
                Ok(one) => wanted.push(one),
                Err(reason) => update.rejected.push(rejected(key, reason, value)),
            }
        }
        // A key whose value is not valid keeps its last good one.
        update.is_changed = self.place.retain(|key| keys.contains_key(key));
        self.put_all(wanted, &mut update);
        update
    }

    fn put(&mut self, item: &Item) -> ContentUpdate {
        let Item { key, value, .. } = item;
        let mut update = ContentUpdate::default();
        let taken = self.rules.name(key).and_then(|name| {
            let has_value = self.place.has(&name, key);
            match self.spellings.add(key, &key.to_ascii_lowercase(), has_value) {
                Standing::Behind(first) => return Err(behind(&first)),
                Standing::First(Some(former)) => {
                    update.rejected.push(rejected(&former, behind(key), &[]));
                }
                Standing::First(None) => {}
            }
            Ok(Wanted { name, key, value: self.rules.value(value)? })
        });
        self.left_out.remove(key);
        match taken {
            Ok(wanted) => self.put_all(vec![wanted], &mut update),
            Err(reason) => update.rejected.push(rejected(key, reason, value)),
        }
        update
    }

    fn delete(&mut self, key: &[u8]) -> bool {
        self.left_out.remove(key);
        let Ok(name) = self.rules.name(key) else { return false };
        match self.spellings.remove(key, &key.to_ascii_lowercase()) {
            Former::Alone => self.place.delete(&name, key),
            Former::Behind => false,
            Former::First => {
                // Until the list the value that was there is nearer than none.
                self.is_stale = true;
                false
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.place.len() == 0
    }

    /// Keys whose values are not valid do not take anybody's place.
    fn is_replacement(&self) -> bool {
        !self.is_empty()
    }

    fn wants_list(&self) -> bool {
        /// A part of the room that is worth a list: an eighth.
        const PART: usize = 8;
        let (used, total) = self.place.bytes();
        let has_room = !self.left_out.needed.is_empty()
            && total.saturating_sub(used) > self.left_out.left + total / PART;
        self.is_stale || has_room
    }

    fn is_heard(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        format!("{} entries", self.place.len())
    }
}

/// What is said of a key that counts no more, or not yet.
fn behind(first: &[u8]) -> String {
    format!("key \"{}\", which differs in case alone, comes first", shown(first))
}

fn rejected(key: &[u8], reason: String, value: &[u8]) -> RejectedValue {
    let hash = hash_of((key, &reason, value));
    RejectedValue { key: shown(key), reason, hash }
}
