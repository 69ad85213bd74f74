//! Taking over groups: those of the directory that is published, and what others read of those
//! before.

use core::sync::atomic::Ordering;
use std::{collections::HashSet, sync::Arc};

use super::{
    Publisher,
    blocks::REPORT,
    directory::directory_units,
    group::Group,
    groups::{Groups, TableEntry},
    options::GroupOptions,
    reserve::Extent,
};
use crate::{
    group_index::slots,
    layout::{Health, Positions, TABLE_MAGIC, TableHeader},
    memory::{Offset, units},
    peer_spec::PeerSpec,
};

impl Publisher {
    /// Finds the groups of the directory that is published, and the peers that are gone. Their
    /// places come to those that are `in_tables`.
    pub(super) fn find_groups(&mut self, directory: Offset, in_tables: &mut HashSet<Offset>) {
        let memory = self.zone.memory;
        self.find_listed(directory, None, in_tables);
        self.group = Group::default();
        // SAFETY: it is published, and its sections follow the header.
        let (header, tables) = unsafe {
            let header = memory.get::<TableHeader>(directory.bytes());
            let at = directory.bytes() + header.groups.offset as usize;
            (header, memory.slice::<Offset>(at, header.groups.length as usize))
        };
        let mut groups = Groups::default();
        groups.reserve.directories.push(Extent { place: directory, units: header.units });
        self.groups = Some(groups);
        let mut panicking = 0;
        for &table in tables {
            panicking += u32::from(self.find_group(table, in_tables));
        }
        self.zone.header().panic.store(panicking, Ordering::Relaxed);
        let mut specs: Vec<Arc<PeerSpec>> = self.specs().collect();
        specs.sort_by(|one, other| one.key.cmp(&other.key));
        if let Some(groups) = &mut self.groups {
            groups.set_keys(&specs);
            groups.is_dirty = false;
        }
    }

    /// Finds the group of a table of the directory. Says whether all of its peers fail their checks
    /// and are used all the same.
    fn find_group(&mut self, table: Offset, in_tables: &mut HashSet<Offset>) -> bool {
        let memory = self.zone.memory;
        // SAFETY: the directory that is published names it; its sections follow the header.
        let (header, name) = unsafe {
            let header = memory.get::<TableHeader>(table.bytes());
            let at = table.bytes() + header.name.offset as usize;
            (header, memory.slice::<u8>(at, header.name.length as usize))
        };
        let name: Arc<str> = String::from_utf8_lossy(name).into();
        self.allocator.reserve(table, header.units);
        self.allocator.reserve(header.positions, units(size_of::<Positions>()));
        let Some(mut groups) = self.groups.take() else { return false };
        groups.begin(&name, &mut self.group);
        self.find_listed(table, Some(&name).filter(|name| !name.is_empty()), in_tables);
        self.group.positions = header.positions;
        self.group.own = GroupOptions::of_table(header.own, self.zone.group_hash_key(table));
        let entry = TableEntry {
            place: table,
            hash: header.name_hash,
            share: header.share,
            tries: header.primary.in_service + header.backup.in_service,
        };
        // SAFETY: the directory names these, too.
        let hash_of = |place: Offset| unsafe { memory.get::<TableHeader>(place.bytes()) }.name_hash;
        groups.set_table(&name, entry, hash_of);
        groups.reserve.table_units = groups.reserve.table_units.max(header.compact_units);
        self.restore_ring();
        self.count_health();
        let is_used = |listed| {
            self.load_health(listed) == Health::Failing && self.peer(listed).is_used_failing()
        };
        self.group.panics = self.group.listed.iter().any(is_used);
        let panics = self.group.panics;
        if self.is_group_merging() {
            groups.merging.insert(name);
        }
        groups.end(&mut self.group);
        self.groups = Some(groups);
        panics
    }

    /// Has the reserve that the groups need, as far as there is room: whoever was the publisher
    /// before has had it.
    pub(super) fn refill_reserve(&mut self) {
        let Some(groups) = &self.groups else { return };
        let peers = self.count() + self.removed.len();
        let slots = slots(groups.len()).max(groups.index().slots().len());
        let needed = directory_units(groups.len(), slots, peers);
        let current = Offset(self.zone.header().table.current());
        let Some(mut groups) = self.groups.take() else { return };
        let grown = groups.reserve.grow_directories(&mut self.allocator, needed, &[current]);
        if grown.is_none() {
            // One that is as large as the one that is published, at least.
            let units = groups.reserve.directories.first().map_or(needed, |extent| extent.units);
            let second = Extent::take_exactly(&mut self.allocator, units);
            groups.reserve.directories.extend(second);
        }
        // Last, so that it does not part the place of a directory.
        groups.reserve.restore_table(&mut self.allocator);
        groups.reserve.restore_reports(&mut self.allocator, REPORT);
        self.groups = Some(groups);
    }

    /// The extents of the tables, entries, bases and positions of the groups of a block, if that is
    /// a directory, but for those that are published.
    pub(super) fn claimed_groups(&self, directory: Offset) -> Vec<(u32, u32)> {
        let memory = self.zone.memory;
        // SAFETY: all of the block lies within the memory, and any bytes are valid integers.
        let header = unsafe { memory.get::<TableHeader>(directory.bytes()) };
        let (at, count) = (header.groups.offset as usize, header.groups.length as usize);
        let end = at.checked_add(count.saturating_mul(size_of::<Offset>()));
        let is_within = end.is_some_and(|end| units(end) <= header.units)
            && at.is_multiple_of(align_of::<Offset>());
        if header.magic != TABLE_MAGIC || at == 0 || !is_within {
            return Vec::new();
        }
        // SAFETY: as above; whatever the header says, these lie within the block.
        let tables = unsafe { memory.slice::<Offset>(directory.bytes() + at, count) };
        let mut claims = Vec::new();
        for &table in tables {
            if !self.may_lie_at(table.0, size_of::<TableHeader>()) {
                continue;
            }
            // SAFETY: within the memory, as above.
            let header = unsafe { memory.get::<TableHeader>(table.bytes()) };
            if header.magic != TABLE_MAGIC || !self.allocator.is_free(table, header.units) {
                continue;
            }
            claims.push((table.0, table.0 + header.units));
            let (place, units) = (header.positions, units(size_of::<Positions>()));
            if self.allocator.is_free(place, units) {
                claims.push((place.0, place.0 + units));
            }
            claims.extend(self.claimed_entries(table));
            claims.extend(self.claimed_base(table));
        }
        claims
    }
}
