//! The list of processes, and the columns that one process has for itself.

use core::sync::atomic::Ordering;

use super::Zone;
use crate::{
    layout::{FIRST_OWN_COLUMN, PROCESS_ENTRIES, ProcessEntry, owners},
    protocol::{Owner, Process},
};

impl Zone {
    pub(crate) fn claim_process_entry(
        &self,
        process: Process,
        is_alive: impl Fn(Process) -> bool,
    ) -> Option<u32> {
        let free = (0..).zip(self.all_process_entries()).find(|&(index, process_entry)| {
            process_entry.owner.holder().is_none() && {
                // Before anything is pinned there: see `Zone::process_entries`.
                self.header().process_entries_seen.fetch_max(index + 1, Ordering::AcqRel);
                process_entry.owner.claim(process)
            }
        });
        let (index, _) = free.or_else(|| {
            (0..).zip(self.all_process_entries()).find(|(_, process_entry)| {
                let dead =
                    process_entry.owner.holder().filter(|holder| !is_alive(holder.process()));
                let is_mine = dead.is_some_and(|dead| process_entry.owner.take_over(dead, process));
                if is_mine {
                    self.clear_process_entry(process_entry);
                }
                is_mine
            })
        })?;
        Some(index)
    }

    /// Ends what a dead process was about, whose entry is the caller's now.
    pub(crate) fn clear_process_entry(&self, process_entry: &ProcessEntry) {
        // First: if the caller dies here, the next process still finds it.
        self.header().shared.mark_stale(&process_entry.column_use);
        self.request_recount();
        process_entry.unpin();
    }

    /// The counts of peers may not agree any more.
    pub(crate) fn request_recount(&self) {
        self.header().recounts.fetch_add(1, Ordering::Release);
    }

    fn all_process_entries(&self) -> &[ProcessEntry] {
        // SAFETY: `format` wrote as many process entries there (zeroes), and they are atomics
        // throughout.
        unsafe { self.memory.slice(PROCESS_ENTRIES, self.header().process_entries as usize) }
    }

    /// The entries that have ever been taken. A process says that its entry is one of them before
    /// it pins anything there, so that a process that publishes a place and then looks here finds
    /// all pins that there can be on another place.
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
}
