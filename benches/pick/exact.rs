//! The way not taken for `least_conn`: an exact order of all peers, kept up to date by every
//! request.
//!
//! A tree over the peers (a tournament: each inner node names the less loaded of its two children),
//! in which whoever changes a peer's count goes from its leaf towards the root. No lock, since that
//! would die with its owner: each node is one word, changed by compare-and-exchange and tried
//! twice, after which somebody else has taken the change in (P. Jayanti, "f-arrays: implementation
//! and applications", 2002).
//!
//! It has it easier here than it would in nginx: peers of one weight, always the same ones, all
//! able to serve, no `max_conns`, and nobody who is killed between two levels, after which the path
//! above would stay wrong.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// Bits of a node's word that name the peer; its connections stand above them.
const PEER_BITS: u32 = 24;
/// Bits for the connections; the rest counts changes, so that a word that comes back is told from
/// one that stayed.
const CONNECTION_BITS: u32 = 20;
const CHANGE: u64 = 1 << (PEER_BITS + CONNECTION_BITS);
/// What a leaf without a peer holds: more than any peer.
const NONE: u32 = (1 << CONNECTION_BITS) - 1;

/// The order.
pub struct Order {
    connections: Vec<AtomicU32>,
    /// Inner nodes: the root is 1, the children of `n` are `2n` and `2n + 1`; where these end,
    /// leaves follow.
    nodes: Vec<AtomicU64>,
}

impl Order {
    /// Peers with between 1 and `2 * mean - 1` connections each.
    pub fn busy(peers: u32, mean: u32) -> Self {
        let leaves = peers.next_power_of_two().max(2);
        let connections = (0..leaves)
            .map(|peer| {
                let any = peer.wrapping_mul(0x9E37_79B9) >> 16;
                AtomicU32::new(if peer < peers { 1 + any % (2 * mean - 1) } else { NONE })
            })
            .collect();
        let order = Self { connections, nodes: (0..leaves).map(|_| AtomicU64::new(0)).collect() };
        for node in (1..leaves as usize).rev() {
            order.refresh(node);
        }
        order
    }

    /// Connections and peer of a node or leaf, as they compare.
    fn least_below(&self, child: usize) -> u64 {
        match child.checked_sub(self.nodes.len()) {
            Some(peer) => u64::from(self.connections[peer].load(SeqCst)) << PEER_BITS | peer as u64,
            None => self.nodes[child].load(SeqCst) % CHANGE,
        }
    }

    /// Brings a node up to date; says whether nobody else changed it meanwhile. The word changes
    /// even where the node stays as it was: else somebody who has read the children before could
    /// still put what they were then in its place.
    fn refresh(&self, node: usize) -> bool {
        let before = self.nodes[node].load(SeqCst);
        let least = self.least_below(2 * node).min(self.least_below(2 * node + 1));
        let after = (before - before % CHANGE).wrapping_add(CHANGE) | least;
        self.nodes[node].compare_exchange(before, after, SeqCst, Relaxed).is_ok()
    }

    fn update(&self, peer: usize) {
        let mut node = (self.nodes.len() + peer) / 2;
        while node > 0 {
            // Where both fail, somebody else has read the children since.
            let _ = self.refresh(node) || self.refresh(node);
            node /= 2;
        }
    }

    /// A connection to the peer with the fewest.
    pub fn pick(&self) -> usize {
        let peer = (self.nodes[1].load(SeqCst) % (1 << PEER_BITS)) as usize;
        self.connections[peer].fetch_add(1, SeqCst);
        self.update(peer);
        peer
    }

    /// Its end.
    pub fn release(&self, peer: usize) {
        self.connections[peer].fetch_sub(1, SeqCst);
        self.update(peer);
    }
}
