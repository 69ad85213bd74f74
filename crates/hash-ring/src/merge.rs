//! A new base, made in steps.

use std::sync::Arc;

use crate::{
    base::{BASE_MAGIC, Base, Cursor},
    bits::Writer,
    error::{MergeError, TooLarge},
    packing::{BLOCK, Packing},
    words::{HEADER, hash_of, point, slot_of},
};

/// A budget of a step that takes some 0.1 ms.
pub const STEP: usize = 16_384;

/// What a merge begins with.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The id of the base that it goes by.
    pub(crate) from: u32,
    /// Points that are added, in order.
    pub(crate) added: Arc<Vec<u64>>,
    /// Slots whose points are left out.
    pub(crate) removed: Vec<u32>,
    /// Points of the new base.
    pub(crate) points: u64,
    /// Its slots are below this.
    pub(crate) slots: u32,
}

/// The making of a new base from a base and what has changed since.
///
/// It has its own copy of the changes, and writes to the memory of the new base only. While it goes
/// on, the base and its deltas stay valid, and the ring may change further. If it is dropped,
/// nothing is lost. See [`Ring::begin_merge`](crate::Ring::begin_merge).
#[derive(Debug)]
pub struct Merge {
    pub(crate) number: u64,
    from: u32,
    added: Arc<Vec<u64>>,
    /// A bit for each slot: whether its points are left out.
    removed: Vec<u64>,
    packing: Packing,
    points: usize,
    in_base: Cursor,
    in_added: usize,
    /// Points written.
    written: usize,
    /// Buckets that have all their points.
    closed: usize,
    unary: Writer,
    numbers: Writer,
    pub(crate) is_complete: bool,
}

impl Merge {
    pub(crate) fn new(number: u64, changes: Changes) -> Result<Self, TooLarge> {
        let last = changes.removed.iter().max().map_or(0, |&slot| slot as usize + 1);
        let mut removed = vec![0; last.div_ceil(64)];
        for slot in changes.removed {
            removed[slot as usize / 64] |= 1 << (slot % 64);
        }
        Ok(Self {
            number,
            from: changes.from,
            added: changes.added,
            removed,
            packing: Packing::new(changes.points, changes.slots)?,
            points: changes.points as usize,
            in_base: Cursor::default(),
            in_added: 0,
            written: 0,
            closed: 0,
            unary: Writer::default(),
            numbers: Writer::default(),
            is_complete: false,
        })
    }

    /// How many words the new base takes.
    pub fn words(&self) -> usize {
        self.packing.words(self.points)
    }

    /// Whether the new base is complete.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Goes on with the new base in `words`, which must be the same memory in each step, and says
    /// whether the base is complete. A step takes time for at most `budget` points; 32 empty
    /// buckets count as one. `base` is the base with which the merge has begun.
    ///
    /// # Errors
    ///
    /// If the base is another one, or has other points than it had, or if there are less than
    /// [`Merge::words`] words. The merge cannot go on then.
    pub fn step(
        &mut self,
        base: &Base<'_>,
        words: &mut [u32],
        budget: usize,
    ) -> Result<bool, MergeError> {
        if base.id != self.from {
            return Err(MergeError::OtherBase);
        }
        if self.is_complete {
            return Ok(true);
        }
        let words = words.get_mut(..self.words()).ok_or(MergeError::TooShort)?;
        let (header, rest) = words.split_at_mut(HEADER);
        let (blocks, rest) = rest.split_at_mut(self.packing.block_words());
        let (unary, numbers) = rest.split_at_mut(self.packing.unary_words(self.points));
        if self.written == 0 && self.closed == 0 {
            // Whatever is there must not look like a base until it is one.
            header.fill(0);
            blocks[0] = 0;
        }
        let mut left = budget.max(1);
        loop {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            let of_base = base.point(&mut self.in_base).map(|(hash, slot)| point(hash, slot));
            if of_base.is_some_and(|point| self.is_removed(slot_of(point))) {
                self.in_base.index += 1;
                continue;
            }
            let of_added = self.added.get(self.in_added).copied();
            let (next, is_of_base) = match (of_base, of_added) {
                (Some(base), Some(added)) => (base.min(added), base <= added),
                (Some(base), None) => (base, true),
                (None, Some(added)) => (added, false),
                (None, None) => break,
            };
            let bucket = self.packing.bucket(hash_of(next));
            if self.written == self.points {
                return Err(MergeError::OtherPoints);
            }
            let number = self.packing.pack(hash_of(next), slot_of(next));
            if bucket / BLOCK != self.closed / BLOCK
                && !self.close_buckets(bucket, blocks, unary, &mut left)
            {
                return Ok(false);
            }
            // Most points come here at once: without a branch by how many buckets there are.
            let empty = bucket.checked_sub(self.closed).ok_or(MergeError::OtherPoints)? as u32;
            self.unary.push(unary, 1 << empty, empty + 1);
            self.closed = bucket;
            self.numbers.push(numbers, number, self.packing.width());
            self.written += 1;
            if is_of_base {
                self.in_base.index += 1;
            } else {
                self.in_added += 1;
            }
        }
        if !self.close_buckets(self.packing.buckets(), blocks, unary, &mut left) {
            return Ok(false);
        }
        if self.written != self.points {
            return Err(MergeError::OtherPoints);
        }
        self.unary.finish(unary);
        self.numbers.finish(numbers);
        let Packing { rest_bits, slot_bits } = self.packing;
        let id = self.from.wrapping_add(1);
        let length = self.points as u32;
        header.copy_from_slice(&[BASE_MAGIC, id, length, rest_bits, slot_bits, 0, 0, 0]);
        self.is_complete = true;
        Ok(true)
    }

    fn is_removed(&self, slot: u32) -> bool {
        let bits = self.removed.get(slot as usize / 64).copied().unwrap_or(0);
        bits >> (slot % 64) & 1 != 0
    }

    /// Buckets below `end` have all their points; `false` if that was too much for this step.
    #[inline]
    fn close_buckets(
        &mut self,
        end: usize,
        blocks: &mut [u32],
        unary: &mut [u32],
        left: &mut usize,
    ) -> bool {
        while self.closed < end {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let next = end.min((self.closed / BLOCK + 1) * BLOCK);
            self.unary.push(unary, 0, (next - self.closed) as u32);
            self.closed = next;
            if self.closed.is_multiple_of(BLOCK)
                && let Some(block) = blocks.get_mut(self.closed / BLOCK)
            {
                *block = self.written as u32;
            }
        }
        true
    }
}
