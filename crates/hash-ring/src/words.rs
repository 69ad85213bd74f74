//! How points and sets of slots are laid out in words of 32 bits.

/// Slots are numbers below this.
pub const MOST_SLOTS: u32 = 1 << 24;

/// The most points that a ring can have, live or not.
pub const MOST_POINTS: u64 = 1 << 31;

/// Points of a bucket of a delta, on average: at least this many and less than twice as many.
const POINTS_PER_BUCKET: u64 = 8;

/// Words before the starts of the buckets, in a base and in a delta.
pub(crate) const HEADER: usize = 8;

/// A point: its hash in the upper half, the slot of its server in the lower half. In this order,
/// points are sorted by their hashes.
pub(crate) fn point(hash: u32, slot: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(slot)
}

/// The hash of a point.
pub(crate) fn hash_of(point: u64) -> u32 {
    (point >> 32) as u32
}

/// The slot of a point.
pub(crate) fn slot_of(point: u64) -> u32 {
    point as u32
}

/// How many bits of a hash name its bucket in a delta, for this many points.
pub(crate) fn bucket_bits(points: u64) -> u32 {
    (points / POINTS_PER_BUCKET).max(1).ilog2()
}

/// The words with the starts of the buckets, and one more for the end of the last.
pub(crate) fn starts(bucket_bits: u32) -> usize {
    (1 << bucket_bits) + 1
}

/// The bucket of a hash.
pub(crate) fn bucket(hash: u32, bucket_bits: u32) -> usize {
    // In 64 bits, since all 32 bits go if there is one bucket.
    (u64::from(hash) >> (32 - bucket_bits)) as usize
}

/// How many words of these, which are ascending, are below `least`.
pub(crate) fn count_below(words: &[u32], least: u32) -> usize {
    /// Up to here it is faster to look at all than to guess a branch wrongly.
    const FEW: usize = 32;
    if words.len() > FEW {
        return words.partition_point(|&word| word < least);
    }
    words.iter().map(|&word| usize::from(word < least)).sum()
}

/// A set of slots in a slice: an open hash table that is at most a quarter full.
pub(crate) mod slot_set {
    /// Words of the table for this many slots.
    pub(crate) fn words(slots: usize) -> usize {
        if slots == 0 { 0 } else { (4 * slots).next_power_of_two() }
    }

    /// Adds a slot to a table with room for it, which was filled with 0 at first.
    pub(crate) fn insert(table: &mut [u32], slot: u32) {
        let Some(at) = places(table.len(), slot).find(|&at| table[at] == 0) else { return };
        table[at] = slot + 1;
    }

    /// Whether the slot is in the table.
    #[inline]
    pub(crate) fn contains(table: &[u32], slot: u32) -> bool {
        let found = places(table.len(), slot)
            .filter_map(|at| table.get(at))
            .find(|&&word| word == slot + 1 || word == 0);
        found.is_some_and(|&word| word != 0)
    }

    /// The slots of the table.
    pub(crate) fn iter(table: &[u32]) -> impl Iterator<Item = u32> + '_ {
        table.iter().filter_map(|word| word.checked_sub(1))
    }

    #[inline]
    fn places(length: usize, slot: u32) -> impl Iterator<Item = usize> {
        let mask = length.wrapping_sub(1);
        let first = (slot.wrapping_mul(0x9E37_79B9) >> 8) as usize;
        (0..length).map(move |step| first.wrapping_add(step) & mask)
    }
}
