//! How much room rings take.

use hash_ring::base_words;
use peer_balance::POINTS_PER_WEIGHT;

use crate::memory::units;

/// How many points a server of this weight has.
pub(in crate::publisher) fn points(weight: u32) -> usize {
    weight as usize * POINTS_PER_WEIGHT as usize
}

/// Words of a delta for a server that was removed, at most.
pub(in crate::publisher) const WORDS_OF_REMOVED: usize = 8;

/// Words of a delta for so many added points, at most.
pub(in crate::publisher) fn added_words(points: usize) -> usize {
    points * 17 / 8 + 1
}

/// What a base with so many points takes.
pub(in crate::publisher) fn base_units(points: usize, slots: usize) -> u32 {
    if points == 0 {
        return 0;
    }
    let slots = u32::try_from(slots).unwrap_or(u32::MAX);
    base_words(points as u64, slots).map_or(u32::MAX, |words| units(words * size_of::<u32>()))
}

/// Whether a ring with so many points in all, so many of which its base has not, may fit into so
/// many units: with a delta that has these, each of which takes two words at least, or with another
/// base.
pub(super) fn may_fit(all: usize, added: usize, slots: usize, free: u32) -> bool {
    let delta = added.checked_mul(2 * size_of::<u32>()).map_or(u32::MAX, units);
    added == 0 || delta <= free || base_units(all, slots) <= free
}

#[cfg(test)]
mod tests {
    use super::{base_units, may_fit};

    #[test]
    fn a_ring_fits_with_a_delta_or_with_another_base() {
        const ALL: usize = 1_000_000;
        let base = base_units(ALL, 10);
        assert!(may_fit(ALL, ALL, 10, base));
        assert!(!may_fit(ALL, ALL, 10, base / 2));
        assert!(may_fit(ALL, 100, 10, base / 2), "the delta is small");
        assert!(!may_fit(ALL, 100, 10, 1));
        assert!(may_fit(ALL, 0, 10, 0), "the base is there");
    }
}
