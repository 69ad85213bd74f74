//! The part of a ring that does not change: all points of its servers in the order of their hashes.
//!
//! A word each is enough: the upper bits of a hash say in which bucket its point is, the lower ones
//! are in the word, above the number of its slot.
//!
//! ```text
//! word 0      1    2        3             4           5..8       8..
//! BASE_MAGIC  id   points   bucket bits   slot bits   reserved   starts of buckets, points
//! ```

use crate::{
    error::{Malformed, TooLarge},
    words::{self, HEADER, Packing, count_below, starts},
};

pub(crate) const BASE_MAGIC: u32 = u32::from_be_bytes(*b"RINB");

/// The words of a base without points, which every ring begins with.
pub const EMPTY_BASE: [u32; HEADER + 2] = [BASE_MAGIC, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// How many words a base takes that has this many points of servers whose slots are below `slots`.
///
/// It is at most `10 + points + max(points / 8, 2 * slots)`, so 4.5 bytes for each point if there
/// are at least 16 points for each slot.
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
    packing: Packing,
    starts: &'a [u32],
    points: &'a [u32],
}

/// A place in a base.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) index: usize,
    bucket: usize,
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
        let &[magic, id, points, bucket_bits, slot_bits, ..] = header;
        let packing = Packing { bucket_bits, slot_bits };
        if magic != BASE_MAGIC || !packing.is_valid() {
            return Err(Malformed);
        }
        let (starts, rest) = rest.split_at_checked(starts(bucket_bits)).ok_or(Malformed)?;
        let points = rest.get(..points as usize).ok_or(Malformed)?;
        Ok(Self { id, packing, starts, points })
    }

    /// Counted up by each merge.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How many points it has, those of removed servers included.
    pub fn points(&self) -> usize {
        self.points.len()
    }

    /// How many words it takes.
    pub fn words(&self) -> usize {
        self.packing.words(self.points.len())
    }

    /// The first point whose hash is not below this one; the end if there is none.
    #[inline]
    pub(crate) fn seek(&self, hash: u32) -> Cursor {
        let bucket = words::bucket(hash, self.packing.bucket_bits);
        let (from, to) = (self.start(bucket), self.start(bucket + 1));
        let inside = self.points.get(from..to).unwrap_or_default();
        Cursor { index: from + count_below(inside, self.packing.pack(hash, 0)), bucket }
    }

    /// The hash and the slot of a point; `None` at the end.
    #[inline]
    pub(crate) fn point(&self, cursor: &mut Cursor) -> Option<(u32, u32)> {
        let &word = self.points.get(cursor.index)?;
        if self.start(cursor.bucket + 1) <= cursor.index {
            cursor.bucket = self.bucket_of(cursor.index, cursor.bucket);
        }
        Some(self.packing.unpack(cursor.bucket, word))
    }

    #[inline]
    fn start(&self, bucket: usize) -> usize {
        self.starts.get(bucket).map_or(self.points.len(), |&start| start as usize)
    }

    /// The bucket that has the point of this index, which is behind this bucket. It is usually the
    /// next one.
    fn bucket_of(&self, index: usize, mut bucket: usize) -> usize {
        let mut step = 1;
        while bucket + step < self.starts.len() && self.start(bucket + step) <= index {
            bucket += step;
            step *= 2;
        }
        let behind = self.starts.get(bucket..(bucket + step).min(self.starts.len()));
        let not_after = |&start: &u32| start as usize <= index;
        bucket + behind.map_or(0, |starts| starts.partition_point(not_after).saturating_sub(1))
    }
}
