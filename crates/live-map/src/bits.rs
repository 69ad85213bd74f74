//! The words of an entry that are not of its name or its value.
//!
//! A link has the number of the cell where an entry begins, from 1, and above it the lower bits of
//! the hash of that entry's name: others are passed by without a look at their names. A head has
//! the number of the entry's second cell, its kind, and the lengths of its name and its value.

use crate::{
    name::{Kind, MAX_NAME},
    sync::{AtomicU64, Ordering},
};

/// Bytes that a value has at most.
pub const MAX_VALUE: usize = 1 << 20;

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

    #[inline(always)]
    pub(crate) fn read(from: &AtomicU64) -> Self {
        Self(from.load(Ordering::Relaxed))
    }

    pub(crate) fn write(self, to: &AtomicU64) {
        to.store(self.0, Ordering::Relaxed);
    }

    /// The entry's second cell, which may be none that there is.
    #[inline(always)]
    pub(crate) fn second(self) -> Next {
        Next(self.0)
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

/// A word that has the number of a cell which goes on with an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next(u64);

impl Next {
    pub(crate) fn read(from: &AtomicU64) -> Self {
        Self(from.load(Ordering::Relaxed))
    }

    pub(crate) fn write(cell: Option<usize>, to: &AtomicU64) {
        to.store(number(cell), Ordering::Relaxed);
    }

    /// The cell, which may be none that there is.
    pub(crate) fn cell(self) -> usize {
        index(self.0)
    }
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
