//! The ring in shared memory.

use crate::{
    change::{Change, Record},
    encoding,
    sync::{AtomicU64, Ordering, fence},
};

/// The words before the slots: the number of the last change, and none of use.
const HEADER: usize = 16;

/// The words of a slot before the bytes of the change: which one it is, its time, its revision, and
/// how many keys were omitted.
const SLOT_HEADER: usize = 4;

/// The history of an upstream, in 32 kB: the last 50 changes, of 608 bytes each at most.
pub type History<'a> = Ring<'a, 51, 80>;

/// A ring of so many slots of so many words, one slot more than changes that can be read.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'a, const SLOTS: usize, const SLOT_WORDS: usize> {
    last: &'a AtomicU64,
    slots: &'a [AtomicU64],
}

impl<'a, const SLOTS: usize, const SLOT_WORDS: usize> Ring<'a, SLOTS, SLOT_WORDS> {
    /// The words that a ring takes.
    pub const WORDS: usize = HEADER + SLOTS * SLOT_WORDS;

    /// As many changes can be read.
    pub const CAPACITY: usize = SLOTS - 1;

    /// The ring in these words; `None` if they are fewer than [`WORDS`](Self::WORDS).
    #[must_use]
    pub fn new(words: &'a [AtomicU64]) -> Option<Self> {
        let (header, slots) = words.get(..Self::WORDS)?.split_at(HEADER);
        Some(Self { last: header.first()?, slots })
    }

    /// The number of changes that were ever written: the number of the last one.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Writes a change, and returns its number. Only one process writes at a time.
    pub fn write(&self, change: &Change<'_>) -> u64 {
        let mut number = self.total() + 1;
        if self.slot(number)[0].load(Ordering::Acquire) == whole(number) {
            // A writer was killed before it said that this change is there.
            self.last.store(number, Ordering::Release);
            number += 1;
        }
        let room = (SLOT_WORDS - SLOT_HEADER) * size_of::<u64>();
        let (bytes, omitted) = encoding::encode(change, room);
        let [sequence, time, revision, left_out, texts @ ..] = self.slot(number) else {
            return number;
        };
        sequence.store(whole(number) - 1, Ordering::Relaxed);
        // Whoever reads one of the words below finds in the word above that they are not whole.
        fence(Ordering::Release);
        time.store(change.time, Ordering::Relaxed);
        revision.store(change.revision, Ordering::Relaxed);
        left_out.store(omitted, Ordering::Relaxed);
        for (word, bytes) in texts.iter().zip(bytes.chunks(size_of::<u64>())) {
            let mut value = [0; size_of::<u64>()];
            value[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(value), Ordering::Relaxed);
        }
        sequence.store(whole(number), Ordering::Release);
        self.last.store(number, Ordering::Release);
        number
    }

    /// The change of this number; `None` if it is not there, or not any more.
    #[must_use]
    pub fn read(&self, number: u64) -> Option<Record> {
        let [sequence, time, revision, omitted, texts @ ..] = self.slot(number) else {
            return None;
        };
        if number == 0 || sequence.load(Ordering::Acquire) != whole(number) {
            return None;
        }
        let (time, revision) = (time.load(Ordering::Relaxed), revision.load(Ordering::Relaxed));
        let omitted = omitted.load(Ordering::Relaxed);
        let head = texts.first()?.load(Ordering::Relaxed);
        let length = encoding::length(head).min(texts.len() * size_of::<u64>());
        let mut bytes = head.to_le_bytes().to_vec();
        for word in &texts[1..length.div_ceil(size_of::<u64>())] {
            bytes.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        // If another change has been begun here meanwhile, the word says so now.
        fence(Ordering::Acquire);
        if sequence.load(Ordering::Relaxed) != whole(number) {
            return None;
        }
        encoding::decode(&bytes, number, time, revision, omitted)
    }

    /// The last changes, the newest first. Each is read when it is taken; those that have been
    /// written over by then are not among them.
    pub fn newest(&self) -> impl Iterator<Item = Record> + use<'a, SLOTS, SLOT_WORDS> {
        let (ring, total) = (*self, self.total());
        let first = total.saturating_sub(Self::CAPACITY as u64) + 1;
        (first..=total).rev().filter_map(move |number| ring.read(number))
    }

    fn slot(&self, number: u64) -> &'a [AtomicU64] {
        let place = (number % SLOTS as u64) as usize * SLOT_WORDS;
        &self.slots[place..place + SLOT_WORDS]
    }
}

/// What the first word of a slot is when all of this change is there. While it is being written,
/// that word is one less.
fn whole(number: u64) -> u64 {
    number.wrapping_mul(2)
}
