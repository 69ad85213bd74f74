//! What lies where in the shared memory.
//!
//! ```text
//! Header | ProcessEntry × process entries | Owner × columns | WithdrawalEntry × withdrawals | blocks
//!
//! blocks: peers from below, tables and reports from above
//! ```
//!
//! A field is either an atomic or written once, before the block that holds it is published.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{
    drain_times::DrainTime,
    memory::{Offset, UNIT, units},
    protocol::{
        ColumnUse, Owner, Pin, Root, SHARED_COLUMNS, SharedColumns, WithdrawalCount,
        WithdrawalEntry,
    },
};

/// Says that the memory is one of ours, and in which layout; counted up with every change of a
/// structure in this file.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"ETCDPZ\x00\x07");

/// Why the list was made again; an index into [`Header::resyncs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncCounter {
    /// The first list since the zone was made.
    Start,
    /// Another worker's watcher took over.
    Takeover,
    /// etcd had compacted the revision asked for.
    Compacted,
    /// etcd cancelled the watch.
    Canceled,
    /// The stream broke.
    Broken,
    /// etcd said nothing for too long.
    Silent,
    /// etcd could not be reached.
    Unreachable,
    /// There was more than is taken at once.
    TooLarge,
}

/// How many [`ResyncCounter`]s there are.
pub(crate) const RESYNC_COUNTERS: usize = 8;

/// The start of the memory.
#[repr(C, align(64))]
pub(crate) struct Header {
    pub(crate) magic: u64,
    /// In units.
    pub(crate) size: u32,
    /// Columns per peer; a multiple of 8, so that a peer's columns fill whole cache lines.
    pub(crate) columns: u32,
    /// Entries in the list of processes.
    pub(crate) process_entries: u32,
    /// Entries in the ring of withdrawals.
    pub(crate) withdrawals: u32,
    pub(crate) table: Root,
    pub(crate) report: Root,
    /// The last peer that was made; the others follow by [`Peer::next`].
    pub(crate) peers: AtomicU32,
    /// Units taken.
    pub(crate) used: AtomicU32,
    /// How many of the wanted peers do not fit.
    pub(crate) left_out: AtomicU32,
    /// 1 while etcd is being followed.
    pub(crate) connected: AtomicU32,
    /// Counted up whenever a peer that could not be picked can be again; see `Worker::pick`.
    pub(crate) recoveries: AtomicU32,
    /// 1 while the current table limits the connections of any peer.
    pub(crate) limited: AtomicU32,
    /// Entries of the list of processes that have ever been taken; those above are all zeroes.
    pub(crate) process_entries_seen: AtomicU32,
    /// Of the columns that processes share.
    pub(crate) shared: SharedColumns,
    /// Counted up whenever the counts of peers may not agree any more; see `LoadCorrection`.
    pub(crate) recounts: AtomicU32,
    /// Peers in service in the current table.
    pub(crate) tries: AtomicU32,
    /// 1 while every peer in service fails its checks, and all are used for that reason.
    pub(crate) panic: AtomicU32,
    /// Until when (ms of the monotonic clock) any peer may have less than its weight for
    /// `slow_start`; see [`Zone::extend_ramps`](crate::Zone).
    pub(crate) ramps_until: AtomicU64,
    /// Checks that could not be made for want of something of the machine's own.
    pub(crate) checks_not_made: AtomicU64,
    /// How many withdrawals there have been; see [`withdrawals`](crate::withdrawals).
    pub(crate) withdrawal_count: WithdrawalCount,
    /// Connections that drains have closed.
    pub(crate) drained: AtomicU64,
    /// What keeps all workers together below the rate at which drains close connections; see
    /// [`Zone::pace`](crate::Zone::pace).
    pub(crate) pace: AtomicU64,
    pub(crate) last_id: AtomicU64,
    pub(crate) revision: AtomicU64,
    pub(crate) cluster_id: AtomicU64,
    /// Milliseconds of the monotonic clock; 0 before the first word.
    pub(crate) last_contact: AtomicU64,
    pub(crate) rejected_total: AtomicU64,
    pub(crate) resyncs: [AtomicU64; RESYNC_COUNTERS],
    /// Positions in the tables' plans; on a line of its own, since every pick writes it.
    pub(crate) positions: Positions,
}

/// How far round robin has come, over all workers and all tables.
#[repr(C, align(64))]
pub(crate) struct Positions {
    pub(crate) primary: AtomicU64,
    pub(crate) backup: AtomicU64,
}

/// A process, on a line of its own, since every pick writes it.
#[repr(C, align(64))]
pub(crate) struct ProcessEntry {
    pub(crate) owner: Owner,
    pub(crate) table: Pin,
    pub(crate) report: Pin,
    pub(crate) column_use: ColumnUse,
    /// How it closes its connections to peers that are being left; see [`Closing`](crate::Closing).
    pub(crate) closing: AtomicU64,
    /// The column in which it counts them, plus 1; 0 where it has not said so.
    pub(crate) counts_in: AtomicU32,
}

impl ProcessEntry {
    /// Ends the pins.
    pub(crate) fn unpin(&self) {
        self.table.clear();
        self.report.clear();
        self.column_use.clear();
        self.counts_in.store(0, Ordering::Relaxed);
        self.closing.store(0, Ordering::Relaxed);
    }

    /// Makes the entry free for another process.
    pub(crate) fn vacate(&self) {
        self.unpin();
        self.owner.give_back();
    }
}

/// The parameters of a peer, as in nginx's `server`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Parameters {
    /// At least 1.
    pub weight: u32,
    /// 0: no limit.
    pub max_conns: u32,
    /// 0: failures are not counted.
    pub max_fails: u32,
    /// Seconds.
    pub fail_timeout: u32,
    /// Seconds.
    pub slow_start: u32,
    /// Picked only where no other peer can be.
    pub backup: bool,
    /// Never picked.
    pub down: bool,
    /// Gets no new requests.
    pub drain: bool,
}

impl Parameters {
    /// Whether new requests may go there at all.
    pub fn is_in_service(&self) -> bool {
        !self.down && !self.drain
    }
}

/// A peer: 128 bytes, then its columns ([`AtomicU64`] each), its socket address, its name, its key,
/// and its server text.
///
/// What each pick touches lies in the first 64 bytes, one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Peer {
    /// The peer made before this one, or 0.
    pub(crate) next: AtomicU32,
    pub(crate) units: u32,
    /// Never used twice in a zone.
    pub(crate) id: u64,
    /// Consecutive failures, as nginx's `fails`.
    pub(crate) fails: AtomicU32,
    /// Seconds of the last failure, as nginx's `accessed`.
    pub(crate) accessed: AtomicU32,
    /// Seconds of the last failure or check, as nginx's `checked`.
    pub(crate) checked: AtomicU32,
    /// The sum of the columns as far as one number can follow them: a worker that is killed between
    /// the two leaves a difference, which the publisher takes out. Methods compare peers by it;
    /// `max_conns` goes by the columns.
    pub(crate) open: AtomicU32,
    /// A [`Health`].
    pub(crate) health: AtomicU32,
    /// The accumulator by which a share of the visits is admitted; see `peer_balance::admits`.
    pub(crate) credit: AtomicU32,
    /// A [`Deficit`](peer_balance::Deficit).
    pub(crate) deficit: AtomicU64,
    /// A [`PeakEwma`](peer_balance::PeakEwma).
    pub(crate) response_time: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// When `slow_start` begins to count, in milliseconds of the monotonic clock; 0: long ago.
    pub(crate) ramp_from: AtomicU64,
    /// When the peer joined, likewise.
    pub(crate) joined: AtomicU64,
    /// 1 while the peer is listed and gets new requests.
    pub(crate) in_service: AtomicU32,
    /// etcd's revision at which its key was created; 0 where it has none.
    pub(crate) create_revision: AtomicU64,
    pub(crate) socket_address_length: u16,
    pub(crate) name_length: u16,
    pub(crate) key_length: u16,
    /// 0 where the server text is the name.
    pub(crate) server_length: u16,
    /// 1 for a peer of an ordinary `server` line, which has no key.
    pub(crate) is_static: u16,
    /// Since when it is removed, says `drain`, and fails its checks.
    pub(crate) removed: DrainTime,
    pub(crate) drains: DrainTime,
    pub(crate) failing: DrainTime,
}

/// What active checks say of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Health {
    /// Nothing: it is not checked, or has not failed or passed yet.
    #[default]
    Unchecked = 0,
    /// It passes.
    Passing = 1,
    /// It fails, and gets no requests unless all others fail too.
    Failing = 2,
    /// It gets no requests before it has passed its first check.
    Pending = 3,
}

impl Health {
    pub(crate) fn load(word: &AtomicU32) -> Self {
        match word.load(Ordering::Relaxed) {
            1 => Self::Passing,
            2 => Self::Failing,
            3 => Self::Pending,
            _ => Self::Unchecked,
        }
    }
}

impl Peer {
    /// How many units a peer takes.
    pub(crate) fn size(columns: u32, strings: usize) -> u32 {
        units(Self::strings(columns) + strings)
    }

    /// Where the socket address lies, in bytes from the peer's start.
    pub(crate) fn strings(columns: u32) -> usize {
        size_of::<Self>() + columns as usize * size_of::<AtomicU64>()
    }
}

/// How a group's order lies behind the table; see the crate peer-balance.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct PlanHeader {
    /// Positions in one cycle; 0 where the group is empty.
    pub(crate) cycle: u64,
    /// 0: a sequence of indexes (`u32` each) follows; otherwise cumulative weights (`u64` each),
    /// and this is the stride.
    pub(crate) stride: u64,
    /// Bytes from the table's start.
    pub(crate) offset: u32,
    /// Items there.
    pub(crate) length: u32,
    /// Peers in service.
    pub(crate) in_service: u32,
    pub(crate) reserved: u32,
}

/// A part of a table that only some methods need.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Section {
    /// Bytes from the table's start; 0 where the table does not have it.
    pub(crate) offset: u32,
    /// Items there.
    pub(crate) length: u32,
}

/// A table: this, then its entries, then the plans of its two groups, then what its upstream's
/// method needs beside.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct TableHeader {
    pub(crate) magic: u64,
    pub(crate) units: u32,
    /// Entries in all: peers without `backup`, peers with it, then peers that are gone but have
    /// open connections.
    pub(crate) entries: u32,
    pub(crate) primaries: u32,
    pub(crate) backups: u32,
    /// What the table would take in its most compact form.
    pub(crate) compact_units: u32,
    pub(crate) reserved: u32,
    /// Counted up with every change of the peers.
    pub(crate) generation: u64,
    pub(crate) primary: PlanHeader,
    pub(crate) backup: PlanHeader,
    /// Cumulative weights (`u64`) of all peers without `backup`, in service or not: for `hash` and
    /// `ip_hash`.
    pub(crate) ranges: Section,
    /// Points of consistent hashing, ascending: hash in the upper 32 bits, below it the index of an
    /// entry, or with [`SHARED`] a place in `shared` (`u64`).
    pub(crate) ring: Section,
    /// Servers that several peers are of: how many, then the indexes of their entries (`u32`).
    pub(crate) shared: Section,
    /// Indexes of entries (`u32`) in the order of [`Entry::sticky`].
    pub(crate) sticky: Section,
    /// The entries that have a route ([`RouteEntry`]), in their order.
    pub(crate) routes: Section,
    /// The routes, one behind the other.
    pub(crate) route_text: Section,
}

/// In the lower half of a ring's point: the rest is a place in [`TableHeader::shared`].
pub(crate) const SHARED: u32 = 1 << 31;

impl TableHeader {
    /// Where the plans lie, in bytes from the table's start.
    pub(crate) fn plans(entries: usize) -> usize {
        (size_of::<Self>() + entries * size_of::<Entry>()).next_multiple_of(PLAN_ALIGNMENT)
    }
}

/// A route, as a table has it: in the table, since a peer's own strings stay as they are for as
/// long as it lives.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RouteEntry {
    /// The entry's index.
    pub(crate) entry: u32,
    /// Bytes from the start of [`TableHeader::route_text`].
    pub(crate) offset: u32,
    /// Bytes.
    pub(crate) length: u32,
}

/// What a plan is aligned to: the larger of its two kinds of items.
pub(crate) const PLAN_ALIGNMENT: usize = align_of::<u64>();

/// Tells a table from what may lie where a stale pin points.
pub(crate) const TABLE_MAGIC: u64 = u64::from_be_bytes(*b"ETCDTABL");

/// A peer as a table has it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) peer: Offset,
    pub(crate) parameters: Parameters,
    /// The id by which a cookie names the peer, lower half first; 0 where it has none. Two words,
    /// so that an entry is not padded.
    pub(crate) sticky: [u32; 2],
}

impl Entry {
    /// The id by which a cookie names the peer, or 0.
    pub(crate) fn sticky(&self) -> u64 {
        u64::from(self.sticky[0]) | u64::from(self.sticky[1]) << 32
    }
}

/// A report: this, then its bytes.
#[repr(C, align(64))]
pub(crate) struct ReportHeader {
    pub(crate) magic: u64,
    pub(crate) units: u32,
    pub(crate) length: u32,
}

/// As [`TABLE_MAGIC`], for reports.
pub(crate) const REPORT_MAGIC: u64 = u64::from_be_bytes(*b"ETCDREPT");

/// Where the list of processes lies.
pub(crate) const PROCESS_ENTRIES: usize = size_of::<Header>();

/// Where it lies whose the columns are.
pub(crate) fn owners(process_entries: u32) -> usize {
    PROCESS_ENTRIES + process_entries as usize * size_of::<ProcessEntry>()
}

/// Where the ring of withdrawals lies.
pub(crate) fn withdrawals(process_entries: u32, columns: u32) -> usize {
    owners(process_entries) + columns as usize * size_of::<Owner>()
}

/// The first unit behind header, processes, owners and withdrawals.
pub(crate) fn blocks(process_entries: u32, columns: u32, count: u32) -> u32 {
    units(withdrawals(process_entries, columns) + count as usize * size_of::<WithdrawalEntry>())
}

/// The columns that processes share come first, so that what is moved to one of a process's own, or
/// from the first of them to the second, is seen by whoever adds columns up in their order.
pub(crate) const FIRST_OWN_COLUMN: u32 = SHARED_COLUMNS;

/// Where the shared column of this number lies among the columns.
pub(crate) fn shared_column(number: u32) -> u32 {
    number - 1
}

const _: () = {
    assert!(size_of::<Peer>() == 2 * UNIT);
    assert!(size_of::<ProcessEntry>() == UNIT);
    assert!(size_of::<Owner>() == size_of::<u64>());
    assert!(size_of::<Entry>() == 36);
};
