//! Giving memory back.
//!
//! A table or report is given back once it is neither current nor pinned. A peer goes in two steps,
//! since a worker with a pinned table may still pick it: it stays in the table, among those
//! removed, until every table that gave it requests is gone and no connection to it is open; then a
//! table without it is published, and when all tables before that one are gone too, its memory is
//! free. Its entry, and one in whose place there is another, are free with the tables that name
//! them.

use core::sync::atomic::Ordering;

use super::{
    Publisher,
    blocks::Spare,
    merging::MERGE_BUDGET,
    records::{Outdated, Removed, Unused},
    sections::sticky_order,
};
use crate::{
    layout::{PeerBlock, ReportHeader, TableHeader, shared_column},
    memory::Offset,
    protocol::{Owner, Process, Publishing},
};

/// How often counts that do not agree are read at one look: at 100 000 requests a second a worker
/// is in between in one reading of some hundreds.
const READINGS: u32 = 4;

impl Publisher {
    /// Clears the columns of workers that are dead (`is_alive` says so) and gives back the memory
    /// that nobody uses any more. `process` is the publisher's own. To be called several times a
    /// second while there is something to [give back](Publisher::is_reclaiming), and when a worker
    /// may have died.
    pub fn reclaim_memory(
        &mut self,
        process: Process,
        is_alive: impl Fn(Process) -> bool,
        _publishing: &Publishing,
    ) {
        self.clear_dead(process, is_alive);
        self.correct_load();
        self.make_room();
        self.unlist();
        self.go_on_with_rings(MERGE_BUDGET);
        self.restore_reserve();
    }

    /// Whether something waits for others to give it back, or for the counts to agree.
    pub fn is_reclaiming(&self) -> bool {
        let header = self.zone.header();
        let is_outdated =
            !(self.tables.is_empty() && self.reports.is_empty() && self.unused.is_empty());
        let is_removed = !(self.removed.is_empty() && self.unlisted.is_empty());
        let is_counted_again = self.recounts.is_due(header.recounts.load(Ordering::Acquire));
        let is_pending =
            is_outdated || is_removed || self.is_merging() || self.is_directory_waiting();
        is_pending || is_counted_again || header.shared.is_stale()
    }

    /// All peers that are not freed.
    pub(super) fn places(&self) -> impl Iterator<Item = Offset> {
        let listed = self.all_listed().map(|peer| peer.place);
        let removed = self.removed.iter().map(|peer| peer.place);
        listed.chain(removed).chain(self.unlisted.iter().map(|&(place, _)| place))
    }

    /// Compares each peer's `open` with the sum of its columns, for a while after a worker has
    /// died: one that is killed between the two leaves a difference. Workers that live change both
    /// all the time, so that only a difference that stays counts.
    fn correct_load(&mut self) {
        self.recounts.restart_if_requested(self.zone.header().recounts.load(Ordering::Acquire));
        if !self.recounts.next_round() {
            return;
        }
        let differences: Vec<(Offset, u32)> = self
            .places()
            .filter_map(|place| {
                let difference = || {
                    // SAFETY: the publisher frees peers, and has not freed these.
                    let (peer, sum) =
                        unsafe { (self.zone.peer(place), self.zone.connections(place)) };
                    peer.open.load(Ordering::Relaxed).wrapping_sub(sum.all())
                };
                // What changes while it is read agrees as soon as it is read again.
                let found = (0..READINGS).map(|_| difference()).find(|&difference| difference == 0);
                found.is_none().then(|| (place, difference()))
            })
            .collect();
        for (place, difference) in self.recounts.confirm_differences(differences) {
            // SAFETY: as above.
            unsafe { self.zone.peer(place) }.open.fetch_sub(difference, Ordering::Relaxed);
        }
    }

    /// Publishes `bytes` for [`Worker::with_report`](crate::Worker::with_report). Says whether
    /// there was room; where there is none, the last report goes.
    pub fn publish_report(&mut self, bytes: &[u8], _publishing: &Publishing) -> bool {
        self.free_unread();
        let place = self.make_report(bytes);
        let units = self.current_report().map_or(0, |report| report.units);
        let root = &self.zone.header().report;
        let old = Offset(root.current());
        root.publish(place.map_or(0, |place| place.0));
        if old.0 != 0 {
            self.reports.push(Outdated { place: old, units, until: 0, is_owned: true });
        }
        self.free_unread();
        place.is_some()
    }

    /// Counted up whenever memory comes back: what did not fit may fit now.
    pub fn free_count(&self) -> u64 {
        self.free_count
    }

    /// The bytes that were published last; none before the first.
    pub fn published_report(&self) -> Vec<u8> {
        let place = Offset(self.zone.header().report.current());
        if place.0 == 0 {
            return Vec::new();
        }
        // SAFETY: it is published, and this publisher, who alone frees reports, does not free it
        // meanwhile.
        let bytes: &[u8] = unsafe {
            let header: &ReportHeader = self.zone.memory.get(place.bytes());
            self.zone
                .memory
                .slice(place.bytes() + size_of::<ReportHeader>(), header.length as usize)
        };
        bytes.to_vec()
    }

    /// Puts `table` in the place of the current one.
    pub(super) fn publish_table(&mut self, table: Offset) {
        if self.groups.is_some() {
            return self.set_group_table(table);
        }
        let root = &self.zone.header().table;
        let old = self.group.table;
        let units = self.current_table().map_or(0, |table| table.units);
        // SAFETY: it was just written, and this publisher has not freed it.
        let header: &TableHeader = unsafe { self.zone.memory.get(table.bytes()) };
        let tries = header.primary.in_service + header.backup.in_service;
        let (base, has_ring) = (header.base, header.delta.length > 0);
        let old_base = self.published_base();
        self.zone.header().tries.store(tries, Ordering::Relaxed);
        root.publish(table.0);
        self.group.table = table;
        self.publication += 1;
        if old.0 != 0 {
            let until = self.publication;
            self.tables.push(Outdated { place: old, units, until, is_owned: true });
        }
        if !has_ring {
            self.drop_ring(old_base);
        }
        if let Some(old) = old_base.filter(|old| old.place != base) {
            let since = self.publication;
            self.unused.push(Unused { place: old.place, units: old.units(), since });
        }
    }

    /// Frees the tables and reports that are outdated and not pinned, and the peers that only such
    /// tables listed.
    pub(super) fn free_unread(&mut self) {
        let process_entries = self.zone.process_entries();
        let memory = self.zone.memory;
        for list in [&mut self.tables, &mut self.reports] {
            list.retain(|outdated| {
                let is_pinned =
                    process_entries.iter().any(|process_entry| outdated.is_under(process_entry));
                if !is_pinned && outdated.is_owned {
                    // SAFETY: it is neither published nor pinned.
                    unsafe { memory.poison(outdated.place, outdated.units) };
                    self.allocator.release(outdated.place, outdated.units);
                    self.free_count += 1;
                }
                is_pinned
            });
        }
        let oldest = self.oldest_read();
        let is_free = |unused: &mut Unused| unused.since <= oldest;
        for Unused { place, units, .. } in self.unused.extract_if(.., is_free).collect::<Vec<_>>() {
            self.free_units(place, units);
            self.free_count += 1;
        }
        let (free, listed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unlisted).into_iter().partition(|&(_, since)| since <= oldest);
        self.unlisted = listed;
        if !free.is_empty() {
            self.unlink(&free);
            self.free_count += free.len() as u64;
            for (place, _) in free {
                self.free_peer(place);
            }
        }
        self.store_used();
    }

    /// Every table that may still be read is of this publication or a later one.
    fn oldest_read(&self) -> u64 {
        self.tables
            .iter()
            .map(|table| table.until.saturating_sub(1))
            .min()
            .unwrap_or(self.publication)
    }

    /// Publishes a table without the removed peers that have no connection left, the rest as it is.
    pub(super) fn unlist(&mut self) {
        let oldest = self.oldest_read();
        let has_ended = |peer: &Removed| {
            // SAFETY: the publisher frees peers, and has not freed this one.
            peer.since <= oldest && unsafe { self.zone.is_idle(peer.place) }
        };
        let ended: Vec<bool> = self.removed.iter().map(has_ended).collect();
        if !ended.contains(&true) {
            return;
        }
        let remaining: Vec<Offset> = self
            .removed
            .iter()
            .zip(&ended)
            .filter(|&(_, ended)| !ended)
            .map(|(peer, _)| peer.entry)
            .collect();
        // Where there is no room for a second table just now, they stay until there is.
        if self.groups.is_some() {
            let remaining: Vec<Offset> = remaining.into_iter().chain(self.on_the_way()).collect();
            if self.publish_directory_of(&remaining) {
                self.forget_removed(&ended);
            }
            return;
        }
        let listed = std::mem::take(&mut self.group.listed);
        let options = self.options_in_use(&listed);
        let sticky = if options.is_sticky { sticky_order(&listed) } else { Vec::new() };
        let table = self.make_table(
            &listed,
            (&remaining, &sticky),
            self.generation,
            &options,
            Spare::NotNeeded,
        );
        self.group.listed = listed;
        let Some(table) = table else { return };
        self.publish_table(table);
        self.forget_removed(&ended);
    }

    /// What is published has no removed peers any more of which this says `ended`.
    fn forget_removed(&mut self, ended: &[bool]) {
        let since = self.publication;
        for (peer, ended) in std::mem::take(&mut self.removed).into_records().zip(ended) {
            if *ended {
                self.unlisted.push((peer.place, since));
                self.unused.push(self.unused_entry(peer.entry, since));
            } else {
                self.removed.push(peer);
            }
        }
        self.free_unread();
    }

    /// Frees a peer that is in no list.
    pub(super) fn free_peer(&mut self, place: Offset) {
        // SAFETY: the publisher frees peers, and has not freed this one.
        let PeerBlock { start, units } = unsafe { self.zone.peer_block(place) };
        self.free_units(start, units);
        self.store_used();
    }

    /// Frees what is in no list and no table that anybody reads.
    pub(super) fn free_units(&mut self, place: Offset, units: u32) {
        // SAFETY: nobody has a reference to it.
        unsafe { self.zone.memory.poison(place, units) };
        self.allocator.release(place, units);
    }

    /// Takes dead workers out of the counts.
    fn clear_dead(&mut self, process: Process, is_alive: impl Fn(Process) -> bool) {
        let zone = self.zone;
        let is_left_by_dead = |owner: &Owner| {
            let dead = owner.holder().filter(|holder| !is_alive(holder.process()));
            dead.is_some_and(|dead| owner.take_over_to_clear(dead, process))
        };
        for process_entry in zone.process_entries() {
            if is_left_by_dead(&process_entry.owner) {
                zone.clear_process_entry(process_entry);
                process_entry.owner.release();
            }
        }
        for (column, owner) in zone.own_columns() {
            if is_left_by_dead(owner) {
                self.clear_column(column);
                owner.release();
            }
        }
        let shared = &zone.header().shared;
        if let Some(number) = shared
            .to_clear(zone.process_entries().iter().map(|process_entry| &process_entry.column_use))
        {
            self.clear_column(shared_column(number));
            shared.mark_cleared(number);
        }
        shared.switch_current();
    }

    fn clear_column(&mut self, column: u32) {
        let mut recovered = false;
        for place in self.places() {
            // SAFETY: the publisher frees peers, and has not freed these.
            recovered |= unsafe { self.zone.clear_count(place, column) };
        }
        self.zone.request_recount();
        if recovered {
            self.zone.note_recovery();
        }
    }
}
