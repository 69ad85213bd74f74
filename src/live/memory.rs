//! What processes share of a live variable's keys.

use core::sync::atomic::{AtomicU64, Ordering};

use live_value::{Origin, SharedWords, TornRead, WordsReading};

use super::{key_state::KeyState, kind::Content};

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

    /// Words that the values have at most.
    pub(crate) fn room(&self) -> usize {
        self.words.capacity()
    }

    /// The revision of the last change; `None` before the first.
    pub(crate) fn revision(&self) -> Option<u64> {
        let origin = self.words.read(|_| ()).ok()?.origin;
        Some(origin.revision).filter(|&revision| revision != 0)
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

    /// Goes on with the last good values.
    pub(crate) fn restore(&self, content: &mut dyn Content) {
        let copy = |words: &[AtomicU64]| -> Vec<AtomicU64> {
            words.iter().map(|word| AtomicU64::new(word.load(Ordering::Relaxed))).collect()
        };
        // Copied, since somebody may be writing.
        if let Some(words) = self.read(copy).ok().and_then(|found| found.value) {
            content.restore(&words);
        }
    }

    /// Writes the last good values, or that there are none.
    pub(crate) fn write(&self, content: &dyn Content, origin: Origin) {
        self.words.write(content.encode().as_deref(), origin);
    }

    /// Goes on with what lies in memory of another size.
    pub(super) fn go_on(&self, old: &Self, mut content: Box<dyn Content>) {
        // Before the values: values that are newer than what is known of them are compared with
        // etcd once more, older ones would pass for etcd's last word.
        self.state.go_on(old.state);
        let Ok(WordsReading { origin, generation, .. }) = old.read(|_| ()) else { return };
        // What is written is what etcd has said.
        if generation != 0 {
            old.restore(&mut *content);
            self.write(&*content, origin);
        }
    }
}
