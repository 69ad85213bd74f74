//! Peers that are found by their places, by what they are, and by their groups.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
};

use crate::{
    memory::Offset,
    peer_spec::{PeerSpec, identity, is_same},
};

/// A record of a peer that has a place.
pub(super) trait HasPlace {
    /// What the peer is.
    fn spec(&self) -> &PeerSpec;

    /// Where it is.
    fn place(&self) -> Offset;
}

/// Records of peers, one for each place, in the order in which they came.
///
/// Each call takes a time that hardly grows with their number: where peers are in many groups, each
/// group looks for its own among those of all.
#[derive(Debug)]
pub(super) struct Placed<T> {
    records: BTreeMap<u64, T>,
    /// The number of the record for a place.
    numbers: HashMap<Offset, u64>,
    /// By the hash of what the peer is.
    places: BTreeSet<(u64, Offset)>,
    /// By the hash of the group's name.
    places_of_groups: BTreeSet<(u64, Offset)>,
    next: u64,
}

impl<T> Default for Placed<T> {
    fn default() -> Self {
        let (records, numbers, places, places_of_groups) = Default::default();
        Self { records, numbers, places, places_of_groups, next: 0 }
    }
}

fn hash_of(what: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(what)
}

/// The name of the group that a peer is in; empty if it is in none.
pub(super) fn group_of(spec: &PeerSpec) -> &str {
    spec.group.as_deref().unwrap_or_default()
}

/// The places with this hash.
fn with_hash(places: &BTreeSet<(u64, Offset)>, hash: u64) -> impl Iterator<Item = Offset> {
    places.range((hash, Offset(0))..=(hash, Offset(u32::MAX))).map(|&(_, place)| place)
}

impl<T: HasPlace> Placed<T> {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn iter(&self) -> btree_map::Values<'_, u64, T> {
        self.records.values()
    }

    /// Changes each record.
    pub(super) fn change_each(&mut self, change: impl Fn(&mut T)) {
        let records = std::mem::take(self).into_records();
        self.extend(records.map(|mut record| {
            change(&mut record);
            record
        }));
    }

    /// The record for a place.
    pub(super) fn get(&self, place: Offset) -> Option<&T> {
        self.records.get(self.numbers.get(&place)?)
    }

    /// The record of a peer that is as `spec` says; the one with the first place, if several are.
    pub(super) fn find(&self, spec: &PeerSpec) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        let places = with_hash(&self.places, hash_of(identity(spec)));
        let mut records = places.filter_map(|place| self.get(place));
        records.find(|record| is_same(record.spec(), spec))
    }

    /// The records of peers of this group, which is empty for those that are in none.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = &T> {
        let places = with_hash(&self.places_of_groups, hash_of(group));
        let records = places.filter_map(|place| self.get(place));
        records.filter(move |record| group_of(record.spec()) == group)
    }

    /// Adds a record, in the place of one for the same place.
    pub(super) fn push(&mut self, record: T) {
        let place = record.place();
        self.remove(place);
        self.places.insert((hash_of(identity(record.spec())), place));
        self.places_of_groups.insert((hash_of(group_of(record.spec())), place));
        self.numbers.insert(place, self.next);
        self.records.insert(self.next, record);
        self.next += 1;
    }

    /// Takes the record for a place out, if there is one.
    pub(super) fn remove(&mut self, place: Offset) -> Option<T> {
        let record = self.records.remove(&self.numbers.remove(&place)?)?;
        self.places.remove(&(hash_of(identity(record.spec())), place));
        self.places_of_groups.remove(&(hash_of(group_of(record.spec())), place));
        Some(record)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// All, in their order.
    pub(super) fn into_records(self) -> impl Iterator<Item = T> {
        self.records.into_values()
    }
}

impl<T: HasPlace> Extend<T> for Placed<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, records: I) {
        records.into_iter().for_each(|record| self.push(record));
    }
}

impl<T: HasPlace> FromIterator<T> for Placed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(records: I) -> Self {
        let mut placed = Self::default();
        placed.extend(records);
        placed
    }
}

#[cfg(test)]
mod tests;
