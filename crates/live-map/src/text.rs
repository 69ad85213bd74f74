//! Text as words of eight bytes, the first byte lowest. The last word has fewer bytes than the
//! others, perhaps none, so that there is always one: what is done with it needs no condition.

/// Bytes of a word.
pub(crate) const WORD: usize = size_of::<u64>();

/// Every byte of a word set to this one.
pub(crate) const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; WORD])
}

/// How many words a text of so many bytes has.
#[inline(always)]
pub(crate) const fn word_count(bytes: usize) -> usize {
    bytes / WORD + 1
}

/// A text as words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'t> {
    pub(crate) bytes: &'t [u8],
    /// Those before the last one.
    pub(crate) whole: &'t [[u8; WORD]],
    pub(crate) last: u64,
}

impl<'t> Text<'t> {
    #[inline(always)]
    pub(crate) fn new(bytes: &'t [u8]) -> Self {
        Self { bytes, whole: bytes.as_chunks().0, last: last_word(bytes) }
    }

    /// All of them.
    pub(crate) fn words(self) -> impl Iterator<Item = u64> + 't {
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

/// A word with its ASCII letters in lower case, all eight at once: as long as no byte has its
/// uppermost bit, sums of bytes do not reach into the next one (Finch, "tolower() in bulk at
/// speed", 2024).
#[inline]
pub(crate) fn lower(word: u64) -> u64 {
    let low = word & every(0x7f);
    let from_a = low + every(0x80 - b'A');
    let above_z = low + every(0x7f - b'Z');
    let is_upper = (from_a ^ above_z) & !word & every(0x80);
    // The bit in which cases differ, 0x20, is two below.
    word | is_upper >> 2
}

/// Bytes of a text whose dots a [`Dots`] can hold.
pub(crate) const SHORT: usize = u64::BITS as usize;

/// Where the dots of a short text are: a bit for each byte, the first one lowest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dots(u64);

impl Dots {
    /// Of the first [`SHORT`] bytes.
    #[inline(always)]
    pub(crate) fn of(text: Text<'_>) -> Self {
        let mut all = 0;
        let mut place = 0;
        for bytes in text.whole {
            all |= dots_of(u64::from_le_bytes(*bytes)).wrapping_shl(place);
            place += WORD as u32;
        }
        if text.bytes.len() < SHORT {
            all |= dots_of(text.last).wrapping_shl(place);
        }
        Self(all)
    }
}

impl Iterator for Dots {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let at = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (at < u64::BITS).then_some(at as usize)
    }
}

impl DoubleEndedIterator for Dots {
    #[inline(always)]
    fn next_back(&mut self) -> Option<usize> {
        let at = self.0.checked_ilog2()?;
        self.0 ^= 1 << at;
        Some(at as usize)
    }
}

/// Where a word has dots, a bit for each byte.
#[inline(always)]
fn dots_of(word: u64) -> u64 {
    let other = word ^ every(b'.');
    // The uppermost bit of each byte that is 0 (Warren, "Hacker's Delight", 6-1).
    let dots = !(((other & every(0x7f)) + every(0x7f)) | other | every(0x7f));
    // The product's upper byte is all of these bits beside each other.
    (dots >> 7).wrapping_mul(0x0102_0408_1020_4080) >> (u64::BITS - 8)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::{Dots, SHORT, Text, lower};

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
            prop_assert_eq!(&words, &plainly(&text));
            let lower: Vec<u64> = words.into_iter().map(lower).collect();
            prop_assert_eq!(lower, plainly(&text.to_ascii_lowercase()));
        }

        #[test]
        fn dots_are_found(text in "[.a/\u{ae}-]{0,80}") {
            let text = &text.as_bytes()[..text.len().min(SHORT)];
            let dots: Vec<usize> = (0..text.len()).filter(|&at| text[at] == b'.').collect();
            let found = Dots::of(Text::new(text));
            prop_assert_eq!(found.count(), dots.len());
            prop_assert_eq!(found.collect::<Vec<_>>(), &dots[..]);
            prop_assert!(found.rev().eq(dots.into_iter().rev()));
        }
    }
}
