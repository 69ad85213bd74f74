//! Publishing directories, and keeping the reserve that this needs.

use core::sync::atomic::Ordering;

use super::{
    Publisher,
    blocks::{REPORT, changing},
    directory::{Directory, directory_units},
    groups::Groups,
    records::Outdated,
    reserve::Extent,
};
use crate::{allocator::Tables, group_index::slots, memory::Offset};

impl Publisher {
    /// The publication that what is made now goes out with.
    pub(super) fn next_publication(&self) -> u64 {
        let is_waiting = self.groups.as_ref().is_some_and(|groups| groups.is_dirty);
        self.publication + u64::from(is_waiting)
    }

    /// Whether the directory or the reserve waits for memory to come back.
    pub(super) fn is_directory_waiting(&self) -> bool {
        let is_waiting = |groups: &Groups| groups.is_dirty || groups.reserve.lacks_table();
        self.groups.as_ref().is_some_and(is_waiting)
    }

    /// Where directories lie that may be read.
    fn read_directories(&self) -> Vec<Offset> {
        let current = Offset(self.zone.header().table.current());
        self.tables.iter().map(|outdated| outdated.place).chain([current]).collect()
    }

    /// Publishes the directory, if it says something else than the one that is published. Says
    /// whether there was room.
    pub(super) fn publish_directory(&mut self) -> bool {
        if !self.groups.as_ref().is_some_and(|groups| groups.is_dirty) {
            return true;
        }
        let removed = self.removed.iter().map(|peer| peer.entry);
        let removed: Vec<Offset> = removed.chain(self.on_the_way()).collect();
        self.publish_directory_of(&removed)
    }

    /// The entries of peers that are in no group just now, as they go from one to another: a
    /// successor is to find them.
    pub(super) fn on_the_way(&self) -> impl Iterator<Item = Offset> {
        let departing = self.groups.iter().flat_map(|groups| groups.departing.iter());
        let on_the_way = departing.filter(|listed| self.record_of(listed).is_none());
        on_the_way.map(|listed| listed.entry)
    }

    /// As [`publish_directory`](Self::publish_directory), with these entries of peers that are
    /// gone.
    pub(super) fn publish_directory_of(&mut self, removed: &[Offset]) -> bool {
        let Some(groups) = &self.groups else { return false };
        let directory = Directory::new(groups, removed, self.generation);
        let (units, tries) = (directory.units(), directory.tries());
        let read = self.read_directories();
        let fits = |extent: &&Extent| extent.units >= units && !read.contains(&extent.place);
        let kept = groups.reserve.directories.iter().find(fits).copied();
        let is_new = kept.is_none();
        let Some(extent) = kept.or_else(|| Extent::take_exactly(&mut self.allocator, units)) else {
            return false;
        };
        // SAFETY: the extent is the reserve's or was taken just now, and nobody reads what lay
        // there.
        unsafe { directory.write(&self.zone.memory, extent.place, extent.units) };
        let is_limited = groups.limited + self.group.limited > 0;
        if let Some(groups) = self.groups.as_mut() {
            groups.reserve.directories.extend(is_new.then_some(extent));
            groups.is_dirty = false;
        }
        if is_limited {
            self.set_limited(true);
        }
        let root = &self.zone.header().table;
        let old = Offset(root.current());
        self.zone.header().tries.store(tries, Ordering::Relaxed);
        root.publish(extent.place.0);
        self.publication += 1;
        self.set_limited(is_limited);
        if old.0 != 0 {
            self.retire_directory(old);
        }
        self.store_used();
        true
    }

    /// Another directory has taken the place of this one.
    fn retire_directory(&mut self, place: Offset) {
        // SAFETY: it was published, and has not been freed.
        let units = unsafe { self.table_at(place) }.units;
        let is_kept =
            |groups: &Groups| groups.reserve.directories.iter().any(|extent| extent.place == place);
        let is_owned = !self.groups.as_ref().is_some_and(is_kept);
        self.tables.push(Outdated { place, units, until: self.publication, is_owned });
    }

    /// Publishes what waits, and takes back what nobody reads any more: so there may be room for
    /// what had none.
    pub(super) fn make_room(&mut self) {
        self.publish_directory();
        self.free_unread();
    }

    /// Has the reserve that so many groups and peers need, those counted that are gone, of which
    /// one has a table that needs so many units. Says whether there was room.
    pub(super) fn grow_reserve(&mut self, units: u32, groups: usize, peers: usize) -> bool {
        let Some(mut all) = self.groups.take() else { return true };
        let slots = slots(groups).max(all.index().slots().len());
        let needed = directory_units(groups, slots, peers);
        let read = self.read_directories();
        let dropped = all.reserve.grow_directories(&mut self.allocator, needed, &read);
        let has_places = dropped.is_some();
        for Extent { place, .. } in dropped.into_iter().flatten() {
            // It comes back once nobody reads it.
            let outdated = self.tables.iter_mut().filter(|outdated| outdated.place == place);
            outdated.for_each(|outdated| outdated.is_owned = true);
        }
        let has_room = has_places
            && all.reserve.grow_table(&mut self.allocator, units)
            && all.reserve.restore_reports(&mut self.allocator, REPORT);
        self.groups = Some(all);
        has_room
    }

    /// The units of the table at hand may be as many as the reserve has.
    pub(super) fn has_reserve(&self, units: u32) -> bool {
        self.groups.as_ref().is_none_or(|groups| units <= groups.reserve.table_units)
    }

    /// Whether what is free is enough for changes of so many peers.
    pub(super) fn leaves_room_for_changes(&self, peers: usize) -> bool {
        self.allocator.available() as usize >= changing(peers)
    }

    /// Takes units for a report; see [`Reserve`](super::reserve::Reserve).
    pub(super) fn place_report(&mut self, units: u32) -> Option<Offset> {
        let mut groups = self.groups.take()?;
        groups.reserve.give_reports(&mut self.allocator);
        let place = self.allocator.allocate_tight(units, Tables { from: Offset(0), units: 0 });
        groups.reserve.restore_reports(&mut self.allocator, REPORT);
        self.groups = Some(groups);
        place
    }

    /// If a table lies in the place of the reserve, moves it away, so that the next group can have
    /// that.
    pub(super) fn free_reserve(&mut self) {
        if self.groups.as_ref().is_some_and(|groups| groups.displaced.is_some()) {
            self.make_room();
            self.restore_reserve();
        }
    }

    /// Moves a table out of the place of the reserve, where there is room elsewhere by now.
    pub(super) fn restore_reserve(&mut self) {
        let Some(groups) = &self.groups else { return };
        if let Some(name) = groups.displaced.clone() {
            self.with_group(&name, Self::renew_table);
            self.make_room();
        }
        self.settle_reserve();
        let lacks_table = |groups: &Groups| {
            groups.displaced.is_none()
                && groups.reserve.lacks_table()
                && groups.moved_at != Some(self.free_count)
        };
        if self.groups.as_ref().is_some_and(lacks_table) {
            self.move_tables();
            self.settle_reserve();
        }
        if let Some(groups) = &mut self.groups {
            groups.moved_at = Some(self.free_count);
        }
    }

    /// Takes what is free for the reserve, and gives back what is more.
    fn settle_reserve(&mut self) {
        let Some(mut groups) = self.groups.take() else { return };
        let read = self.read_directories();
        if groups.reserve.may_shrink {
            // SAFETY: those are of the groups that there are.
            let units = |place| unsafe { self.table_at(place) }.compact_units;
            let largest = groups.entries().iter().map(|entry| units(entry.place)).max();
            let largest = largest.unwrap_or_default();
            let has_shrunk = groups.reserve.shrink_table(&mut self.allocator, largest);
            self.free_count += u64::from(has_shrunk);
        }
        if groups.len() == 0 {
            groups.reserve.give_back(&mut self.allocator, &read);
        } else if groups.displaced.is_none() {
            groups.reserve.restore_table(&mut self.allocator);
        }
        if groups.len() > 0 {
            groups.reserve.restore_reports(&mut self.allocator, REPORT);
        }
        groups.reserve.shrink_directories(&mut self.allocator, &read);
        self.groups = Some(groups);
    }

    /// Moves each table to where it fits best: one of them may lie in the place of the reserve,
    /// which a publisher that has taken over does not know.
    fn move_tables(&mut self) {
        let names = self.groups.as_ref().map(|groups| groups.names().to_vec());
        for name in names.into_iter().flatten() {
            self.with_group(&name, Self::renew_table);
        }
        self.make_room();
    }
}
