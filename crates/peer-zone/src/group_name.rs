//! The names of groups, as requests and tables have them.

/// The name of a group, with its hash.
#[derive(Clone, Copy, Debug)]
pub struct GroupName<'n> {
    name: &'n [u8],
    hash: u32,
}

impl<'n> GroupName<'n> {
    /// Any bytes are a name. The empty one is no group's.
    #[inline]
    pub fn new(name: &'n [u8]) -> Self {
        Self { name, hash: hash(name) }
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(self) -> &'n [u8] {
        self.name
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
fn hash(name: &[u8]) -> u32 {
    let take = |state: u64, word: u64| {
        let product = (state ^ word).wrapping_mul(FACTOR);
        product ^ product >> 32
    };
    let (words, rest) = name.as_chunks::<8>();
    let mut state = take(0, name.len() as u64);
    for &word in words {
        state = take(state, u64::from_le_bytes(word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = take(state, u64::from_le_bytes(last));
    }
    take(state, 0) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_differ_little_have_other_hashes() {
        let names = (0..100_000).map(|number| format!("service-{number}"));
        let hashes: HashSet<u32> = names.map(|name| hash(name.as_bytes())).collect();
        // Of as many numbers of 32 bits, drawn at random, one pair is expected to be the same.
        assert!(hashes.len() > 99_980, "{}", hashes.len());
        assert_ne!(hash(b""), hash(b"\0"));
        assert_ne!(hash(b"a\0"), hash(b"a"));
    }
}
