//! Words that several things name by their indexes, and that come to say something else once
//! nothing names them.

use super::sync::{AtomicU8, AtomicU64, Ordering};

/// How often an index is read again that has changed meanwhile: the publisher changes it at most
/// once in each publication.
const ATTEMPTS: u32 = 4;

/// Which of some words something names: its index, counted from 1; 0: none.
#[derive(Debug)]
#[repr(transparent)]
pub struct WordIndex(AtomicU8);

/// A word that something may name; 0 while it is free. It does not change while anything names it.
#[derive(Debug)]
#[repr(transparent)]
pub struct NamedWord(AtomicU64);

impl NamedWord {
    /// A word of this value.
    #[cfg(loom)]
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Its value, for the publisher.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// It says this from now on. For the publisher, while nothing names it.
    pub fn set(&self, value: u64) {
        // Release: who sees it sees that what has named the word before names it no more.
        self.0.store(value, Ordering::Release);
    }
}

impl WordIndex {
    /// One that names the word of this index.
    pub fn new(index: u8) -> Self {
        Self(AtomicU8::new(index))
    }

    /// The index, for the publisher.
    pub fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// It names the word of this index from now on. For the publisher.
    pub fn set(&self, index: u8) {
        // Most stay as they are, and readers have the line.
        if self.get() != index {
            // Release: the word is there for who finds it named.
            self.0.store(index, Ordering::Release);
        }
    }

    /// The word that is named; `None` if none is.
    ///
    /// What a word says counts only if it is named after it was read as well: meanwhile it may have
    /// been free, and somebody else's.
    pub fn read(&self, words: &[NamedWord]) -> Option<u64> {
        for _ in 0..ATTEMPTS {
            let index = self.0.load(Ordering::Acquire);
            let word = words.get(usize::from(index).checked_sub(1)?)?.0.load(Ordering::Acquire);
            if self.get() == index {
                return Some(word);
            }
        }
        None
    }
}
