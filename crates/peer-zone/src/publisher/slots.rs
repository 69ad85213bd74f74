//! A set of places.

use crate::memory::Offset;

/// Bits in a word of the set.
const BITS: u32 = u64::BITS;

/// One bit for each unit of the memory: with tens of thousands of peers a change is published
/// thousands of times a minute, and a set of hashes would be the dearest part of it.
pub(super) struct SlotSet(Vec<u64>);

impl SlotSet {
    /// These places, in a memory of so many units.
    pub(super) fn new(units: u32, places: impl Iterator<Item = Offset>) -> Self {
        let mut words = vec![0; units.div_ceil(BITS) as usize];
        for Offset(place) in places {
            words[(place / BITS) as usize] |= 1 << (place % BITS);
        }
        Self(words)
    }

    /// Whether the place is one of them.
    pub(super) fn contains(&self, Offset(place): Offset) -> bool {
        self.0[(place / BITS) as usize] & (1 << (place % BITS)) != 0
    }
}
