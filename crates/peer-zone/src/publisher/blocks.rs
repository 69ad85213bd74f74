//! Making what lies in the memory: peers, entries, tables, reports.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::Publisher;
use crate::{
    allocator::{Allocator, Tables},
    drain_times::DrainTime,
    layout::{
        Ages, Entry, PLAN_ALIGNMENT, Peer, PeerBlock, REPORT_MAGIC, ReportHeader, TableHeader,
        TextLengths,
    },
    memory::{Offset, UNIT, units},
    peer_spec::PeerSpec,
    protocol::WordIndex,
};

/// What a report takes that says what is wrong, in units, or less; there is room for two, since one
/// is made while the one before is read.
pub(super) const REPORT: u32 = 61;

/// Places that are tried for a report.
const HOLES: usize = 64;

/// Which part of the peers can change at once where there is no room for more: each one that does
/// takes another entry, of which as many are kept free. With 1/64 that is half a byte a peer.
const CHANGING: usize = 64;

/// How many can at least.
const CHANGING_AT_LEAST: usize = 16;

/// Whether there is room for a table only if there is room for another one like it; see
/// [`Publisher::has_spare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spare {
    Needed,
    /// Where it is larger than the table that is published now.
    NeededIfLarger,
    NotNeeded,
}

/// What is published now and about to be outdated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replaced {
    pub(super) table: bool,
    /// The base of its ring.
    pub(super) base: bool,
}

impl Replaced {
    pub(super) const NOTHING: Self = Self { table: false, base: false };
    pub(super) const TABLE: Self = Self { table: true, base: false };
    pub(super) const TABLE_AND_BASE: Self = Self { table: true, base: true };
}

/// Which part of what is free is to stay free above a table of so many units and peers: as the
/// table grows with its peers, so does what they take, about sixteen units each (an IPv4 address
/// and a key of usual length).
pub(super) fn above(units: u32, peers: usize) -> (u32, u32) {
    let peers = u32::try_from(peers).unwrap_or(u32::MAX / 32).saturating_mul(16);
    (units, units.saturating_add(peers))
}

impl Publisher {
    /// Writes a peer that has not served anybody yet; `None` where there is no room.
    pub(super) fn make_peer(&mut self, spec: &PeerSpec) -> Option<Offset> {
        let columns = self.zone.columns();
        let key = spec.key.as_deref().unwrap_or_default();
        let server = own_server(spec);
        let strings =
            [&*spec.socket_address, spec.name.as_bytes(), key.as_bytes(), server.as_bytes()];
        let [socket_address_length, name_length, key_length, server_length] =
            strings.map(|string| u16::try_from(string.len()).ok());
        let (socket_address_length, name_length) = (socket_address_length?, name_length?);
        let (key_length, server_length) = (key_length?, server_length?);
        let length = self.units_of(spec);
        // Tables of groups are as small as peers, and lie among them.
        let start = if self.groups.is_some() {
            self.allocator.allocate_tight(length, self.tables())?
        } else {
            self.allocator.allocate_low(length)?
        };
        let place = PeerBlock::place(start, columns);
        let id = self.zone.next_id(place);
        if let Some(statistics) = self.statistics {
            statistics.begin(place.index(), id);
        }
        let peer = Peer {
            open: AtomicU32::new(0),
            fails: AtomicU32::new(0),
            checked: AtomicU32::new(0),
            health: AtomicU8::new(self.health_at_first() as u8),
            in_service: AtomicU8::new(u8::from(spec.parameters.is_in_service())),
            socket_address_length,
            deficit: AtomicU64::new(0),
            response_time: AtomicU64::new(0),
            id,
            requests: AtomicU64::new(0),
            credit: AtomicU32::new(0),
            accessed: AtomicU32::new(0),
            next: AtomicU32::new(0),
            name_length,
            key_length,
            failures: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            ages: Ages::new(spec.joined, spec.create_revision),
            removed: DrainTime::default(),
            drains: DrainTime::default(),
            failing: DrainTime::default(),
            server_length,
            closing: WordIndex::new(self.group.closing),
            marks: Peer::marks(spec.key.is_some()),
        };
        let memory = self.zone.memory;
        let mut at = Peer::strings(place);
        // SAFETY: the allocator gave these units out, so nobody reads them; they are as many as the
        // peer takes with its columns, which begin as zeroes, and its strings.
        unsafe {
            memory.zero(start, length);
            memory.write(place.bytes(), peer);
            for string in strings {
                memory.copy(at, string);
                at += string.len();
            }
        }
        self.store_used();
        Some(place)
    }

    /// What a peer takes beside its entry and its part of a table.
    pub(super) fn units_of(&self, spec: &PeerSpec) -> u32 {
        let key = spec.key.as_deref().unwrap_or_default();
        let strings =
            spec.socket_address.len() + spec.name.len() + key.len() + own_server(spec).len();
        PeerBlock::size(self.zone.columns(), strings)
    }

    /// Writes what tables say of the peer at `peer`; `None` where there is no room.
    pub(super) fn make_entry(&mut self, spec: &PeerSpec, peer: Offset) -> Option<Offset> {
        let lengths = text_lengths(spec);
        let units = Entry::size(lengths.as_ref());
        let tables = self.tables();
        let place = self.allocator.allocate_tight(units, tables)?;
        let entry = Entry::new(peer, &spec.parameters, spec.sticky, lengths.as_ref());
        let memory = self.zone.memory;
        let mut at = place.bytes() + size_of::<Entry>();
        // SAFETY: the allocator gave these units out, so nobody reads them; they are as many as the
        // entry and its texts take.
        unsafe {
            memory.write(place.bytes(), entry);
            if let Some(lengths) = lengths {
                memory.write(at, lengths);
                at += size_of::<TextLengths>();
            }
            for text in texts(spec).into_iter().flatten() {
                memory.copy(at, text.as_bytes());
                at += text.len();
            }
        }
        Some(place)
    }

    /// Whether a table that takes `needed` units, with a base of its ring, could still be made.
    /// Each table is as large as it would be in its compact form at least, so that if this holds
    /// once it holds for as long as no peer is added: what is gone can always be taken out.
    ///
    /// `replaced` is what is published now and about to be outdated.
    pub(super) fn has_spare(&self, allocator: &Allocator, needed: u32, replaced: Replaced) -> bool {
        if allocator.longest() >= needed {
            return true;
        }
        // Those that are outdated come back as soon as nobody reads them, and a merge can be given
        // up.
        let table = self.current_table().filter(|_| replaced.table);
        let table = table.map(|table| (self.group.table, table.units));
        let bases = [self.published_base().filter(|_| replaced.base), self.group.ring.merging()];
        let bases = bases.into_iter().flatten().map(|base| (base.place, base.units()));
        let outdated = self.tables.iter().filter(|table| table.is_owned);
        let outdated = outdated.map(|table| (table.place, table.units));
        let unused = self.unused.iter().map(|unused| (unused.place, unused.units));
        let mut allocator = allocator.clone();
        for (place, units) in outdated.chain(unused).chain(bases).chain(table) {
            allocator.release(place, units);
        }
        allocator.longest() >= needed
    }

    /// The last table of the peers at hand.
    pub(super) fn current_table(&self) -> Option<&TableHeader> {
        let place = self.group.table;
        // SAFETY: the publisher frees tables, and has not freed the last one.
        (place.0 != 0).then(|| unsafe { self.table_at(place) })
    }

    /// Where the published table and its base lie, and what the table takes. Tables of groups lie
    /// anywhere.
    pub(super) fn tables(&self) -> Tables {
        if self.groups.is_some() {
            return Tables { from: Offset(0), units: 0 };
        }
        let table = self.group.table;
        let from = self.published_base().map_or(table, |base| base.place.min(table));
        Tables { from, units: self.current_table().map_or(0, |table| table.units) }
    }

    /// The report that is published now.
    pub(super) fn current_report(&self) -> Option<&ReportHeader> {
        let place = Offset(self.zone.header().report.current());
        // SAFETY: the publisher frees reports, and has not freed the one that is published.
        (place.0 != 0).then(|| unsafe { self.zone.memory.get(place.bytes()) })
    }

    /// The table at `place`.
    ///
    /// # Safety
    ///
    /// A table was written there, and is not freed.
    pub(super) unsafe fn table_at(&self, place: Offset) -> &TableHeader {
        // SAFETY: the caller's promise.
        unsafe { self.zone.memory.get(place.bytes()) }
    }

    /// Takes units for a report, where that leaves room for a table; see
    /// [`has_spare`](Self::has_spare).
    pub(super) fn allocate_for_report(
        &self,
        allocator: &mut Allocator,
        units: u32,
        needed: u32,
        replaced: Replaced,
    ) -> Option<Offset> {
        let holes: Vec<Offset> = allocator.ends_of_holes(units).take(HOLES).collect();
        holes.into_iter().find(|&place| {
            let is_mine = allocator.reserve(place, units);
            // The next table takes its part of what is free, unless that is there already.
            let table = if replaced.table { 0 } else { needed as usize };
            let leaves_room = self.has_spare(allocator, needed, replaced)
                && allocator.available() as usize >= table + changing(self.group.listed.len());
            if is_mine && !leaves_room {
                allocator.release(place, units);
            }
            is_mine && leaves_room
        })
    }

    /// Takes units for a short report, where that leaves room for a table with the base that the
    /// ring has now. Another base may have no room until changes have made the ring smaller: what
    /// is wrong is to be said all the same.
    fn allocate_beside_base(&self, allocator: &mut Allocator, units: u32) -> Option<Offset> {
        let table = self.current_table().filter(|table| table.delta.length > 0)?;
        let needed = table.units;
        (units <= REPORT)
            .then(|| self.allocate_for_report(allocator, units, needed, Replaced::NOTHING))?
    }

    /// Writes a report; `None` where there is no room.
    pub(super) fn make_report(&mut self, bytes: &[u8]) -> Option<Offset> {
        let units = units(size_of::<ReportHeader>() + bytes.len());
        let length = u32::try_from(bytes.len()).ok()?;
        let needed = self.current_table().map_or(0, |table| table.compact_units);
        let place = if self.groups.is_some() {
            self.place_report(units)?
        } else {
            let mut allocator = self.allocator.clone();
            let place = self
                .allocate_for_report(&mut allocator, units, needed, Replaced::NOTHING)
                .or_else(|| self.allocate_beside_base(&mut allocator, units))?;
            self.allocator = allocator;
            place
        };
        let header = ReportHeader { magic: REPORT_MAGIC, units, length };
        let memory = self.zone.memory;
        // SAFETY: the allocator gave these units out, so nobody reads them; they are as many as the
        // report takes.
        unsafe {
            memory.write(place.bytes(), header);
            memory.copy(place.bytes() + size_of::<ReportHeader>(), bytes);
        }
        self.store_used();
        Some(place)
    }

    /// Tells the status how much is taken.
    pub(super) fn store_used(&self) {
        let blocks = self.zone.first_block() + self.allocator.used();
        self.zone.header().used.store(blocks, Ordering::Relaxed);
    }
}

/// How many units are kept for changes of so many peers.
pub(super) fn changing(peers: usize) -> usize {
    (peers / CHANGING).max(CHANGING_AT_LEAST) * Entry::size(None) as usize
}

/// What an entry takes.
pub(super) fn units_of_entry(spec: &PeerSpec) -> u32 {
    Entry::size(text_lengths(spec).as_ref())
}

/// What an entry says of a peer in text.
fn texts(spec: &PeerSpec) -> [Option<&str>; 3] {
    [&spec.route, &spec.labels, &spec.source].map(|text| text.as_deref())
}

/// How long these are, if there are any.
fn text_lengths(spec: &PeerSpec) -> Option<TextLengths> {
    // None is as long as the memory in units, whose number is a `u32`.
    let length = |text: Option<&str>| text.map_or(Entry::NONE, |text| text.len() as u32);
    let lengths = texts(spec).map(length);
    lengths.iter().any(|&length| length != Entry::NONE).then_some(lengths)
}

/// The server's text, where that is not the name.
fn own_server(spec: &PeerSpec) -> &str {
    if spec.server == spec.name { "" } else { &spec.server }
}

const _: () = assert!(align_of::<TableHeader>() <= UNIT && PLAN_ALIGNMENT <= UNIT);
