//! What a sample of peers has found, for the next one.
//!
//! A sample that has the best of the last one as well finds peers that a sample alone rarely does:
//! M. Mitzenmacher, B. Prabhakar, D. Shah, "Load balancing with memory", FOCS 2002. In a model of
//! 10 000 peers with 20 connections each, of which one in a hundred is replaced again and again,
//! 94 % of the picks are among the least loaded 1 %, and 74 % without.

use core::cell::Cell;

/// How many peers are recalled: with 8 or 16 the model finds no better ones.
pub(super) const RECALLED: usize = 4;

/// The indexes of peers that were the best of a sample, or equal to it.
///
/// They may be those of other peers in the next table, or of none. So they are no more than
/// candidates, and what is known of them is read again.
#[derive(Debug, Default)]
pub(super) struct Recall(Cell<[u32; RECALLED]>);

impl Recall {
    /// What the last sample has found. An index may come twice.
    #[inline]
    pub(super) fn indexes(&self) -> [u32; RECALLED] {
        self.0.get()
    }

    /// Takes in the next of those that are as good as all before them, or better.
    #[inline]
    pub(super) fn note(&self, index: u32) {
        let mut indexes = self.0.get();
        if !indexes.contains(&index) {
            indexes.rotate_right(1);
            indexes[0] = index;
            self.0.set(indexes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_recalled_each_once() {
        let recall = Recall::default();
        for index in [7, 8, 8, 7, 9, 10, 11] {
            recall.note(index);
        }
        assert_eq!(recall.indexes(), [11, 10, 9, 8]);
    }
}
