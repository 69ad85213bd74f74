//! Names of hosts as words: their case, and their dots.

use text_words::{Text, WORD, every};

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

    proptest! {
        #[test]
        fn words_become_lower_case(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let lower: Vec<u64> = Text::new(&text).words().map(lower).collect();
            let plainly: Vec<u64> = Text::new(&text.to_ascii_lowercase()).words().collect();
            prop_assert_eq!(lower, plainly);
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
