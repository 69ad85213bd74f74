//! The size of the zone of an upstream's peers.

use ngx::ffi::NGX_MAX_PROCESSES;
use peer_zone::Capacity;

use super::memory::page;
use crate::config::Etcd;

/// The most processes that use a zone at a time. All are of one master, which starts no more than
/// NGX_MAX_PROCESSES, those of old cycles that have not ended yet counted as well; a few more read
/// a zone (the master, while it copies one).
pub(super) const PROCESSES: u32 = NGX_MAX_PROCESSES + 32;

/// The size of an upstream's zone, in bytes.
pub(super) fn size(etcd: &Etcd) -> usize {
    etcd.options.zone_size + list_of_processes()
}

/// Bytes that a zone has beside what the configuration asks for: the list of processes, in pages,
/// and one for what nginx itself keeps of these.
pub(super) fn list_of_processes() -> usize {
    let page = page();
    Capacity { workers: 0, processes: PROCESSES }.list_of_processes().next_multiple_of(page) + page
}
