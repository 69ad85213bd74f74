//! The one who writes the map.

use live_value::Tag;
use thiserror::Error;

use crate::{
    name::Name,
    shared::{Entry, SharedMap},
    sync::AtomicU64,
};

/// Bytes that a value has at most.
pub const MAX_VALUE: usize = 1 << 20;

/// There is no room for an entry.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no space for the value: {needed} bytes are needed, {left} are left")]
pub struct Full {
    /// The bytes that it takes.
    pub needed: usize,
    /// Those that are left.
    pub left: usize,
}

/// How many words of memory a map takes whose entries take so many bytes, as
/// [`MapWriter::bytes_used`] counts them.
#[must_use]
pub fn words_for(_bytes: usize) -> usize {
    todo!()
}

/// The writer of a map. That there is one at a time is for others to see to.
#[derive(Debug)]
pub struct MapWriter<'a> {
    map: SharedMap<'a>,
}

impl<'a> MapWriter<'a> {
    /// Goes on with what is there. Whatever the last writer was about when it ended, its entries
    /// are all whole, and all memory that they do not take is free. `is_secret`: memory that is
    /// freed is overwritten with zeroes.
    pub fn take_over(words: &'a [AtomicU64], is_secret: bool) -> Self {
        let _ = is_secret;
        Self { map: SharedMap::new(words) }
    }

    /// The map, for readers.
    pub fn map(&self) -> SharedMap<'a> {
        self.map
    }

    /// Sets an entry's value. Returns whether it had none, or another one.
    ///
    /// # Errors
    ///
    /// Where there is no room: what was there stays.
    pub fn put(&mut self, _name: &Name<'_>, _value: &[u8]) -> Result<bool, Full> {
        todo!()
    }

    /// Removes an entry. Returns whether there was one.
    pub fn delete(&mut self, _name: &Name<'_>) -> bool {
        todo!()
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        todo!()
    }

    /// All entries, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        std::iter::empty()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that they take.
    pub fn bytes_used(&self) -> usize {
        todo!()
    }

    /// Bytes that they may take.
    pub fn bytes_total(&self) -> usize {
        todo!()
    }

    /// Publishes the figures, and that this is what `tag` says.
    pub fn publish(&mut self, _tag: Tag) {
        todo!()
    }
}
