//! A table, pinned for as long as it is read.

use super::Worker;
use crate::{
    layout::{Entry, PlanHeader, Positions, ProcessEntry, Section, TableHeader},
    memory::Offset,
    peer_spec::PeerSpec,
    protocol::Pin,
    zone::{Zone, texts::Texts},
};

/// A table, pinned for as long as this lives.
#[derive(Debug)]
pub struct Table<'w> {
    pub(super) worker: &'w Worker,
    /// The worker's. A copy, so that it need not be loaded again after each change of a counter.
    pub(super) zone: Zone,
    pin: &'w Pin,
    pub(super) header: &'w TableHeader,
    /// Those of the entries.
    pub(super) places: &'w [Offset],
    pub(super) place: Offset,
}

impl Worker {
    /// Pins the current table; `None` before the first is published.
    ///
    /// It takes the worker for itself: a second pin would take the place of the first.
    #[inline]
    pub fn table(&mut self) -> Option<Table<'_>> {
        let (worker, zone) = (&*self, self.zone);
        let pin = &worker.process_entry().table;
        let place = Offset(pin.set(&zone.header().table));
        if place.0 == 0 {
            return None;
        }
        // SAFETY: the pin keeps the table, which was complete before it was published, until
        // `Table` is dropped.
        let header: &TableHeader = unsafe { zone.memory.get(place.bytes()) };
        // SAFETY: as above; the places of the entries follow the header.
        let places = unsafe {
            zone.memory.slice(place.bytes() + size_of::<TableHeader>(), header.entries as usize)
        };
        Some(Table { worker, zone, pin, header, places, place })
    }
}

impl Table<'_> {
    pub(crate) fn zone(&self) -> Zone {
        self.zone
    }

    pub(crate) fn process_entry(&self) -> &ProcessEntry {
        self.worker.process_entry()
    }

    /// Counted up with every change of the peers.
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// The entry at one of the table's places.
    #[inline]
    pub(super) fn entry(&self, place: Offset) -> &Entry {
        // SAFETY: the table is pinned, and no entry that it lists is freed.
        unsafe { self.zone.entry(place) }
    }

    /// All entries: of peers without `backup`, of those with it, of those that are gone; of a
    /// directory also those of all groups.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let tables = self.zone.tables_of(self.place, self.header);
        tables.flat_map(|(_, places)| places).map(|&place| self.entry(place))
    }

    /// The texts of the entry at one of the table's places.
    pub(super) fn texts(&self, place: Offset) -> Texts<'_> {
        // SAFETY: as in `entry`.
        unsafe { self.zone.texts(place) }
    }

    /// Whether there is but one peer: nginx never takes that one out of service.
    #[inline]
    pub(super) fn is_single(&self) -> bool {
        self.header.primaries + self.header.backups == 1
    }

    /// How far round robin has come among its peers.
    #[inline]
    pub(super) fn positions(&self) -> &Positions {
        match self.header.positions {
            Offset(0) => self.worker.zone.positions(),
            // SAFETY: the table is pinned, and the positions of a group are free with its last
            // table.
            place => unsafe { self.zone.memory.get(place.bytes()) },
        }
    }

    #[inline]
    pub(super) fn plan_sequence(&self, plan: &PlanHeader) -> &[u32] {
        // SAFETY: the publisher wrote as many items there.
        unsafe { self.items(plan.offset, plan.length) }
    }

    /// A part of the table that only some methods need; empty where it is not there.
    ///
    /// # Safety
    ///
    /// The section's items are of this type.
    #[inline]
    pub(super) unsafe fn section<T>(&self, section: Section) -> &[T] {
        if section.offset == 0 {
            return &[];
        }
        // SAFETY: the publisher wrote as many items there, of the type that the caller vouches for.
        unsafe { self.items(section.offset, section.length) }
    }

    /// # Safety
    ///
    /// `length` items of this type lie `offset` bytes from the table's start.
    #[inline]
    unsafe fn items<T>(&self, offset: u32, length: u32) -> &[T] {
        // SAFETY: the table is pinned; the rest is the caller's promise.
        unsafe { self.zone.memory.slice(self.place.bytes() + offset as usize, length as usize) }
    }

    /// The peers that have keys and have not been removed, to publish them elsewhere; of a
    /// directory those of all groups. They are in none.
    pub fn to_specs(&self) -> Vec<PeerSpec> {
        let tables = self.zone.tables_of(self.place, self.header);
        let listed = tables
            .flat_map(|(header, places)| &places[..(header.primaries + header.backups) as usize]);
        // SAFETY: the table is pinned, and no entry that it lists is freed.
        let specs = listed.map(|&place| unsafe { self.zone.spec(place) });
        specs.filter(|spec| spec.key.is_some()).collect()
    }

    /// The place of the first entry with this sticky id.
    #[inline]
    pub(super) fn sticky_place(&self, id: u64) -> Option<Offset> {
        // SAFETY: the section's items are places.
        let order: &[Offset] = unsafe { self.section(self.header.sticky) };
        let at = order.partition_point(|&place| self.entry(place).sticky < id);
        order.get(at).copied().filter(|&place| self.entry(place).sticky == id)
    }
}

impl Drop for Table<'_> {
    #[inline]
    fn drop(&mut self) {
        self.pin.clear();
    }
}
