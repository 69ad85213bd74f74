//! The memory as a whole: made, found again, and read from any process.

use core::{
    mem::offset_of,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};
use std::sync::Arc;

use thiserror::Error;

use crate::{
    layout::{
        Entry, FIRST_OWN_COLUMN, Header, MAGIC, PROCESS_ENTRIES, Peer, Positions, ProcessEntry,
        RESYNC_COUNTERS, ResyncCounter, TableHeader, blocks, owners,
    },
    memory::{Memory, Offset, UNIT, units},
    protocol::{ID_BITS, MAX_WITHDRAWALS, Owner, Process, SHARED_COLUMNS, SharedColumns},
    publisher::PeerSpec,
    worker::{Connections, Worker},
};

/// Columns are counted in cache lines of this many.
const COLUMNS_PER_LINE: u32 = 8;

/// Where there are few workers, columns for some more generations of old ones cost little.
const LEAST_COLUMNS: u32 = 16;

/// With a column for each of very many workers, peers would be large and few: with 256 workers some
/// 4 kB each. Up to 30 workers each has its own, and during a reload those before them as well.
const MOST_COLUMNS: u32 = 64;

/// Withdrawals that are remembered: of a zone of 1 MB 1 024, which takes 8 kB of it. Workers look
/// ten times a second at least; where more have gone in between, all idle connections go.
const BYTES_PER_WITHDRAWAL: usize = 1024;
const MIN_WITHDRAWALS: u32 = 16;

/// For how many processes a zone is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The workers of one cycle. Where there are more of them, or many old ones, some share where
    /// they count connections.
    pub workers: u32,
    /// The most processes that use the zone at the same time, those of all cycles together.
    pub processes: u32,
}

impl Capacity {
    /// Bytes that the list of processes takes of the zone.
    pub fn list_of_processes(self) -> usize {
        self.processes as usize * size_of::<ProcessEntry>()
    }
}

/// The memory is too small for what must lie in it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{have} bytes are too few, {need} are needed")]
pub struct ZoneTooSmall {
    /// What there is, in bytes.
    pub have: usize,
    /// What it takes, in bytes.
    pub need: usize,
}

/// The memory is not a zone of this layout.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the shared memory was laid out by another version of the module")]
pub struct AttachError;

/// A zone of peers, wherever this process has it mapped.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    pub(crate) memory: Memory,
}

/// The counters of a zone, read without a lock and so not all of one instant.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// Bytes in all, without the list of processes.
    pub size: usize,
    /// Bytes taken of these.
    pub used: usize,
    /// Processes that use the zone.
    pub processes: u32,
    /// The most that can.
    pub most_processes: u32,
    /// Those that share where they count connections.
    pub sharing: u32,
    /// How many of the wanted peers are left out, since they do not fit.
    pub left_out: u32,
    /// Whether etcd is being followed.
    pub is_connected: bool,
    /// Whether every peer in service fails its checks, and all are used for that reason.
    pub is_panicking: bool,
    /// Connections that drains have closed.
    pub drained: u64,
    /// Checks that could not be made for want of descriptors, memory or ports.
    pub checks_not_made: u64,
    /// The revision applied last.
    pub revision: u64,
    /// When etcd was last heard, in milliseconds of the monotonic clock; 0: never.
    pub last_contact: u64,
    /// Values rejected so far.
    pub rejected_total: u64,
    /// Lists made, by cause, in the order of [`ResyncCounter`].
    pub resyncs: [u64; RESYNC_COUNTERS],
}

impl Zone {
    /// Lays out the memory: no peers yet, no processes.
    ///
    /// # Errors
    ///
    /// Where not even an empty table fits.
    ///
    /// # Safety
    ///
    /// `base` is aligned to 64 bytes; `length` bytes from it are shared by all processes that will
    /// attach to them, are accessed by nothing else, stay mapped for as long as the returned value
    /// and everything made from it is used, and nobody uses them yet.
    pub unsafe fn format(
        base: NonNull<u8>,
        length: usize,
        capacity: Capacity,
    ) -> Result<Self, ZoneTooSmall> {
        // Twice the workers: a reload has both generations at once. What goes beyond shares.
        let columns = capacity.workers.saturating_mul(2).saturating_add(2 + SHARED_COLUMNS);
        let columns = columns.clamp(LEAST_COLUMNS, MOST_COLUMNS).next_multiple_of(COLUMNS_PER_LINE);
        let process_entries = capacity.processes;
        let withdrawals = u32::try_from(length / BYTES_PER_WITHDRAWAL).unwrap_or(u32::MAX);
        let withdrawals = withdrawals.clamp(MIN_WITHDRAWALS, MAX_WITHDRAWALS);
        let first_block = blocks(process_entries, columns, withdrawals);
        let need = (first_block + units(size_of::<TableHeader>()) * 2) as usize * UNIT;
        if length < need {
            return Err(ZoneTooSmall { have: length, need });
        }
        // SAFETY: the caller's promise.
        let memory = unsafe { Memory::new(base, length) };
        // SAFETY: nobody uses the memory yet, so it may be written at will.
        unsafe {
            memory.zero(Offset(0), first_block);
            // The header is all zeroes, which is a valid one, but for what is set here.
            memory.write(offset_of!(Header, size), memory.units());
            memory.write(offset_of!(Header, columns), columns);
            memory.write(offset_of!(Header, process_entries), process_entries);
            memory.write(offset_of!(Header, withdrawals), withdrawals);
            memory.write(offset_of!(Header, shared), SharedColumns::new());
            memory.write(offset_of!(Header, magic), MAGIC);
        }
        Ok(Self { memory })
    }

    /// The zone that [`Zone::format`] laid out in this memory, in this process or another.
    ///
    /// # Errors
    ///
    /// Where what lies there is something else.
    ///
    /// # Safety
    ///
    /// As for [`Zone::format`], but for its last condition.
    pub unsafe fn attach(base: NonNull<u8>, length: usize) -> Result<Self, AttachError> {
        if length < size_of::<Header>() {
            return Err(AttachError);
        }
        // SAFETY: the caller's promise.
        let memory = unsafe { Memory::new(base, length) };
        // SAFETY: the memory is long enough, and any bytes are a valid integer.
        let (magic, size) = unsafe {
            let header = memory.get::<Header>(0);
            (header.magic, header.size)
        };
        if magic != MAGIC || size != memory.units() {
            return Err(AttachError);
        }
        Ok(Self { memory })
    }

    /// Takes an entry for a process that will pick peers or read tables. Where none is free that of
    /// a dead process is (`is_alive` says so). `None` where all are those of processes that live.
    pub fn join(&self, process: Process, is_alive: impl Fn(Process) -> bool) -> Option<Worker> {
        let index = self.claim_process_entry(process, &is_alive)?;
        Some(Worker::new(*self, index, process, &is_alive))
    }

    fn claim_process_entry(
        &self,
        process: Process,
        is_alive: impl Fn(Process) -> bool,
    ) -> Option<u32> {
        let free = (0..).zip(self.all_process_entries()).find(|&(index, process_entry)| {
            process_entry.owner.holder().is_none() && {
                // Before anything is pinned there: see `Zone::process_entries`.
                self.header().process_entries_seen.fetch_max(index + 1, Ordering::AcqRel);
                process_entry.owner.take(process)
            }
        });
        let (index, _) = free.or_else(|| {
            (0..).zip(self.all_process_entries()).find(|(_, process_entry)| {
                let dead =
                    process_entry.owner.holder().filter(|holder| !is_alive(holder.process()));
                let is_mine = dead.is_some_and(|dead| process_entry.owner.inherit(dead, process));
                if is_mine {
                    self.forget(process_entry);
                }
                is_mine
            })
        })?;
        Some(index)
    }

    /// Ends what a dead process was about, whose entry is the caller's now.
    pub(crate) fn forget(&self, process_entry: &ProcessEntry) {
        // First: should the caller die here, whoever comes next finds it still.
        self.header().shared.mark(&process_entry.column_use);
        self.request_recount();
        process_entry.unpin();
    }

    /// The counts of peers may not agree any more.
    pub(crate) fn request_recount(&self) {
        self.header().recounts.fetch_add(1, Ordering::Release);
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        let header = self.header();
        let list = header.process_entries as usize * size_of::<ProcessEntry>();
        Statistics {
            size: self.memory.units() as usize * UNIT - list,
            used: (header.used.load(Ordering::Relaxed) as usize * UNIT).saturating_sub(list),
            processes: self.processes(),
            most_processes: header.process_entries,
            sharing: self
                .process_entries()
                .iter()
                .map(|process_entry| u32::from(process_entry.column_use.is_taken()))
                .sum(),
            left_out: header.left_out.load(Ordering::Relaxed),
            is_connected: header.connected.load(Ordering::Relaxed) != 0,
            is_panicking: header.panic.load(Ordering::Relaxed) != 0,
            drained: header.drained.load(Ordering::Relaxed),
            checks_not_made: header.checks_not_made.load(Ordering::Relaxed),
            revision: header.revision.load(Ordering::Relaxed),
            last_contact: header.last_contact.load(Ordering::Relaxed),
            rejected_total: header.rejected_total.load(Ordering::Relaxed),
            resyncs: core::array::from_fn(|index| header.resyncs[index].load(Ordering::Relaxed)),
        }
    }

    /// How many processes use the zone; those that have died only just may be among them.
    pub fn processes(&self) -> u32 {
        self.process_entries()
            .iter()
            .map(|process_entry| u32::from(process_entry.owner.holder().is_some()))
            .sum()
    }

    /// The most processes that can use the zone.
    pub fn most_processes(&self) -> u32 {
        self.header().process_entries
    }

    /// How often a request may be tried: once for each peer in service, as nginx's `tries`.
    pub fn tries(&self) -> u32 {
        self.header().tries.load(Ordering::Relaxed)
    }

    /// The revision applied last; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.header().revision.load(Ordering::Relaxed)
    }

    /// etcd was heard at `now` (milliseconds of the monotonic clock).
    pub fn set_last_contact(&self, now: u64) {
        self.header().last_contact.store(now, Ordering::Relaxed);
    }

    /// etcd is followed, or not any more.
    pub fn set_connected(&self, is_connected: bool) {
        self.header().connected.store(u32::from(is_connected), Ordering::Relaxed);
    }

    /// All changes up to `revision` of the cluster `cluster_id` are applied.
    pub fn set_revision(&self, cluster_id: u64, revision: u64) {
        self.header().cluster_id.store(cluster_id, Ordering::Relaxed);
        self.header().revision.store(revision, Ordering::Relaxed);
    }

    /// The cluster that the applied revision is of, or 0.
    pub fn cluster_id(&self) -> u64 {
        self.header().cluster_id.load(Ordering::Relaxed)
    }

    /// So many of the wanted peers do not fit.
    pub fn set_left_out(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.header().left_out.store(count, Ordering::Relaxed);
    }

    /// How many of the wanted peers do not fit.
    pub fn left_out(&self) -> u32 {
        self.header().left_out.load(Ordering::Relaxed)
    }

    /// Counts a list.
    pub fn count_resync(&self, counter: ResyncCounter) {
        self.header().resyncs[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// So many more checks could not be made.
    pub fn count_checks_not_made(&self, count: u64) {
        self.header().checks_not_made.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts rejected values.
    pub fn count_rejected(&self, count: u64) {
        self.header().rejected_total.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: `format` wrote a header at 0, whose plain fields have not been written since.
        unsafe { self.memory.get(0) }
    }

    /// A peer that could not be picked may be one that can.
    pub(crate) fn note_recovery(&self) {
        // Release: who sees the new number sees what made the difference, too.
        self.header().recoveries.fetch_add(1, Ordering::Release);
    }

    /// A peer begins, or goes on with, a ramp of so many seconds that counts from this moment (ms).
    /// To be called before the peer shows it: who picks looks at no peer's ramp unless the zone
    /// says that there may be one.
    pub(crate) fn extend_ramps(&self, from: u64, slow_start: u32) {
        if slow_start != 0 && from != 0 {
            let until = from.saturating_add(u64::from(slow_start) * 1_000);
            self.header().ramps_until.fetch_max(until, Ordering::Relaxed);
        }
    }

    /// Whether any peer may be on a ramp at this moment (ms).
    pub(crate) fn has_ramps(&self, now: u64) -> bool {
        now < self.header().ramps_until.load(Ordering::Relaxed)
    }

    pub(crate) fn positions(&self) -> &Positions {
        &self.header().positions
    }

    fn all_process_entries(&self) -> &[ProcessEntry] {
        // SAFETY: `format` wrote as many process entries there (zeroes), and they are atomics throughout.
        unsafe { self.memory.slice(PROCESS_ENTRIES, self.header().process_entries as usize) }
    }

    /// The entries that have ever been taken. A process says that its entry is one of them before
    /// it pins anything there, so that whoever publishes a place and then looks here finds all pins
    /// that there can be on another place.
    pub(crate) fn process_entries(&self) -> &[ProcessEntry] {
        let process_entries = self.all_process_entries();
        let seen = self.header().process_entries_seen.load(Ordering::Acquire) as usize;
        process_entries.get(..seen).unwrap_or(process_entries)
    }

    /// The columns that one process has for itself, and whose they are.
    pub(crate) fn own_columns(&self) -> impl Iterator<Item = (u32, &Owner)> {
        let header = self.header();
        // SAFETY: `format` wrote as many owners there (zeroes), and they are atomics throughout.
        let owners: &[Owner] =
            unsafe { self.memory.slice(owners(header.process_entries), header.columns as usize) };
        (0..).zip(owners).skip(FIRST_OWN_COLUMN as usize)
    }

    /// Something that differs from zone to zone and from start to start: where it lies in this
    /// process.
    pub(crate) fn seed(&self) -> u64 {
        std::ptr::from_ref(self.header()).addr() as u64
    }

    pub(crate) fn columns(&self) -> u32 {
        self.header().columns
    }

    pub(crate) fn first_block(&self) -> u32 {
        let header = self.header();
        blocks(header.process_entries, header.columns, header.withdrawals)
    }

    /// The peer at `at`.
    ///
    /// # Safety
    ///
    /// A peer was written there, and its memory is not reused for `'a`: a table that lists it is
    /// pinned, or a request holds it, or the caller is the publisher, who alone frees peers.
    pub(crate) unsafe fn peer<'a>(&self, at: Offset) -> &'a Peer {
        // SAFETY: the caller's promise.
        unsafe { self.memory.get(at.bytes()) }
    }

    /// The columns of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn peer_columns<'a>(&self, at: Offset) -> &'a [AtomicU64] {
        // SAFETY: the caller's promise; the columns follow the peer.
        unsafe { self.memory.slice(at.bytes() + size_of::<Peer>(), self.columns() as usize) }
    }

    /// How many connections to the peer at `at` are open.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn connections(&self, at: Offset) -> Connections {
        // SAFETY: the caller's promise.
        let columns = unsafe { self.peer_columns(at) };
        // Acquire: whoever frees the peer because there are none comes after all that was done with
        // it (see `Worker::uncount`).
        Connections(
            columns.iter().map(|column| column.load(Ordering::Acquire)).fold(0, u64::wrapping_add),
        )
    }

    /// Whether no connection to the peer at `at` is open, for the publisher, who alone makes
    /// another shared column the current one.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn is_idle(&self, at: Offset) -> bool {
        // Twice: a process that moves its counts from a later column to an earlier one is missed by
        // whoever is between the two, and moves them so once at most before the current column is
        // another one. See `SharedColumns`. SAFETY: the caller's promise.
        let mut sums = (0..2).map(|_| unsafe { self.connections(at) });
        sums.all(|sum| sum == Connections::default())
    }

    /// Takes what is in a column of the peer at `at` out of its counts, where nobody counts there.
    /// Says whether there was anything.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn clear_count(&self, at: Offset, column: u32) -> bool {
        // SAFETY: the caller's promise.
        let (peer, columns) = unsafe { (self.peer(at), self.peer_columns(at)) };
        let column = &columns[column as usize];
        if column.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let lost = Connections(column.swap(0, Ordering::Relaxed));
        peer.open.fetch_sub(lost.all(), Ordering::Relaxed);
        lost != Connections::default()
    }

    /// The socket address, the name, the key and the server text of the peer at `at`, as bytes.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn peer_strings<'a>(&self, at: Offset) -> [&'a [u8]; 4] {
        // SAFETY: the caller's promise.
        let peer = unsafe { self.peer(at) };
        let lengths =
            [peer.socket_address_length, peer.name_length, peer.key_length, peer.server_length]
                .map(usize::from);
        let mut start = at.bytes() + Peer::strings(self.columns());
        let strings = lengths.map(|length| {
            // SAFETY: the caller's promise; the strings follow the columns, were written before the
            // peer was published and are never changed.
            let string = unsafe { self.memory.slice(start, length) };
            start += length;
            string
        });
        let [socket_address, name, key, server] = strings;
        [socket_address, name, key, if server.is_empty() { name } else { server }]
    }

    /// The peer of a table's entry, with this route, as it was published.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn spec(&self, entry: &Entry, route: Option<&[u8]>) -> PeerSpec {
        // SAFETY: the caller's promise.
        let (peer, [socket_address, name, key, server]) =
            unsafe { (self.peer(entry.peer), self.peer_strings(entry.peer)) };
        let text = |bytes: &[u8]| Arc::<str>::from(String::from_utf8_lossy(bytes));
        let name_text = text(name);
        PeerSpec {
            key: (peer.is_static == 0).then(|| text(key)),
            socket_address: socket_address.into(),
            server: if server == name { Arc::clone(&name_text) } else { text(server) },
            name: name_text,
            parameters: entry.parameters,
            sticky: entry.sticky(),
            route: route.map(text),
            create_revision: peer.create_revision.load(Ordering::Relaxed),
            joined: peer.joined.load(Ordering::Relaxed),
        }
    }

    /// How many connections to the peer are open, near enough to compare peers by.
    pub(crate) fn open(peer: &Peer) -> u32 {
        // Below zero for a moment, where a dead worker's share was taken out before it was
        // complete.
        (peer.open.load(Ordering::Relaxed) as i32).max(0) as u32
    }

    /// An id for a peer at `place`, for the publisher. It tells the place, and apart from that
    /// counts the peers that the zone has ever had.
    pub(crate) fn next_id(&self, place: Offset) -> u64 {
        let number = self.header().last_id.fetch_add(1, Ordering::Relaxed) + 1;
        (number << self.index_bits() | u64::from(place.0)) & (u64::MAX >> (u64::BITS - ID_BITS))
    }

    /// A number below [`Zone::places`] that no other peer has for as long as this one, of this id,
    /// has memory in the zone.
    pub fn index_of(&self, id: u64) -> usize {
        (id & ((1 << self.index_bits()) - 1)) as usize
    }

    /// Places that peers can have.
    pub fn index_limit(&self) -> usize {
        self.memory.units() as usize
    }

    fn index_bits(&self) -> u32 {
        u32::BITS - self.memory.units().leading_zeros()
    }
}
