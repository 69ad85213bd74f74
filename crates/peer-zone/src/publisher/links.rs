//! What is before each peer in the list of all.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use crate::memory::Offset;

/// For each peer what is before it: another one, or the head of the list (0).
pub(super) type Links = HashMap<Offset, Offset, BuildHasherDefault<PlaceHasher>>;

/// Places are units of the memory, which nobody outside chooses.
#[derive(Default)]
pub(super) struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    fn write_u32(&mut self, place: u32) {
        // The odd number next to 2⁶⁴ divided by the golden ratio spreads neighbors over the upper
        // bits; the table takes its place from the lower ones.
        let product = (self.0 ^ u64::from(place)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
