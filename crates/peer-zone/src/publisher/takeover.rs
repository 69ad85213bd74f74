//! Taking over from a publisher that is gone, wherever it stopped.

use core::sync::atomic::Ordering;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Publisher,
    group::Group,
    load_correction::LoadCorrection,
    options::TableOptions,
    placed::Placed,
    records::{Listed, Outdated, Removed, Unused},
    ring::Block,
};
use crate::{
    allocator::Allocator,
    layout::{
        DIRECTORY, Entry, ProcessEntry, REPORT_MAGIC, ReportHeader, TABLE_MAGIC, TableHeader,
        TextLengths,
    },
    memory::{Offset, units},
    peer_spec::{PeerSpec, order},
    protocol::Publishing,
    zone::Zone,
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
            group: Group::default(),
            groups: None,
            removed: Placed::default(),
            unlisted: Vec::new(),
            tables: Vec::new(),
            reports: Vec::new(),
            unused: Vec::new(),
            links: None,
            publication: 1,
            generation: 0,
            options: TableOptions::default(),
            group_options: HashMap::new(),
            recounts: LoadCorrection::default(),
            may_lack_times: true,
            free_count: 0,
            statistics: None,
        };
        publisher.find_peers();
        publisher.find_published();
        publisher.find_pinned();
        publisher.refill_reserve();
        publisher.recounts.begin();
        publisher.repeat_withdrawals();
        publisher.store_used();
        publisher
    }

    /// A publisher that was killed may have published a change without telling whom it concerns.
    fn repeat_withdrawals(&self) {
        for peer in self.all_listed().filter(|peer| peer.is_in_service) {
            self.peer(peer).in_service.store(1, Ordering::Relaxed);
        }
        let out_of_service =
            self.all_listed().filter(|peer| !peer.is_in_service).map(|peer| peer.place);
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
        for listed in self.all_listed() {
            self.peer(listed).removed.end();
            let drains = self.update_drain_time(listed, now);
            if self.update_failing_time(listed.place, now) || drains {
                self.note_state(listed.place, now);
                untold.push(self.peer(listed).id);
            }
        }
        for removed in self.removed.iter() {
            // SAFETY: the publisher frees peers, and has not freed this one.
            let peer = unsafe { self.zone.peer(removed.place) };
            if peer.removed.begin(now) {
                self.note_state(removed.place, now);
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
            let (peer, block) = unsafe { (self.zone.peer(place), self.zone.peer_block(place)) };
            if !self.allocator.reserve(block.start, block.units) {
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
        // SAFETY: it is published.
        let header = unsafe { memory.get::<TableHeader>(table.bytes()) };
        self.generation = header.generation;
        self.allocator.reserve(table, header.units);
        let mut in_tables = HashSet::new();
        if header.traits & DIRECTORY != 0 {
            self.find_groups(table, &mut in_tables);
        } else {
            self.find_listed(table, None, &mut in_tables);
            self.restore_ring();
            self.count_health();
            self.group.panics = self.zone.header().panic.load(Ordering::Relaxed) != 0;
        }
        self.unlisted.retain(|(place, _)| !in_tables.contains(place));
    }

    /// Takes the peers of a table as those at hand, in the group of this name if it is one's. Their
    /// places come to those that are `in_tables`.
    pub(super) fn find_listed(
        &mut self,
        table: Offset,
        group: Option<&Arc<str>>,
        in_tables: &mut HashSet<Offset>,
    ) {
        let memory = self.zone.memory;
        // SAFETY: it is published, and the places of its entries follow the header.
        let (header, places) = unsafe {
            let header = memory.get::<TableHeader>(table.bytes());
            let places = memory
                .slice::<Offset>(table.bytes() + size_of::<TableHeader>(), header.entries as usize);
            (header, places)
        };
        self.group.table = table;
        if let Some(base) = self.published_base() {
            self.allocator.reserve(base.place, base.units());
        }
        let peers: Vec<Offset> = places.iter().map(|&place| self.reserve_entry(place)).collect();
        let zone = self.zone;
        // SAFETY: the publisher frees entries, and has not freed these.
        let specs = places.iter().map(|&place| unsafe { zone.spec(place) });
        let specs = specs.map(|spec| Arc::new(PeerSpec { group: group.cloned(), ..spec }));
        let mut all = specs.zip(&peers).zip(places);
        let count = (header.primaries + header.backups) as usize;
        let listed = all.by_ref().take(count);
        let mut listed: Vec<Listed> =
            listed.map(|((spec, &place), &entry)| Listed::new(spec, place, entry)).collect();
        // Backups stand behind the others in a table; here all are in one order.
        listed.sort_by(|one, other| order(&one.spec, &other.spec));
        let since = self.publication;
        self.removed.extend(all.map(|((spec, &place), &entry)| Removed {
            spec,
            place,
            entry,
            since,
        }));
        self.group.limited = listed.iter().filter(|peer| peer.is_limited()).count();
        self.group.listed = listed.into();
        in_tables.extend(peers);
    }

    /// Reserves an entry of the table that is published. Returns the place of its peer.
    fn reserve_entry(&mut self, place: Offset) -> Offset {
        // SAFETY: the publisher frees entries, and has not freed this one.
        let (entry, units) = unsafe { (self.zone.entry(place), self.zone.entry_units(place)) };
        self.allocator.reserve(place, units);
        entry.peer
    }

    /// Reserves tables, with their entries and the bases of their rings, and reports that are read
    /// just now, though others have taken their place.
    ///
    /// A pin may be stale: set, but not yet compared with the root. What it points to is then never
    /// read, and what looks like a header there may be left over from what lay there once, so that
    /// its extent may overlap one that is read. Those that overlap are kept as one. All of it comes
    /// back once none of the pins is there any more.
    fn find_pinned(&mut self) {
        let (mut pinned, mut claims) = (Vec::new(), Vec::new());
        for process_entry in self.zone.process_entries() {
            for (place, units) in self.pinned_blocks(process_entry) {
                pinned.push(place);
                claims.push((place.0, place.0 + units));
            }
        }
        for &table in &pinned {
            claims.extend(self.claimed_entries(table));
            claims.extend(self.claimed_base(table));
            claims.extend(self.claimed_groups(table));
        }
        claims.sort_unstable();
        let mut extents: Vec<(u32, u32)> = Vec::new();
        for (start, end) in claims {
            match extents.last_mut() {
                Some((_, last)) if start < *last => *last = end.max(*last),
                _ => extents.push((start, end)),
            }
        }
        let publication = self.publication;
        for (start, end) in extents {
            let (place, units) = (Offset(start), end - start);
            let is_free = self.allocator.reserve(place, units);
            debug_assert!(is_free, "each part of it was free");
            self.unused.push(Unused { place, units, since: publication });
        }
        let outdated = |place| Outdated { place, units: 1, until: publication, is_owned: false };
        self.tables.extend(pinned.into_iter().map(outdated));
    }

    /// The blocks that a worker's pins point to, where all of them is neither published nor a
    /// peer's.
    fn pinned_blocks(&self, process_entry: &ProcessEntry) -> impl Iterator<Item = (Offset, u32)> {
        let memory = self.zone.memory;
        let place = process_entry.table.place();
        let table = self.may_lie_at(place, size_of::<TableHeader>()).then(|| {
            // SAFETY: within the memory; any bytes are valid integers, and the magic tells a table.
            let header = unsafe { memory.get::<TableHeader>(Offset(place).bytes()) };
            (header.magic == TABLE_MAGIC, place, header.units)
        });
        let place = process_entry.report.place();
        let report = self.may_lie_at(place, size_of::<ReportHeader>()).then(|| {
            // SAFETY: as above.
            let header = unsafe { memory.get::<ReportHeader>(Offset(place).bytes()) };
            (header.magic == REPORT_MAGIC, place, header.units)
        });
        let is_claim = |&(is_block, place, units): &(bool, u32, u32)| {
            is_block && self.allocator.is_free(Offset(place), units)
        };
        let blocks = table.into_iter().chain(report).filter(is_claim);
        blocks.map(|(_, place, units)| (Offset(place), units))
    }

    /// Whether so many bytes may lie there, apart from what may be there already.
    pub(super) fn may_lie_at(&self, place: u32, size: usize) -> bool {
        let end = place.checked_add(units(size));
        place >= self.zone.first_block() && end.is_some_and(|end| end <= self.zone.memory.units())
    }

    /// The extents of the entries of a block, if that is a table, but for those that the table
    /// which is published has as well.
    pub(super) fn claimed_entries(&self, table: Offset) -> impl Iterator<Item = (u32, u32)> {
        let memory = self.zone.memory;
        // SAFETY: all of the block lies within the memory, and any bytes are valid integers.
        let header = unsafe { memory.get::<TableHeader>(table.bytes()) };
        let size = size_of::<TableHeader>() + header.entries as usize * size_of::<Offset>();
        let is_table = header.magic == TABLE_MAGIC && units(size) <= header.units;
        let count = if is_table { header.entries as usize } else { 0 };
        // SAFETY: as above; whatever the header says, these lie within the block.
        let places =
            unsafe { memory.slice::<Offset>(table.bytes() + size_of::<TableHeader>(), count) };
        places.iter().filter_map(|&place| {
            let may_lie = |texts: usize| self.may_lie_at(place.0, size_of::<Entry>() + texts);
            // SAFETY: within the memory, as above.
            let has_texts = may_lie(0).then(|| unsafe { self.zone.entry(place) }.has_texts())?;
            let may_lie = !has_texts || may_lie(size_of::<TextLengths>());
            // SAFETY: within the memory, as above, with the lengths of the texts if there are any.
            let units = may_lie.then(|| unsafe { self.zone.entry_units(place) })?;
            self.allocator.is_free(place, units).then(|| (place.0, place.0 + units))
        })
    }

    /// The extent of the base of a block's ring, if that is a table, but for the base of the table
    /// which is published.
    pub(super) fn claimed_base(&self, table: Offset) -> Option<(u32, u32)> {
        // SAFETY: all of the block lies within the memory, and any bytes are valid integers.
        let header = unsafe { self.zone.memory.get::<TableHeader>(table.bytes()) };
        let base = Block::of_table(header).filter(|_| header.magic == TABLE_MAGIC)?;
        let may_lie = self.may_lie_at(base.place.0, base.bytes());
        let is_claim = may_lie && self.allocator.is_free(base.place, base.units());
        is_claim.then(|| (base.place.0, base.place.0 + base.units()))
    }
}
