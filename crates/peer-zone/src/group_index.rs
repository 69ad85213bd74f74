//! The index by which a directory finds the table of a group: places of tables in open addressing,
//! each at the first free slot from the one that its name's hash says.
//!
//! D. E. Knuth, "The Art of Computer Programming", volume 3, section 6.4, algorithms L and R.

use crate::memory::Offset;

/// At least so many slots, so that each index has a free one.
const LEAST: usize = 8;

/// An index with so many times the slots that it needs becomes smaller. One that needs a few more
/// again does not become larger at once.
const SPARSE: usize = 4;

/// How many slots an index needs with so many groups: a power of two, and twice as many at least,
/// so that a search ends soon.
pub(crate) fn slots(groups: usize) -> usize {
    (groups * 2).next_power_of_two().max(LEAST)
}

/// The place in an index that `is_it`, of those that may have this hash.
#[inline(always)]
pub(crate) fn find(index: &[Offset], hash: u32, is_it: impl Fn(Offset) -> bool) -> Option<Offset> {
    let mask = index.len().wrapping_sub(1);
    let mut slot = hash as usize;
    for _ in 0..index.len() {
        // There is a free slot.
        let place = *index.get(slot & mask).filter(|&&place| place != Offset(0))?;
        if is_it(place) {
            return Some(place);
        }
        slot = slot.wrapping_add(1);
    }
    None
}

/// An index in the publisher's own memory; directories have copies of it.
#[derive(Debug)]
pub(crate) struct GroupIndex {
    slots: Vec<Offset>,
    count: usize,
}

impl Default for GroupIndex {
    fn default() -> Self {
        Self { slots: vec![Offset(0); LEAST], count: 0 }
    }
}

impl GroupIndex {
    pub(crate) fn slots(&self) -> &[Offset] {
        &self.slots
    }

    /// Puts in a place that is not there; `hash_of` says the hashes of all others.
    pub(crate) fn insert(&mut self, place: Offset, hash: u32, hash_of: impl Fn(Offset) -> u32) {
        let wanted = slots(self.count + 1);
        if wanted > self.slots.len() {
            self.resize(wanted, hash_of);
        }
        self.put(place, hash);
        self.count += 1;
    }

    fn resize(&mut self, wanted: usize, hash_of: impl Fn(Offset) -> u32) {
        let before = std::mem::replace(&mut self.slots, vec![Offset(0); wanted]);
        for place in before.into_iter().filter(|&place| place != Offset(0)) {
            self.put(place, hash_of(place));
        }
    }

    fn put(&mut self, place: Offset, hash: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        // At most half of them are taken.
        while self.slots[slot] != Offset(0) {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = place;
    }

    fn find(&self, place: Offset, hash: u32) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let slots = (0..self.slots.len()).map(|step| (hash as usize).wrapping_add(step) & mask);
        let mut until_free = slots.take_while(|&slot| self.slots[slot] != Offset(0));
        until_free.find(|&slot| self.slots[slot] == place)
    }

    /// Puts one place where another of the same hash is.
    pub(crate) fn replace(&mut self, old: Offset, new: Offset, hash: u32) {
        if let Some(slot) = self.find(old, hash) {
            self.slots[slot] = new;
        }
    }

    /// Takes a place out; `hash_of` says the hashes of all others.
    pub(crate) fn remove(&mut self, place: Offset, hash: u32, hash_of: impl Fn(Offset) -> u32) {
        let Some(mut free) = self.find(place, hash) else { return };
        let mask = self.slots.len() - 1;
        self.count -= 1;
        self.slots[free] = Offset(0);
        let mut slot = (free + 1) & mask;
        while self.slots[slot] != Offset(0) {
            let home = hash_of(self.slots[slot]) as usize & mask;
            // Whether the free slot lies on the way from where the search for it begins.
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(free) & mask {
                self.slots[free] = std::mem::replace(&mut self.slots[slot], Offset(0));
                free = slot;
            }
            slot = (slot + 1) & mask;
        }
        let wanted = slots(self.count);
        if wanted <= self.slots.len() / SPARSE {
            self.resize(wanted, hash_of);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Hashes that often agree, and neighbors.
    fn hash_of(place: Offset) -> u32 {
        place.0 % 5 * 3
    }

    proptest! {
        #[test]
        fn an_index_finds_what_is_in_it(steps in proptest::collection::vec(1..60_u32, 0..200)) {
            let mut index = GroupIndex::default();
            let mut there = BTreeSet::new();
            for place in steps.into_iter().map(Offset) {
                let hash = hash_of(place);
                if there.remove(&place) {
                    index.remove(place, hash, hash_of);
                } else {
                    index.insert(place, hash, hash_of);
                    there.insert(place);
                }
                for place in (0..60).map(Offset).filter(|place| place.0 > 0) {
                    let found = find(index.slots(), hash_of(place), |it| it == place).is_some();
                    prop_assert_eq!(found, there.contains(&place));
                }
                let taken = index.slots().iter().filter(|place| place.0 != 0).count();
                prop_assert_eq!(taken, there.len());
                let needed = slots(there.len());
                prop_assert!((needed..SPARSE * needed).contains(&index.slots().len()));
            }
        }

        #[test]
        fn a_place_is_replaced_where_it_is(
            places in proptest::collection::btree_set(1..60_u32, 2..20),
        ) {
            let mut index = GroupIndex::default();
            for &place in &places {
                index.insert(Offset(place), hash_of(Offset(place)), hash_of);
            }
            let old = Offset(*places.first().expect("one"));
            let new = Offset(old.0 + 60 * 5);
            index.replace(old, new, hash_of(old));
            prop_assert!(find(index.slots(), hash_of(old), |it| it == new).is_some());
            prop_assert!(find(index.slots(), hash_of(old), |it| it == old).is_none());
        }
    }
}
