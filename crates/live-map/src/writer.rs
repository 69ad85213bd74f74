//! The one who writes the map.

use live_value::Tag;
use thiserror::Error;

use crate::{
    bits::{Link, MAX_VALUE},
    entry::{CELL, cells_for, cells_of, write_entry, zero},
    labels::Labels,
    layout::{self, Layout},
    lookup::{MAX_CHAIN, Needle, chain},
    name::Name,
    room::{self, cells_for_capacity},
    shared::{Entry, SharedMap, read_chain},
    sync::AtomicU64,
    take_over::{State, take_over},
};

/// There is no room for an entry.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no space for the value: {needed} bytes are needed, {left} are left")]
pub struct Full {
    /// The bytes that it takes.
    pub needed: usize,
    /// Those that are left.
    pub left: usize,
}

/// How many bytes an entry takes, of those that [`MapWriter::bytes_used`] counts.
#[must_use]
pub fn bytes_for(name: &Name<'_>, value: usize) -> usize {
    cells_for(name.text().len(), value) * CELL
}

/// How many words of memory a map takes that has room for entries of so many bytes, as
/// [`MapWriter::bytes_used`] counts them.
#[must_use]
pub fn words_for(bytes: usize) -> usize {
    layout::words_for(cells_for_capacity(bytes.div_ceil(CELL)))
}

/// The writer of a map. That there is one at a time is for others to see to.
///
/// It may be killed at any instruction. An entry is written to memory that no reader finds, and one
/// word then leads to it, be it new or in the place of another one. What is free its successor
/// finds out by what is not.
#[derive(Debug)]
pub struct MapWriter<'a> {
    map: SharedMap<'a>,
    /// `None` where there is not even room for one entry.
    layout: Option<Layout<'a>>,
    state: State,
    is_secret: bool,
}

impl<'a> MapWriter<'a> {
    /// Goes on with what is there: memory of zeroes is an empty map. Whatever the last writer was
    /// about when it ended, all entries are whole, and all memory that they do not take is free.
    ///
    /// `is_secret`: memory is overwritten with zeroes as soon as no entry takes it any more.
    ///
    /// It takes time by the size of the memory, unless nothing was ever put there.
    pub fn take_over(words: &'a [AtomicU64], is_secret: bool) -> Self {
        let layout = Layout::new(words);
        let state = layout.map(|layout| take_over(&layout, is_secret)).unwrap_or_default();
        Self { map: SharedMap::new(words), layout, state, is_secret }
    }

    /// The map, for readers.
    pub fn map(&self) -> SharedMap<'a> {
        self.map
    }

    /// Sets an entry's value. Returns whether it had none, or another one. What is published says
    /// so after [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// Where there is no room, or for a value of more than [`MAX_VALUE`] bytes: what was there
    /// stays. A value that takes the place of another one needs room beside it for a moment.
    pub fn put(&mut self, name: &Name<'_>, value: &[u8]) -> Result<bool, Full> {
        let full = |left| Full { needed: bytes_for(name, value.len()), left: left * CELL };
        let Some((layout, needle)) = self.needle(name) else { return Err(full(0)) };
        let Some(bucket) = layout.bucket(needle.hash) else { return Err(full(0)) };
        let old = layout.find(needle, name.kind(), None);
        if old.is_some_and(|old| old.body.has_value(value)) {
            return Ok(false);
        }
        let old_cells = old.map_or(Vec::new(), |old| cells_of(layout.cells, old.index));
        let needed = cells_for(name.text().len(), value.len());
        let has_room = value.len() <= MAX_VALUE
            && self.state.room.has_room(needed, old_cells.len())
            // Never, unless somebody knows the seed.
            && (old.is_some() || chain(layout.cells, bucket).count() < MAX_CHAIN);
        let cells = if has_room { self.take(&layout, needed) } else { Vec::new() };
        let Some(&first) = cells.first() else {
            return Err(full(self.state.room.left() + old_cells.len()));
        };
        let (link, next) = old.map_or((bucket, bucket), |old| (old.link, &old.body.cell[0]));
        let title = (name.kind(), name.text());
        write_entry(layout.cells, &cells, Link::read(next), title, value);
        if old.is_none() {
            layout.count_change();
            self.state.entries += 1;
            self.state.labels.add(name.kind(), name.text());
            self.state.labels.mark(&layout);
        }
        Link::new(first, needle.hash).write(link);
        self.free(&layout, &old_cells);
        Ok(true)
    }

    /// Removes an entry. Returns whether there was one.
    pub fn delete(&mut self, name: &Name<'_>) -> bool {
        let Some((layout, needle)) = self.needle(name) else { return false };
        let Some(old) = layout.find(needle, name.kind(), None) else { return false };
        let cells = cells_of(layout.cells, old.index);
        layout.count_change();
        Link::read(&old.body.cell[0]).write(old.link);
        self.state.entries = self.state.entries.saturating_sub(1);
        self.state.labels.remove(name.kind(), name.text());
        self.state.labels.mark(&layout);
        self.free(&layout, &cells);
        true
    }

    /// Removes all entries, one after the other.
    pub fn clear(&mut self) {
        let Some(layout) = self.layout else { return };
        layout.count_change();
        let mut cells = Vec::new();
        for bucket in layout.buckets {
            let places = chain(layout.cells, bucket);
            cells.extend(places.flat_map(|(_, place)| cells_of(layout.cells, place.index)));
            if Link::read(bucket) != Link::NONE {
                Link::NONE.write(bucket);
            }
        }
        self.state.entries = 0;
        self.state.labels = Labels::default();
        self.state.labels.mark(&layout);
        self.free(&layout, &cells);
    }

    /// Keeps the entries that `is_wanted` says so of. Returns whether others are gone.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(&Name<'_>) -> bool) -> bool {
        let before = self.len();
        let buckets = self.layout.map_or(&[][..], |layout| layout.buckets);
        let cells = self.layout.map_or(&[][..], |layout| layout.cells);
        for bucket in buckets {
            let places = chain(cells, bucket);
            let names =
                places.filter_map(|(_, place)| Some((place.head.kind(), place.body.name()?)));
            for (kind, text) in names.collect::<Vec<_>>() {
                if let Some(name) = Name::new(kind, &text)
                    && !is_wanted(&name)
                {
                    self.delete(&name);
                }
            }
        }
        self.len() != before
    }

    /// All entries, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let layout = self.layout;
        let buckets = layout.map_or(&[][..], |layout| layout.buckets);
        buckets.iter().flat_map(move |bucket| {
            // Nobody else writes.
            layout.and_then(|layout| read_chain(&layout, bucket).ok()).unwrap_or_default()
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.state.entries
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that they take: [`bytes_for`] each.
    pub fn bytes_used(&self) -> usize {
        self.state.room.used() * CELL
    }

    /// Bytes that they may take.
    pub fn bytes_total(&self) -> usize {
        self.map.bytes_total()
    }

    /// Publishes the figures, and that the entries are what `tag` says.
    pub fn publish(&mut self, tag: Tag) {
        let figures = [self.state.entries, self.state.room.used()].map(|figure| figure as u64);
        if let Some(layout) = self.layout {
            layout.published().write(Some(&figures), tag);
        }
    }

    /// The memory, if there is any, and what to look for in it.
    fn needle<'n>(&self, name: &Name<'n>) -> Option<(Layout<'a>, Needle<'n>)> {
        let layout = self.layout?;
        Some((layout, Needle::new(name.text(), layout.seed()?)))
    }

    /// Takes so many cells, for which there is room.
    fn take(&mut self, layout: &Layout<'_>, count: usize) -> Vec<usize> {
        let mut cells = Vec::with_capacity(count);
        while cells.len() < count {
            match self.state.room.take() {
                room::Place::Usable(cell) => cells.push(cell),
                room::Place::Fresh(cell) => {
                    layout.touch(cell + 1);
                    cells.push(cell);
                }
                room::Place::Waiting => {
                    layout.count_reuse();
                    self.state.room.reuse();
                }
                room::Place::Nowhere => {
                    cells.drain(..).for_each(|cell| self.state.room.free(cell));
                    break;
                }
            }
        }
        cells
    }

    /// Frees the cells of entries to which nothing leads any more.
    fn free(&mut self, layout: &Layout<'_>, cells: &[usize]) {
        if self.is_secret && !cells.is_empty() {
            layout.count_reuse();
            cells.iter().filter_map(|&cell| layout.cells.get(cell)).for_each(zero);
        }
        cells.iter().for_each(|&cell| self.state.room.free(cell));
    }
}
