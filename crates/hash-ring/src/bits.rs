//! Numbers of any width in words of 32 bits, the lowest bits first.

const WORD: usize = 32;

/// Words for this many bits.
pub(crate) fn words(bits: u64) -> usize {
    bits.div_ceil(WORD as u64) as usize
}

/// The 64 bits from this one on; those behind the end are 0.
#[inline]
pub(crate) fn read(words: &[u32], at: usize) -> u64 {
    let (index, shift) = (at / WORD, at % WORD);
    let [first, second, third] = match words.get(index..).and_then(|rest| rest.first_chunk()) {
        Some(&words) => words,
        None => last_words(words, index),
    };
    let low = u64::from(first) | u64::from(second) << WORD;
    // Of the third, none if the shift is 0: in two steps, since 64 is too far for one.
    low >> shift | u64::from(third) << (63 - shift) << 1
}

/// The words from this one on; those behind the end are 0.
#[cold]
fn last_words<const N: usize>(words: &[u32], index: usize) -> [u32; N] {
    core::array::from_fn(|place| words.get(index + place).copied().unwrap_or_default())
}

/// A number of `width` bits, of which there are at most 32.
#[inline]
pub(crate) fn read_number(words: &[u32], at: usize, width: u32) -> u32 {
    let (index, shift) = (at / WORD, at % WORD);
    let [first, second] = match words.get(index..).and_then(|rest| rest.first_chunk()) {
        Some(&words) => words,
        None => last_words(words, index),
    };
    let both = (u64::from(first) | u64::from(second) << WORD) >> shift;
    (both & ((1 << width) - 1)) as u32
}

/// The place of the `n`-th bit 1, of which there may be up to 64 to look for, the first being 1; or
/// how many there are, if they are fewer.
#[inline]
pub(crate) fn nth_one(bits: u64, n: u32) -> Result<u32, u32> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * EACH;
    // In each byte, how many bits are 1 in it and those below.
    let pairs = bits - ((bits >> 1) & (0x55 * EACH));
    let nibbles = (pairs & (0x33 * EACH)) + ((pairs >> 2) & (0x33 * EACH));
    let sums = ((nibbles + (nibbles >> 4)) & (0x0F * EACH)).wrapping_mul(EACH);
    let all = (sums >> 56) as u32;
    if n > all {
        return Err(all);
    }
    // The first byte with at least `n`.
    let enough = ((sums | TOP) - u64::from(n) * EACH) & TOP;
    let shift = enough.trailing_zeros() & !7;
    let before = (sums << 8 >> shift) as u32 & 0xFF;
    let mut byte = bits >> shift;
    for _ in before + 1..n {
        byte &= byte.wrapping_sub(1);
    }
    Ok(shift + byte.trailing_zeros())
}

/// Where numbers are written one behind the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writer {
    /// Bits that do not fill a word yet.
    pending: u64,
    bits: u32,
    /// Words written.
    written: usize,
}

impl Writer {
    /// Writes a number of `width` bits, of which there are at most 32. What does not fit is lost.
    #[inline]
    pub(crate) fn push(&mut self, words: &mut [u32], number: u32, width: u32) {
        self.pending |= u64::from(number) << self.bits;
        self.bits += width;
        self.put(words);
        // Without a branch, which would be guessed wrongly often.
        let full = self.bits / u32::BITS;
        self.pending >>= full * u32::BITS;
        self.bits %= u32::BITS;
        self.written += full as usize;
    }

    /// Writes the bits that do not fill a word.
    pub(crate) fn finish(&self, words: &mut [u32]) {
        self.put(words);
    }

    fn put(&self, words: &mut [u32]) {
        if let Some(word) = words.get_mut(self.written) {
            *word = self.pending as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_written(
            numbers in prop::collection::vec((any::<u32>(), 0_u32..=32), 0..40),
        ) {
            let total: u64 = numbers.iter().map(|&(_, width)| u64::from(width)).sum();
            let mut words = vec![u32::MAX; super::words(total)];
            let mut writer = Writer::default();
            let masked = |number: u32, width: u32| number & ((1_u64 << width) - 1) as u32;
            for &(number, width) in &numbers {
                writer.push(&mut words, masked(number, width), width);
            }
            writer.finish(&mut words);
            let mut at = 0;
            for (number, width) in numbers {
                prop_assert_eq!(read_number(&words, at, width), masked(number, width));
                prop_assert_eq!(masked(read(&words, at) as u32, width), masked(number, width));
                at += width as usize;
            }
            prop_assert_eq!(read(&words, 32 * words.len()), 0);
        }

        #[test]
        fn the_nth_one_is_found(bits in any::<u64>(), more in any::<u64>(), n in 1_u32..=64) {
            for bits in [bits, bits & more, bits | more, 0, u64::MAX] {
                let mut ones = (0..64).filter(|place| bits >> place & 1 == 1);
                let expected = ones.nth(n as usize - 1).ok_or(bits.count_ones());
                prop_assert_eq!(nth_one(bits, n), expected);
            }
        }
    }
}
