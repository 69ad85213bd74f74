//! Making what lies in the memory: peers, tables, reports.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{Desired, Publisher};
use crate::{
    layout::{Entry, PLAN_ALIGNMENT, Peer, REPORT_MAGIC, ReportHeader, TABLE_MAGIC, TableHeader},
    memory::{Offset, UNIT, units},
    plan::Plan,
};

impl Publisher {
    /// Writes a peer that has not served anybody yet; `None` where there is no room.
    pub(super) fn make_peer(&mut self, desired: &Desired) -> Option<Offset> {
        let columns = self.zone.columns();
        let key = desired.key.as_deref().unwrap_or_default();
        let [socket_address_length, name_length, key_length] =
            [desired.socket_address.len(), desired.name.len(), key.len()].map(u16::try_from);
        let (socket_address_length, name_length, key_length) =
            (socket_address_length.ok()?, name_length.ok()?, key_length.ok()?);
        let length = Peer::size(columns, desired.socket_address.len(), desired.name.len(), key.len());
        let place = self.allocator.take_low(length)?;
        let peer = Peer {
            next: AtomicU32::new(0),
            units: length,
            id: self.zone.next_id(),
            fails: AtomicU32::new(0),
            accessed: AtomicU32::new(0),
            checked: AtomicU32::new(0),
            socket_address_length,
            name_length,
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            key_length,
            is_static: u16::from(desired.key.is_none()),
        };
        let memory = self.zone.memory;
        let mut at = place.bytes() + Peer::strings(columns);
        // SAFETY: the allocator gave these units out, so nobody reads them; they are as many as the peer and its strings take.
        unsafe {
            memory.zero(place, length);
            memory.write(place.bytes(), peer);
            for bytes in [&desired.socket_address, desired.name.as_bytes(), key.as_bytes()] {
                memory.copy(at, bytes);
                at += bytes.len();
            }
        }
        self.note_used();
        Some(place)
    }

    /// Puts a peer into the list of all, by which a successor finds it.
    pub(super) fn link(&mut self, place: Offset) {
        let head = &self.zone.header().peers;
        // SAFETY: the publisher frees peers, and has just made this one.
        let peer = unsafe { self.zone.peer(place) };
        peer.next.store(head.load(Ordering::Relaxed), Ordering::Relaxed);
        head.store(place.0, Ordering::Release);
    }

    /// Whether a table of as many entries could still be made. Each table is as large as it would be in its compact form at least, so that if
    /// this holds once it holds for as long as no peer is added: what is gone can always be taken out.
    ///
    /// `freed` units in one piece come back with what is being done just now.
    pub(super) fn has_spare_table(&self, entries: usize, freed: u32) -> bool {
        let needed = TableHeader::compact_size(entries);
        // Those that are outdated come back as soon as nobody reads them.
        let outdated = self.tables.iter().map(|table| table.units);
        outdated.chain([self.allocator.longest(), freed]).any(|units| units >= needed)
    }

    /// How much the table takes that is published now.
    pub(super) fn current_table_units(&self) -> u32 {
        let place = Offset(self.zone.header().table.current());
        if place.0 == 0 {
            return 0;
        }
        // SAFETY: the publisher frees tables, and has not freed the one that is published.
        unsafe { self.table_units(place) }
    }

    /// How much the table at `place` takes.
    ///
    /// # Safety
    ///
    /// A table was written there, and is not freed.
    pub(super) unsafe fn table_units(&self, place: Offset) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { self.zone.memory.get::<TableHeader>(place.bytes()) }.units
    }

    /// Writes a table; `None` where there is no room.
    pub(super) fn make_table(
        &mut self,
        listed: &[Entry],
        removed: &[Entry],
        generation: u64,
    ) -> Option<Offset> {
        let (backups, primaries): (Vec<Entry>, Vec<Entry>) =
            listed.iter().copied().partition(|entry| entry.parameters.backup);
        let weights = |entries: &[Entry]| -> Vec<u32> {
            let weight =
                |entry: &Entry| if entry.parameters.is_in_service() { entry.parameters.weight } else { 0 };
            entries.iter().map(weight).collect()
        };
        let weights = [weights(&primaries), weights(&backups)];
        let entries: Vec<Entry> = primaries.iter().chain(&backups).chain(removed).copied().collect();
        let first = TableHeader::plans(entries.len());
        let (plans, second, length, place) = [Plan::new, Plan::compact].into_iter().find_map(|plan| {
            let plans = [plan(&weights[0]), plan(&weights[1])];
            let second = (first + plans[0].size()).next_multiple_of(PLAN_ALIGNMENT);
            let length = units(second + plans[1].size()).max(TableHeader::compact_size(entries.len()));
            let place = self.allocator.take_high(length)?;
            Some((plans, second, length, place))
        })?;
        let header = TableHeader {
            magic: TABLE_MAGIC,
            units: length,
            // Counts are bounded by the zone's size in units, which is a `u32`.
            entries: entries.len() as u32,
            primaries: primaries.len() as u32,
            backups: backups.len() as u32,
            generation,
            primary: plans[0].header(first, &weights[0]),
            backup: plans[1].header(second, &weights[1]),
        };
        let memory = self.zone.memory;
        // SAFETY: the allocator gave these units out, so nobody reads them; they are as many as the table takes.
        unsafe {
            memory.write(place.bytes(), header);
            memory.copy(place.bytes() + size_of::<TableHeader>(), &entries);
            for (plan, offset) in plans.iter().zip([first, second]) {
                match plan {
                    Plan::Sequence(sequence) => memory.copy(place.bytes() + offset, sequence),
                    Plan::Strided(cumulative, _) => memory.copy(place.bytes() + offset, cumulative),
                }
            }
        }
        self.note_used();
        Some(place)
    }

    /// Writes a report; `None` where there is no room.
    pub(super) fn make_report(&mut self, bytes: &[u8]) -> Option<Offset> {
        let units = units(size_of::<ReportHeader>() + bytes.len());
        let length = u32::try_from(bytes.len()).ok()?;
        let place = self.allocator.take_high(units)?;
        if !self.has_spare_table(self.listed.len() + self.removed.len(), 0) {
            self.allocator.give(place, units);
            return None;
        }
        let header = ReportHeader { magic: REPORT_MAGIC, units, length };
        let memory = self.zone.memory;
        // SAFETY: the allocator gave these units out, so nobody reads them; they are as many as the report takes.
        unsafe {
            memory.write(place.bytes(), header);
            memory.copy(place.bytes() + size_of::<ReportHeader>(), bytes);
        }
        self.note_used();
        Some(place)
    }

    /// Tells the status how much is taken.
    pub(super) fn note_used(&self) {
        let blocks = self.zone.first_block() + self.allocator.used();
        self.zone.header().used.store(blocks, Ordering::Relaxed);
    }
}

const _: () = assert!(align_of::<TableHeader>() <= UNIT && align_of::<Entry>() <= PLAN_ALIGNMENT);
