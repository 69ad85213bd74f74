//! The map as its readers have it.

use live_value::{Tag, TornRead};

use crate::{
    name::{Kind, Name},
    sync::AtomicU64,
};

/// An entry as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is the value of.
    pub kind: Kind,
    /// The text of its name, in lower case.
    pub text: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// A map in words that processes share.
#[derive(Clone, Copy, Debug)]
pub struct SharedMap<'a> {
    words: &'a [AtomicU64],
}

/// A value where it lies. While it is looked at it may become any.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    words: &'a [AtomicU64],
}

impl Found<'_> {
    /// How many bytes it has: at most [`MAX_VALUE`](crate::MAX_VALUE), whatever is read.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "to make room for it")]
    pub fn len(&self) -> usize {
        todo!("{}", self.words.len())
    }

    /// Copies it to the beginning of `into`; what is longer is cut.
    pub fn copy_to(&self, _into: &mut [u8]) {
        todo!()
    }
}

impl<'a> SharedMap<'a> {
    /// The map in these words; see [`MapWriter`](crate::MapWriter) for how entries get there.
    /// Zeroes are an empty map.
    pub fn new(words: &'a [AtomicU64]) -> Self {
        Self { words }
    }

    /// How often something was published; 0: nothing was ever.
    pub fn generation(&self) -> u64 {
        todo!("{}", self.words.len())
    }

    /// What was published last.
    pub fn tag(&self) -> Tag {
        todo!()
    }

    /// How many entries there were when something was published last.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether there was no entry when something was published last.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the entries took when something was published last.
    pub fn bytes_used(&self) -> usize {
        todo!()
    }

    /// Bytes that entries can take.
    pub fn bytes_total(&self) -> usize {
        todo!()
    }

    /// Looks an entry up by its own name. `copy` may be called again: only its last result counts.
    ///
    /// # Errors
    ///
    /// Where memory was reused faster than it can be read, a hundred times in a row.
    pub fn get<T>(
        &self,
        _name: &Name<'_>,
        _copy: impl FnMut(Found<'_>) -> T,
    ) -> Result<Option<T>, TornRead> {
        todo!()
    }

    /// Looks up the entry for a host, as nginx's `map` with `hostnames` does. `copy` may be called
    /// again: only its last result counts.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_host<T>(
        &self,
        _host: &[u8],
        _copy: impl FnMut(Found<'_>) -> T,
    ) -> Result<Option<T>, TornRead> {
        todo!()
    }

    /// All entries, each as it was at some moment while this looked.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn entries(&self) -> Result<Vec<Entry>, TornRead> {
        todo!()
    }
}
