//! nginx's ring as its source has it, and a publisher that keeps one like it.

use std::collections::BTreeMap;

use hash_ring::{Base, Delta, EMPTY_BASE, Merge, MergeError, Ring, View};

/// A server: its place in the upstream, and the hashes of its points.
#[derive(Clone, Debug)]
pub struct Server {
    pub order: u32,
    pub hashes: Vec<u32>,
}

/// The servers by their slots.
pub type Servers = BTreeMap<u32, Server>;

/// As `ngx_http_upstream_update_chash`: all points, sorted; of those with the same hash, the first.
pub fn nginx_points(servers: &Servers) -> Vec<(u32, u32)> {
    let mut in_order: Vec<_> = servers.iter().collect();
    in_order.sort_by_key(|(_, server)| server.order);
    let mut points: Vec<(u32, u32)> = in_order
        .iter()
        .flat_map(|&(&slot, server)| server.hashes.iter().map(move |&hash| (hash, slot)))
        .collect();
    points.sort_by_key(|&(hash, _)| hash);
    points.dedup_by_key(|point| point.0);
    points
}

/// Compares a ring with nginx's at its points, around them, and at its ends: `steps` each.
pub fn assert_maps_as_nginx(view: &View<'_>, servers: &Servers, steps: usize, every: usize) {
    let points = nginx_points(servers);
    let total: usize = servers.values().map(|server| server.hashes.len()).sum();
    assert_eq!(view.points(), total);
    assert_eq!(view.is_empty(), points.is_empty());
    let precedes = |one: u32, other: u32| servers[&one].order < servers[&other].order;
    let near = points.iter().step_by(every).flat_map(|&(hash, _)| {
        [hash.wrapping_sub(1), hash, hash.wrapping_add(1), hash ^ 0x0101_0101]
    });
    for hash in near.chain([0, 1, u32::MAX / 3, u32::MAX]) {
        let first = points.partition_point(|&(other, _)| other < hash);
        let expected: Vec<u32> = (first..first + steps)
            .filter_map(|at| points.get(at % points.len().max(1)).map(|&(_, slot)| slot))
            .collect();
        let found: Vec<u32> = view.walk(hash, precedes).take(steps).collect();
        assert_eq!(found, expected, "from {hash:#x}");
        assert_eq!(view.find(hash, precedes), expected.first().copied(), "at {hash:#x}");
    }
}

/// What readers have: it does not change.
#[derive(Clone)]
pub struct Published {
    pub base: Vec<u32>,
    pub delta: Vec<u32>,
    pub servers: Servers,
}

impl Published {
    pub fn assert_maps_as_nginx(&self, steps: usize, every: usize) {
        let base = Base::new(&self.base).expect("a base");
        let delta = Delta::new(&self.delta).expect("a delta");
        let view = View::new(base, delta).expect("the delta of this base");
        assert_maps_as_nginx(&view, &self.servers, steps, every);
    }
}

/// A publisher with its ring, and the memory of its bases.
pub struct Publisher {
    pub ring: Ring,
    pub servers: Servers,
    pub base: Vec<u32>,
    pub merge: Option<(Merge, Vec<u32>)>,
    /// Slots that can be used.
    pub free: Vec<u32>,
    next_slot: u32,
}

impl Publisher {
    pub fn new() -> Self {
        Self {
            ring: Ring::new(),
            servers: Servers::new(),
            base: EMPTY_BASE.to_vec(),
            merge: None,
            free: Vec::new(),
            next_slot: 0,
        }
    }

    /// Gives a server a slot, one that was used before if there is one.
    pub fn add(&mut self, server: Server) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.next_slot += 1;
            self.next_slot - 1
        });
        self.ring.add(slot, server.hashes.iter().copied()).expect("nothing names the slot");
        self.servers.insert(slot, server);
        slot
    }

    pub fn remove(&mut self, slot: u32) {
        self.ring.remove(slot).expect("a server");
        self.servers.remove(&slot);
    }

    pub fn publish(&mut self) -> Published {
        let mut delta = vec![7; self.ring.delta_words()];
        assert_eq!(self.ring.write_delta(&mut delta), Ok(delta.len()));
        self.free.append(&mut self.ring.take_freed());
        Published { base: self.base.clone(), delta, servers: self.servers.clone() }
    }

    pub fn begin_merge(&mut self) {
        let merge = self.ring.begin_merge().expect("not too large");
        let words = vec![7; merge.words()];
        self.merge = Some((merge, words));
    }

    /// Says whether there is a merge that is complete now.
    pub fn step(&mut self, budget: usize) -> bool {
        let Some((merge, words)) = &mut self.merge else { return false };
        let base = Base::new(&self.base).expect("a base");
        merge.step(&base, words, budget).expect("the base of the merge")
    }

    pub fn finish_merge(&mut self) -> Result<(), MergeError> {
        let Some((merge, words)) = self.merge.take() else { return Err(MergeError::Superseded) };
        self.ring.finish_merge(&merge)?;
        self.base = words;
        Ok(())
    }

    pub fn merge_at_once(&mut self) {
        self.begin_merge();
        assert!(self.step(usize::MAX));
        self.finish_merge().expect("it is complete");
    }

    /// Another publisher takes over with what was published.
    pub fn restore(&mut self) {
        let published = self.publish();
        let base = Base::new(&published.base).expect("a base");
        let delta = Delta::new(&published.delta).expect("a delta");
        let servers = self.servers.iter().map(|(&slot, server)| (slot, server.hashes.len() as u32));
        self.ring = Ring::restore(&base, &delta, servers).expect("they belong together");
        self.merge = None;
    }
}
