//! Groups of items, found by a key: the peers that have idle connections, and the kinds of
//! connections that each has.
//!
//! A hash table with chains. Those of the standard library and of hashbrown mark removed entries
//! and, among enough marks, either allocate or walk all entries: at a moment that is no request's
//! fault, and that grows with the table. Here a group that goes leaves nothing behind.

use crate::order::NONE;

/// 2^64 divided by the golden ratio: multiplicative hashing as in Knuth, The Art of Computer
/// Programming, volume 3, section 6.4. Keys that are counted up, which those of peers are, come to
/// lie further apart by it than chance would put them (theorem S there).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// By what a group is found.
pub(crate) trait Key: Copy + PartialEq {
    /// A number of which all bits count.
    fn mixed(self) -> u64;
}

/// A peer.
impl Key for u64 {
    fn mixed(self) -> u64 {
        self.wrapping_mul(GOLDEN)
    }
}

/// A peer, and a kind of its connections.
impl Key for (u64, u64) {
    fn mixed(self) -> u64 {
        // The kind is mixed by itself first, so that no peer's number undoes what it adds.
        (self.0 ^ self.1.mixed().rotate_left(u64::BITS / 2)).mixed()
    }
}

/// The items that share a key.
#[derive(Debug)]
struct Group<K, V> {
    key: K,
    /// The next in the chain; the next free one where this is free.
    next: u32,
    value: V,
}

/// All groups that have items; `V` is what is known of one.
#[derive(Debug)]
pub(crate) struct Groups<K, V> {
    groups: Vec<Group<K, V>>,
    free: u32,
    /// The first of each chain; as many as a power of two.
    chains: Vec<u32>,
    /// How far a mixed key is shifted for the number of its chain.
    shift: u32,
}

impl<K: Key, V> Groups<K, V> {
    /// With room for as many groups, which are never to be exceeded.
    pub(crate) fn new(capacity: usize) -> Self {
        let chains = capacity.next_power_of_two().max(2);
        Self {
            groups: Vec::with_capacity(capacity),
            free: NONE,
            chains: vec![NONE; chains],
            shift: u64::BITS - chains.ilog2(),
        }
    }

    fn chain(&self, key: K) -> usize {
        // The upper bits are those that all bits of the key go into.
        (key.mixed() >> self.shift) as usize
    }

    /// Where the group is.
    pub(crate) fn find(&self, key: K) -> Option<u32> {
        let mut at = self.chains[self.chain(key)];
        while let Some(group) = self.groups.get(at as usize) {
            if group.key == key {
                return Some(at);
            }
            at = group.next;
        }
        None
    }

    /// Puts in a group that is not there.
    ///
    /// Inline, since a peer whose only item goes out and comes back is put in at each request.
    #[inline]
    pub(crate) fn insert(&mut self, key: K, value: V) -> u32 {
        let chain = self.chain(key);
        let first = &mut self.chains[chain];
        let group = Group { key, next: *first, value };
        let at = self.free;
        if let Some(free) = self.groups.get_mut(at as usize) {
            self.free = core::mem::replace(free, group).next;
            *first = at;
            return at;
        }
        *first = self.groups.len() as u32;
        self.append(group)
    }

    /// Puts a group into a place that has never been in use.
    #[cold]
    fn append(&mut self, group: Group<K, V>) -> u32 {
        self.groups.push(group);
        (self.groups.len() - 1) as u32
    }

    /// The group at a place that `find` gave.
    pub(crate) fn at(&mut self, at: u32) -> &mut V {
        &mut self.groups[at as usize].value
    }

    /// Takes out the group at a place that `find` gave.
    pub(crate) fn remove(&mut self, at: u32) {
        let Group { key, next, .. } = self.groups[at as usize];
        let chain = self.chain(key);
        let mut before = self.chains[chain];
        if before == at {
            self.chains[chain] = next;
        } else {
            while self.groups[before as usize].next != at {
                before = self.groups[before as usize].next;
            }
            self.groups[before as usize].next = next;
        }
        self.groups[at as usize].next = self.free;
        self.free = at;
    }
}
