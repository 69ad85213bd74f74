//! What processes share of a live variable's keys.

use core::{ops::Range, sync::atomic::AtomicU64};

use live_map::SharedMap;
use live_value::{SharedWords, Tag, TornRead, WordsReading};
use saved_state::SavedEntry;

use super::key_state::KeyState;

/// What lies in shared memory of a key, or of those below a prefix: the last good values, as the
/// kind of variable has them there, and what is known of the keys. Each process has one of its own,
/// which says where that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveMemory {
    pub(crate) state: &'static KeyState,
    words: &'static [AtomicU64],
    values: Values,
}

/// How the values lie there.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// As one, which is written as a whole.
    Whole(SharedWords<'static>),
    /// As those of a table, of which each entry is written by itself.
    Table(SharedMap<'static>),
}

impl LiveMemory {
    /// What lies there: one value, or a table.
    pub(super) fn new(
        state: &'static KeyState,
        words: &'static [AtomicU64],
        is_table: bool,
    ) -> Self {
        let values = if is_table {
            Values::Table(SharedMap::new(words))
        } else {
            Values::Whole(SharedWords::new(words))
        };
        Self { state, words, values }
    }

    fn whole(&self) -> SharedWords<'static> {
        match self.values {
            Values::Whole(words) => words,
            // It is no value.
            Values::Table(_) => SharedWords::new(&[]),
        }
    }

    /// The entries of a table.
    pub(super) fn table(&self) -> Option<&SharedMap<'static>> {
        match &self.values {
            Values::Whole(_) => None,
            Values::Table(table) => Some(table),
        }
    }

    /// How often the entries of a table were published.
    pub(crate) fn generation(&self) -> u64 {
        self.table().map_or(0, SharedMap::generation)
    }

    /// Bytes that the entries of a table take.
    pub(crate) fn bytes_used(&self) -> usize {
        self.table().map_or(0, SharedMap::bytes_used)
    }

    /// Over how many chains the entries of a table are spread.
    pub(crate) fn chains(&self) -> usize {
        self.table().map_or(0, SharedMap::chains)
    }

    /// The keys of these chains of a table, with their values, in no order.
    ///
    /// # Errors
    ///
    /// Where somebody writes to them all the time.
    pub(crate) fn entries_of(&self, chains: Range<usize>) -> Result<Vec<SavedEntry>, TornRead> {
        let Some(table) = self.table() else { return Ok(Vec::new()) };
        let entries = table.entries_of(chains)?.into_iter();
        Ok(entries.filter_map(|entry| Some((entry.name()?.to_key(), entry.value))).collect())
    }

    /// All words of a table, for the one who writes it.
    pub(super) fn words(&self) -> &'static [AtomicU64] {
        self.words
    }

    /// Whether it was ever written, also that there is nothing: etcd has been read by then.
    pub(crate) fn is_written(&self) -> bool {
        match &self.values {
            Values::Whole(words) => words.generation() != 0,
            Values::Table(table) => table.generation() != 0,
        }
    }

    /// Whether values of the configuration outlive a wiped etcd: without any it is not known where
    /// what was never read came from.
    pub(crate) fn holds_initial(&self) -> bool {
        !self.is_written() && self.state.origin().is_some()
    }

    /// Words that the values have at most, where they are one.
    pub(super) fn room(&self) -> usize {
        self.whole().capacity()
    }

    /// What the values were published with; `None` before that, and where they could not be read.
    pub(super) fn tag(&self) -> Option<Tag> {
        if !self.is_written() {
            return None;
        }
        match &self.values {
            Values::Whole(words) => words.read(|_| ()).ok().map(|found| found.tag),
            Values::Table(table) => Some(table.tag()),
        }
    }

    /// The revision of the last change; `None` before the first.
    pub(crate) fn revision(&self) -> Option<u64> {
        self.tag().map(|tag| tag.revision).filter(|&revision| revision != 0)
    }

    /// Has `read` look at the values, where they lie. See [`SharedWords::read`].
    ///
    /// # Errors
    ///
    /// Where too much was written meanwhile.
    pub(super) fn read<T>(
        &self,
        read: impl FnMut(&[AtomicU64]) -> T,
    ) -> Result<WordsReading<T>, TornRead> {
        self.whole().read(read)
    }

    /// Writes the last good values, or that there are none. The source of the tag is the id of the
    /// cluster that they come from.
    pub(super) fn write(&self, values: Option<&[u64]>, tag: Tag) {
        self.whole().write(values, tag);
    }
}
