//! How the points of a base are packed.
//!
//! The circle of hashes is divided into buckets of equal size, as many as there are points or up to
//! twice as many. The upper bits of a hash are the number of its bucket. Three arrays follow one
//! another:
//!
//! * for each 32 buckets, a word with the number of points before them
//! * for each bucket a bit 1 for each of its points, then a bit 0
//! * for each point a number: the lower bits of its hash, and below them its slot
//!
//! So a point takes the bits of a slot, the lower bits of a hash, and three to five bits.

use crate::{
    bits,
    error::TooLarge,
    words::{HEADER, MOST_POINTS, MOST_SLOTS},
};

/// Buckets for each word with the number of points before them.
pub(crate) const BLOCK: usize = 32;

/// The sizes of these arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packing {
    /// Bits of a hash that its bucket does not say.
    pub(crate) rest_bits: u32,
    pub(crate) slot_bits: u32,
}

impl Packing {
    /// For this many points of servers whose slots are below `slots`.
    pub(crate) fn new(points: u64, slots: u32) -> Result<Self, TooLarge> {
        if points > MOST_POINTS || slots > MOST_SLOTS {
            return Err(TooLarge);
        }
        let slot_bits = slots.max(1).next_power_of_two().ilog2();
        let rest_bits = 32 - points.max(1).next_power_of_two().ilog2();
        // A number has at most 32 bits.
        Ok(Self { rest_bits: rest_bits.min(32 - slot_bits), slot_bits })
    }

    /// Whether a base can have this packing.
    pub(crate) fn is_valid(self) -> bool {
        let within = |bits: u32| (1..=32).contains(&bits);
        within(self.rest_bits) && self.slot_bits < 32 && within(self.rest_bits + self.slot_bits)
    }

    pub(crate) fn buckets(self) -> usize {
        1 << (32 - self.rest_bits)
    }

    pub(crate) fn block_words(self) -> usize {
        self.buckets().div_ceil(BLOCK)
    }

    pub(crate) fn unary_words(self, points: usize) -> usize {
        bits::words(self.buckets() as u64 + points as u64)
    }

    pub(crate) fn number_words(self, points: usize) -> usize {
        bits::words(points as u64 * u64::from(self.width()))
    }

    /// Words of a base with this many points.
    pub(crate) fn words(self, points: usize) -> usize {
        HEADER + self.block_words() + self.unary_words(points) + self.number_words(points)
    }

    /// Bits of a point's number.
    #[inline]
    pub(crate) fn width(self) -> u32 {
        self.rest_bits + self.slot_bits
    }

    #[inline]
    pub(crate) fn bucket(self, hash: u32) -> usize {
        // In 64 bits, since all 32 bits go if there is one bucket.
        (u64::from(hash) >> self.rest_bits) as usize
    }

    /// The number of a point.
    #[inline]
    pub(crate) fn pack(self, hash: u32, slot: u32) -> u32 {
        let rest = u64::from(hash) & ((1 << self.rest_bits) - 1);
        (rest << self.slot_bits) as u32 | slot
    }

    /// Whether two points of one bucket, with these numbers, have the same hash.
    #[inline]
    pub(crate) fn have_equal_hashes(self, one: u32, other: u32) -> bool {
        (one ^ other) >> self.slot_bits == 0
    }

    /// The hash of a point in this bucket, and its slot.
    #[inline]
    pub(crate) fn unpack(self, bucket: usize, number: u32) -> (u32, u32) {
        let upper = ((bucket as u64) << self.rest_bits) as u32;
        (upper | number >> self.slot_bits, number & ((1 << self.slot_bits) - 1))
    }
}
