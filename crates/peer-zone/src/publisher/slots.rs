//! A set of places of peers.

use crate::memory::Offset;

/// Bits in a word of the set.
const BITS: usize = u64::BITS as usize;

/// One bit for each index that a peer can have: with tens of thousands of peers a change is
/// published thousands of times a minute, and a set of hashes would be the dearest part of it.
pub(super) struct SlotSet(Vec<u64>);

impl SlotSet {
    /// These places of peers, in a memory with so many indexes.
    pub(super) fn new(indexes: usize, places: impl Iterator<Item = Offset>) -> Self {
        let mut words = vec![0; indexes.div_ceil(BITS)];
        for index in places.map(Offset::index) {
            words[index / BITS] |= 1 << (index % BITS);
        }
        Self(words)
    }

    /// Whether the place is one of them.
    pub(super) fn contains(&self, place: Offset) -> bool {
        let index = place.index();
        self.0[index / BITS] & (1 << (index % BITS)) != 0
    }
}
