//! A small value in shared memory, copied by its readers.

use crate::sync::{AtomicU64, Ordering, fence};

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// How often a reader begins again. Each time a writer has published while some thousand bytes were
/// copied; nobody writes that fast for that long.
const TRIES: usize = 1_000;

/// Set in a buffer's length where there is a value.
const IS_SET: u64 = 1 << 63;

/// Two numbers that are published with a value. They mean what the writer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// What the value is from, such as the id of an etcd cluster; 0: nothing yet.
    pub source: u64,
    /// The etcd revision that the value, or its absence, was seen at; 0: none yet.
    pub revision: u64,
}

/// A value as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its bytes, of those that were read into; `None` where there is no value.
    pub length: Option<usize>,
    /// What was published with the value, or with its absence.
    pub tag: Tag,
    /// How often something had been published when it was read.
    pub generation: u64,
}

/// Nothing could be read, since too much was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornRead;

/// A value of at most `WORDS` words of eight bytes.
#[derive(Debug)]
#[repr(C)]
pub struct ValueCell<const WORDS: usize> {
    /// How often a value was published; its lowest bit says in which buffer the last one is.
    generation: AtomicU64,
    buffers: [Buffer<WORDS>; 2],
}

#[derive(Debug)]
#[repr(C)]
struct Buffer<const WORDS: usize> {
    length: AtomicU64,
    source: AtomicU64,
    revision: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Default for ValueCell<WORDS> {
    fn default() -> Self {
        let buffer = || Buffer {
            length: AtomicU64::new(0),
            source: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self { generation: AtomicU64::new(0), buffers: [buffer(), buffer()] }
    }
}

impl<const WORDS: usize> ValueCell<WORDS> {
    /// The longest value, in bytes.
    pub const CAPACITY: usize = WORDS * WORD;

    /// Reads the value into the beginning of `into`, which must hold [`CAPACITY`](Self::CAPACITY)
    /// bytes: what is longer is cut.
    ///
    /// # Errors
    ///
    /// Where values were published faster than they can be read, a thousand times in a row.
    pub fn read(&self, into: &mut [u8]) -> Result<Reading, TornRead> {
        for _ in 0..TRIES {
            let generation = self.generation.load(Ordering::Acquire);
            let (length, tag) = self.buffer(generation).read(into);
            // What was read of a buffer that is being filled for a later generation is read after
            // that writer's fence, and so is the number of the generation between.
            fence(Ordering::Acquire);
            if self.generation.load(Ordering::Relaxed) == generation {
                return Ok(Reading { length, tag, generation });
            }
        }
        Err(TornRead)
    }

    /// How often something was published: a reader of that generation need not read again.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Publishes a value, or that there is none. What is longer than [`CAPACITY`](Self::CAPACITY)
    /// is cut.
    ///
    /// Nobody else may write at the same time.
    pub fn write(&self, value: Option<&[u8]>, tag: Tag) {
        // Ordered after what the last writer published, who may have been another process.
        let next = self.generation.load(Ordering::Acquire).wrapping_add(1);
        // A reader that sees one of the words below sees that the buffer was not the current one
        // any more.
        fence(Ordering::Release);
        self.buffer(next).write(value, tag);
        self.generation.store(next, Ordering::Release);
    }

    fn buffer(&self, generation: u64) -> &Buffer<WORDS> {
        let [even, odd] = &self.buffers;
        if generation.is_multiple_of(2) { even } else { odd }
    }
}

impl<const WORDS: usize> Buffer<WORDS> {
    fn read(&self, into: &mut [u8]) -> (Option<usize>, Tag) {
        let length = self.length.load(Ordering::Relaxed);
        let tag = Tag {
            source: self.source.load(Ordering::Relaxed),
            revision: self.revision.load(Ordering::Relaxed),
        };
        if length & IS_SET == 0 {
            return (None, tag);
        }
        // While it is being filled the length may be any.
        let length = usize::try_from(length & !IS_SET)
            .unwrap_or(usize::MAX)
            .min(WORDS * WORD)
            .min(into.len());
        let into = &mut into[..length];
        for (bytes, word) in into.chunks_mut(WORD).zip(&self.words) {
            let word = word.load(Ordering::Relaxed).to_ne_bytes();
            bytes.copy_from_slice(&word[..bytes.len()]);
        }
        (Some(length), tag)
    }

    fn write(&self, value: Option<&[u8]>, tag: Tag) {
        self.source.store(tag.source, Ordering::Relaxed);
        self.revision.store(tag.revision, Ordering::Relaxed);
        let Some(value) = value else {
            self.length.store(0, Ordering::Relaxed);
            return;
        };
        let value = &value[..value.len().min(WORDS * WORD)];
        self.length.store(IS_SET | value.len() as u64, Ordering::Relaxed);
        for (bytes, word) in value.chunks(WORD).zip(&self.words) {
            let mut whole = [0; WORD];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Reading, Tag, ValueCell};

    type Small = ValueCell<4>;

    fn read(cell: &Small) -> (Option<Vec<u8>>, Tag) {
        let mut into = [0; Small::CAPACITY];
        let Reading { length, tag, .. } = cell.read(&mut into).expect("a reading");
        (length.map(|length| into[..length].to_vec()), tag)
    }

    #[test]
    fn zeroes_are_no_value() {
        assert_eq!(read(&Small::default()), (None, Tag::default()));
    }

    #[test]
    fn a_publication_counts_up() {
        let cell = Small::default();
        for generation in 0..3 {
            assert_eq!(cell.generation(), generation);
            assert_eq!(cell.read(&mut []).expect("a reading").generation, generation);
            cell.write(None, Tag::default());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let cell = Small::default();
        for (revision, value) in
            [&b""[..], b"a", b"12345678", b"123456789", &[7; 32]].into_iter().enumerate()
        {
            let tag = Tag { source: 9, revision: revision as u64 };
            cell.write(Some(value), tag);
            assert_eq!(read(&cell), (Some(value.to_vec()), tag));
        }
        cell.write(None, Tag { source: 9, revision: 10 });
        assert_eq!(read(&cell), (None, Tag { source: 9, revision: 10 }));
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let cell = Small::default();
        cell.write(Some(&[1; 40]), Tag::default());
        assert_eq!(read(&cell).0, Some(vec![1; 32]));
        let mut short = [0; 3];
        assert_eq!(cell.read(&mut short).expect("a reading").length, Some(3));
    }
}
