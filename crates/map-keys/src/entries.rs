//! The entries, and what is known of keys that are none.

use std::{
    collections::{HashMap, hash_map},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    mem,
    sync::atomic::AtomicU64,
};

use live_map::{Name, SharedMap, Tag, TornRead};

use crate::{
    left_out::LeftOut,
    place::{Place, Wanted, wipe},
    rules::{Reason, Rules},
    spellings::{Former, Spellings, Standing},
};

/// The entries of a map, in shared memory or beside it.
#[derive(Debug)]
pub struct Entries<'w> {
    rules: Rules,
    place: Place<'w>,
    spellings: Spellings,
    left_out: LeftOut,
    /// Whether a key counts now whose value nobody has kept, since another one counted.
    is_stale: bool,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Update {
    /// Whether entries differ from those before.
    pub is_changed: bool,
    /// The keys that were rejected.
    pub rejected: Vec<Rejected>,
}

/// A key that was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The key below the prefix.
    pub key: Vec<u8>,
    /// Why it was rejected.
    pub reason: Reason,
    /// Of the value.
    pub hash: u64,
}

impl Rejected {
    fn new(key: &[u8], reason: Reason, value: &[u8]) -> Self {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(value);
        Self { key: key.to_vec(), reason, hash }
    }
}

impl<'w> Entries<'w> {
    /// None, of an etcd that is to succeed the one before.
    pub fn beside(rules: Rules) -> Self {
        Self {
            rules,
            place: Place::beside(),
            spellings: Spellings::default(),
            left_out: LeftOut::default(),
            is_stale: false,
        }
    }

    /// Those that lie in these words, where requests see them. There is one writer of them at a
    /// time, which is for others to see to.
    pub fn shared(rules: Rules, words: &'w [AtomicU64]) -> Self {
        Self { place: Place::shared(words, rules.is_secret), ..Self::beside(rules) }
    }

    /// What they go by.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.place.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a list could bring values that are not there: of keys that were left out, and have
    /// room now, or that count now and did not before.
    pub fn wants_list(&self) -> bool {
        let (used, total) = self.place.bytes();
        self.is_stale || self.left_out.may_have_room(used, total)
    }

    /// Tells requests that this is what etcd has.
    pub fn publish(&mut self, tag: Tag) {
        self.place.publish(tag);
    }

    /// These take the place of those in the words, whose writer is no more.
    pub fn succeed(&mut self, words: &'w [AtomicU64]) -> Update {
        let shared = Place::shared(words, self.rules.is_secret);
        let own = mem::replace(&mut self.place, shared);
        let Some(entries) = own.entries() else { return Update::default() };
        let is_changed = self.place.retain(|key| entries.contains_key(key));
        let mut update = Update { is_changed, ..Update::default() };
        let rules = self.rules;
        let wanted = entries.iter().filter_map(|(key, value)| {
            // It was taken when it came here.
            Some(Wanted { name: rules.name(key).ok()?, key, value })
        });
        self.put_all(wanted.collect(), &mut update);
        update
    }

    /// Takes a fresh list of all keys, in the order of their bytes, with their values: what it
    /// lacks is gone, what it has malformed keeps its last good value.
    pub fn replace<'i>(
        &mut self,
        items: impl ExactSizeIterator<Item = (&'i [u8], &'i [u8])>,
    ) -> Update {
        (self.spellings, self.left_out, self.is_stale) = Default::default();
        let mut update = Update::default();
        let mut keys: HashMap<Vec<u8>, &[u8]> = HashMap::with_capacity(items.len());
        let mut wanted = Vec::with_capacity(items.len());
        for (key, value) in items {
            let taken = self.rules.name(key).and_then(|name| {
                match keys.entry(key.to_ascii_lowercase()) {
                    hash_map::Entry::Vacant(place) => {
                        self.spellings.add(key, place.key(), false);
                        place.insert(key);
                    }
                    hash_map::Entry::Occupied(first) => {
                        self.spellings.add(key, first.key(), true);
                        return Err(Reason::behind(first.get()));
                    }
                }
                Ok(Wanted { name, key, value: self.rules.value(value)? })
            });
            match taken {
                Ok(one) => wanted.push(one),
                Err(reason) => update.rejected.push(Rejected::new(key, reason, value)),
            }
        }
        update.is_changed = self.place.retain(|key| keys.contains_key(key));
        self.put_all(wanted, &mut update);
        update
    }

    /// Takes one key's new value.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Update {
        let mut update = Update::default();
        let taken = self.rules.name(key).and_then(|name| {
            let has_value = self.place.has(&name, key);
            match self.spellings.add(key, &key.to_ascii_lowercase(), has_value) {
                Standing::Behind(first) => return Err(Reason::behind(&first)),
                Standing::First(Some(former)) => {
                    update.rejected.push(Rejected::new(&former, Reason::behind(key), &[]));
                }
                Standing::First(None) => {}
            }
            Ok(Wanted { name, key, value: self.rules.value(value)? })
        });
        self.left_out.remove(key);
        match taken {
            Ok(wanted) => self.put_all(vec![wanted], &mut update),
            Err(reason) => update.rejected.push(Rejected::new(key, reason, value)),
        }
        update
    }

    /// A key is gone. Returns whether an entry is gone with it.
    pub fn delete(&mut self, key: &[u8]) -> bool {
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

    /// Puts entries. Where there is no room for all, those that are there come before new ones.
    fn put_all(&mut self, wanted: Vec<Wanted<'_>>, update: &mut Update) {
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
        let all = self.place.bytes().0 + self.left_out.sum();
        update.rejected.extend(full.into_iter().map(|(wanted, full)| {
            Rejected::new(wanted.key, Reason::NoRoom { full, all }, wanted.value)
        }));
    }
}

/// Copies all entries to other words, of which nobody knows yet. What has no room there is left
/// out.
///
/// # Errors
///
/// Where somebody writes to the first ones all the time: nothing is copied.
pub fn copy(
    from: SharedMap<'_>,
    to: &[AtomicU64],
    is_secret: bool,
    tag: Tag,
) -> Result<(), TornRead> {
    let mut place = Place::shared(to, is_secret);
    for mut entry in from.entries()? {
        if let Some(name) = Name::new(entry.kind, &entry.text) {
            let _ = place.put(Wanted { name, key: &[], value: &entry.value });
        }
        wipe(&mut entry.value);
    }
    place.publish(tag);
    Ok(())
}
