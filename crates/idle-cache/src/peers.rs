//! The peers that have idle connections, found by their ids.
//!
//! A hash table with chains. Those of the standard library and of hashbrown mark removed entries and, among enough marks, either allocate
//! or walk all entries: at a moment that is no request's fault, and that grows with the table. Here a peer that goes leaves nothing behind.

use crate::order::{NONE, Order};

/// 2^64 divided by the golden ratio: multiplicative hashing as in Knuth, The Art of Computer Programming, volume 3, section 6.4. Ids that are
/// counted up, which they are here, come to lie further apart by it than chance would put them (theorem S there).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A peer and its connections.
#[derive(Debug)]
pub(crate) struct Peer {
    id: u64,
    /// The next in the chain; the next free one where this is free.
    next: u32,
    /// How many connections it has.
    pub(crate) len: usize,
    /// Their order.
    pub(crate) order: Order,
}

/// All that have connections.
#[derive(Debug)]
pub(crate) struct Peers {
    peers: Vec<Peer>,
    free: u32,
    /// The first of each chain; as many as a power of two.
    chains: Vec<u32>,
}

impl Peers {
    /// With room for as many peers, which are never to be exceeded.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            peers: Vec::with_capacity(capacity),
            free: NONE,
            chains: vec![NONE; capacity.next_power_of_two().max(2)],
        }
    }

    fn chain(&self, id: u64) -> usize {
        // The upper bits are those that all bits of the id go into.
        (id.wrapping_mul(GOLDEN) >> (u64::BITS - self.chains.len().ilog2())) as usize
    }

    /// Where the peer is.
    pub(crate) fn find(&self, id: u64) -> Option<u32> {
        let mut at = self.chains[self.chain(id)];
        while at != NONE {
            let peer = &self.peers[at as usize];
            if peer.id == id {
                return Some(at);
            }
            at = peer.next;
        }
        None
    }

    /// Where the peer is, which is put in where it is not there yet.
    pub(crate) fn find_or_insert(&mut self, id: u64) -> u32 {
        if let Some(at) = self.find(id) {
            return at;
        }
        let chain = self.chain(id);
        let peer = Peer { id, next: self.chains[chain], len: 0, order: Order::EMPTY };
        let at = if self.free == NONE {
            self.peers.push(peer);
            (self.peers.len() - 1) as u32
        } else {
            let at = self.free;
            self.free = core::mem::replace(&mut self.peers[at as usize], peer).next;
            at
        };
        self.chains[chain] = at;
        at
    }

    /// The peer at a place that `find` gave.
    pub(crate) fn at(&mut self, at: u32) -> &mut Peer {
        &mut self.peers[at as usize]
    }

    /// Takes out the peer at a place that `find` gave.
    pub(crate) fn remove(&mut self, at: u32) {
        let Peer { id, next, .. } = self.peers[at as usize];
        let chain = self.chain(id);
        let mut before = self.chains[chain];
        if before == at {
            self.chains[chain] = next;
        } else {
            while self.peers[before as usize].next != at {
                before = self.peers[before as usize].next;
            }
            self.peers[before as usize].next = next;
        }
        self.peers[at as usize].next = self.free;
        self.free = at;
    }
}
