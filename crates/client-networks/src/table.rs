//! Networks as processes share them: words of eight bytes, in which an address is looked up where
//! they lie.
//!
//! A table has a head of four words (how many ranges of IPv4, how many of IPv6, how many networks,
//! how many bytes of text), the ranges of IPv4 (a word each, the first address in its upper half,
//! the last in the lower), those of IPv6 (four words each: first and last address, each with its
//! upper half before the lower), and the text, from which another process goes on.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::ranges::Ranges;

/// Words of the head.
pub(crate) const HEAD: usize = 4;

/// Words of a range of IPv4.
pub(crate) const V4: usize = 1;

/// Words of a range of IPv6.
pub(crate) const V6: usize = 4;

/// Bytes of a word.
pub(crate) const WORD: usize = size_of::<u64>();

/// Makes a table.
pub(crate) fn encode(ranges: &Ranges, networks: usize, text: &[u8]) -> Vec<u64> {
    let (v4, v6) = (ranges.v4(), ranges.v6());
    let mut words =
        Vec::with_capacity(HEAD + v4.len() * V4 + v6.len() * V6 + text.len().div_ceil(WORD));
    words.extend([v4.len(), v6.len(), networks, text.len()].map(|count| count as u64));
    words.extend(v4.iter().map(|&(first, last)| u64::from(first) << 32 | u64::from(last)));
    for &(first, last) in v6 {
        words.extend(
            [first, last].into_iter().flat_map(|address| [(address >> 64) as u64, address as u64]),
        );
    }
    words.extend(text.chunks(WORD).map(|chunk| {
        let mut whole = [0; WORD];
        whole[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(whole)
    }));
    words
}

/// A table that is being read: its words may be any.
struct Table<'a> {
    words: &'a [AtomicU64],
    v4: usize,
    v6: usize,
}

impl<'a> Table<'a> {
    fn new(words: &'a [AtomicU64]) -> Self {
        let (v4, v6) = (count(words, 0), count(words, 1));
        let (v4, v6) = (v4.min(words.len() / V4), v6.min(words.len() / V6));
        Self { words, v4, v6 }
    }

    fn word(&self, index: usize) -> u64 {
        self.words.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn v4(&self, index: usize) -> (u32, u32) {
        let word = self.word(HEAD + index);
        ((word >> 32) as u32, word as u32)
    }

    fn v6(&self, index: usize) -> (u128, u128) {
        let start = HEAD + self.v4 * V4 + index * V6;
        let address = |at: usize| {
            u128::from(self.word(start + at)) << 64 | u128::from(self.word(start + at + 1))
        };
        (address(0), address(2))
    }

    fn text(&self) -> Vec<u8> {
        let start = (HEAD + self.v4 * V4 + self.v6 * V6).min(self.words.len());
        let text = &self.words[start..];
        let length = count(self.words, 3).min(text.len() * WORD);
        let bytes = text.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
        bytes.take(length).collect()
    }
}

fn count(words: &[AtomicU64], index: usize) -> usize {
    let word = words.get(index).map_or(0, |word| word.load(Ordering::Relaxed));
    usize::try_from(word).unwrap_or(usize::MAX)
}

/// The text of a table.
pub(crate) fn text(words: &[AtomicU64]) -> Vec<u8> {
    Table::new(words).text()
}

/// How many networks a table has.
pub fn count_in(words: &[AtomicU64]) -> usize {
    count(words, 2)
}

/// Whether an address is in a network of a table: a binary search, of as many steps as the number
/// of networks has bits. It ends with any words.
pub fn is_in(words: &[AtomicU64], address: IpAddr) -> bool {
    let table = Table::new(words);
    match address.to_canonical() {
        IpAddr::V4(address) => search(table.v4, |index| table.v4(index), address.to_bits()),
        IpAddr::V6(address) => search(table.v6, |index| table.v6(index), address.to_bits()),
    }
}

fn search<T: Ord>(count: usize, range: impl Fn(usize) -> (T, T), address: T) -> bool {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if range(middle).0 <= address {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.checked_sub(1).is_some_and(|index| address <= range(index).1)
}
