//! Where a worker counts its connections: in a column of its own, or in one that it shares with
//! others.

use core::{cell::RefCell, sync::atomic::Ordering};

use super::Worker;
use crate::{
    connections::Connections,
    layout::{FIRST_OWN_COLUMN, MOST_OWN_CONNECTIONS, shared_column},
    memory::Offset,
    protocol::{Owner, Process},
    zone::Zone,
};

/// A column that nobody else has, or none: taken from those that are free.
fn free_column(zone: &Zone, process: Process) -> Option<u32> {
    zone.own_columns()
        .find(|(_, owner)| owner.holder().is_none() && owner.claim(process))
        .map(|(column, _)| column)
}

/// One that a dead process had, with what that has left there.
fn column_of_dead(
    zone: &Zone,
    process: Process,
    is_alive: impl Fn(Process) -> bool,
) -> Option<u32> {
    let is_mine = |owner: &Owner| {
        let dead = owner.holder().filter(|holder| !is_alive(holder.process()));
        dead.is_some_and(|dead| owner.take_over(dead, process))
    };
    zone.own_columns().find(|(_, owner)| is_mine(owner)).map(|(column, _)| column)
}

impl Worker {
    /// Finds a column for a worker that has none yet.
    pub(super) fn find_column(&mut self, is_alive: impl Fn(Process) -> bool) {
        if let Some(column) = free_column(&self.zone, self.process) {
            self.column.set(column);
        } else if let Some(column) = column_of_dead(&self.zone, self.process, is_alive) {
            self.column.set(column);
            self.clear_column();
        } else {
            self.enter_shared(|_| ());
        }
    }

    /// Counts in the shared column that is the current one from now on, after `moves` has filled
    /// what the worker has counted, and has moved that to this column.
    fn enter_shared(&self, moves: impl FnOnce(&mut [u64])) {
        let shared = &self.zone.header().shared;
        let number = self.process_entry().column_use.enter_current(shared);
        self.column.set(shared_column(number));
        let mut counted = vec![0; self.zone.index_limit()];
        moves(&mut counted);
        // There is nothing yet: it is called by workers that share no column.
        let _ = self.counted.set(RefCell::new(counted));
    }

    /// Moves all that the worker has counted in its own column to the shared one, where it counts
    /// from now on: it has more connections to a peer than its own column holds. To be called while
    /// a table is pinned.
    ///
    /// Those who add columns up may miss what is moved so, as it goes to an earlier column. They
    /// read twice where it matters, and a worker comes back to a column of its own only after half
    /// of these connections have ended.
    #[cold]
    pub(super) fn leave_own_column(&self) {
        let (zone, own) = (self.zone, self.column());
        let table = Offset(self.process_entry().table.place());
        // SAFETY: it is pinned, and so neither it nor an entry or a peer that it lists is freed.
        let header = unsafe { zone.memory.get(table.bytes()) };
        let places = zone.tables_of(table, header).flat_map(|(_, places)| places);
        // SAFETY: as above.
        let entries = places.map(|&at| unsafe { zone.entry(at) });
        self.enter_shared(|counted| {
            for peer in entries.map(|entry| entry.peer) {
                // SAFETY: as above; the columns are those that they say.
                let (own, shared) = unsafe {
                    (zone.own_column(peer, own), zone.shared_column(peer, self.column()))
                };
                let Connections(count) = own.load(Ordering::Relaxed);
                if count != 0 {
                    counted[peer.index()] = count;
                    // Never missing in both, as in `move_to`.
                    shared.fetch_add(count, Ordering::AcqRel);
                    own.clear();
                }
            }
        });
        self.release_column(own);
        zone.request_recount();
        zone.note_recovery();
    }

    /// Gives back a column that the worker had for itself.
    pub(super) fn release_column(&self, own: u32) {
        if let Some((_, owner)) = self.zone.own_columns().find(|&(column, _)| column == own) {
            owner.release();
        }
    }

    /// Takes what a dead worker has left in this one's column out of the counts. What has a count
    /// there is in the current table: no peer leaves it before its connections have ended.
    fn clear_column(&mut self) {
        let (zone, column) = (self.zone, self.column());
        if let Some(table) = self.table() {
            for entry in table.entries() {
                // SAFETY: the table is pinned, and no peer that it lists is freed.
                unsafe { zone.clear_count(entry.peer, column) };
            }
        }
        zone.request_recount();
        zone.note_recovery();
    }

    /// Where the worker shares a column: moves what it has counted there to one of its own, once
    /// there is one, or to the shared column that is the current one now. To be called several
    /// times a second; costs nothing for a worker with a column of its own.
    pub fn update_column(&mut self) {
        if !self.shares_column() {
            return;
        }
        if let Some(column) = free_column(&self.zone, self.process) {
            if self.fits_into_own() {
                self.move_to(column);
                self.counted.take();
                self.process_entry().column_use.end_move(0);
                return;
            }
            self.release_column(column);
        }
        if let Some(number) = self.process_entry().column_use.begin_move(&self.zone.header().shared)
        {
            self.move_to(shared_column(number));
            self.process_entry().column_use.end_move(number);
        }
    }

    /// Whether a column of its own holds what the worker has, and as much again.
    fn fits_into_own(&self) -> bool {
        let counted = self.counted.get().map(RefCell::borrow);
        let most = counted.and_then(|all| all.iter().map(|&count| Connections(count).all()).max());
        most.unwrap_or_default() <= MOST_OWN_CONNECTIONS / 2
    }

    /// Whether the worker shares a column, so that [`Worker::update_column`] has something to look
    /// at.
    pub fn shares_column(&self) -> bool {
        self.counted.get().is_some()
    }

    fn move_to(&mut self, column: u32) {
        let (zone, from) = (self.zone, self.column());
        let counted = self.counted.take().map(RefCell::into_inner).unwrap_or_default();
        if let Some(table) = self.table() {
            for entry in table.entries() {
                let count = counted.get(entry.peer.index()).copied().unwrap_or_default();
                if count == 0 {
                    continue;
                }
                // SAFETY: the table is pinned, and no peer that it lists is freed; the columns are
                // those that they say.
                let shared = |column| unsafe { zone.shared_column(entry.peer, column) };
                // Never missing in both. Release: a process that finds it gone there finds it here.
                if column < FIRST_OWN_COLUMN {
                    shared(column).fetch_add(count, Ordering::AcqRel);
                } else {
                    // SAFETY: as above. There is room, as `fits_into_own` has found.
                    unsafe { zone.own_column(entry.peer, column) }.add(Connections(count));
                }
                shared(from).fetch_sub(count, Ordering::Release);
            }
        }
        // It was taken above.
        let _ = self.counted.set(RefCell::new(counted));
        self.column.set(column);
        // Who has found a peer full for what was there twice is to look again, and so is who has
        // compared the counts.
        zone.request_recount();
        zone.note_recovery();
    }
}
