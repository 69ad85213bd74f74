//! A large value in shared memory, read where it lies.

use crate::{
    cell::{Tag, TornRead},
    sync::{AtomicU64, Ordering, fence},
};

/// How often a reader begins again. Each time a writer has published while a reader looked up a few
/// words.
const TRIES: usize = 100;

/// Set in a buffer's length where there is a value.
const IS_SET: u64 = 1 << 63;

/// Words before the buffers: the generation, and a head for each buffer.
const HEADS: usize = 1 + 2 * HEAD;

/// Words of a head: the length, and the two of the tag.
const HEAD: usize = 3;

/// What was found in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordsReading<T> {
    /// What the reader has made of the words; `None` where there is no value.
    pub value: Option<T>,
    /// What was published with the value, or with its absence.
    pub tag: Tag,
    /// How often something had been published when it was read.
    pub generation: u64,
}

/// A large value in memory that processes share, of words, in a slice of any length: read where it
/// lies, and not copied.
///
/// It is published as a [`ValueCell`](crate::ValueCell) is: there are two buffers, and a writer
/// fills the one that is not current. Words of zeroes hold no value.
#[derive(Clone, Copy, Debug)]
pub struct SharedWords<'a> {
    words: &'a [AtomicU64],
}

impl<'a> SharedWords<'a> {
    /// The value in these words; see [`write`](Self::write) for how it gets there.
    pub fn new(words: &'a [AtomicU64]) -> Self {
        Self { words }
    }

    /// How many words it takes to hold values of so many words.
    pub const fn words_for(capacity: usize) -> usize {
        HEADS + 2 * capacity
    }

    /// The longest value, in words.
    pub fn capacity(&self) -> usize {
        self.words.len().saturating_sub(HEADS) / 2
    }

    /// How often something was published: a reader of that generation need not read again.
    pub fn generation(&self) -> u64 {
        self.words.first().map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Has `read` look at the value's words. They may be any while `read` looks, for which reason
    /// it may be called again, and only the result of a look at a whole value is returned: `read`
    /// must come to an end with any words.
    ///
    /// # Errors
    ///
    /// Where values were published faster than they can be read, a hundred times in a row.
    pub fn read<T>(
        &self,
        mut read: impl FnMut(&[AtomicU64]) -> T,
    ) -> Result<WordsReading<T>, TornRead> {
        for _ in 0..TRIES {
            let generation = self.generation();
            let Some((head, words)) = self.buffer(generation) else {
                return Ok(WordsReading { value: None, tag: Tag::default(), generation });
            };
            let [length, source, revision] =
                head.each_ref().map(|word| word.load(Ordering::Relaxed));
            let value = (length & IS_SET != 0).then(|| {
                let length =
                    usize::try_from(length & !IS_SET).unwrap_or(usize::MAX).min(words.len());
                read(&words[..length])
            });
            // As in a cell: whatever of this was written for a later generation, that generation's
            // predecessor shows here.
            fence(Ordering::Acquire);
            if self.words.first().is_none_or(|word| word.load(Ordering::Relaxed) == generation) {
                return Ok(WordsReading { value, tag: Tag { source, revision }, generation });
            }
        }
        Err(TornRead)
    }

    /// Publishes a value, or that there is none. What is longer than [`capacity`](Self::capacity)
    /// is cut.
    ///
    /// Nobody else may write at the same time.
    pub fn write(&self, value: Option<&[u64]>, tag: Tag) {
        let Some(current) = self.words.first() else { return };
        let next = current.load(Ordering::Acquire).wrapping_add(1);
        let Some(([length, source, revision], words)) = self.buffer(next) else { return };
        // A reader that sees one of the words below sees that the buffer was not the current one
        // any more.
        fence(Ordering::Release);
        source.store(tag.source, Ordering::Relaxed);
        revision.store(tag.revision, Ordering::Relaxed);
        match value {
            Some(value) => {
                let value = &value[..value.len().min(words.len())];
                length.store(IS_SET | value.len() as u64, Ordering::Relaxed);
                for (word, value) in words.iter().zip(value) {
                    word.store(*value, Ordering::Relaxed);
                }
            }
            None => length.store(0, Ordering::Relaxed),
        }
        current.store(next, Ordering::Release);
    }

    /// The head and the words of a generation's buffer; `None` where there is no room for any.
    fn buffer(&self, generation: u64) -> Option<(&'a [AtomicU64; HEAD], &'a [AtomicU64])> {
        let odd = usize::from(!generation.is_multiple_of(2));
        let head = self.words.get(1 + odd * HEAD..)?.first_chunk()?;
        let capacity = self.capacity();
        let start = HEADS + odd * capacity;
        Some((head, self.words.get(start..start + capacity)?))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::{HEADS, SharedWords, WordsReading};
    use crate::Tag;

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    fn copy(words: &[AtomicU64]) -> Vec<u64> {
        words.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let words = words(HEADS + 9);
        let shared = SharedWords::new(&words);
        assert_eq!(shared.capacity(), 4);
        assert_eq!(
            shared.read(copy),
            Ok(WordsReading { value: None, tag: Tag::default(), generation: 0 })
        );
        for (revision, value) in [&[][..], &[1], &[1, 2, 3, 4], &[5]].into_iter().enumerate() {
            let tag = Tag { source: 9, revision: revision as u64 };
            shared.write(Some(value), tag);
            let generation = revision as u64 + 1;
            assert_eq!(
                shared.read(copy),
                Ok(WordsReading { value: Some(value.to_vec()), tag, generation })
            );
        }
        shared.write(Some(&[7; 9]), Tag::default());
        assert_eq!(shared.read(copy).expect("whole").value, Some(vec![7; 4]));
        shared.write(None, Tag::default());
        assert_eq!(shared.read(copy).expect("whole").value, None);
    }

    #[test]
    fn too_little_memory_is_no_value() {
        for count in 0..=HEADS {
            let words = words(count);
            let shared = SharedWords::new(&words);
            shared.write(Some(&[1]), Tag::default());
            assert_eq!(shared.capacity(), 0);
            assert!(
                shared
                    .read(copy)
                    .is_ok_and(|found| found.value.is_none_or(|value| value.is_empty()))
            );
        }
    }

    #[test]
    fn a_reader_sees_whole_values_only() {
        let words = Arc::new(words(HEADS + 2 * 64));
        let writing = Arc::clone(&words);
        let writer = std::thread::spawn(move || {
            let shared = SharedWords::new(&writing);
            for revision in 1..=20_000 {
                shared.write(Some(&[revision; 64]), Tag { source: revision, revision });
            }
        });
        let shared = SharedWords::new(&words);
        while !writer.is_finished() {
            let Ok(found) = shared.read(copy) else { continue };
            if let Some(value) = found.value {
                assert_eq!(value, [found.tag.revision; 64]);
            }
        }
        writer.join().expect("the writer");
    }
}
