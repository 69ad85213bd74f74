//! Counting connections, in the column of this worker.

use core::{cell::RefCell, sync::atomic::Ordering};

use super::{
    Worker,
    picked_peer::{PickedPeer, Traits},
    table::Table,
};
use crate::{
    connections::{CONNECTION, Connections, UPGRADE},
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
        if let Some(counted) = self.counted.get() {
            Self::add_to_shared(counted, what, at, self);
            return;
        }
        // SAFETY: called for a peer of a pinned table, or one that is held; the column is one of
        // those that one process has.
        let column = unsafe { zone.own_column(at, self.column.get()) };
        if !column.add(Connections(what)) {
            self.add_one_too_many(at, what);
        }
    }

    /// A column of its own holds no more connections to this peer: the worker shares one from now
    /// on. This one has just been picked, so that its table is pinned: one that is upgraded later
    /// is counted already, and no more are upgraded than there are.
    #[cold]
    #[inline(never)]
    fn add_one_too_many(&self, at: Offset, what: u64) {
        self.leave_own_column();
        if let Some(counted) = self.counted.get() {
            Self::add_to_shared(counted, what, at, self);
        }
    }

    /// Counts where others do, too; `what` may be the two's complement of what is taken off.
    // Of C's convention, so that callers need not be prepared for a panic; and in an order in which
    // callbacks of nginx need not move what they are called with.
    #[cold]
    #[inline(never)]
    extern "C" fn add_to_shared(counted: &RefCell<Vec<u64>>, what: u64, at: Offset, worker: &Self) {
        // SAFETY: called for a peer of a pinned table, or one that is held; the column is a shared
        // one. Release: the publisher frees the peer once it sees the count gone, so all that was
        // done with the peer comes before.
        unsafe { worker.zone.shared_column(at, worker.column.get()) }
            .fetch_add(what, Ordering::Release);
        // Borrowed nowhere else: the worker is one thread's, and nothing is called from here.
        if let Ok(mut all) = counted.try_borrow_mut()
            && let Some(count) = all.get_mut(at.index())
        {
            *count = count.wrapping_add(what);
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
        if let Some(counted) = self.counted.get() {
            Self::add_to_shared(counted, what.wrapping_neg(), at, self);
            return;
        }
        // SAFETY: as above; the column is one of those that one process has.
        unsafe { zone.own_column(at, self.column.get()) }.take_off(Connections(what));
    }
}
