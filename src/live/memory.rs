//! What processes share of a live variable's keys.

use core::sync::atomic::AtomicU64;

use live_value::{SharedWords, Tag, TornRead, WordsReading};

use super::{content::Content, key_state::KeyState};

/// What lies in shared memory of a key, or of those below a prefix: the last good values, as the
/// kind of variable encodes them, and what is known of the keys. Each process has one of its own,
/// which says where that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveMemory {
    pub(crate) state: &'static KeyState,
    words: SharedWords<'static>,
}

impl LiveMemory {
    /// What lies there.
    pub(super) fn new(state: &'static KeyState, words: &'static [AtomicU64]) -> Self {
        Self { state, words: SharedWords::new(words) }
    }

    /// Whether it was ever written, also that there is nothing: etcd has been read by then.
    pub(crate) fn is_written(&self) -> bool {
        self.words.generation() != 0
    }

    /// Whether values of the configuration outlive a wiped etcd: without any it is not known where
    /// what was never read came from.
    pub(crate) fn holds_initial(&self) -> bool {
        !self.is_written() && self.state.origin().is_some()
    }

    /// Words that the values have at most.
    pub(crate) fn room(&self) -> usize {
        self.words.capacity()
    }

    /// The revision of the last change; `None` before the first.
    pub(crate) fn revision(&self) -> Option<u64> {
        let tag = self.words.read(|_| ()).ok()?.tag;
        Some(tag.revision).filter(|&revision| revision != 0)
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
        self.words.read(read)
    }

    /// The last good values; `empty` where there are none.
    pub(crate) fn restore(&self, empty: Box<dyn Content>) -> Box<dyn Content> {
        let found = self.read(|words| empty.restore(words));
        found.ok().and_then(|found| found.value).unwrap_or(empty)
    }

    /// Writes the last good values, or that there are none. The source of the tag is the id of the
    /// cluster that they come from.
    pub(crate) fn write(&self, content: &dyn Content, tag: Tag) {
        self.words.write(content.encode().as_deref(), tag);
    }

    /// Goes on with what lies in memory of another size.
    pub(super) fn go_on(&self, old: &Self, empty: Box<dyn Content>) {
        // Before the values: values that are newer than what is known of them are compared with
        // etcd once more, older ones would pass for etcd's last word.
        self.state.go_on(old.state);
        let Ok(WordsReading { tag, generation, .. }) = old.read(|_| ()) else { return };
        // What is written is what etcd has said.
        if generation != 0 {
            self.write(&*old.restore(empty), tag);
        }
    }
}
