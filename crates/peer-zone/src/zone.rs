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
        Entry, Header, MAGIC, MEMBERS, Member, Peer, Positions, RESYNC_COUNTERS, ResyncCounter, TableHeader,
        blocks,
    },
    memory::{Memory, Offset, UNIT, units},
    protocol::{ID_BITS, MOST_DEPARTURES},
    publisher::Desired,
    worker::{Connections, Worker},
};

/// Columns are counted in cache lines of this many.
const COLUMNS_PER_LINE: u32 = 8;

/// Where there are few workers, columns for some more generations of old ones cost little.
const LEAST_COLUMNS: u32 = 16;

/// Entries for workers that are there only while old cycles end, for each worker of a cycle: each reload under open connections
/// leaves one generation of old workers behind.
const GENERATIONS: u32 = 8;

/// Departures that are remembered: of a zone of 1 MB 1 024, which takes 8 kB of it. Workers look ten times a second at
/// least; where more have gone in between, all idle connections go.
const BYTES_PER_DEPARTURE: usize = 1024;
const LEAST_DEPARTURES: u32 = 16;

/// Entries beside those, for whoever reads without being a worker (the master, while it copies a zone).
const SPARE_MEMBERS: u32 = 16;

/// The memory is too small for what must lie in it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{have} bytes are too few, {need} are needed")]
pub struct TooSmall {
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
    /// Bytes in all.
    pub size: usize,
    /// Bytes taken.
    pub used: usize,
    /// Whether what etcd lists does not fit.
    pub is_full: bool,
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
    pub last_word: u64,
    /// Values rejected so far.
    pub rejected_total: u64,
    /// Lists made, by cause, in the order of [`ResyncCounter`].
    pub resyncs: [u64; RESYNC_COUNTERS],
}

impl Zone {
    /// Lays out the memory for nginx with `workers` worker processes: no peers yet, no workers.
    ///
    /// # Errors
    ///
    /// Where not even an empty table fits.
    ///
    /// # Safety
    ///
    /// `base` is aligned to 64 bytes; `length` bytes from it are shared by all processes that will attach to them, are accessed
    /// by nothing else, stay mapped for as long as the returned value and everything made from it is used, and nobody uses them yet.
    pub unsafe fn format(base: NonNull<u8>, length: usize, workers: u32) -> Result<Self, TooSmall> {
        // Twice the workers: a reload has both generations at once. What goes beyond shares the last column.
        let columns = (2 * workers + 4).max(LEAST_COLUMNS).next_multiple_of(COLUMNS_PER_LINE);
        let members = GENERATIONS * workers.max(4) + SPARE_MEMBERS;
        let departures = u32::try_from(length / BYTES_PER_DEPARTURE).unwrap_or(u32::MAX);
        let departures = departures.clamp(LEAST_DEPARTURES, MOST_DEPARTURES);
        let need = (blocks(members, departures) + units(size_of::<TableHeader>()) * 2) as usize * UNIT;
        if length < need {
            return Err(TooSmall { have: length, need });
        }
        // SAFETY: the caller's promise.
        let memory = unsafe { Memory::new(base, length) };
        // SAFETY: nobody uses the memory yet, so it may be written at will.
        unsafe {
            memory.zero(Offset(0), blocks(members, departures));
            // The header is all zeroes, which is a valid one, but for what is set here.
            memory.write(offset_of!(Header, size), memory.units());
            memory.write(offset_of!(Header, columns), columns);
            memory.write(offset_of!(Header, members), members);
            memory.write(offset_of!(Header, departures), departures);
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

    /// Takes an entry for a process that will pick peers or read tables; `started` tells it from a later process of the same id.
    /// `None` where all entries are taken (more generations of old workers than there is room for).
    pub fn join(&self, process: u32, started: u64) -> Option<Worker> {
        self.members().iter().zip(0..).find_map(|(member, index)| {
            member.process.compare_exchange(0, process, Ordering::AcqRel, Ordering::Relaxed).ok()?;
            // A worker that is killed between the exchange above and the end of `Member::join` leaves an entry that nobody can take:
            // not knowing when it was started, the publisher cannot tell it from one that lives.
            member.join(started);
            Some(Worker::new(*self, index))
        })
    }

    /// The counters.
    pub fn statistics(&self) -> Statistics {
        let header = self.header();
        Statistics {
            size: self.memory.units() as usize * UNIT,
            used: header.used.load(Ordering::Relaxed) as usize * UNIT,
            is_full: header.full.load(Ordering::Relaxed) != 0,
            is_connected: header.connected.load(Ordering::Relaxed) != 0,
            is_panicking: header.panic.load(Ordering::Relaxed) != 0,
            drained: header.drained.load(Ordering::Relaxed),
            checks_not_made: header.checks_not_made.load(Ordering::Relaxed),
            revision: header.revision.load(Ordering::Relaxed),
            last_word: header.last_word.load(Ordering::Relaxed),
            rejected_total: header.rejected_total.load(Ordering::Relaxed),
            resyncs: core::array::from_fn(|index| header.resyncs[index].load(Ordering::Relaxed)),
        }
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
    pub fn heard(&self, now: u64) {
        self.header().last_word.store(now, Ordering::Relaxed);
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
    pub(crate) fn revive(&self) {
        // Release: who sees the new number sees what made the difference, too.
        self.header().revivals.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn positions(&self) -> &Positions {
        &self.header().positions
    }

    pub(crate) fn members(&self) -> &[Member] {
        // SAFETY: `format` wrote as many members there (zeroes), and they are atomics throughout.
        unsafe { self.memory.slice(MEMBERS, self.header().members as usize) }
    }

    /// Something that differs from zone to zone and from start to start: where it lies in this process.
    pub(crate) fn seed(&self) -> u64 {
        std::ptr::from_ref(self.header()).addr() as u64
    }

    pub(crate) fn columns(&self) -> u32 {
        self.header().columns
    }

    /// The column of which the worker at `index` is the only writer; `None` for those that share the last one.
    pub(crate) fn own_column(&self, index: u32) -> Option<u32> {
        (index < self.columns() - 1).then_some(index)
    }

    pub(crate) fn first_block(&self) -> u32 {
        blocks(self.header().members, self.header().departures)
    }

    /// The peer at `at`.
    ///
    /// # Safety
    ///
    /// A peer was written there, and its memory is not reused for `'a`: a table that lists it is pinned, or a request holds it, or
    /// the caller is the publisher, who alone frees peers.
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
        // Acquire: whoever frees the peer because there are none comes after all that was done with it (see `Worker::uncount`).
        Connections(columns.iter().map(|column| column.load(Ordering::Acquire)).fold(0, u64::wrapping_add))
    }

    /// The socket address, the name, the key and the server text of the peer at `at`, as bytes.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn peer_strings<'a>(&self, at: Offset) -> [&'a [u8]; 4] {
        // SAFETY: the caller's promise.
        let peer = unsafe { self.peer(at) };
        let lengths = [peer.socket_address_length, peer.name_length, peer.key_length, peer.server_length]
            .map(usize::from);
        let mut start = at.bytes() + Peer::strings(self.columns());
        let strings = lengths.map(|length| {
            // SAFETY: the caller's promise; the strings follow the columns, were written before the peer was published and are never changed.
            let string = unsafe { self.memory.slice(start, length) };
            start += length;
            string
        });
        let [socket_address, name, key, server] = strings;
        [socket_address, name, key, if server.is_empty() { name } else { server }]
    }

    /// The peer of a table's entry, as it was published.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn desired(&self, entry: &Entry) -> Desired {
        // SAFETY: the caller's promise.
        let (peer, [socket_address, name, key, server]) =
            unsafe { (self.peer(entry.peer), self.peer_strings(entry.peer)) };
        let text = |bytes: &[u8]| Arc::<str>::from(String::from_utf8_lossy(bytes));
        let name_text = text(name);
        Desired {
            key: (peer.is_static == 0).then(|| text(key)),
            socket_address: socket_address.into(),
            server: if server == name { Arc::clone(&name_text) } else { text(server) },
            name: name_text,
            parameters: entry.parameters,
            sticky: entry.sticky(),
            create_revision: peer.create_revision.load(Ordering::Relaxed),
            joined: peer.joined.load(Ordering::Relaxed),
        }
    }

    /// How many connections to the peer are open, near enough to compare peers by.
    pub(crate) fn open(peer: &Peer) -> u32 {
        // Below zero for a moment, where a dead worker's share was taken out before it was complete.
        (peer.open.load(Ordering::Relaxed) as i32).max(0) as u32
    }

    /// An id for a peer at `place`, for the publisher. It tells the place, and apart from that counts the peers that the zone has ever had.
    pub(crate) fn next_id(&self, place: Offset) -> u64 {
        let number = self.header().last_id.fetch_add(1, Ordering::Relaxed) + 1;
        (number << self.place_bits() | u64::from(place.0)) & (u64::MAX >> (u64::BITS - ID_BITS))
    }

    /// A number below [`Zone::places`] that no other peer has for as long as this one, of this id, has memory in the zone.
    pub fn place_of(&self, id: u64) -> usize {
        (id & ((1 << self.place_bits()) - 1)) as usize
    }

    /// Places that peers can have.
    pub fn places(&self) -> usize {
        self.memory.units() as usize
    }

    fn place_bits(&self) -> u32 {
        u32::BITS - self.memory.units().leading_zeros()
    }
}
