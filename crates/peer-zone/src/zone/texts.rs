//! Entries in the memory, and what they say of a peer in text: the name by which nginx's own
//! `sticky` knows it, its labels, and where it comes from.

use super::Zone;
use crate::{
    layout::{Entry, TextLengths},
    memory::Offset,
};

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

    /// The lengths of the texts of the entry at `at`, if it has any.
    ///
    /// # Safety
    ///
    /// As for [`Zone::entry`].
    unsafe fn text_lengths<'a>(&self, at: Offset) -> Option<&'a TextLengths> {
        // SAFETY: the caller's promise; the lengths follow an entry that says so.
        unsafe {
            let has_texts = self.entry(at).has_texts();
            has_texts.then(|| self.memory.get(at.bytes() + size_of::<Entry>()))
        }
    }

    /// How many units the entry at `at` takes with its texts.
    ///
    /// # Safety
    ///
    /// As for [`Zone::entry`].
    pub(crate) unsafe fn entry_units(&self, at: Offset) -> u32 {
        // SAFETY: the caller's promise.
        Entry::size(unsafe { self.text_lengths(at) })
    }

    /// The texts of the entry at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::entry`].
    pub(crate) unsafe fn texts<'a>(&self, at: Offset) -> Texts<'a> {
        // SAFETY: the caller's promise.
        let Some(lengths) = (unsafe { self.text_lengths(at) }) else { return Texts::default() };
        let mut start = at.bytes() + size_of::<Entry>() + size_of::<TextLengths>();
        let [route, labels, source] = lengths.map(|length| {
            if length == Entry::NONE {
                return None;
            }
            // SAFETY: the caller's promise; the texts follow their lengths, were written before a
            // table with the entry was published and are never changed.
            let text = unsafe { self.memory.slice(start, length as usize) };
            start += length as usize;
            Some(text)
        });
        Texts { route, labels, source }
    }
}
