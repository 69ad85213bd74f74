//! Text as words of eight bytes, the first byte lowest. The last word has fewer bytes than the
//! others, perhaps none, so that there is always one: what is done with it needs no condition.
//!
//! Names of hosts, groups and services are short: to hash or compare them word by word, without a
//! call of the C library, takes about as many instructions as such a call alone.

#![forbid(unsafe_code)]

/// Bytes of a word.
pub const WORD: usize = size_of::<u64>();

/// Every byte of a word set to this one.
#[must_use]
pub const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; WORD])
}

/// How many words a text of so many bytes has.
#[inline(always)]
#[must_use]
pub const fn word_count(bytes: usize) -> usize {
    bytes / WORD + 1
}

/// A text as words.
#[derive(Clone, Copy, Debug)]
pub struct Text<'t> {
    /// As it is.
    pub bytes: &'t [u8],
    /// The words before the last one.
    pub whole: &'t [[u8; WORD]],
    /// The last word: zeroes behind the end of the text.
    pub last: u64,
}

impl<'t> Text<'t> {
    /// The words of these bytes.
    #[inline(always)]
    #[must_use]
    pub fn new(bytes: &'t [u8]) -> Self {
        Self { bytes, whole: bytes.as_chunks().0, last: last_word(bytes) }
    }

    /// All of them.
    pub fn words(self) -> impl Iterator<Item = u64> + 't {
        self.whole.iter().map(|bytes| u64::from_le_bytes(*bytes)).chain([self.last])
    }
}

/// The last word of a text.
///
/// It is read in pieces that lap over, since to copy a number of bytes that is not known takes a
/// call: as hashes of short texts do (wyhash).
#[inline(always)]
fn last_word(text: &[u8]) -> u64 {
    match text.last_chunk() {
        // Behind bytes of the word before it, which go: never a whole word at once, which is more
        // than a word can be shifted by.
        Some(bytes) => u64::from_le_bytes(*bytes) >> 8 >> (8 * (WORD - 1 - text.len() % WORD)),
        None => short_word(text),
    }
}

/// The word of a text that has no whole one.
#[inline]
fn short_word(text: &[u8]) -> u64 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let [first, last] = [first, last].map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
        return first | last << (8 * (length - size_of::<u32>()));
    }
    [0, length / 2, length.saturating_sub(1)]
        .into_iter()
        .filter_map(|at| Some(u64::from(*text.get(at)?) << (8 * at)))
        .fold(0, |word, byte| word | byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Text;

    /// As the words are described.
    fn plainly(text: &[u8]) -> Vec<u64> {
        let (whole, rest) = text.as_chunks();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        whole.iter().chain([&last]).map(|bytes| u64::from_le_bytes(*bytes)).collect()
    }

    proptest! {
        #[test]
        fn words_are_those_of_the_text(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let words: Vec<u64> = Text::new(&text).words().collect();
            prop_assert_eq!(words, plainly(&text));
        }
    }
}
