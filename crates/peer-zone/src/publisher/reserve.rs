//! Memory that is kept for what must go on where there is no room for more: taking peers out of
//! groups, and changing those that stay.
//!
//! A group whose peers change gets another table, and all groups another directory, before those
//! that were before are free. So there are two places for directories, and one for the largest
//! table that any group may need; what lies there is moved away as soon as there is room elsewhere.

use crate::{allocator::Allocator, memory::Offset};

/// So many places for directories: one is written while the other is read.
pub(super) const DIRECTORIES: usize = 2;

/// So many places for reports that say what is wrong: one is made while the other is read.
const REPORTS: usize = 2;

/// What a place is larger than what is needed now, as a part of that: so that places do not grow
/// with each group that comes.
pub(super) const MORE: u32 = 4;

/// The place for a table shrinks if it is so many times as large as what any needs: one that is
/// nearly as large may be needed again soon.
const LARGER: u32 = 2;

/// Memory that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) place: Offset,
    pub(super) units: u32,
}

impl Extent {
    /// Takes so many units, and some more if there is room for them.
    fn take(allocator: &mut Allocator, units: u32) -> Option<Self> {
        let sizes = [units.saturating_add(units / MORE), units];
        sizes.into_iter().find_map(|units| Self::take_exactly(allocator, units))
    }

    /// Takes so many units.
    pub(super) fn take_exactly(allocator: &mut Allocator, units: u32) -> Option<Self> {
        let place = allocator.allocate_high(units)?;
        Some(Self { place, units })
    }

    fn give_back(self, allocator: &mut Allocator) {
        allocator.release(self.place, self.units);
    }

    /// Takes again what was given back just now.
    fn take_again(self, allocator: &mut Allocator) {
        let is_taken = allocator.reserve(self.place, self.units);
        debug_assert!(is_taken, "nothing else was taken");
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// Where directories are written. One of them is published.
    pub(super) directories: Vec<Extent>,
    /// For a table.
    pub(super) table: Option<Extent>,
    /// What of that a table has now, and what it has left.
    pub(super) used: Option<Extent>,
    pub(super) rest: Option<Extent>,
    /// The units of the largest table that any group may need.
    pub(super) table_units: u32,
    /// Whether that may be far more than the tables that there are need.
    pub(super) may_shrink: bool,
    /// For reports.
    reports: Vec<Extent>,
}

impl Reserve {
    /// Has two places for directories of so many units. Says whether there was room; if not, all is
    /// as before. `read` are the places of directories that may be read: one that is too small is
    /// returned, and is free once nobody reads it.
    pub(super) fn grow_directories(
        &mut self,
        allocator: &mut Allocator,
        units: u32,
        read: &[Offset],
    ) -> Option<Vec<Extent>> {
        let (large, small): (Vec<_>, Vec<_>) =
            self.directories.iter().copied().partition(|extent| extent.units >= units);
        if large.len() >= DIRECTORIES {
            return Some(Vec::new());
        }
        let (read, unread): (Vec<_>, Vec<_>) =
            small.into_iter().partition(|extent| read.contains(&extent.place));
        unread.iter().for_each(|extent| extent.give_back(allocator));
        let wanted = DIRECTORIES - large.len();
        let mut new: Vec<Extent> = Vec::new();
        new.extend((0..wanted).map_while(|_| Extent::take(allocator, units)));
        if new.len() < wanted {
            new.into_iter().for_each(|extent| extent.give_back(allocator));
            unread.iter().for_each(|extent| extent.take_again(allocator));
            return None;
        }
        self.directories = large.into_iter().chain(new).collect();
        Some(read)
    }

    /// Gives back places for directories that are more than there have to be, and not read.
    pub(super) fn shrink_directories(&mut self, allocator: &mut Allocator, read: &[Offset]) {
        let surplus = self.directories.len().saturating_sub(DIRECTORIES);
        // The smallest first, so that those that stay are large enough for longest.
        self.directories.sort_by_key(|extent| extent.units);
        for _ in 0..surplus {
            let unread = |extent: &Extent| !read.contains(&extent.place);
            let Some(at) = self.directories.iter().position(unread) else { return };
            self.directories.remove(at).give_back(allocator);
        }
    }

    /// Has its places for reports, each of so many units, as far as there is room. Says whether it
    /// has all.
    pub(super) fn restore_reports(&mut self, allocator: &mut Allocator, units: u32) -> bool {
        let missing = REPORTS - self.reports.len().min(REPORTS);
        let new = (0..missing).map_while(|_| Extent::take_exactly(allocator, units));
        self.reports.extend(new);
        self.reports.len() >= REPORTS
    }

    /// Gives up its places for reports, for one that is made now.
    pub(super) fn give_reports(&mut self, allocator: &mut Allocator) {
        self.reports.drain(..).for_each(|extent| extent.give_back(allocator));
    }

    /// Keeps no more than the directories that may be read.
    pub(super) fn give_back(&mut self, allocator: &mut Allocator, read: &[Offset]) {
        self.table_units = 0;
        self.table.take().into_iter().for_each(|table| table.give_back(allocator));
        self.give_reports(allocator);
        let is_unread = |extent: &mut Extent| !read.contains(&extent.place);
        self.directories.extract_if(.., is_unread).for_each(|extent| extent.give_back(allocator));
    }

    /// Has a place for a table of so many units. Says whether there was room; if not, all is as
    /// before.
    pub(super) fn grow_table(&mut self, allocator: &mut Allocator, units: u32) -> bool {
        if self.used.is_some() {
            return false;
        }
        let units = units.max(self.table_units);
        if self.table.is_some_and(|table| table.units >= units) {
            self.table_units = units;
            return true;
        }
        let old = self.table.take();
        old.iter().for_each(|old| old.give_back(allocator));
        self.table = Extent::take(allocator, units);
        if self.table.is_some() {
            self.table_units = units;
            return true;
        }
        old.iter().for_each(|old| old.take_again(allocator));
        self.table = old;
        false
    }

    /// A table that needs `old` units is gone, for one that needs `new`.
    pub(super) fn note_change(&mut self, old: u32, new: u32) {
        let is_large = |units: u32| units.saturating_mul(LARGER) > self.table_units;
        self.may_shrink |= is_large(old) && !is_large(new);
    }

    /// No table needs more than so many units: gives back what is far more. Says whether it did.
    pub(super) fn shrink_table(&mut self, allocator: &mut Allocator, units: u32) -> bool {
        if self.used.is_some() {
            return false;
        }
        self.may_shrink = false;
        if units.saturating_mul(LARGER) > self.table_units {
            return false;
        }
        self.table_units = units;
        self.table.take().into_iter().for_each(|table| table.give_back(allocator));
        self.table = Extent::take(allocator, units);
        true
    }

    /// Whether a table has the place, or others have it.
    pub(super) fn lacks_table(&self) -> bool {
        self.table.is_none() && self.table_units > 0
    }

    /// Has a place for a table again, if there is room and none lies there.
    pub(super) fn restore_table(&mut self, allocator: &mut Allocator) {
        if self.table.is_none() && self.used.is_none() && self.table_units > 0 {
            self.table = Extent::take_exactly(allocator, self.table_units);
        }
    }

    /// Whether the table at this place has that of the reserve.
    pub(super) fn is_used_by(&self, table: Offset) -> bool {
        let lies_in =
            |extent: &Extent| (extent.place.0..extent.place.0 + extent.units).contains(&table.0);
        self.used.as_ref().is_some_and(lies_in)
    }

    /// The table that has its place goes. Returns what that has left.
    pub(super) fn end_use(&mut self) -> Option<Extent> {
        self.used = None;
        self.rest.take().filter(|rest| rest.units > 0)
    }

    /// Gives its place to a table of so many units, if it is large enough.
    pub(super) fn use_table(&mut self, units: u32) -> Option<Offset> {
        let Extent { place, units: all } = self.table.filter(|extent| extent.units >= units)?;
        self.table = None;
        self.used = Some(Extent { place, units });
        self.rest = Some(Extent { place: Offset(place.0 + units), units: all - units });
        Some(place)
    }
}
