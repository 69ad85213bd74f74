//! How an entry lies in its cells.
//!
//! ```text
//! first cell    link to the next entry of the chain | head | words of the name, then of the value
//! other cells   the next cell's number | words
//! ```
//!
//! A link has the number of the cell where an entry begins, from 1, and above it the lower bits of
//! the hash of that entry's name: others are passed by without a look at their names. A head has
//! the number of the entry's second cell, its kind, and the lengths of its name and its value.

use crate::{
    name::{Kind, MAX_NAME},
    sync::{AtomicU64, Ordering},
    text::{Text, WORD, lower, word_count},
};

/// Bytes that a value has at most.
pub const MAX_VALUE: usize = 1 << 20;

/// Words of a cell: a line of the cache has as many, and a name of 24 bytes with a value of as many
/// takes one.
pub(crate) const CELL_WORDS: usize = 8;

/// What memory is given out by.
pub(crate) type Cell = [AtomicU64; CELL_WORDS];

/// Bytes of a cell.
pub(crate) const CELL: usize = CELL_WORDS * WORD;

/// Words of the first cell that are not of the name or the value.
const FIRST: usize = 2;

/// Those of the other ones.
const OTHER: usize = 1;

/// Bits of a cell's number.
const NUMBER_BITS: u32 = 27;

const NUMBER: u64 = (1 << NUMBER_BITS) - 1;

/// As many cells have numbers: 8 GB.
pub(crate) const MAX_CELLS: usize = NUMBER as usize;

/// Bits of a kind, and of the length of a name.
const KIND_BITS: u32 = 2;
const NAME_BITS: u32 = 10;
const TITLE_BITS: u32 = KIND_BITS + NAME_BITS;

const _: () = assert!(MAX_NAME < 1 << NAME_BITS);
const _: () = assert!((MAX_VALUE as u64) < 1 << (64 - NUMBER_BITS - TITLE_BITS));

/// How many cells an entry takes.
pub(crate) fn cells_for(name: usize, value: usize) -> usize {
    let words = word_count(name) + word_count(value);
    1 + words.saturating_sub(CELL_WORDS - FIRST).div_ceil(CELL_WORDS - OTHER)
}

/// What leads to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u64);

impl Link {
    /// It leads to none.
    pub(crate) const NONE: Self = Self(0);

    /// The link to an entry that begins in this cell.
    pub(crate) fn new(cell: usize, hash: u64) -> Self {
        Self(hash << NUMBER_BITS | number(Some(cell)))
    }

    /// Whatever was written of the entry before the link was is seen.
    #[inline(always)]
    pub(crate) fn read(from: &AtomicU64) -> Self {
        Self(from.load(Ordering::Acquire))
    }

    pub(crate) fn write(self, to: &AtomicU64) {
        to.store(self.0, Ordering::Release);
    }

    /// The cell that it leads to, which may be none that there is.
    #[inline(always)]
    pub(crate) fn cell(self) -> usize {
        index(self.0)
    }

    /// Whether the name of the entry may have this hash.
    #[inline(always)]
    pub(crate) fn is_of(self, hash: u64) -> bool {
        (self.0 ^ hash << NUMBER_BITS) >> NUMBER_BITS == 0
    }
}

/// What an entry says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head(u64);

/// A kind and the length of a name, which are compared together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Title(u64);

impl Title {
    #[inline(always)]
    pub(crate) fn new(kind: Kind, length: usize) -> Self {
        Self(kind as u64 | (length as u64) << KIND_BITS)
    }
}

impl Head {
    pub(crate) fn new(second: Option<usize>, title: Title, value: usize) -> Self {
        Self(number(second) | title.0 << NUMBER_BITS | (value as u64) << (NUMBER_BITS + TITLE_BITS))
    }

    pub(crate) fn write(self, cell: &Cell) {
        cell[1].store(self.0, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn title(self) -> Title {
        Title(self.0 >> NUMBER_BITS & ((1 << TITLE_BITS) - 1))
    }

    pub(crate) fn kind(self) -> Kind {
        match self.title().0 & ((1 << KIND_BITS) - 1) {
            0 => Kind::Exact,
            1 => Kind::Head,
            2 => Kind::Dot,
            _ => Kind::Tail,
        }
    }

    /// Bytes of the name.
    #[inline(always)]
    pub(crate) fn name(self) -> usize {
        (self.title().0 >> KIND_BITS) as usize
    }

    /// Bytes of the value: of any head no more than [`MAX_VALUE`].
    #[inline(always)]
    pub(crate) fn value(self) -> usize {
        ((self.0 >> (NUMBER_BITS + TITLE_BITS)) as usize).min(MAX_VALUE)
    }
}

/// An entry that begins in a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) cells: &'a [Cell],
    pub(crate) cell: &'a Cell,
}

impl<'a> Body<'a> {
    #[inline(always)]
    pub(crate) fn head(self) -> Head {
        Head(self.cell[1].load(Ordering::Relaxed))
    }

    /// So many of its words from one on, if they are all in the first cell: most are.
    #[inline(always)]
    fn near(self, from: usize, count: usize) -> Option<&'a [AtomicU64]> {
        self.cell[FIRST..].get(from..from + count)
    }

    /// Whether its name, which has as many bytes, is this text in lower case.
    #[inline(always)]
    pub(crate) fn has_name(self, text: Text<'_>) -> bool {
        let whole = text.whole.len();
        match self.near(0, whole + 1).and_then(|own| own.split_at_checked(whole)) {
            Some((own, [last])) => has_words(own, text.whole) && is_lower(last, text.last),
            _ => has_long_name(self.cells, self.cell, text.bytes),
        }
    }

    /// Whether this is its value. Nothing is copied: it may be secret.
    pub(crate) fn has_value(self, value: &[u8]) -> bool {
        let head = self.head();
        let mut cursor = Cursor::new(self);
        head.value() == value.len()
            && cursor.skip(word_count(head.name()))
            && Text::new(value).words().all(
                |word| matches!(cursor.take(1), Some([own]) if own.load(Ordering::Relaxed) == word),
            )
    }

    /// Its name; `None` where its words are damaged.
    pub(crate) fn name(self) -> Option<Vec<u8>> {
        self.bytes(0, self.head().name())
    }

    /// Its value; `None` where its words are damaged.
    pub(crate) fn value(self) -> Option<Vec<u8>> {
        let head = self.head();
        self.bytes(word_count(head.name()), head.value())
    }

    /// Copies the beginning of the text of the words from one on. Returns whether there are as many.
    #[inline(always)]
    pub(crate) fn copy_to(self, from: usize, into: &mut [u8]) -> bool {
        let (whole, rest) = into.as_chunks_mut();
        match self.near(from, whole.len() + 1).and_then(|own| own.split_at_checked(whole.len())) {
            Some((own, [last])) => {
                copy_words(own, whole);
                copy_rest(last.load(Ordering::Relaxed), rest);
                true
            }
            _ => copy_long_to(self.cells, self.cell, from, into),
        }
    }

    /// So many bytes of the words from one on; `None` where there are fewer.
    pub(crate) fn bytes(self, from: usize, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.copy_to(from, &mut bytes).then_some(bytes)
    }
}

/// The words of an entry's name and value, one after the other.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    cells: &'a [Cell],
    /// Those of this cell that are still to come.
    words: &'a [AtomicU64],
    /// The next cell's number is in this word.
    next: u64,
}

impl<'a> Cursor<'a> {
    /// Begins with the name.
    pub(crate) fn new(body: Body<'a>) -> Self {
        Self { cells: body.cells, words: &body.cell[FIRST..], next: body.head().0 }
    }

    /// The next words, no more than so many; `None` where there is none.
    pub(crate) fn take(&mut self, most: usize) -> Option<&'a [AtomicU64]> {
        if self.words.is_empty() {
            let cell = self.cells.get(index(self.next))?;
            self.next = cell[0].load(Ordering::Relaxed);
            self.words = &cell[OTHER..];
        }
        let (words, rest) = self.words.split_at(most.min(self.words.len()));
        self.words = rest;
        Some(words)
    }

    /// Passes words by. Returns whether there are as many.
    fn skip(&mut self, mut words: usize) -> bool {
        while words > 0 {
            let Some(passed) = self.take(words) else { return false };
            words -= passed.len();
        }
        true
    }
}

/// [`Body::has_name`] of names that do not end in the first cell.
#[cold]
#[inline(never)]
fn has_long_name(cells: &[Cell], cell: &Cell, text: &[u8]) -> bool {
    let mut cursor = Cursor::new(Body { cells, cell });
    let text = Text::new(text);
    let mut rest = text.whole;
    while !rest.is_empty() {
        let Some(own) = cursor.take(rest.len()) else { return false };
        let (now, later) = rest.split_at(own.len());
        if !has_words(own, now) {
            return false;
        }
        rest = later;
    }
    matches!(cursor.take(1), Some([last]) if is_lower(last, text.last))
}

/// [`Body::copy_to`] of values that do not end in the first cell.
#[inline(never)]
fn copy_long_to(cells: &[Cell], cell: &Cell, from: usize, into: &mut [u8]) -> bool {
    let mut cursor = Cursor::new(Body { cells, cell });
    if !cursor.skip(from) {
        return false;
    }
    let (mut whole, rest) = into.as_chunks_mut();
    while !whole.is_empty() {
        let Some(own) = cursor.take(whole.len()) else { return false };
        let (now, later) = whole.split_at_mut(own.len());
        copy_words(own, now);
        whole = later;
    }
    let Some([last]) = cursor.take(1) else { return false };
    copy_rest(last.load(Ordering::Relaxed), rest);
    true
}

/// Whether these are words of a text in lower case, of which there are as many.
#[inline(always)]
fn has_words(own: &[AtomicU64], whole: &[[u8; WORD]]) -> bool {
    own.iter().zip(whole).all(|(own, bytes)| is_lower(own, u64::from_le_bytes(*bytes)))
}

/// Whether this is the word in lower case: most hosts are already.
#[inline(always)]
fn is_lower(own: &AtomicU64, word: u64) -> bool {
    let own = own.load(Ordering::Relaxed);
    own == word || is_lower_of_other(own, word)
}

#[cold]
#[inline(never)]
fn is_lower_of_other(own: u64, word: u64) -> bool {
    own == lower(word)
}

/// Copies words, of which there are as many.
#[inline(always)]
fn copy_words(own: &[AtomicU64], into: &mut [[u8; WORD]]) {
    for (bytes, word) in into.iter_mut().zip(own) {
        *bytes = word.load(Ordering::Relaxed).to_le_bytes();
    }
}

/// Copies the first bytes of a word, of which there are fewer than it has. To copy a number of
/// bytes that is not known would take a call.
#[inline(always)]
fn copy_rest(mut word: u64, into: &mut [u8]) {
    let (fours, rest) = into.as_chunks_mut();
    if let [four] = fours {
        *four = (word as u32).to_le_bytes();
        word >>= u32::BITS;
    }
    let (twos, rest) = rest.as_chunks_mut();
    if let [two] = twos {
        *two = (word as u16).to_le_bytes();
        word >>= u16::BITS;
    }
    if let [one] = rest {
        *one = word as u8;
    }
}

/// The cells of an entry, in order; fewer than it takes where its words are damaged.
pub(crate) fn cells_of(cells: &[Cell], first: usize) -> Vec<usize> {
    let Some(cell) = cells.get(first) else { return Vec::new() };
    let head = Body { cells, cell }.head();
    let count = cells_for(head.name(), head.value());
    let mut all = vec![first];
    let mut next = head.0;
    while all.len() < count
        && let Some(cell) = cells.get(index(next))
    {
        all.push(index(next));
        next = cell[0].load(Ordering::Relaxed);
    }
    all
}

/// Overwrites a cell.
pub(crate) fn zero(cell: &Cell) {
    cell.iter().for_each(|word| word.store(0, Ordering::Relaxed));
}

/// Makes the second of two cells that are not an entry's first follow the first one.
pub(crate) fn write_next(cell: &Cell, next: Option<usize>) {
    cell[0].store(number(next), Ordering::Relaxed);
}

/// By which a cell is named; 0 is none.
fn number(cell: Option<usize>) -> u64 {
    cell.map_or(0, |cell| (cell as u64 + 1) & NUMBER)
}

/// The cell of a number, in a word whose other bits do not matter: for 0 one that there never is.
#[inline(always)]
fn index(word: u64) -> usize {
    ((word & NUMBER) as usize).wrapping_sub(1)
}
