//! Entries in the memory, and what they say of a peer in text: the name by which nginx's own
//! `sticky` knows it, its labels, and where it comes from.

use super::Zone;
use crate::{layout::Entry, memory::Offset};

/// The texts of an entry.
#[derive(Clone, Copy, Default)]
pub(crate) struct Texts<'t> {
    /// See [`PeerSpec::route`](crate::PeerSpec::route).
    pub(crate) route: Option<&'t [u8]>,
    /// See [`PeerSpec::labels`](crate::PeerSpec::labels).
    pub(crate) labels: Option<&'t [u8]>,
    /// See [`PeerSpec::source`](crate::PeerSpec::source).
    pub(crate) source: Option<&'t [u8]>,
}

impl Zone {
    /// The entry at `at`.
    ///
    /// # Safety
    ///
    /// An entry was written there, and its memory is not reused for `'a`: a table that lists it is
    /// pinned, or the caller is the publisher, who alone frees entries.
    #[inline]
    pub(crate) unsafe fn entry<'a>(&self, at: Offset) -> &'a Entry {
        // SAFETY: the caller's promise.
        unsafe { self.memory.get(at.bytes()) }
    }

    /// The texts of the entry at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::entry`].
    pub(crate) unsafe fn texts<'a>(&self, at: Offset) -> Texts<'a> {
        // SAFETY: the caller's promise.
        let entry = unsafe { self.entry(at) };
        let mut start = at.bytes() + size_of::<Entry>();
        let [route, labels, source] = [entry.route, entry.labels, entry.source].map(|length| {
            if length == Entry::NONE {
                return None;
            }
            // SAFETY: the caller's promise; the texts follow the entry, were written before a table
            // with it was published and are never changed.
            let text = unsafe { self.memory.slice(start, length as usize) };
            start += length as usize;
            Some(text)
        });
        Texts { route, labels, source }
    }
}
