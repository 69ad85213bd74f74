//! The header of the memory, and the list of processes behind it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{
    closing::MOST_CLOSINGS,
    protocol::{ColumnUse, NamedWord, Owner, Pin, Root, SharedColumns, WithdrawalCount},
};

/// Says that the memory is one of ours, and in which layout; counted up with every change of a
/// structure in this file.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"ETCDPZ\x00\x11");

/// Why the list was made again; an index into the counters of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncCounter {
    /// It is the first list since the zone was made.
    Start,
    /// Another worker's watcher took over.
    Takeover,
    /// etcd had compacted the revision that the watch was to resume from.
    Compacted,
    /// etcd cancelled the watch.
    Canceled,
    /// The watch stream broke.
    Broken,
    /// etcd sent nothing for too long, not even progress.
    Silent,
    /// etcd could not be reached.
    Unreachable,
    /// etcd sent more at once than is accepted.
    TooLarge,
}

/// How many [`ResyncCounter`]s there are.
pub(crate) const RESYNC_COUNTERS: usize = 8;

/// The start of the memory.
#[repr(C, align(64))]
pub(crate) struct Header {
    /// [`MAGIC`].
    pub(crate) magic: u64,
    /// Size of the memory, in units.
    pub(crate) size: u32,
    /// Columns per peer.
    pub(crate) columns: u32,
    /// Entries in the list of processes.
    pub(crate) process_entries: u32,
    /// Entries in the ring of withdrawals.
    pub(crate) withdrawals: u32,
    /// The current table.
    pub(crate) table: Root,
    /// The current report.
    pub(crate) report: Root,
    /// The last peer that was made; the others follow by `Peer::next`.
    pub(crate) peers: AtomicU32,
    /// Units that are in use.
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
    /// In how many groups every peer in service fails its checks, and all are used for that reason;
    /// 0 or 1 where peers are in no groups.
    pub(crate) panic: AtomicU32,
    /// Until when (ms of the monotonic clock) any peer may have less than its weight for
    /// `slow_start`; see [`Zone::extend_ramps`](crate::Zone).
    pub(crate) ramps_until: AtomicU64,
    /// Checks that could not be made for want of something of the machine's own.
    pub(crate) checks_not_made: AtomicU64,
    /// How many withdrawals there have been; see
    /// [`WithdrawalEntry`](crate::protocol::WithdrawalEntry).
    pub(crate) withdrawal_count: WithdrawalCount,
    /// Connections that drains have closed.
    pub(crate) drained: AtomicU64,
    /// What keeps all workers together below the rate at which drains close connections; see
    /// [`Zone::pace`](crate::Zone::update_pace).
    pub(crate) pace: AtomicU64,
    /// How many peers there have ever been; see `Zone::next_id`.
    pub(crate) last_id: AtomicU64,
    /// The etcd revision that was applied last; 0 before the first.
    pub(crate) revision: AtomicU64,
    /// The id of the etcd cluster that `revision` is of; 0 before the first.
    pub(crate) cluster_id: AtomicU64,
    /// Milliseconds of the monotonic clock; 0 before the first word.
    pub(crate) last_contact: AtomicU64,
    /// Values rejected since the zone was made.
    pub(crate) rejected_total: AtomicU64,
    /// Requests whose group was unknown, or empty, and that got no peer for it.
    pub(crate) unknown_groups: AtomicU64,
    pub(crate) empty_groups: AtomicU64,
    /// Full lists by cause, in the order of [`ResyncCounter`].
    pub(crate) resyncs: [AtomicU64; RESYNC_COUNTERS],
    /// How connections to peers of groups are closed, each a [`Closing`](crate::Closing) that peers
    /// name.
    pub(crate) closings: [NamedWord; MOST_CLOSINGS],
    /// Positions in the tables' plans, where peers are in no groups; on a line of its own, since
    /// every pick writes it.
    pub(crate) positions: OwnLine<Positions>,
}

/// On a cache line that has nothing else.
#[repr(C, align(64))]
pub(crate) struct OwnLine<T>(pub(crate) T);

/// How far round robin has come, over all workers and all tables. That of a group is a block.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Positions {
    pub(crate) primary: AtomicU64,
    pub(crate) backup: AtomicU64,
}

/// A process, on a line of its own, since every pick writes it.
#[repr(C, align(64))]
pub(crate) struct ProcessEntry {
    /// The process whose entry this is.
    pub(crate) owner: Owner,
    /// The table that it is reading.
    pub(crate) table: Pin,
    /// The report that it is reading.
    pub(crate) report: Pin,
    /// The shared column that it counts in, if it has none of its own.
    pub(crate) column_use: ColumnUse,
    /// How it closes its connections to peers that are drained; see
    /// [`DrainPolicy`](crate::DrainPolicy).
    pub(crate) drain_policy: AtomicU64,
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
        self.drain_policy.store(0, Ordering::Relaxed);
    }

    /// Makes the entry free for another process.
    pub(crate) fn vacate(&self) {
        self.unpin();
        self.owner.release();
    }
}
