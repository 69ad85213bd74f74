//! What has changed since a base was made: the points of servers that were added, and the slots of
//! those that were removed.
//!
//! ```text
//! word 0       1         2        3             4            5              6..8       8..
//! DELTA_MAGIC  base id   points   bucket bits   set's size   live in base   reserved   (below)
//! starts of buckets, hashes, their slots, set of removed slots
//! ```

use crate::{
    error::Malformed,
    words::{self, HEADER, bucket_bits, count_below, hash_of, slot_of, slot_set, starts},
};

pub(crate) const DELTA_MAGIC: u32 = u32::from_be_bytes(*b"RIND");

/// How many words a delta takes that has this many added points and this many removed slots.
///
/// It is at most `10 + 2.125 * points + 8 * removed`.
pub fn delta_words(points: usize, removed: usize) -> usize {
    HEADER + starts(bucket_bits(points as u64)) + 2 * points + slot_set::words(removed)
}

/// Writes a delta; `words` has as many as [`delta_words`] says. `points` are in order.
pub(crate) fn write(
    words: &mut [u32],
    base: u32,
    points: &[u64],
    removed: &[u32],
    live_in_base: u32,
) {
    let bits = bucket_bits(points.len() as u64);
    let set_words = slot_set::words(removed.len());
    let (header, rest) = words.split_at_mut(HEADER);
    let length = points.len() as u32;
    header.copy_from_slice(&[
        DELTA_MAGIC,
        base,
        length,
        bits,
        set_words as u32,
        live_in_base,
        0,
        0,
    ]);
    let (starts, rest) = rest.split_at_mut(starts(bits));
    let (hashes, rest) = rest.split_at_mut(points.len());
    let (slots, set) = rest.split_at_mut(points.len());
    for ((&point, hash), slot) in points.iter().zip(hashes.iter_mut()).zip(slots.iter_mut()) {
        (*hash, *slot) = (hash_of(point), slot_of(point));
    }
    starts.fill(0);
    for (end, &hash) in (1..).zip(&*hashes) {
        starts[words::bucket(hash, bits) + 1] = end;
    }
    // An empty bucket begins and ends where the one before it ends.
    let mut end = 0;
    for start in starts {
        end = end.max(*start);
        *start = end;
    }
    set.fill(0);
    for &slot in removed {
        slot_set::insert(set, slot);
    }
}

/// A delta as readers have it.
#[derive(Clone, Copy, Debug)]
pub struct Delta<'a> {
    pub(crate) base: u32,
    /// How many points of the base are of servers that were not removed.
    pub(crate) live_in_base: u32,
    bucket_bits: u32,
    starts: &'a [u32],
    hashes: &'a [u32],
    slots: &'a [u32],
    removed: &'a [u32],
}

impl<'a> Delta<'a> {
    /// Reads the header, in constant time.
    ///
    /// # Errors
    ///
    /// If these are not the words of a delta.
    #[inline]
    pub fn new(words: &'a [u32]) -> Result<Self, Malformed> {
        let (header, rest) = words.split_first_chunk::<HEADER>().ok_or(Malformed)?;
        let &[magic, base, points, bucket_bits, set, live_in_base, ..] = header;
        if magic != DELTA_MAGIC || bucket_bits > 31 || !(set == 0 || set.is_power_of_two()) {
            return Err(Malformed);
        }
        let (starts, rest) = rest.split_at_checked(starts(bucket_bits)).ok_or(Malformed)?;
        let (hashes, rest) = rest.split_at_checked(points as usize).ok_or(Malformed)?;
        let (slots, rest) = rest.split_at_checked(points as usize).ok_or(Malformed)?;
        let removed = rest.get(..set as usize).ok_or(Malformed)?;
        Ok(Self { base, live_in_base, bucket_bits, starts, hashes, slots, removed })
    }

    /// How many points it adds.
    pub fn points(&self) -> usize {
        self.hashes.len()
    }

    /// The slots of the servers of the base that were removed.
    pub(crate) fn removed(&self) -> impl Iterator<Item = u32> + 'a {
        slot_set::iter(self.removed)
    }

    #[inline]
    pub(crate) fn is_removed(&self, slot: u32) -> bool {
        slot_set::contains(self.removed, slot)
    }

    /// The index of the first point whose hash is not below this one; the end if there is none.
    #[inline]
    pub(crate) fn seek(&self, hash: u32) -> usize {
        let bucket = words::bucket(hash, self.bucket_bits);
        let start = |bucket: usize| {
            self.starts.get(bucket).map_or(self.hashes.len(), |&start| start as usize)
        };
        let (from, to) = (start(bucket), start(bucket + 1));
        from + count_below(self.hashes.get(from..to).unwrap_or_default(), hash)
    }

    /// Whether nothing has changed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty() && self.removed.is_empty()
    }

    /// The slot of the first point from this hash on, round the circle; `None` if there is none, or
    /// if the next point has the same hash.
    #[inline]
    pub(crate) fn find_sole(&self, hash: u32) -> Option<u32> {
        let index = self.seek(hash);
        let index = if index < self.hashes.len() { index } else { 0 };
        let (found, slot) = self.point(index)?;
        (self.hashes.get(index + 1) != Some(&found)).then_some(slot)
    }

    /// The hash and the slot of a point; `None` at the end.
    #[inline]
    pub(crate) fn point(&self, index: usize) -> Option<(u32, u32)> {
        Some((*self.hashes.get(index)?, *self.slots.get(index)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::point;

    #[test]
    fn a_point_behind_empty_buckets_is_found() {
        let hashes: Vec<u32> = (0..40).chain((0..40).map(|number| 0xC000_0000 + number)).collect();
        let points: Vec<u64> = hashes.iter().map(|&hash| point(hash, 0)).collect();
        let mut words = vec![7; delta_words(points.len(), 0)];
        write(&mut words, 0, &points, &[], 0);
        let delta = Delta::new(&words).expect("a delta");
        for hash in [0, 5, 40, 0x3000_0000, 0x7000_0000, 0xBFFF_FFFF, 0xC000_0007, u32::MAX] {
            assert_eq!(delta.seek(hash), hashes.partition_point(|&other| other < hash));
        }
    }
}
