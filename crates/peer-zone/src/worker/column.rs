//! Where a worker counts its connections: in a column of its own, or in one that it shares with
//! others.

use core::{cell::RefCell, sync::atomic::Ordering};

use super::Worker;
use crate::{
    layout::shared_column,
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
            self.column = column;
        } else if let Some(column) = column_of_dead(&self.zone, self.process, is_alive) {
            self.column = column;
            self.clear_column();
        } else {
            self.column = shared_column(
                self.process_entry().column_use.enter_current(&self.zone.header().shared),
            );
            self.counted = Some(RefCell::new(vec![0; self.zone.index_limit()]));
        }
    }

    /// Takes what a dead worker has left in this one's column out of the counts. What has a count
    /// there is in the current table: no peer leaves it before its connections have ended.
    fn clear_column(&mut self) {
        let (zone, column) = (self.zone, self.column);
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
        if self.counted.is_none() {
            return;
        }
        if let Some(column) = free_column(&self.zone, self.process) {
            self.move_to(column);
            self.counted = None;
            self.process_entry().column_use.end_move(0);
        } else if let Some(number) =
            self.process_entry().column_use.begin_move(&self.zone.header().shared)
        {
            self.move_to(shared_column(number));
            self.process_entry().column_use.end_move(number);
        }
    }

    /// Whether the worker shares a column, so that [`Worker::update_column`] has something to look
    /// at.
    pub fn shares_column(&self) -> bool {
        self.counted.is_some()
    }

    fn move_to(&mut self, column: u32) {
        let (zone, from) = (self.zone, self.column);
        let counted = self.counted.take().map(RefCell::into_inner).unwrap_or_default();
        if let Some(table) = self.table() {
            for entry in table.entries() {
                let count = counted.get(entry.peer.index()).copied().unwrap_or_default();
                if count == 0 {
                    continue;
                }
                // SAFETY: the table is pinned, and no peer that it lists is freed; both are below
                // the number of columns.
                let [column, from] =
                    [column, from].map(|column| unsafe { zone.peer_column(entry.peer, column) });
                // Never missing in both. Release: a process that finds it gone there finds it here.
                column.fetch_add(count, Ordering::AcqRel);
                from.fetch_sub(count, Ordering::Release);
            }
        }
        self.counted = Some(RefCell::new(counted));
        self.column = column;
        // Who has found a peer full for what was there twice is to look again, and so is who has
        // compared the counts.
        zone.request_recount();
        zone.note_recovery();
    }
}
