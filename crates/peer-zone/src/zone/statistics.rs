//! What the zone counts for `etcd_status`.

use core::sync::atomic::Ordering;

use super::Zone;
use crate::{
    layout::{ProcessEntry, RESYNC_COUNTERS, ResyncCounter},
    memory::UNIT,
};

/// The counters of a zone, read without a lock and so not all of one instant.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// Size of the zone in bytes, without the list of processes.
    pub size: usize,
    /// Bytes of `size` that are in use.
    pub used: usize,
    /// Processes that use the zone.
    pub processes: u32,
    /// The most processes that can use the zone at the same time.
    pub most_processes: u32,
    /// Processes that count their connections in a shared column; see
    /// [`SharedColumns`](crate::protocol::SharedColumns).
    pub sharing: u32,
    /// Peers that are not published, since the zone has no room for them.
    pub left_out: u32,
    /// Whether the watch of etcd is up.
    pub is_connected: bool,
    /// Whether every peer in service fails its checks, of any group, and all are used for that
    /// reason.
    pub is_panicking: bool,
    /// Connections closed by drains since the zone was made.
    pub drained: u64,
    /// Checks that could not be made for want of descriptors, memory or ports.
    pub checks_not_made: u64,
    /// The etcd revision that was applied last; 0 before the first.
    pub revision: u64,
    /// When etcd answered last, in milliseconds of the monotonic clock; 0 before the first answer.
    pub last_contact: u64,
    /// Values rejected since the zone was made.
    pub rejected_total: u64,
    /// Requests that got no peer since the zone was made, since their group was unknown.
    pub unknown_groups: u64,
    /// Likewise, since it had no peer in service.
    pub empty_groups: u64,
    /// Full lists of the prefix since the zone was made, by cause; indexed by [`ResyncCounter`].
    pub resyncs: [u64; RESYNC_COUNTERS],
}

impl Zone {
    /// Reads all counters.
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
            unknown_groups: header.unknown_groups.load(Ordering::Relaxed),
            empty_groups: header.empty_groups.load(Ordering::Relaxed),
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

    /// The etcd revision that was applied last; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.header().revision.load(Ordering::Relaxed)
    }

    /// Stores that etcd answered at `now`, in milliseconds of the monotonic clock.
    pub fn set_last_contact(&self, now: u64) {
        self.header().last_contact.store(now, Ordering::Relaxed);
    }

    /// Stores whether the watch of etcd is up.
    pub fn set_connected(&self, is_connected: bool) {
        self.header().connected.store(u32::from(is_connected), Ordering::Relaxed);
    }

    /// All changes up to `revision` of the cluster `cluster_id` are applied.
    pub fn set_revision(&self, cluster_id: u64, revision: u64) {
        self.header().cluster_id.store(cluster_id, Ordering::Relaxed);
        self.header().revision.store(revision, Ordering::Relaxed);
    }

    /// The id of the etcd cluster that [`revision`](Self::revision) is of; 0 before the first.
    pub fn cluster_id(&self) -> u64 {
        self.header().cluster_id.load(Ordering::Relaxed)
    }

    /// Stores how many peers are not published for want of room.
    pub fn set_left_out(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.header().left_out.store(count, Ordering::Relaxed);
    }

    /// How many peers are not published for want of room.
    pub fn left_out(&self) -> u32 {
        self.header().left_out.load(Ordering::Relaxed)
    }

    /// Adds 1 to the full lists made for this cause.
    pub fn count_resync(&self, counter: ResyncCounter) {
        self.header().resyncs[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `count` checks that could not be made for want of descriptors, memory or ports.
    pub fn count_checks_not_made(&self, count: u64) {
        self.header().checks_not_made.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds 1 to the requests that got no peer since their group was unknown, or empty.
    pub fn count_group_refusal(&self, is_empty: bool) {
        let header = self.header();
        let counter = if is_empty { &header.empty_groups } else { &header.unknown_groups };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `count` rejected values.
    pub fn count_rejected(&self, count: u64) {
        self.header().rejected_total.fetch_add(count, Ordering::Relaxed);
    }
}
