//! The columns that processes share which have none of their own.
//!
//! What a process that is killed has left in such a column cannot be told from what the others have
//! there. So there are two of them. All count in the *current* one; once one of them has died the
//! other column becomes the current one, those that live move what they have there, and what
//! remains in the first is what the dead have left.
//!
//! A process says by pins which column it counts in and which it moves to, as readers say which
//! table they read.

use super::{
    pin::{Pin, Root},
    sync::{AtomicU32, Ordering, fence},
};

/// How many columns are shared. They are numbered from 1.
pub const SHARED_COLUMNS: u32 = 2;

/// Which of the shared columns is the current one, and which hold what dead processes have left.
#[derive(Debug)]
#[repr(C)]
pub struct SharedColumns {
    current: Root,
    /// A bit for each column.
    stale: AtomicU32,
}

/// Where one process counts. All zero: in no shared column.
#[derive(Debug)]
#[repr(C)]
pub struct ColumnUse {
    counts: Pin,
    moves: Pin,
}

fn other(column: u32) -> u32 {
    SHARED_COLUMNS + 1 - column
}

fn bit(column: u32) -> u32 {
    1 << column
}

impl SharedColumns {
    /// Two columns of zeroes, the first of which is the current one.
    pub fn new() -> Self {
        Self { current: Root::new(1), stale: AtomicU32::new(0) }
    }

    /// The process of this column use is dead: what it counted stays where it was. To be called
    /// before the column use is cleared.
    pub fn mark_stale(&self, column_use: &ColumnUse) {
        let columns = column_use.columns().map(|column| if column == 0 { 0 } else { bit(column) });
        let columns = columns.into_iter().fold(0, core::ops::BitOr::bitor);
        if columns != 0 {
            self.stale.fetch_or(columns, Ordering::AcqRel);
        }
    }

    /// The column in which nobody counts any more, where it holds what dead processes have left: it
    /// is to be cleared, and then [said to be](SharedColumns::mark_cleared). For the publisher,
    /// with the column uses of all processes.
    pub fn to_clear<'s>(
        &self,
        mut column_uses: impl Iterator<Item = &'s ColumnUse>,
    ) -> Option<u32> {
        let column = other(self.current.current());
        if self.stale.load(Ordering::Acquire) & bit(column) == 0 {
            return None;
        }
        // As in `Root::publish`, which the publisher before this one may not have come to the end
        // of.
        fence(Ordering::SeqCst);
        column_uses.all(|column_use| !column_use.columns().contains(&column)).then_some(column)
    }

    /// Stores that the column that [`SharedColumns::to_clear`] returned is all zeroes.
    pub fn mark_cleared(&self, column: u32) {
        self.stale.fetch_and(!bit(column), Ordering::AcqRel);
    }

    /// Makes the other column the current one, where this one holds what dead processes have left
    /// and the other does not. For the publisher.
    pub fn switch_current(&self) {
        let current = self.current.current();
        let stale = self.stale.load(Ordering::Acquire);
        if stale & bit(current) != 0 && stale & bit(other(current)) == 0 {
            self.current.publish(other(current));
        }
    }

    /// Whether any column holds what dead processes have left.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire) != 0
    }
}

impl Default for SharedColumns {
    fn default() -> Self {
        Self::new()
    }
}

impl ColumnUse {
    /// In no shared column.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { counts: Pin::new(), moves: Pin::new() }
    }

    /// Counts in the current column from now on, and returns it.
    pub fn enter_current(&self, shared: &SharedColumns) -> u32 {
        self.counts.set(&shared.current)
    }

    /// The current column, where that is not the one in which the process counts: it is to move
    /// there what it has, to count there, and then to call [`ColumnUse::end_move`].
    pub fn begin_move(&self, shared: &SharedColumns) -> Option<u32> {
        let counts = self.counts.place();
        if shared.current.current() == counts {
            return None;
        }
        let column = self.moves.set(&shared.current);
        if column == counts {
            self.moves.clear();
            return None;
        }
        Some(column)
    }

    /// All that the process has is in `column` now; 0: in one of its own.
    pub fn end_move(&self, column: u32) {
        self.counts.set_to(column);
        self.moves.clear();
    }

    /// Whether the process counts in a shared column.
    pub fn is_taken(&self) -> bool {
        self.counts.place() != 0
    }

    /// Leaves the shared columns. What was counted there stays.
    pub fn clear(&self) {
        self.counts.clear();
        self.moves.clear();
    }

    fn columns(&self) -> [u32; 2] {
        // In this order: a process that has just moved is found in one of the two.
        let moves = self.moves.place();
        [moves, self.counts.place()]
    }
}

#[cfg(loom)]
impl Default for ColumnUse {
    fn default() -> Self {
        Self::new()
    }
}
