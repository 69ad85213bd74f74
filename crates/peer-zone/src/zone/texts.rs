//! What a table says of peers in text beside what they are known by: the names by which nginx's own
//! `sticky` knows them, their labels, and where they come from.

use super::Zone;
use crate::{
    layout::{TableHeader, TextEntry},
    memory::Offset,
};

/// Those of a table.
#[derive(Clone, Copy)]
pub(crate) struct PeerTexts<'t> {
    entries: &'t [TextEntry],
    text: &'t [u8],
}

/// Those of a peer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Texts<'t> {
    /// See [`PeerSpec::route`](crate::PeerSpec::route).
    pub(crate) route: Option<&'t [u8]>,
    /// See [`PeerSpec::labels`](crate::PeerSpec::labels).
    pub(crate) labels: Option<&'t [u8]>,
    /// See [`PeerSpec::source`](crate::PeerSpec::source).
    pub(crate) source: Option<&'t [u8]>,
}

impl<'t> PeerTexts<'t> {
    /// Those of the entry with this index.
    pub(crate) fn of(&self, entry: usize) -> Texts<'t> {
        let at = self.entries.binary_search_by_key(&entry, |text| text.entry as usize);
        let Ok(at) = at else { return Texts::default() };
        let TextEntry { offset, route, labels, .. } = self.entries[at];
        let text = |from: usize, length: u32| {
            if length == TextEntry::NONE {
                None
            } else {
                self.text.get(from..)?.get(..length as usize)
            }
        };
        let route = text(offset as usize, route);
        let behind = offset as usize + route.map_or(0, <[u8]>::len);
        let labels = text(behind, labels);
        let behind = behind + labels.map_or(0, <[u8]>::len);
        let next = self.entries.get(at + 1).map_or(self.text.len(), |next| next.offset as usize);
        let source = self.text.get(behind..next).filter(|source| !source.is_empty());
        Texts { route, labels, source }
    }
}

impl Zone {
    /// The texts of the table at `place`.
    ///
    /// # Safety
    ///
    /// A table was written there, and is not freed while the result lives.
    pub(crate) unsafe fn texts<'t>(&self, place: Offset) -> PeerTexts<'t> {
        // SAFETY: the caller's promise; the publisher has written as many items of these types
        // behind the header.
        unsafe {
            let header: &TableHeader = self.memory.get(place.bytes());
            let start = |offset: u32| place.bytes() + offset as usize;
            let (entries, text) = (header.text_entries, header.texts);
            PeerTexts {
                entries: self.memory.slice(start(entries.offset), entries.length as usize),
                text: self.memory.slice(start(text.offset), text.length as usize),
            }
        }
    }
}
