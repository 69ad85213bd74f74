//! One group at a time is at hand: what is done with it is done as with the only one.

use std::sync::Arc;

use super::{
    Publisher,
    group::Group,
    groups::TableEntry,
    records::{Listed, Removed, Unused},
};
use crate::{
    layout::Positions,
    memory::{Offset, units},
    peer_spec::PeerSpec,
};

/// What the positions of a group take.
pub(super) fn units_of_positions() -> u32 {
    units(size_of::<Positions>())
}

impl Publisher {
    /// Works with the group of this name at hand. A group that is not there yet is there once it
    /// has a table, and one without peers is there no more.
    pub(super) fn with_group<T>(
        &mut self,
        name: &Arc<str>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let Some(groups) = &mut self.groups else { return work(self) };
        groups.begin(name, &mut self.group);
        let result = work(self);
        if self.group.listed.is_empty() {
            self.dissolve();
        }
        let is_merging = self.is_group_merging();
        let Some(groups) = &mut self.groups else { return result };
        if is_merging {
            groups.merging.insert(Arc::clone(name));
        } else {
            groups.merging.remove(name);
        }
        if let Some(Group { positions, .. }) = groups.end(&mut self.group)
            && positions.0 != 0
        {
            // It never had a table.
            self.free_units(positions, units_of_positions());
        }
        result
    }

    /// What tables say of their hashes.
    ///
    /// # Safety
    ///
    /// The place is that of a group's table, which is not freed.
    unsafe fn hash_at(&self, place: Offset) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { self.table_at(place) }.name_hash
    }

    /// The group at hand has this table, which goes out with the next directory.
    pub(super) fn set_group_table(&mut self, table: Offset) {
        let Some(mut groups) = self.groups.take() else { return };
        // SAFETY: it was just written, and this publisher has not freed it.
        let header = unsafe { self.table_at(table) };
        let entry = TableEntry {
            place: table,
            hash: header.name_hash,
            share: header.share,
            tries: header.primary.in_service + header.backup.in_service,
        };
        let (base, has_ring) = (header.base, header.delta.length > 0);
        let (old, old_base) = (self.group.table, self.published_base());
        // SAFETY: those are of the groups that there are.
        groups.set_table(&self.group.name, entry, |place| unsafe { self.hash_at(place) });
        let was_in_reserve = groups.reserve.is_used_by(old);
        groups.reserve.note_change(self.compact_units(), header.compact_units);
        self.groups = Some(groups);
        self.retire_group_table(old, was_in_reserve);
        self.group.table = table;
        if !has_ring {
            self.drop_ring(old_base);
        }
        if let Some(old) = old_base.filter(|old| old.place != base) {
            let since = self.next_publication();
            self.unused.push(Unused { place: old.place, units: old.units(), since });
        }
    }

    /// What the last table of the group at hand needs; 0 before the first.
    fn compact_units(&self) -> u32 {
        self.current_table().map_or(0, |table| table.compact_units)
    }

    /// A table of the group at hand is in the next directory no more; if it leaves the reserve,
    /// that comes back with it.
    fn retire_group_table(&mut self, old: Offset, leaves_reserve: bool) {
        if old.0 == 0 {
            return;
        }
        let since = self.next_publication();
        // SAFETY: the publisher frees tables, and has not freed this one.
        let units = unsafe { self.table_at(old) }.units;
        self.unused.push(Unused { place: old, units, since });
        let Some(groups) = self.groups.as_mut().filter(|_| leaves_reserve) else { return };
        groups.displaced = None;
        if let Some(rest) = groups.reserve.end_use() {
            self.unused.push(Unused { place: rest.place, units: rest.units, since });
        }
    }

    /// The group at hand has no peers: it is in the next directory no more.
    fn dissolve(&mut self) {
        let Some(mut groups) = self.groups.take() else { return };
        // SAFETY: those are of the groups that there are.
        let was_there = groups.remove_current(|place| unsafe { self.hash_at(place) });
        let was_in_reserve = groups.reserve.is_used_by(self.group.table);
        groups.reserve.note_change(self.compact_units(), 0);
        self.groups = Some(groups);
        if !was_there {
            return;
        }
        let base = self.published_base();
        self.retire_group_table(self.group.table, was_in_reserve);
        let since = self.next_publication();
        if let Some(base) = base {
            self.unused.push(Unused { place: base.place, units: base.units(), since });
        }
        self.drop_ring(base);
        let place = std::mem::take(&mut self.group.positions);
        self.unused.push(Unused { place, units: units_of_positions(), since });
        self.group.table = Offset(0);
        self.count_panic(false);
    }

    /// All peers of the group at hand are gone, at `now` (ms).
    pub(super) fn remove_all_listed(&mut self, now: u64) {
        let before = std::mem::take(&mut self.group.listed);
        // They are in the next directory among those that are gone.
        if let Some(groups) = &mut self.groups {
            groups.is_dirty = true;
        }
        self.generation += 1;
        let since = self.next_publication();
        for gone in before {
            if self.is_departing(&gone) {
                self.retire_departed(&gone);
                continue;
            }
            self.apply_removal(&gone, now);
            self.removed.push(Removed::new(gone, since));
        }
        self.group.limited = 0;
        // At once: what comes in their place may need the room of its table.
        self.dissolve();
    }

    /// Whether a peer that is listed no more goes to another group in this publication, or is
    /// listed by another already.
    pub(super) fn is_departing(&self, gone: &Listed) -> bool {
        let Some(groups) = &self.groups else { return false };
        let (key, address) = (gone.spec.key.as_deref(), &gone.spec.socket_address);
        let is_there = |name: &Arc<str>| {
            let other = groups.get(name).filter(|_| *name != self.group.name);
            other
                .and_then(|group| group.find(key, address))
                .is_some_and(|it| it.place == gone.place)
        };
        // A group that had no room for a table without a peer lists it still.
        let mut stuck =
            groups.refusals.iter().filter(|(_, refusal)| refusal.is_stuck).map(|(name, _)| name);
        groups.departing.get(gone.place).is_some()
            || groups.of_key(key).iter().any(is_there)
            || stuck.any(is_there)
    }

    /// The group at hand lists a peer no more that another one lists. If that is not of this
    /// publication, where it is settled for all, nobody else has the entry.
    pub(super) fn retire_departed(&mut self, gone: &Listed) {
        if self.departing(gone.place).is_none_or(|departing| departing.entry != gone.entry) {
            let since = self.next_publication();
            let unused = self.unused_entry(gone.entry, since);
            self.unused.push(unused);
        }
    }

    /// The record of a peer that is on its way from one group to another, in whichever of them it
    /// is listed just now.
    pub(super) fn record_of(&self, departing: &Listed) -> Option<&Listed> {
        let groups = self.groups.as_ref()?;
        let key = departing.spec.key.as_deref();
        let former = groups.name_of(&departing.spec);
        let of_key = groups.of_key(key).iter().filter(|name| **name != former);
        let others = of_key.filter_map(|name| groups.get(name));
        let all = others.chain([&self.group]).chain(groups.get(&former));
        let mut found = all.filter_map(|group| group.find(key, &departing.spec.socket_address));
        found.find(|listed| listed.place == departing.place)
    }

    /// Whether the group that a peer is to leave lists it still.
    pub(super) fn is_in_former_group(&self, departing: &Listed) -> bool {
        let Some(groups) = &self.groups else { return false };
        let key = departing.spec.key.as_deref();
        let former = groups.get(&groups.name_of(&departing.spec));
        let listed = former.and_then(|group| group.find(key, &departing.spec.socket_address));
        listed.is_some_and(|listed| listed.entry == departing.entry)
    }

    /// The peer at this place as it was in the group that it leaves for this one.
    pub(super) fn departing(&self, place: Offset) -> Option<&Listed> {
        self.groups.as_ref()?.departing.get(place)
    }

    /// As [`departing`](Self::departing), of the peer that is to be as `spec` says.
    pub(super) fn departing_as(&self, spec: &PeerSpec) -> Option<&Listed> {
        self.groups.as_ref()?.departing.find(spec)
    }

    /// Has positions for the group at hand. Says whether there was room.
    pub(super) fn make_positions(&mut self) -> bool {
        if self.groups.is_none() || self.group.positions.0 != 0 {
            return true;
        }
        let units = units_of_positions();
        let Some(place) = self.allocator.allocate_tight(units, self.tables()) else { return false };
        // SAFETY: the allocator gave these units out, so nobody reads them. Zeroes are positions.
        unsafe { self.zone.memory.zero(place, units) };
        self.group.positions = place;
        true
    }

    /// A place for a table of the group at hand that takes so many units, with the base of its
    /// ring, and needs so many in its compact form; if it `adds` peers, where there is room for
    /// what must go on without more.
    pub(super) fn place_group_table(
        &mut self,
        (all, needed): (u32, u32),
        listed: usize,
        adds: bool,
    ) -> Option<Offset> {
        let groups = self.groups.as_ref()?;
        let peers = groups.peers + listed + self.removed.len() + self.group.listed.len();
        let count = groups.len() + 1;
        if (adds || !self.has_reserve(needed)) && !self.grow_reserve(needed, count, peers) {
            return None;
        }
        let place = self.allocator.allocate_tight(all, self.tables());
        if adds {
            let place = place?;
            if !self.leaves_room_for_changes(peers) {
                self.allocator.release(place, all);
                return None;
            }
            return Some(place);
        }
        place.or_else(|| {
            let name = Arc::clone(&self.group.name);
            let groups = self.groups.as_mut()?;
            let place = groups.reserve.use_table(all)?;
            groups.displaced = Some(name);
            Some(place)
        })
    }
}
