//! Hashes of texts.

use text_words::{Text, WORD, every};

/// What a hash depends on beside the text: an odd number without a pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The hash of a text, the same in any case.
    #[inline(always)]
    pub(crate) fn hash(self, text: Text<'_>) -> u64 {
        // Letters are the same with the bit in which cases differ, and of what else becomes the
        // same there is little in names.
        self.hash_words(text, |word| word | every(0x20))
    }

    /// The hash of a text.
    pub(crate) fn hash_exactly(self, text: &[u8]) -> u64 {
        self.hash_words(Text::new(text), |word| word)
    }

    /// Words are mixed in by folded multiplications, two at once where there are two, as in wyhash:
    /// who does not know the seed cannot make texts whose hashes collide.
    #[inline(always)]
    fn hash_words(self, text: Text<'_>, change: impl Fn(u64) -> u64) -> u64 {
        let word = |bytes: [u8; WORD]| change(u64::from_le_bytes(bytes));
        let (pairs, odd) = text.whole.as_chunks();
        let mut hash = self.0.rotate_left(u64::BITS / 2) ^ text.bytes.len() as u64;
        for &[one, other] in pairs {
            hash = fold(hash ^ word(one), self.0 ^ word(other));
        }
        if let [one] = odd {
            hash = fold(hash ^ word(*one), self.0);
        }
        fold(hash ^ change(text.last), self.0)
    }

    /// One that nobody knows.
    #[cfg(not(loom))]
    pub(crate) fn random() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self(RandomState::new().hash_one(0) | 1)
    }

    /// loom wants each run to be the same.
    #[cfg(loom)]
    pub(crate) fn random() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

/// Mixes the bits of a number: what of another one differs in one bit differs in about half
/// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the
/// numbers are Stafford's "Mix13").
#[inline]
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Both halves of a product, one over the other.
#[inline(always)]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}
