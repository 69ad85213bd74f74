//! Connections that come at random and stay open for a random time, as with `M/M/∞` queues, of
//! several workers.

use std::{cmp::Reverse, collections::BinaryHeap};

use peer_zone::{KeyProgress, Method, Now, Pick, PickContext, PickedPeer, RequestOutcome, Worker};

use crate::fleet::Fleet;

/// Workers that share the connections.
const WORKERS: u32 = 4;
/// Picks for each peer and each of its connections; the second half of them counts.
const PICKS: usize = 3;
/// Where peers are replaced, one of so many is at a time, and that often while all of the
/// connections are replaced once.
const REPLACED: usize = 100;
const REPLACEMENTS: usize = 20;
/// Any moment will do: no peer fails.
const NOW: Now = Now { seconds: 1_000, milliseconds: 1_000_000 };
/// A mean lifetime; the clock of the model has no unit.
const LIFETIME: f64 = 1e9;

/// What the picks were like.
pub struct Found {
    /// The share of picks of a peer that had as few connections as any.
    pub least: f64,
    /// … of a peer than which less than one of a hundred had fewer.
    pub near: f64,
    /// How many connections more than the least the peer had, on average.
    pub excess: f64,
}

struct Open {
    peer: usize,
    worker: usize,
    held: PickedPeer,
}

pub struct Model {
    // Before the fleet, whose memory they use.
    open: Vec<Option<Open>>,
    workers: Vec<Worker>,
    fleet: Fleet,
    method: Method,
    loads: Vec<usize>,
    /// How many peers have so many connections.
    peers_with: Vec<usize>,
    random: u64,
}

impl Model {
    pub fn new(peers: u32, method: Method) -> Self {
        let fleet = Fleet::new(peers, method);
        let workers = (1..=WORKERS).map(|process| fleet.worker(process)).collect();
        Self {
            open: Vec::new(),
            workers,
            fleet,
            method,
            loads: vec![0; peers as usize],
            peers_with: vec![peers as usize],
            random: 88_172_645_463_325_252,
        }
    }

    /// xorshift64*, in `0..1`.
    fn fraction(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.fraction() * bound as f64) as usize
    }

    /// An exponentially distributed time.
    fn time(&mut self, mean: f64) -> f64 {
        -(1.0 - self.fraction()).ln() * mean
    }

    fn set_load(&mut self, peer: usize, load: usize) {
        self.peers_with[self.loads[peer]] -= 1;
        self.loads[peer] = load;
        if load >= self.peers_with.len() {
            self.peers_with.resize(load + 1, 0);
        }
        self.peers_with[load] += 1;
    }

    fn open_one(&mut self) -> (usize, usize) {
        let worker = self.below(self.workers.len());
        let context = PickContext { method: self.method, ..PickContext::default() };
        let mut progress = KeyProgress::default();
        let picked = self.workers[worker].pick(&context, &mut progress, NOW, |_| false, false);
        let Pick::Peer(held) = picked else { panic!("no peer") };
        let address = self.workers[worker].address(&held).0;
        let number = address[4..8].try_into().map(u32::from_be_bytes).expect("an IPv4 address");
        let peer = number as usize;
        self.open.push(Some(Open { peer, worker, held }));
        (peer, self.open.len() - 1)
    }

    fn close(&mut self, connection: usize) {
        let Some(Open { peer, worker, held }) = self.open[connection].take() else { return };
        self.workers[worker].release(held, RequestOutcome::Answered, None, NOW);
        self.set_load(peer, self.loads[peer] - 1);
    }

    /// All connections of some peers end, as if others had come in their places.
    fn replace_some(&mut self) {
        let peers = self.loads.len();
        let mut is_replaced = vec![false; peers];
        (0..peers / REPLACED).for_each(|_| is_replaced[self.below(peers)] = true);
        for connection in 0..self.open.len() {
            if self.open[connection].as_ref().is_some_and(|open| is_replaced[open.peer]) {
                self.close(connection);
            }
        }
    }

    /// Has so many connections open for each peer, on average.
    pub fn run(mut self, connections: u32, is_replacing: bool) -> Found {
        let peers = self.loads.len();
        let all = peers * connections as usize;
        let picks = PICKS * all;
        let between = LIFETIME / all as f64;
        let (mut now, mut ends) = (0.0, BinaryHeap::new());
        let mut found = Found { least: 0.0, near: 0.0, excess: 0.0 };
        for pick in 0..picks {
            now += self.time(between);
            while let Some(&Reverse((end, connection))) = ends.peek()
                && end as f64 <= now
            {
                ends.pop();
                self.close(connection);
            }
            if is_replacing && pick % (all / REPLACEMENTS) == 0 {
                self.replace_some();
            }
            let least = self.peers_with.iter().position(|&peers| peers > 0).unwrap_or_default();
            let (peer, connection) = self.open_one();
            let load = self.loads[peer];
            if pick >= picks / 2 {
                found.least += f64::from(u8::from(load == least));
                let fewer: usize = self.peers_with[..load].iter().sum();
                found.near += f64::from(u8::from(fewer * 100 < peers));
                found.excess += (load - least) as f64;
            }
            self.set_load(peer, load + 1);
            ends.push(Reverse(((now + self.time(LIFETIME)) as u64, connection)));
        }
        for connection in 0..self.open.len() {
            self.close(connection);
        }
        self.workers.drain(..).for_each(Worker::leave);
        drop(self.fleet);
        let counted = (picks - picks / 2) as f64;
        Found {
            least: found.least / counted,
            near: found.near / counted,
            excess: found.excess / counted,
        }
    }
}
