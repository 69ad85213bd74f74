//! Where things lie in the memory of a map.
//!
//! ```text
//! header    24 words: see the constants; the last ones are what SharedWords publishes
//! cells     as many as there is room for, of 8 words each
//! buckets   a word for each cell: a link to the first entry of a chain
//! ```

use live_value::SharedWords;

use crate::{
    bits::MAX_CELLS,
    entry::{CELL_WORDS, Cell},
    hash::Seed,
    sync::{AtomicU64, Ordering, fence},
};

/// Words before the cells: so many that cells begin where lines of the cache begin, if the memory
/// does.
const HEADER: usize = 24;

/// Says that it is a map, and of which layout.
const MAGIC: usize = 0;

/// By which names are hashed.
const SEED: usize = 1;

/// Counted up before memory is written that readers may be looking at.
const REUSED: usize = 2;

/// Counted up before an entry comes or goes.
const CHANGED: usize = 3;

/// Numbers of labels that masks have, as `labels.rs` marks them.
const HEADS: usize = 4;
const TAILS: usize = 5;

/// Cells from this one on were never written.
const TOUCHED: usize = 6;

/// What is published begins here: the number of entries, and that of their cells.
const PUBLISHED: usize = 8;
const FIGURES: usize = 2;
const PUBLISHED_END: usize = PUBLISHED + SharedWords::words_for(FIGURES);

const _: () = assert!(PUBLISHED_END <= HEADER);

/// What memory of this layout begins with.
const LAYOUT: u64 = u64::from_be_bytes(*b"livemap1");

/// What memory begins with whose map is being made. That which nobody has written begins with 0.
const IN_THE_MAKING: u64 = 1;

/// Words of memory for so many cells.
pub(crate) const fn words_for(cells: usize) -> usize {
    // The bucket is one.
    HEADER + cells * (CELL_WORDS + 1)
}

/// The parts of the memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout<'a> {
    header: &'a [AtomicU64; HEADER],
    pub(crate) cells: &'a [Cell],
    pub(crate) buckets: &'a [AtomicU64],
}

impl<'a> Layout<'a> {
    /// The parts of these words; `None` where there is no room for an entry.
    #[inline(always)]
    pub(crate) fn new(words: &'a [AtomicU64]) -> Option<Self> {
        let (header, rest) = words.split_first_chunk()?;
        let count = (rest.len() / (CELL_WORDS + 1)).min(MAX_CELLS);
        let (cells, rest) = rest.split_at_checked(count * CELL_WORDS)?;
        let (cells, buckets) = (cells.as_chunks().0, rest.get(..count)?);
        (count > 0).then_some(Self { header, cells, buckets })
    }

    /// By which names are hashed; `None` where nobody has made a map here.
    #[inline(always)]
    pub(crate) fn seed(&self) -> Option<Seed> {
        let is_made = self.header[MAGIC].load(Ordering::Acquire) == LAYOUT;
        is_made.then(|| Seed(self.header[SEED].load(Ordering::Relaxed)))
    }

    /// Makes an empty map.
    pub(crate) fn make(&self, seed: Seed) {
        // What nobody has written is zeroes already, and takes memory only once it is touched.
        if self.header[MAGIC].load(Ordering::Relaxed) != 0 {
            self.header[MAGIC].store(IN_THE_MAKING, Ordering::Relaxed);
            self.count_reuse();
            let words = self.header.iter().enumerate();
            let others = words.filter(|&(at, _)| at != MAGIC && at != REUSED).map(|(_, word)| word);
            others.chain(self.buckets).for_each(|word| word.store(0, Ordering::Relaxed));
        }
        self.header[SEED].store(seed.0, Ordering::Relaxed);
        self.header[MAGIC].store(LAYOUT, Ordering::Release);
    }

    /// The bucket of a hash: its upper bits say which.
    #[inline(always)]
    pub(crate) fn bucket(&self, hash: u64) -> Option<&'a AtomicU64> {
        let scaled = u128::from(hash) * self.buckets.len() as u128;
        self.buckets.get((scaled >> 64) as usize)
    }

    /// How often memory was reused before what is read from now on.
    #[inline(always)]
    pub(crate) fn reused(&self) -> u64 {
        self.header[REUSED].load(Ordering::Acquire)
    }

    /// How often entries have come and gone before what is read from now on.
    #[inline(always)]
    pub(crate) fn changed(&self) -> u64 {
        self.header[CHANGED].load(Ordering::Acquire)
    }

    /// Whether no memory was reused while something was read.
    #[inline(always)]
    pub(crate) fn is_whole(&self, reused: u64) -> bool {
        // Whatever was read of reused memory was read after its writer's fence, and so is this.
        fence(Ordering::Acquire);
        self.header[REUSED].load(Ordering::Relaxed) == reused
    }

    /// Whether no entry has come or gone, either, as [`is_whole`](Self::is_whole), behind it.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, changed: u64) -> bool {
        self.header[CHANGED].load(Ordering::Relaxed) == changed
    }

    /// From now on memory may be written that no entry of the map takes any more.
    pub(crate) fn count_reuse(&self) {
        count_up(&self.header[REUSED]);
    }

    /// An entry is about to come or go.
    pub(crate) fn count_change(&self) {
        count_up(&self.header[CHANGED]);
    }

    /// Where it is marked which numbers of labels there are in names of `*.example.com` and
    /// `.example.com`.
    #[inline(always)]
    pub(crate) fn heads(&self) -> &'a AtomicU64 {
        &self.header[HEADS]
    }

    /// The same of names of `www.example.*`.
    #[inline(always)]
    pub(crate) fn tails(&self) -> &'a AtomicU64 {
        &self.header[TAILS]
    }

    /// How many cells were ever written: all others are behind them.
    pub(crate) fn touched(&self) -> usize {
        let touched = self.header[TOUCHED].load(Ordering::Relaxed);
        usize::try_from(touched).unwrap_or(usize::MAX).min(self.cells.len())
    }

    /// Notes that so many cells are about to have been written.
    pub(crate) fn touch(&self, cells: usize) {
        self.header[TOUCHED].store(cells as u64, Ordering::Relaxed);
        // For a successor, who must not take a cell for one that was never written.
        fence(Ordering::Release);
    }

    /// What is published.
    pub(crate) fn published(&self) -> SharedWords<'a> {
        SharedWords::new(&self.header[PUBLISHED..PUBLISHED_END])
    }
}

/// Counts up so that who sees what is written later sees this, and who sees this sees what was
/// written before.
fn count_up(count: &AtomicU64) {
    let next = count.load(Ordering::Relaxed).wrapping_add(1);
    count.store(next, Ordering::Release);
    fence(Ordering::Release);
}
