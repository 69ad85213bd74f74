//! The tables of a directory: found by name, in the order of names, and all together.

use super::Zone;
use crate::{
    group_index::find,
    group_name::GroupName,
    layout::{Section, TableHeader},
    memory::Offset,
};

impl Zone {
    /// A section of the table at `at` whose items are places.
    ///
    /// The table is pinned for `'a`, as for all functions here, or the caller is the publisher.
    #[inline(always)]
    fn places_in<'a>(&self, at: Offset, section: Section) -> &'a [Offset] {
        if section.offset == 0 {
            return &[];
        }
        let start = at.bytes() + section.offset as usize;
        // SAFETY: who has the header of a table keeps the table, in which the publisher wrote as
        // many places there.
        unsafe { self.memory.slice(start, section.length as usize) }
    }

    /// The places of the tables of a directory's groups, in the order of their names; none if the
    /// table is no directory.
    #[inline]
    pub(crate) fn group_tables<'a>(&self, at: Offset, header: &TableHeader) -> &'a [Offset] {
        self.places_in(at, header.groups)
    }

    /// The header of a group's table, which a directory names that is pinned.
    #[inline]
    pub(crate) fn group_header<'a>(&self, table: Offset) -> &'a TableHeader {
        // SAFETY: who has found the place keeps the directory, and so the tables that it names.
        unsafe { self.memory.get(table.bytes()) }
    }

    /// The name of a group, which its table has.
    #[inline]
    pub(crate) fn group_name<'a>(&self, table: Offset) -> &'a [u8] {
        let name = self.group_header(table).name;
        let start = table.bytes() + name.offset as usize;
        // SAFETY: as in `group_header`; the publisher wrote as many bytes there.
        unsafe { self.memory.slice(start, name.length as usize) }
    }

    /// The text of the key that a group has of its own, as its table has it; empty without one.
    pub(crate) fn group_hash_key<'a>(&self, table: Offset) -> &'a [u8] {
        let key = self.group_header(table).hash_key;
        let start = table.bytes() + key.offset as usize;
        // SAFETY: as in `group_header`; the publisher wrote as many bytes there.
        unsafe { self.memory.slice(start, key.length as usize) }
    }

    /// The table of the group of this name in a directory. No group has an empty name that can be
    /// asked for.
    #[inline(always)]
    pub(crate) fn find_group(
        &self,
        at: Offset,
        header: &TableHeader,
        name: GroupName<'_>,
    ) -> Option<Offset> {
        if name.bytes().is_empty() {
            return None;
        }
        find(self.places_in(at, header.index), name.hash(), |table| {
            self.group_header(table).name_hash == name.hash()
                && self.group_name(table) == name.bytes()
        })
    }

    /// Of the groups whose names have this hash, the table of the one whose positions lie there.
    pub(crate) fn find_positions(
        &self,
        at: Offset,
        header: &TableHeader,
        hash: u32,
        positions: Offset,
    ) -> Option<Offset> {
        find(self.places_in(at, header.index), hash, |table| {
            let header = self.group_header(table);
            header.name_hash == hash && header.positions == positions
        })
    }

    /// The table and, if it is a directory, those of all groups before it; each with the places of
    /// its entries.
    pub(crate) fn tables_of(
        self,
        at: Offset,
        header: &TableHeader,
    ) -> impl Iterator<Item = (&TableHeader, &[Offset])> {
        let groups = self.group_tables(at, header).iter();
        let groups = groups.map(move |&table| (table, self.group_header(table)));
        groups.chain([(at, header)]).map(move |(at, header)| {
            let start = at.bytes() + size_of::<TableHeader>();
            // SAFETY: as in `places_in`; the places of the entries follow the header.
            (header, unsafe { self.memory.slice(start, header.entries as usize) })
        })
    }
}
