//! Which lines were written about keys and host names, known again by the next watcher.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use live_value::Tag;

use crate::zones::{LoggedLines, MAX_LOGGED_LINES, report::Rejection};

/// Which lines were written, in shared memory.
pub(super) struct LogMemory {
    logged_lines: &'static LoggedLines,
    /// What a predecessor has said, until it is found to be so still.
    of_predecessor: HashSet<u64>,
    /// What shared memory has, sorted.
    written: Vec<u64>,
}

impl LogMemory {
    /// Goes on from what is remembered.
    pub(super) fn of(logged_lines: &'static LoggedLines) -> Self {
        let mut bytes = vec![0; LoggedLines::CAPACITY];
        let length = logged_lines
            .read(&mut bytes)
            .ok()
            .and_then(|reading| reading.length)
            .unwrap_or_default();
        let words = bytes[..length].as_chunks().0;
        let written: Vec<u64> = words.iter().map(|&word| u64::from_ne_bytes(word)).collect();
        Self { logged_lines, of_predecessor: written.iter().copied().collect(), written }
    }

    /// Whether a predecessor has written this line already; the next one about it is written.
    pub(super) fn take_logged(&mut self, what: u64) -> bool {
        self.of_predecessor.remove(&what)
    }

    /// Nothing that comes from now on is what a predecessor has said. Says whether there was
    /// anything.
    pub(super) fn forget_predecessor(&mut self) -> bool {
        !std::mem::take(&mut self.of_predecessor).is_empty()
    }

    /// These lines were written, and still hold. What a predecessor has written, and nobody has
    /// found to be so since, is remembered beside them.
    pub(super) fn remember(&mut self, lines: impl Iterator<Item = u64>) {
        let mut words: Vec<u64> =
            lines.chain(self.of_predecessor.iter().copied()).take(MAX_LOGGED_LINES).collect();
        words.sort_unstable();
        words.dedup();
        if words != self.written {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            self.logged_lines.write(Some(&bytes), Tag::default());
            self.written = words;
        }
    }
}

/// By which a rejection is known again, also in another process of the same nginx.
pub(super) fn of_rejection(rejection: &Rejection) -> u64 {
    hash(rejection)
}

/// By which it is known again that a host name cannot be resolved.
pub(super) fn of_name(name: &str) -> u64 {
    hash(("name", name))
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
