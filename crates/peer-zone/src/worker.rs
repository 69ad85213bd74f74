//! A worker's side: reading the table, picking a peer, saying how it went. Nothing here locks,
//! waits or allocates.

mod claim;
mod column;
mod keyed;
mod least;
mod pick;
mod release;
mod round_robin;
mod view;
mod weighted_draw;

use core::{
    cell::Cell,
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
};

pub use self::{
    keyed::KeyProgress,
    pick::{Pick, PickContext},
    release::RequestOutcome,
    view::{PeerRow, PeerView},
};
use crate::{
    layout::{
        Entry, Health, PROCESS_ENTRIES, Peer, PlanHeader, ProcessEntry, ReportHeader, Section,
        TableHeader,
    },
    memory::Offset,
    protocol::{Process, WithdrawalReader},
    publisher::PeerSpec,
    zone::Zone,
};

/// A process's entry in a zone. It belongs to one thread: what it pins is pinned by a single word.
#[derive(Debug)]
pub struct Worker {
    zone: Zone,
    index: u32,
    process: Process,
    column: u32,
    /// What it has counted, where others write its column as well.
    counted: column::Counted,
    /// When nothing could be picked, and what must have changed before trying again is worth while:
    /// see [`pick`].
    exhausted: Option<pick::Exhausted>,
    /// The state of a generator of random numbers; never 0.
    random: Cell<u64>,
    withdrawals: WithdrawalReader,
    /// Not `Sync`, nor for more than one thread at a time.
    single_thread: PhantomData<*const ()>,
}

/// A peer that a request holds: its memory stays, and it counts as one open connection, until
/// [`Worker::release`].
///
/// It cannot be copied, so that it is released once.
#[derive(Debug)]
pub struct PickedPeer {
    peer: Offset,
    id: u64,
    weight: u32,
    max_conns: u32,
    max_fails: u32,
    slow_start: u32,
    backup: bool,
    sticky: u64,
    /// The only peer there is: its failures are not counted, as in nginx.
    is_single: bool,
    is_upgraded: bool,
}

/// Open connections to a peer: of all in the lower half, and of those that are upgraded in the
/// upper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections(pub(crate) u64);

/// In [`Connections`] and in a peer's columns: one connection, and what is added to it where it is
/// upgraded.
const CONNECTION: u64 = 1;
const UPGRADE: u64 = 1 << u32::BITS;

impl Connections {
    /// All.
    pub fn all(self) -> u32 {
        self.0 as u32
    }

    /// Those of them that are upgraded (WebSocket, for one): they speak no HTTP any more.
    pub fn upgraded(self) -> u32 {
        (self.0 >> u32::BITS) as u32
    }
}

impl PickedPeer {
    /// Tells the peer from all others that the zone has ever had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it is in the counts.
    fn counted(&self) -> u64 {
        CONNECTION + if self.is_upgraded { UPGRADE } else { 0 }
    }

    pub(crate) fn place(&self) -> Offset {
        self.peer
    }

    /// The id by which a cookie names the peer; `None` where it has none.
    pub fn sticky(&self) -> Option<u64> {
        (self.sticky != 0).then_some(self.sticky)
    }

    /// Consecutive failures at which the peer is left alone for a while; 0 where they are not
    /// counted.
    pub fn max_fails(&self) -> u32 {
        self.max_fails
    }
}

/// A moment, in the two clocks that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Seconds, by which failures are counted as in nginx. Only differences matter.
    pub seconds: u32,
    /// Milliseconds of the machine's monotonic clock.
    pub milliseconds: u64,
}

/// A table, pinned for as long as this lives.
#[derive(Debug)]
pub struct Table<'w> {
    worker: &'w Worker,
    header: &'w TableHeader,
    entries: &'w [Entry],
    place: Offset,
}

impl Worker {
    /// For an entry that is the process's.
    pub(crate) fn new(
        zone: Zone,
        index: u32,
        process: Process,
        is_alive: impl Fn(Process) -> bool,
    ) -> Self {
        // Any two workers' numbers are to differ; an odd factor keeps different indexes different.
        // Not 0, where the generator would stay.
        let seed =
            u64::from(index).wrapping_add(zone.seed()).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut worker = Self {
            zone,
            index,
            process,
            column: 0,
            counted: None,
            exhausted: None,
            random: Cell::new(seed),
            withdrawals: WithdrawalReader::new(&zone.header().withdrawal_count),
            single_thread: PhantomData,
        };
        worker.find_column(is_alive);
        worker
    }

    pub(crate) fn withdrawals(&self) -> &WithdrawalReader {
        &self.withdrawals
    }

    pub(crate) fn withdrawals_mut(&mut self) -> &mut WithdrawalReader {
        &mut self.withdrawals
    }

    /// A random number: xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift
    /// generators, scrambled", 2016).
    pub fn random(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Gives the entry back. For a process that lives on and holds no peer; one that ends need do
    /// nothing.
    pub fn leave(self) {
        if self.counted.is_none()
            && let Some((_, owner)) =
                self.zone.own_columns().find(|&(column, _)| column == self.column)
        {
            owner.give_back();
        }
        self.process_entry().vacate();
    }

    /// The column in which it counts connections.
    pub(crate) fn column(&self) -> u32 {
        self.column
    }

    pub(crate) fn process_entry(&self) -> &ProcessEntry {
        // SAFETY: `Zone::join` made the worker for an entry that there is; entries are atomics
        // throughout.
        unsafe {
            self.zone.memory.get(PROCESS_ENTRIES + self.index as usize * size_of::<ProcessEntry>())
        }
    }

    /// Pins the current table; `None` before the first is published.
    ///
    /// It takes the worker for itself: a second pin would take the place of the first.
    pub fn table(&mut self) -> Option<Table<'_>> {
        let place = Offset(self.process_entry().table.set(&self.zone.header().table));
        if place.0 == 0 {
            return None;
        }
        // SAFETY: the pin keeps the table, which was complete before it was published, until
        // `Table` is dropped.
        let header: &TableHeader = unsafe { self.zone.memory.get(place.bytes()) };
        // SAFETY: as above; the entries follow the header.
        let entries = unsafe {
            self.zone
                .memory
                .slice(place.bytes() + size_of::<TableHeader>(), header.entries as usize)
        };
        Some(Table { worker: self, header, entries, place })
    }

    /// Calls `read` with the bytes published last by `Publisher::report`; none before the first.
    pub fn with_report<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> T {
        let process_entry = self.process_entry();
        let place = Offset(process_entry.report.set(&self.zone.header().report));
        let bytes = if place.0 == 0 {
            &[][..]
        } else {
            // SAFETY: the pin keeps the report, which was complete before it was published, until
            // `clear` below.
            unsafe {
                let header: &ReportHeader = self.zone.memory.get(place.bytes());
                self.zone
                    .memory
                    .slice(place.bytes() + size_of::<ReportHeader>(), header.length as usize)
            }
        };
        let result = read(bytes);
        process_entry.report.clear();
        result
    }

    /// The peer that a request holds.
    pub fn peer<'h>(&self, held: &'h PickedPeer) -> PeerView<'h> {
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has
        // one.
        unsafe { self.zone.view(held.peer) }
    }

    /// The socket address, the name and the key of the peer that a request holds, as in
    /// [`Worker::peer`]; no key is an empty one. What each request needs, without the rest.
    pub fn address<'h>(&self, held: &'h PickedPeer) -> (&'h [u8], &'h [u8], &'h [u8]) {
        // SAFETY: as in `peer`.
        let [socket_address, name, key, _] = unsafe { self.zone.peer_strings(held.peer) };
        (socket_address, name, key)
    }

    /// Calls `read` with the route of the peer that a request holds, if it has one. Where another
    /// list of peers was published since it was picked, that one's word counts.
    pub fn with_route<T>(&mut self, held: &PickedPeer, read: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let Some(table) = self.table() else { return read(None) };
        let index = table.header.routes.length > 0;
        let index = index.then(|| table.sticky_index(held.sticky)).flatten();
        read(index.and_then(|index| table.route(index)))
    }

    /// Open connections to the peer that a request holds, over all workers.
    pub fn connections(&self, held: &PickedPeer) -> Connections {
        // SAFETY: as in `peer`.
        unsafe { self.zone.connections(held.peer) }
    }

    /// As [`Worker::connections`], without the request's own.
    pub fn connections_without(&self, held: &PickedPeer) -> Connections {
        Connections(self.connections(held).0.wrapping_sub(held.counted()))
    }

    /// Whether the peer that a request holds is there for others as well: it has neither left the
    /// service nor failed since it was picked.
    pub fn is_in_service(&self, held: &PickedPeer) -> bool {
        // SAFETY: as in `peer`.
        let peer = unsafe { self.zone.peer(held.peer) };
        let is_well = match Health::load(&peer.health) {
            Health::Unchecked | Health::Passing => true,
            Health::Failing => self.zone.header().panic.load(Ordering::Relaxed) != 0,
            Health::Pending => false,
        };
        let has_failed =
            held.max_fails != 0 && peer.fails.load(Ordering::Relaxed) >= held.max_fails;
        is_well && !has_failed && peer.in_service.load(Ordering::Relaxed) != 0
    }

    /// Counts a connection to the peer at `at`, in this worker's column.
    fn count(&self, at: Offset) {
        // SAFETY: called for a peer of a pinned table.
        unsafe { self.zone.peer(at) }.open.fetch_add(1, Ordering::Relaxed);
        self.add(at, CONNECTION);
    }

    fn add(&self, at: Offset, what: u64) {
        let column = self.column_of(at);
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
        if !held.is_upgraded {
            held.is_upgraded = true;
            self.add(held.peer, UPGRADE);
        }
    }

    /// Takes a connection out of the counts; `what` is what was added for it.
    fn uncount(&self, at: Offset, what: u64) {
        // SAFETY: called for a peer that this worker has counted, and that is kept by this until
        // the end of this function.
        unsafe { self.zone.peer(at) }.open.fetch_sub(1, Ordering::Relaxed);
        let column = self.column_of(at);
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

    fn column_of(&self, at: Offset) -> &AtomicU64 {
        let column = at.bytes() + size_of::<Peer>() + self.column as usize * size_of::<AtomicU64>();
        // SAFETY: called for a peer of a pinned table, or one that is held; `column` is below the
        // number of columns.
        unsafe { self.zone.memory.get(column) }
    }
}

impl Table<'_> {
    pub(crate) fn zone(&self) -> Zone {
        self.worker.zone
    }

    pub(crate) fn process_entry(&self) -> &ProcessEntry {
        self.worker.process_entry()
    }

    /// Counted up with every change of the peers.
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// All peers: those without `backup`, those with it, those that are gone but have open
    /// connections.
    pub fn rows(&self) -> impl Iterator<Item = PeerRow<'_>> {
        let listed = (self.header.primaries + self.header.backups) as usize;
        self.entries.iter().enumerate().map(move |(index, entry)| PeerRow {
            // SAFETY: the table is pinned, and no peer that it lists is freed.
            peer: unsafe { self.worker.zone.view(entry.peer) },
            parameters: entry.parameters,
            // SAFETY: as above.
            connections: unsafe { self.worker.zone.connections(entry.peer) },
            // SAFETY: as above.
            words: unsafe { self.worker.zone.peer(entry.peer) },
            // SAFETY: as above.
            columns: unsafe { self.worker.zone.peer_columns(entry.peer) },
            zone: self.worker.zone,
            route: self.route(index),
            is_removed: index >= listed,
        })
    }

    /// The peers that have keys and have not been removed, to publish them elsewhere.
    pub fn to_specs(&self) -> Vec<PeerSpec> {
        let listed = (self.header.primaries + self.header.backups) as usize;
        self.entries[..listed]
            .iter()
            .zip(0..)
            // SAFETY: the table is pinned, and no peer that it lists is freed.
            .map(|(entry, index)| unsafe { self.worker.zone.spec(entry, self.route(index)) })
            .filter(|spec| spec.key.is_some())
            .collect()
    }

    /// The route of the entry with this index, if it has one.
    fn route(&self, index: usize) -> Option<&[u8]> {
        // SAFETY: the table is pinned.
        unsafe { self.worker.zone.routes(self.place) }.of(index)
    }

    /// Whether there is but one peer: nginx never takes that one out of service.
    fn is_single(&self) -> bool {
        self.header.primaries + self.header.backups == 1
    }

    fn plan_sequence(&self, plan: &PlanHeader) -> &[u32] {
        // SAFETY: the publisher wrote as many items there.
        unsafe { self.items(plan.offset, plan.length) }
    }

    fn plan_cumulative(&self, plan: &PlanHeader) -> &[u64] {
        // SAFETY: as above.
        unsafe { self.items(plan.offset, plan.length) }
    }

    /// A part of the table that only some methods need; empty where it is not there.
    ///
    /// # Safety
    ///
    /// The section's items are of this type.
    unsafe fn section<T>(&self, section: Section) -> &[T] {
        if section.offset == 0 {
            return &[];
        }
        // SAFETY: the publisher wrote as many items there, of the type that the caller vouches for.
        unsafe { self.items(section.offset, section.length) }
    }

    /// # Safety
    ///
    /// `length` items of this type lie `offset` bytes from the table's start.
    unsafe fn items<T>(&self, offset: u32, length: u32) -> &[T] {
        // SAFETY: the table is pinned; the rest is the caller's promise.
        unsafe {
            self.worker.zone.memory.slice(self.place.bytes() + offset as usize, length as usize)
        }
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        self.worker.process_entry().table.clear();
    }
}
