//! The names of groups, as requests and tables have them.

use core::{
    fmt::{self, Debug, Formatter},
    marker::PhantomData,
    ptr::NonNull,
    slice,
};

use text_words::Text;

/// The name of a group, with its hash: in two words, since each request has one in its memory.
#[derive(Clone, Copy)]
pub struct GroupName<'n> {
    start: NonNull<u8>,
    /// Bytes.
    length: u32,
    hash: u32,
    name: PhantomData<&'n [u8]>,
}

impl Debug for GroupName<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

impl<'n> GroupName<'n> {
    /// Any bytes are a name; of more than 4 GiB the first ones are. The empty one is no group's.
    #[inline]
    pub fn new(name: &'n [u8]) -> Self {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        let name = &name[..length as usize];
        let hash = hash(Text::new(name));
        Self { start: NonNull::from(name).cast(), length, hash, name: PhantomData }
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(self) -> &'n [u8] {
        // SAFETY: they are those of a slice that lives as long, as `new` has got it.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length as usize) }
    }

    /// What indexes go by.
    #[inline]
    pub(crate) fn hash(self) -> u32 {
        self.hash
    }
}

/// The odd number next to 2⁶⁴ divided by the golden ratio, which spreads neighbors over the upper
/// bits of a product.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes in eight bytes at a time: a name of usual length is two or three words.
#[inline]
fn hash(text: Text<'_>) -> u32 {
    let take = |state: u64, word: u64| {
        let product = (state ^ word).wrapping_mul(FACTOR);
        product ^ product >> 32
    };
    let mut state = take(0, text.bytes.len() as u64);
    for &word in text.whole {
        state = take(state, u64::from_le_bytes(word));
    }
    take(take(state, text.last), 0) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_differ_little_have_other_hashes() {
        let names = (0..100_000).map(|number| format!("service-{number}"));
        let hashes: HashSet<u32> = names.map(|name| hash(Text::new(name.as_bytes()))).collect();
        // Of as many numbers of 32 bits, drawn at random, one pair is expected to be the same.
        assert!(hashes.len() > 99_980, "{}", hashes.len());
        let hash = |name| hash(Text::new(name));
        assert_ne!(hash(b""), hash(b"\0"));
        assert_ne!(hash(b"a\0"), hash(b"a"));
    }
}
