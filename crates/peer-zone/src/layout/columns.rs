//! The columns of a peer: how many connections to it each process has open.
//!
//! A column that processes share is a word of 64 bits, one that a process has for itself a word of
//! half as many: with as many workers as processors, columns are the largest part of a peer. No
//! more than 65 535 connections fit into the smaller one. A worker that has more to one peer counts
//! in a shared column: see `Worker::count`.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{
    connections::Connections,
    memory::{Offset, units},
    protocol::SHARED_COLUMNS,
};

/// The columns that processes share come first, so that what is moved to one of a process's own, or
/// from the first of them to the second, is seen by a process that adds columns up in their order.
pub(crate) const FIRST_OWN_COLUMN: u32 = SHARED_COLUMNS;

/// Where the shared column of this number lies among the columns.
pub(crate) fn shared_column(number: u32) -> u32 {
    number - 1
}

/// A column that a process has for itself: all connections in the upper half, so that one too many
/// is an overflow of the word, and the upgraded ones, which are no more, in the lower half.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct OwnColumn(AtomicU32);

const HALF_BITS: u32 = u32::BITS / 2;

/// As many connections as a column of a process's own holds.
pub(crate) const MOST_OWN_CONNECTIONS: u32 = u32::MAX >> HALF_BITS;

/// As such a column has them.
#[inline]
fn to_word(connections: Connections) -> u32 {
    connections.all() << HALF_BITS | connections.upgraded()
}

fn from_word(word: u32) -> Connections {
    Connections::new(word >> HALF_BITS, word & MOST_OWN_CONNECTIONS)
}

impl OwnColumn {
    /// Adds to it, for the process whose column it is; says whether there is room.
    #[inline]
    pub(crate) fn add(&self, connections: Connections) -> bool {
        let sum = self.0.load(Ordering::Relaxed).checked_add(to_word(connections));
        if let Some(sum) = sum {
            self.0.store(sum, Ordering::Relaxed);
        }
        sum.is_some()
    }

    /// Takes off what was added to it, for the process whose column it is.
    #[inline]
    pub(crate) fn take_off(&self, connections: Connections) {
        let rest = self.0.load(Ordering::Relaxed).wrapping_sub(to_word(connections));
        // Release: the publisher frees the peer once it sees the count gone, so all that was done
        // with the peer comes before.
        self.0.store(rest, Ordering::Release);
    }

    /// As many as are counted.
    pub(crate) fn load(&self, order: Ordering) -> Connections {
        from_word(self.0.load(order))
    }

    /// Sets it to zero. Returns what was there.
    pub(crate) fn clear(&self) -> Connections {
        from_word(self.0.swap(0, Ordering::AcqRel))
    }
}

/// The columns of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    /// Both kinds lie before the peer, the first column next to it: the last one comes first here.
    pub(crate) shared: &'a [AtomicU64],
    pub(crate) own: &'a [OwnColumn],
}

impl Columns<'_> {
    /// What is counted in each column, in their order.
    #[inline]
    pub(crate) fn counts(self, order: Ordering) -> impl Iterator<Item = Connections> {
        let shared = self.shared.iter().rev().map(move |column| Connections(column.load(order)));
        shared.chain(self.own.iter().rev().map(move |column| column.load(order)))
    }
}

/// How many units so many columns take.
pub(super) fn size(columns: u32) -> u32 {
    let own = columns.saturating_sub(FIRST_OWN_COLUMN) as usize;
    units(SHARED * size_of::<AtomicU64>() + own * size_of::<OwnColumn>())
}

const SHARED: usize = SHARED_COLUMNS as usize;

/// Where a shared column of the peer at `place` lies, in bytes.
#[inline]
pub(crate) fn shared_column_of(place: Offset, column: u32) -> usize {
    place.bytes() - (column as usize + 1) * size_of::<AtomicU64>()
}

/// Where the column of a process's own lies.
#[inline]
pub(crate) fn own_column_of(place: Offset, column: u32) -> usize {
    let own = column as usize + 1 - FIRST_OWN_COLUMN as usize;
    place.bytes() - SHARED * size_of::<AtomicU64>() - own * size_of::<OwnColumn>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_own_column_counts_up_to_its_limit(
            all in 0..=MOST_OWN_CONNECTIONS,
            part in 0..=MOST_OWN_CONNECTIONS,
            more in 1..=MOST_OWN_CONNECTIONS,
        ) {
            let held = Connections::new(all, part.min(all));
            let column = OwnColumn(AtomicU32::new(0));
            prop_assert!(column.add(held));
            prop_assert_eq!(column.load(Ordering::Relaxed), held);
            let fits = all + more <= MOST_OWN_CONNECTIONS;
            prop_assert_eq!(column.add(Connections::new(more, 0)), fits);
            if fits {
                column.take_off(Connections::new(more, 0));
            }
            prop_assert_eq!(column.load(Ordering::Relaxed), held);
            prop_assert_eq!(column.clear(), held);
            prop_assert_eq!(column.load(Ordering::Relaxed), Connections::default());
        }
    }

    #[test]
    fn columns_lie_one_behind_the_other_before_the_peer() {
        let place = Offset(100);
        let ends = [0, 1].map(|column| shared_column_of(place, column) + 8);
        assert_eq!(ends, [place.bytes(), place.bytes() - 8]);
        let own: Vec<usize> = (2..6).map(|column| own_column_of(place, column) + 4).collect();
        assert_eq!(own, [16, 20, 24, 28].map(|bytes| place.bytes() - bytes));
        assert_eq!([2, 3, 6, 7, 10].map(size), [1, 2, 2, 3, 3]);
    }
}
