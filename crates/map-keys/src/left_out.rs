//! Entries that have no room.

use std::collections::BTreeMap;

use live_map::Full;

/// A part of the room that is worth a list, for what was left out: an eighth.
const PART: usize = 8;

/// Entries that have no room, by their keys.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    /// The bytes that each takes.
    needed: BTreeMap<Vec<u8>, usize>,
    /// Their sum.
    sum: usize,
    /// The bytes that were left when the last one found no room.
    left: usize,
}

impl LeftOut {
    /// The key has no room.
    pub(crate) fn add(&mut self, key: &[u8], full: Full) {
        self.sum += full.needed;
        self.sum -= self.needed.insert(key.to_vec(), full.needed).unwrap_or_default();
        self.left = full.left;
    }

    /// The key is gone, or has another value.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if !self.needed.is_empty() {
            self.sum -= self.needed.remove(key).unwrap_or_default();
        }
    }

    /// The bytes that they take together.
    pub(crate) fn sum(&self) -> usize {
        self.sum
    }

    /// Whether some may have room now.
    pub(crate) fn may_have_room(&self, used: usize, total: usize) -> bool {
        !self.needed.is_empty() && total.saturating_sub(used) > self.left + total / PART
    }
}
