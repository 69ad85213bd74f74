//! The names by which nginx's own `sticky` knows peers, in a table.

use super::Zone;
use crate::{
    layout::{RouteEntry, TableHeader},
    memory::Offset,
};

/// Those of a table.
pub(crate) struct Routes<'t> {
    entries: &'t [RouteEntry],
    text: &'t [u8],
}

impl<'t> Routes<'t> {
    /// That of the entry with this index, if it has one.
    pub(crate) fn of(&self, entry: usize) -> Option<&'t [u8]> {
        let at = self.entries.binary_search_by_key(&entry, |route| route.entry as usize).ok()?;
        let RouteEntry { offset, length, .. } = self.entries[at];
        self.text.get(offset as usize..)?.get(..length as usize)
    }
}

impl Zone {
    /// The routes of the table at `place`.
    ///
    /// # Safety
    ///
    /// A table was written there, and is not freed while the result lives.
    pub(crate) unsafe fn routes<'t>(&self, place: Offset) -> Routes<'t> {
        // SAFETY: the caller's promise; the publisher has written as many items of these types
        // behind the header.
        unsafe {
            let header: &TableHeader = self.memory.get(place.bytes());
            let start = |offset: u32| place.bytes() + offset as usize;
            Routes {
                entries: self
                    .memory
                    .slice(start(header.routes.offset), header.routes.length as usize),
                text: self
                    .memory
                    .slice(start(header.route_text.offset), header.route_text.length as usize),
            }
        }
    }
}
