//! What the publisher knows of free memory: private to its process, made by each successor from
//! what is reachable.

use std::collections::{BTreeMap, BTreeSet};

use crate::memory::Offset;

/// Free extents of the memory, in units. Peers are taken from the low end and tables from the high
/// end: peers are small, alike and live long, a table is large and lives until the next change, so
/// that the two do not leave holes in each other.
///
/// Where thousands of peers come and go there are thousands of holes of the size of a peer or of an
/// entry. They are kept by their length as well, so that who looks for one need not pass the
/// others.
#[derive(Clone, Debug)]
pub(crate) struct Allocator {
    /// Start to length, no two adjacent.
    free: BTreeMap<u32, u32>,
    /// The starts of the short ones among them, by their length.
    short: [BTreeSet<u32>; SHORT as usize],
    /// The others, as in `free`.
    long: BTreeMap<u32, u32>,
    end: u32,
    total: u32,
    available: u32,
}

/// Where tables lie, and how large they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    /// Where the lowest of what is published of them begins.
    pub(crate) from: Offset,
    /// What one takes, as far as it can be said from the one that is published.
    pub(crate) units: u32,
}

/// Extents of less than so many units are short: a peer with a key of usual length takes twenty, an
/// entry two.
const SHORT: u32 = 32;

impl Allocator {
    /// All of `[start, end)` is free.
    pub(crate) fn new(start: u32, end: u32) -> Self {
        let length = end.saturating_sub(start);
        let mut allocator = Self {
            free: BTreeMap::new(),
            short: Default::default(),
            long: BTreeMap::new(),
            end,
            total: length,
            available: length,
        };
        if length > 0 {
            allocator.insert(start, length);
        }
        allocator
    }

    fn insert(&mut self, start: u32, length: u32) {
        self.free.insert(start, length);
        match self.short.get_mut(length as usize) {
            Some(short) => {
                short.insert(start);
            }
            None => {
                self.long.insert(start, length);
            }
        }
    }

    fn remove(&mut self, start: u32) {
        let Some(length) = self.free.remove(&start) else { return };
        match self.short.get_mut(length as usize) {
            Some(short) => {
                short.remove(&start);
            }
            None => {
                self.long.remove(&start);
            }
        }
    }

    /// The extents of at least so many units, from the lowest on; with the long ones alone where
    /// shorter ones do not matter.
    fn extents(&self, length: u32) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        let all = if length >= SHORT { &self.long } else { &self.free };
        let all = all.iter().map(|(&start, &extent)| (start, extent));
        all.filter(move |&(_, extent)| extent >= length)
    }

    /// The starts of the lowest extents of each short length from this one on, and of the lowest
    /// long one that has as many units; of those alone whose length is `suitable`.
    fn lowest(
        &self,
        length: u32,
        suitable: impl Fn(u32) -> bool + Copy,
    ) -> impl Iterator<Item = u32> {
        let short = (length..).zip(self.short.get(length as usize..).unwrap_or_default());
        let short = short.filter(move |&(extent, _)| suitable(extent));
        let short = short.filter_map(|(_, starts)| starts.first().copied());
        let long = self.long.iter();
        let mut long = long.filter(move |&(_, &extent)| extent >= length && suitable(extent));
        short.chain(long.next().map(|(&start, _)| start))
    }

    /// How many units are taken.
    pub(crate) fn used(&self) -> u32 {
        self.total - self.available
    }

    /// How many units are free.
    pub(crate) fn available(&self) -> u32 {
        self.available
    }

    /// Takes `length` units as low as they are to be had.
    pub(crate) fn allocate_low(&mut self, length: u32) -> Option<Offset> {
        let start = self.lowest(length, |_| true).min()?;
        self.reserve(Offset(start), length).then_some(Offset(start))
    }

    /// Takes `length` units of the shortest of the short extents in which they are to be had, else
    /// of a long one, and of several the lowest: for what is smaller than a peer, so that it leaves
    /// the holes of peers to peers. An extent that begins below the `tables` comes before all
    /// others, so that what is there for long does not part those in which tables lie. Last of all
    /// comes one that has room for a table now and would not have it then: without such a one,
    /// nothing can be changed any more.
    pub(crate) fn allocate_tight(&mut self, length: u32, tables: Tables) -> Option<Offset> {
        let spares_table =
            |extent: u32| extent < tables.units || extent.saturating_sub(length) >= tables.units;
        let start = [true, false].into_iter().find_map(|spares| {
            let lowest = || self.lowest(length, |extent| !spares || spares_table(extent));
            let below = lowest().find(|&start| start < tables.from.0);
            below.or_else(|| lowest().next())
        })?;
        self.reserve(Offset(start), length).then_some(Offset(start))
    }

    /// Takes `length` units as high as they are to be had.
    pub(crate) fn allocate_high(&mut self, length: u32) -> Option<Offset> {
        let (start, extent) = self.extents(length).next_back()?;
        let at = Offset(start + extent - length);
        self.reserve(at, length).then_some(at)
    }

    /// Where `length` units could be taken at the upper or the lower end of what is free, from the
    /// highest down.
    pub(crate) fn ends_of_holes(&self, length: u32) -> impl Iterator<Item = Offset> {
        let holes = self.extents(length).rev();
        holes.flat_map(move |(start, extent)| [Offset(start + extent - length), Offset(start)])
    }

    /// Takes `length` units for a table, as high as they are to be had, but where that is not the
    /// very top, with the part `above_of.0 / above_of.1` of what else is free above it, the rest
    /// below.
    ///
    /// Two tables are there at each change, and each may be larger than the last. Were they laid
    /// close to each other, neither place would hold the next one; were the lower one laid close to
    /// the peers, those to come would lie behind it and part the free memory for good.
    pub(crate) fn allocate_for_table(
        &mut self,
        length: u32,
        above_of: (u32, u32),
    ) -> Option<Offset> {
        let (start, extent) = self.extents(length).next_back()?;
        let slack = extent - length;
        let above = if start + extent == self.end {
            0
        } else {
            let (part, whole) = (u64::from(above_of.0), u64::from(above_of.1).max(1));
            (u64::from(slack) * part / whole).min(u64::from(slack)) as u32
        };
        let at = Offset(start + slack - above);
        self.reserve(at, length).then_some(at)
    }

    /// Gives back what was taken.
    pub(crate) fn release(&mut self, at: Offset, length: u32) {
        let mut start = at.0;
        let mut extent = length;
        if let Some((&before, &size)) = self.free.range(..start).next_back() {
            debug_assert!(before + size <= start, "units given back twice");
            if before + size == start {
                self.remove(before);
                start = before;
                extent += size;
            }
        }
        if let Some((&after, &size)) = self.free.range(start + extent..).next()
            && after == start + extent
        {
            self.remove(after);
            extent += size;
        }
        self.insert(start, extent);
        self.available += length;
    }

    /// The free extent that these units are in, as its start and end.
    fn around(&self, at: Offset, length: u32) -> Option<(u32, u32)> {
        let (&start, &extent) = self.free.range(..=at.0).next_back()?;
        let end = at.0.checked_add(length)?;
        (length > 0 && end <= start + extent).then_some((start, start + extent))
    }

    /// Whether all of these units are free.
    pub(crate) fn is_free(&self, at: Offset, length: u32) -> bool {
        self.around(at, length).is_some()
    }

    /// The longest extent that could be taken.
    pub(crate) fn longest(&self) -> u32 {
        let short = || self.short.iter().rposition(|starts| !starts.is_empty()).unwrap_or(0) as u32;
        self.long.values().copied().max().unwrap_or_else(short)
    }

    /// Takes exactly these units, where they are free; says whether they were (a part that is not
    /// leaves all as it was).
    pub(crate) fn reserve(&mut self, at: Offset, length: u32) -> bool {
        let Some((start, free_end)) = self.around(at, length) else { return false };
        let end = at.0 + length;
        self.remove(start);
        if at.0 > start {
            self.insert(start, at.0 - start);
        }
        if free_end > end {
            self.insert(end, free_end - end);
        }
        self.available -= length;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn extents_never_overlap_and_all_come_back(
            steps in proptest::collection::vec((0_u8..8, 1_u32..40, any::<usize>()), 1..200),
        ) {
            let mut allocator = Allocator::new(10, 410);
            let mut taken: Vec<(Offset, u32)> = Vec::new();
            for (kind, length, which) in steps {
                let fits = |&(_, &extent): &(&u32, &u32)| extent >= length;
                let lowest = allocator.free.iter().find(fits).map(|(&start, _)| Offset(start));
                let longest = allocator.free.values().copied().max().unwrap_or(0);
                prop_assert_eq!(allocator.longest(), longest);
                let got = match kind {
                    0 => {
                        let got = allocator.allocate_low(length);
                        prop_assert_eq!(got, lowest);
                        got
                    }
                    1 => {
                        let at = allocator.ends_of_holes(length).nth(which % 3);
                        at.filter(|&at| allocator.reserve(at, length))
                    }
                    4 => allocator.allocate_for_table(length, (which as u32 % 7, 7)),
                    6 => {
                        let highest = allocator.free.iter().rev().find(fits);
                        let expected =
                            highest.map(|(&start, &extent)| Offset(start + extent - length));
                        let got = allocator.allocate_high(length);
                        prop_assert_eq!(got, expected);
                        got
                    }
                    5 => {
                        let units = which as u32 % 50;
                        let tables = Tables { from: Offset(which as u32 % 500), units };
                        let room = |allocator: &Allocator| allocator.longest() >= units;
                        let had_room = room(&allocator);
                        let spares =
                            |&it: &u32| it >= length && (it < units || it - length >= units);
                        let is_elsewhere = allocator.free.values().any(spares);
                        let got = allocator.allocate_tight(length, tables);
                        prop_assert!(!had_room || !is_elsewhere || room(&allocator));
                        got
                    }
                    2 if !taken.is_empty() => {
                        let (at, length) = taken.swap_remove(which % taken.len());
                        allocator.release(at, length);
                        None
                    }
                    _ => {
                        let at = Offset(10 + (which % 400) as u32);
                        allocator.reserve(at, length).then_some(at)
                    }
                };
                if let Some(at) = got {
                    prop_assert!(at.0 >= 10 && at.0 + length <= 410);
                    for &(other, size) in &taken {
                        prop_assert!(at.0 + length <= other.0 || other.0 + size <= at.0);
                    }
                    taken.push((at, length));
                }
                prop_assert_eq!(
                    allocator.used(),
                    taken.iter().map(|&(_, length)| length).sum::<u32>()
                );
            }
            for (at, length) in taken {
                allocator.release(at, length);
            }
            prop_assert_eq!(&allocator.free, &BTreeMap::from([(10, 400)]));
            prop_assert_eq!(&allocator.long, &allocator.free);
            prop_assert!(allocator.short.iter().all(BTreeSet::is_empty));
        }
    }
}
