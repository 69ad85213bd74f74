//! How an entry lies in its cells.
//!
//! ```text
//! first cell    link to the next entry of the chain | head | words of the name, then of the value
//! other cells   the next cell's number | words
//! ```

use text_words::{Text, WORD, word_count};

use crate::{
    bits::{Head, Link, Next, Title},
    name::Kind,
    sync::{AtomicU64, Ordering},
    text::lower,
};

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

/// How many cells an entry takes.
pub(crate) fn cells_for(name: usize, value: usize) -> usize {
    let words = word_count(name) + word_count(value);
    1 + words.saturating_sub(CELL_WORDS - FIRST).div_ceil(CELL_WORDS - OTHER)
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
        Head::read(&self.cell[1])
    }

    /// So many of its words from one on, if they are all in the first cell: most are.
    #[inline(always)]
    pub(crate) fn near(self, from: usize, count: usize) -> Option<&'a [AtomicU64]> {
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

    /// Copies bytes from a word on, with which a text begins. Returns whether there are as many.
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
    next: Next,
}

impl<'a> Cursor<'a> {
    /// Begins with the name.
    pub(crate) fn new(body: Body<'a>) -> Self {
        Self { cells: body.cells, words: &body.cell[FIRST..], next: body.head().second() }
    }

    /// The next words, no more than so many; `None` where there is none.
    pub(crate) fn take(&mut self, most: usize) -> Option<&'a [AtomicU64]> {
        if self.words.is_empty() {
            let cell = self.cells.get(self.next.cell())?;
            self.next = Next::read(&cell[0]);
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
    let mut next = head.second();
    while all.len() < count
        && let Some(cell) = cells.get(next.cell())
    {
        all.push(next.cell());
        next = Next::read(&cell[0]);
    }
    all
}

/// Overwrites a cell.
pub(crate) fn zero(cell: &Cell) {
    cell.iter().for_each(|word| word.store(0, Ordering::Relaxed));
}

/// Writes an entry to cells to which nothing leads yet.
pub(crate) fn write_entry(
    all: &[Cell],
    cells: &[usize],
    next: Link,
    (kind, text): (Kind, &[u8]),
    value: &[u8],
) {
    let [first, others @ ..] = cells else { return };
    let Some(cell) = all.get(*first) else { return };
    let title = Title::new(kind, text.len());
    next.write(&cell[0]);
    Head::new(others.first().copied(), title, value.len()).write(&cell[1]);
    for (at, &other) in others.iter().enumerate() {
        if let Some(cell) = all.get(other) {
            Next::write(others.get(at + 1).copied(), &cell[0]);
        }
    }
    let mut cursor = Cursor::new(Body { cells: all, cell });
    for word in Text::new(text).words().map(lower).chain(Text::new(value).words()) {
        let Some([to]) = cursor.take(1) else { return };
        to.store(word, Ordering::Relaxed);
    }
}
