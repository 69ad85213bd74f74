//! Counting connections, in the column of this worker.

use core::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    Worker,
    picked_peer::{PickedPeer, Traits},
    table::Table,
};
use crate::{
    connections::{CONNECTION, UPGRADE},
    memory::Offset,
    zone::Zone,
};

impl Table<'_> {
    /// Counts a connection to the peer at `at`, in the worker's column.
    #[inline]
    pub(super) fn count(&self, at: Offset) {
        // SAFETY: called for a peer of this table, which is pinned.
        unsafe { self.zone.peer(at) }.open.fetch_add(1, Ordering::Relaxed);
        self.worker.add(&self.zone, at, CONNECTION);
    }
}

impl Worker {
    /// `zone` is the worker's.
    #[inline]
    fn add(&self, zone: &Zone, at: Offset, what: u64) {
        let column = self.column_of(zone, at);
        match &self.counted {
            None => {
                column.store(column.load(Ordering::Relaxed).wrapping_add(what), Ordering::Relaxed)
            }
            Some(counted) => {
                column.fetch_add(what, Ordering::Relaxed);
                Self::add_to_own(counted, at, what);
            }
        }
    }

    /// Counts the connection of a request as upgraded, from here on until it is released.
    pub fn upgrade(&self, held: &mut PickedPeer) {
        if !held.is_upgraded() {
            held.traits = held.traits.with(Traits::UPGRADED);
            self.add(&self.zone, held.peer, UPGRADE);
        }
    }

    /// Takes a connection out of the counts; `what` is what was added for it.
    #[inline]
    pub(super) fn uncount(&self, at: Offset, what: u64) {
        let zone = self.zone;
        // SAFETY: called for a peer that this worker has counted, and that is kept by this until
        // the end of this function.
        unsafe { zone.peer(at) }.open.fetch_sub(1, Ordering::Relaxed);
        let column = self.column_of(&zone, at);
        // Release: the publisher frees the peer once it sees the count gone, so all that was done
        // with the peer comes before.
        match &self.counted {
            None => {
                column.store(column.load(Ordering::Relaxed).wrapping_sub(what), Ordering::Release)
            }
            Some(counted) => {
                column.fetch_sub(what, Ordering::Release);
                Self::add_to_own(counted, at, what.wrapping_neg());
            }
        }
    }

    #[inline]
    fn column_of(&self, zone: &Zone, at: Offset) -> &AtomicU64 {
        // SAFETY: called for a peer of a pinned table, or one that is held; `column` is below the
        // number of columns.
        unsafe { zone.peer_column(at, self.column) }
    }

    /// Adds to what this worker has in the column that it shares; `what` may be the two's
    /// complement of what is taken off.
    #[cold]
    fn add_to_own(counted: &RefCell<Vec<u64>>, at: Offset, what: u64) {
        // Borrowed nowhere else: the worker is one thread's, and nothing is called from here.
        if let Ok(mut all) = counted.try_borrow_mut()
            && let Some(count) = all.get_mut(at.index())
        {
            *count = count.wrapping_add(what);
        }
    }
}
