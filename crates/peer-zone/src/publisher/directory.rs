//! A directory, as it is to lie in memory: a table whose entries are the peers that are gone, and
//! that has the tables of the groups in the order of their names, by their hashes, and by their
//! shares.

use super::groups::{Groups, TableEntry};
use crate::{
    layout::{DIRECTORY, OwnTraits, PlanHeader, Section, TABLE_MAGIC, TableHeader},
    memory::{Memory, Offset, units},
};

/// See the module.
pub(super) struct Directory<'a> {
    entries: &'a [TableEntry],
    index: &'a [Offset],
    /// The places of the entries of the peers that are gone.
    removed: &'a [Offset],
    tries: u32,
    generation: u64,
}

/// Where its parts lie, in bytes from its start.
struct Parts {
    shares: usize,
    groups: usize,
    index: usize,
    end: usize,
}

impl Parts {
    /// Those of a directory with so many groups, slots of the index, and peers that are gone.
    fn new(groups: usize, slots: usize, removed: usize) -> Self {
        // Shares, of 8 bytes, are aligned as plans are.
        let shares = TableHeader::plans(removed);
        let groups_at = shares + groups * size_of::<u64>();
        let index = groups_at + groups * size_of::<Offset>();
        Self { shares, groups: groups_at, index, end: index + slots * size_of::<Offset>() }
    }
}

/// What a directory takes with so many groups, slots of its index, and peers that are gone.
pub(super) fn directory_units(groups: usize, slots: usize, removed: usize) -> u32 {
    units(Parts::new(groups, slots, removed).end)
}

impl<'a> Directory<'a> {
    /// That of these groups.
    pub(super) fn new(groups: &'a Groups, removed: &'a [Offset], generation: u64) -> Self {
        Self {
            entries: groups.entries(),
            index: groups.index().slots(),
            removed,
            tries: groups.tries(),
            generation,
        }
    }

    fn parts(&self) -> Parts {
        Parts::new(self.entries.len(), self.index.len(), self.removed.len())
    }

    /// What it takes.
    pub(super) fn units(&self) -> u32 {
        units(self.parts().end)
    }

    /// Peers in service, over all groups.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// Writes it to `place`, where it has so many `units`.
    ///
    /// # Safety
    ///
    /// The units are nobody else's, and no fewer than it takes.
    pub(super) unsafe fn write(&self, memory: &Memory, place: Offset, units: u32) {
        let (start, parts) = (place.bytes(), self.parts());
        // A directory's size is bounded by its zone's, and was checked by the allocator.
        let section =
            |offset: usize, length: usize| Section { offset: offset as u32, length: length as u32 };
        let none =
            PlanHeader { cycle: 0, stride: 0, offset: 0, length: 0, in_service: 0, reserved: 0 };
        let mut share = 0;
        let shares = self.entries.iter().map(|entry| {
            share += entry.share;
            share
        });
        // SAFETY: each part lies within what the parts have counted; the rest is the caller's
        // promise.
        unsafe {
            memory.copy(start + size_of::<TableHeader>(), self.removed);
            memory.fill(start + parts.shares, shares);
            memory.fill(start + parts.groups, self.entries.iter().map(|entry| entry.place));
            memory.copy(start + parts.index, self.index);
        }
        let header = TableHeader {
            magic: TABLE_MAGIC,
            units,
            entries: self.removed.len() as u32,
            primaries: 0,
            backups: 0,
            compact_units: 0,
            traits: DIRECTORY,
            weight: 0,
            own: OwnTraits::default(),
            generation: self.generation,
            primary: PlanHeader { in_service: self.tries, ..none },
            backup: none,
            ranges: section(parts.shares, self.entries.len()),
            delta: Section::default(),
            slots: Section::default(),
            shared: Section::default(),
            base: Offset(0),
            base_words: 0,
            sticky: Section::default(),
            groups: section(parts.groups, self.entries.len()),
            index: section(parts.index, self.index.len()),
            name: Section::default(),
            name_hash: 0,
            positions: Offset(0),
            share,
            hash_key: Section::default(),
        };
        // SAFETY: as above.
        unsafe { memory.write(start, header) };
    }
}
