//! How points and sets of slots are laid out in words of 32 bits.

use crate::error::TooLarge;

/// Slots are numbers below this.
pub const MOST_SLOTS: u32 = 1 << 24;

/// The most points that a ring can have, live or not.
pub const MOST_POINTS: u64 = 1 << 31;

/// Points of a bucket, on average: at least this many and less than twice as many, unless there
/// are more slots than buckets of this size.
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

/// How many bits of a hash name its bucket, for this many points.
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

/// How the points of a base are packed: a word for each, with the part of its hash that its bucket
/// does not say, and below it its slot. There are at least as many buckets as slots, so that both
/// fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) bucket_bits: u32,
    pub(crate) slot_bits: u32,
}

impl Packing {
    /// For this many points of servers whose slots are below `slots`.
    pub(crate) fn new(points: u64, slots: u32) -> Result<Self, TooLarge> {
        if points > MOST_POINTS || slots > MOST_SLOTS {
            return Err(TooLarge);
        }
        let slot_bits = slots.max(1).next_power_of_two().ilog2();
        Ok(Self { bucket_bits: bucket_bits(points).max(slot_bits), slot_bits })
    }

    /// Whether a base can have this packing.
    pub(crate) fn is_valid(self) -> bool {
        self.bucket_bits < 32 && self.slot_bits <= self.bucket_bits
    }

    /// Words of a base with this many points.
    pub(crate) fn words(self, points: usize) -> usize {
        HEADER + starts(self.bucket_bits) + points
    }

    /// The word of a point.
    pub(crate) fn pack(self, hash: u32, slot: u32) -> u32 {
        // The upper bits, which the bucket says, go.
        let rest = hash << self.bucket_bits >> self.bucket_bits;
        rest << self.slot_bits | slot
    }

    /// The hash of a word in this bucket, and its slot.
    pub(crate) fn unpack(self, bucket: usize, word: u32) -> (u32, u32) {
        let upper = ((bucket as u64) << (32 - self.bucket_bits)) as u32;
        (upper | word >> self.slot_bits, word & ((1 << self.slot_bits) - 1))
    }
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
