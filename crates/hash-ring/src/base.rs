//! The part of a ring that does not change: all points of its servers in the order of their hashes.
//!
//! ```text
//! word 0      1    2        3           4           5..8       8..
//! BASE_MAGIC  id   points   rest bits   slot bits   reserved   points, as `packing.rs` says
//! ```

use std::hint::black_box;

use crate::{
    bits,
    error::{Malformed, TooLarge},
    packing::{BLOCK, Packing},
    words::HEADER,
};

pub(crate) const BASE_MAGIC: u32 = u32::from_be_bytes(*b"RINB");

/// The words of a base without points, which every ring begins with.
pub const EMPTY_BASE: [u32; HEADER + 2] = [BASE_MAGIC, 0, 0, 32, 0, 0, 0, 0, 0, 0];

/// How many words a base takes that has this many points of servers whose slots are below `slots`.
///
/// It is at most `11 + points + points / 32 + max(points, slots) / 8`. If the servers have 160
/// points each and the lowest slots, it is less than `11 + points`.
///
/// # Errors
///
/// If there are more points than [`MOST_POINTS`](crate::MOST_POINTS), or more slots than
/// [`MOST_SLOTS`](crate::MOST_SLOTS).
pub fn base_words(points: u64, slots: u32) -> Result<usize, TooLarge> {
    Ok(Packing::new(points, slots)?.words(points as usize))
}

/// A base as readers have it.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    pub(crate) id: u32,
    points: usize,
    packing: Packing,
    blocks: &'a [u32],
    unary: &'a [u32],
    numbers: &'a [u32],
}

/// A place in a base.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) index: usize,
    /// The bucket of the point or one before it; all between them are empty.
    bucket: usize,
}

impl Cursor {
    /// The next bit: there is one for each point and each bucket before it.
    #[inline]
    fn bit(self) -> usize {
        self.index + self.bucket
    }
}

impl<'a> Base<'a> {
    /// Reads the header, in constant time.
    ///
    /// # Errors
    ///
    /// If these are not the words of a complete base.
    #[inline]
    pub fn new(words: &'a [u32]) -> Result<Self, Malformed> {
        let (header, rest) = words.split_first_chunk::<HEADER>().ok_or(Malformed)?;
        let &[magic, id, points, rest_bits, slot_bits, ..] = header;
        // Without overflow, whatever the words say.
        let packing = Packing { rest_bits: rest_bits.min(64), slot_bits: slot_bits.min(64) };
        if magic != BASE_MAGIC || !packing.is_valid() {
            return Err(Malformed);
        }
        let points = points as usize;
        let (blocks, rest) = rest.split_at_checked(packing.block_words()).ok_or(Malformed)?;
        let (unary, rest) = rest.split_at_checked(packing.unary_words(points)).ok_or(Malformed)?;
        let numbers = rest.get(..packing.number_words(points)).ok_or(Malformed)?;
        Ok(Self { id, points, packing, blocks, unary, numbers })
    }

    /// Counted up by each merge.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How many points it has, those of removed servers included.
    pub fn points(&self) -> usize {
        self.points
    }

    /// How many words it takes.
    pub fn words(&self) -> usize {
        self.packing.words(self.points)
    }

    /// The first point whose hash is not below this one; the end if there is none.
    #[inline(always)]
    pub(crate) fn seek(&self, hash: u32) -> Cursor {
        let bucket = self.packing.bucket(hash);
        let mut cursor = self.bucket_start(bucket);
        let least = self.packing.pack(hash, 0);
        while !self.is_bucket_over(cursor) && self.number(cursor.index) < least {
            cursor.index += 1;
        }
        cursor
    }

    /// Whether the bucket of the cursor has no more points.
    #[inline]
    pub(crate) fn is_bucket_over(&self, cursor: Cursor) -> bool {
        let bit = cursor.bit();
        self.unary.get(bit / BLOCK).is_none_or(|word| word >> (bit % BLOCK) & 1 == 0)
    }

    /// The first point that is not in a bucket before this one.
    #[inline(always)]
    fn bucket_start(&self, bucket: usize) -> Cursor {
        let block = bucket / BLOCK;
        let index = self.blocks.get(block).map_or(self.points, |&index| index as usize);
        let mut at = index + block * BLOCK;
        let mut left = bucket % BLOCK;
        // About where the point is: so the processor loads its number while it looks for the bit.
        let about = index + ((left * self.points) >> (32 - self.packing.rest_bits));
        black_box(self.numbers.get(about * self.packing.width() as usize / BLOCK));
        if left == 0 {
            return Cursor { index, bucket };
        }
        // Looks for the 0 with which the bucket before this one ends.
        let end = BLOCK * self.unary.len();
        while at < end {
            match bits::nth_one(!bits::read(self.unary, at), left as u32) {
                Ok(place) => {
                    at += place as usize + 1;
                    return Cursor { index: at.saturating_sub(bucket), bucket };
                }
                Err(ones) => left -= ones as usize,
            }
            at += 64;
        }
        Cursor { index: self.points, bucket }
    }

    /// The slot of the first point from this hash on, round the circle; `None` if there is none, or
    /// if the next point has the same hash.
    #[inline(always)]
    pub(crate) fn find_sole(&self, hash: u32) -> Option<u32> {
        let mut cursor = self.seek(hash);
        if cursor.index >= self.points {
            cursor = Cursor::default();
        }
        let (_, slot) = self.point(&mut cursor)?;
        let next = Cursor { index: cursor.index + 1, ..cursor };
        // Points of equal hashes are in one bucket, and most buckets have one point.
        let is_shared = !self.is_bucket_over(next)
            && self.packing.have_equal_hashes(self.number(cursor.index), self.number(next.index));
        (!is_shared).then_some(slot)
    }

    #[inline]
    fn number(&self, index: usize) -> u32 {
        let width = self.packing.width();
        bits::read_number(self.numbers, index * width as usize, width)
    }

    /// The hash and the slot of a point; `None` at the end.
    #[inline(always)]
    pub(crate) fn point(&self, cursor: &mut Cursor) -> Option<(u32, u32)> {
        if cursor.index >= self.points {
            return None;
        }
        loop {
            let ends = bits::read(self.unary, cursor.bit()).trailing_zeros() as usize;
            cursor.bucket += ends;
            if ends < 64 {
                break;
            }
            if cursor.bucket >= self.packing.buckets() {
                return None;
            }
        }
        Some(self.packing.unpack(cursor.bucket, self.number(cursor.index)))
    }
}
