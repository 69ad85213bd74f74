//! Taking over from a publisher that is gone, wherever it stopped.

use core::sync::atomic::Ordering;
use std::collections::HashSet;

use super::{
    Publisher,
    load_correction::LoadCorrection,
    options::TableOptions,
    records::{Listed, Outdated, Removed},
};
use crate::{
    allocator::Allocator,
    layout::{Entry, ProcessEntry, REPORT_MAGIC, ReportHeader, TABLE_MAGIC, TableHeader},
    memory::{Offset, units},
    peer_spec::{PeerSpec, order},
    protocol::Publishing,
    zone::{Zone, texts::Texts},
};

impl Publisher {
    /// Becomes the zone's publisher: finds out from what is reachable which memory is in use, and
    /// which peers are published.
    ///
    /// # Safety
    ///
    /// No other publisher of this zone exists in any process, or will before this one is dropped:
    /// the caller holds the lease, as `publishing` shows, or the zone is not shared yet; and it
    /// calls no method of this value but with that lease held.
    pub unsafe fn take_over(zone: Zone, _publishing: &Publishing) -> Self {
        let mut publisher = Self {
            zone,
            allocator: Allocator::new(zone.first_block(), zone.memory.units()),
            listed: Vec::new(),
            removed: Vec::new(),
            unlisted: Vec::new(),
            tables: Vec::new(),
            reports: Vec::new(),
            publication: 1,
            generation: 0,
            options: TableOptions::default(),
            in_service: 0,
            failing: 0,
            pending: 0,
            recounts: LoadCorrection::default(),
            may_lack_times: true,
            free_count: 0,
        };
        publisher.find_peers();
        publisher.find_published();
        publisher.count_health();
        publisher.find_pinned();
        publisher.recounts.begin();
        publisher.repeat_withdrawals();
        publisher.store_used();
        publisher
    }

    /// A publisher that was killed may have published a change without telling whom it concerns.
    fn repeat_withdrawals(&self) {
        for peer in self.listed.iter().filter(|peer| peer.is_in_service()) {
            self.peer(peer).in_service.store(1, Ordering::Relaxed);
        }
        let out_of_service =
            self.listed.iter().filter(|peer| !peer.is_in_service()).map(|peer| peer.place);
        for place in out_of_service.chain(self.removed.iter().map(|peer| peer.place)) {
            // SAFETY: the publisher frees peers, and has not freed these.
            self.withdraw(unsafe { self.zone.peer(place) });
        }
    }

    /// Since when peers are drained, where the publisher before this one has not said it: at
    /// `now` (ms).
    pub(super) fn complete_drain_times(&mut self, now: u64) {
        if !std::mem::take(&mut self.may_lack_times) {
            return;
        }
        // Who has been told of a withdrawal before its time stood there has found nobody to be
        // leaving.
        let mut untold = Vec::new();
        for listed in &self.listed {
            self.peer(listed).removed.end();
            let drains = self.update_drain_time(listed, now);
            if self.update_failing_time(listed.place, now) || drains {
                untold.push(self.peer(listed).id);
            }
        }
        for removed in &self.removed {
            // SAFETY: the publisher frees peers, and has not freed this one.
            let peer = unsafe { self.zone.peer(removed.place) };
            if peer.removed.begin(now) {
                untold.push(peer.id);
            }
        }
        untold.into_iter().for_each(|id| self.zone.record_withdrawal(id));
    }

    /// Reserves every peer in the list of all. That list is whole: see `link` and `unlink`.
    fn find_peers(&mut self) {
        let mut place = Offset(self.zone.header().peers.load(Ordering::Acquire));
        while place.0 >= self.zone.first_block() && place.0 < self.zone.memory.units() {
            // SAFETY: what is in the list is a peer that was not freed.
            let peer = unsafe { self.zone.peer(place) };
            if !self.allocator.reserve(place, peer.units) {
                // The list runs into itself or out of the memory: it is not one of ours. What was
                // found so far is kept.
                return;
            }
            // Sorted out in `find_published`.
            self.unlisted.push((place, self.publication));
            place = Offset(peer.next.load(Ordering::Relaxed));
        }
    }

    fn find_published(&mut self) {
        let memory = self.zone.memory;
        let report = Offset(self.zone.header().report.current());
        if report.0 != 0 {
            // SAFETY: it is published.
            let units = unsafe { memory.get::<ReportHeader>(report.bytes()) }.units;
            self.allocator.reserve(report, units);
        }
        let table = Offset(self.zone.header().table.current());
        if table.0 == 0 {
            return;
        }
        // SAFETY: it is published, and its entries follow the header.
        let (header, entries) = unsafe {
            let header = memory.get::<TableHeader>(table.bytes());
            let entries = memory
                .slice::<Entry>(table.bytes() + size_of::<TableHeader>(), header.entries as usize);
            (header, entries)
        };
        self.allocator.reserve(table, header.units);
        self.generation = header.generation;
        // SAFETY: it is published.
        let texts = unsafe { self.zone.texts(table) };
        let (listed, removed) = entries.split_at((header.primaries + header.backups) as usize);
        let mut listed: Vec<Listed> = listed
            .iter()
            .enumerate()
            .map(|(index, entry)| Listed {
                spec: self.describe(entry, texts.of(index)),
                place: entry.peer,
            })
            .collect();
        // Backups stand behind the others in a table; here all are in one order.
        listed.sort_by(|one, other| order(&one.spec, &other.spec));
        self.listed = listed;
        self.removed = removed
            .iter()
            .map(|entry| Removed {
                spec: self.describe(entry, Texts::default()),
                place: entry.peer,
                since: self.publication,
            })
            .collect();
        let in_table: HashSet<Offset> = entries.iter().map(|entry| entry.peer).collect();
        self.unlisted.retain(|(place, _)| !in_table.contains(place));
    }

    /// Reserves tables and reports that are read just now, though others have taken their place.
    ///
    /// A pin may be stale: set, but not yet compared with the root. What it points to is then never
    /// read, and what looks like a header there may be left over from what lay there once, so that
    /// its extent may overlap one that is read. Those that overlap are kept as one, until no pin
    /// points into it.
    fn find_pinned(&mut self) {
        let mut claims: Vec<(u32, u32)> = self
            .zone
            .process_entries()
            .iter()
            .flat_map(|process_entry| self.claims(process_entry))
            .collect();
        claims.sort_unstable();
        let mut extents: Vec<(u32, u32)> = Vec::new();
        for (start, end) in claims {
            match extents.last_mut() {
                Some((_, last)) if start < *last => *last = end.max(*last),
                _ => extents.push((start, end)),
            }
        }
        for (start, end) in extents {
            let (place, units) = (Offset(start), end - start);
            let is_free = self.allocator.reserve(place, units);
            debug_assert!(is_free, "each part of it was free");
            self.tables.push(Outdated { place, units, until: self.publication });
        }
    }

    /// The extents that a worker's pins point to, where all of them is neither published nor a
    /// peer's.
    fn claims(&self, process_entry: &ProcessEntry) -> impl Iterator<Item = (u32, u32)> {
        let memory = self.zone.memory;
        let may_be_header = move |place: u32, size: usize| {
            place >= self.zone.first_block()
                && place.checked_add(units(size)).is_some_and(|end| end <= memory.units())
        };
        let place = process_entry.table.place();
        let table = may_be_header(place, size_of::<TableHeader>()).then(|| {
            // SAFETY: within the memory; any bytes are valid integers, and the magic tells a table.
            let header = unsafe { memory.get::<TableHeader>(Offset(place).bytes()) };
            (header.magic == TABLE_MAGIC, place, header.units)
        });
        let place = process_entry.report.place();
        let report = may_be_header(place, size_of::<ReportHeader>()).then(|| {
            // SAFETY: as above.
            let header = unsafe { memory.get::<ReportHeader>(Offset(place).bytes()) };
            (header.magic == REPORT_MAGIC, place, header.units)
        });
        let is_claim = |&(is_block, place, units): &(bool, u32, u32)| {
            is_block && self.allocator.is_free(Offset(place), units)
        };
        table
            .into_iter()
            .chain(report)
            .filter(is_claim)
            .map(|(_, place, units)| (place, place + units))
    }

    fn describe(&self, entry: &Entry, texts: Texts<'_>) -> PeerSpec {
        // SAFETY: the publisher frees peers, and has not freed this one.
        unsafe { self.zone.spec(entry, texts) }
    }
}
