//! The cache against one so plain that it can be believed.

use std::{collections::BTreeSet, sync::Arc};

use idle_cache::{IdleCache, Kept, Slot};
use proptest::prelude::*;

/// Peers of the tests: few, so that they meet again; far apart and near, so that chains of the hash table have more than one.
const PEERS: [u64; 6] = [0, 1, 2, 1 << 48, (1 << 48) ^ 1, u64::MAX];

#[derive(Clone, Debug)]
enum Step {
    Keep {
        peer: usize,
        per_peer: usize,
    },
    Take(usize),
    /// Of all the slots there ever were, one by its share of their number.
    Remove(prop::sample::Index),
    PopPeer(usize),
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..PEERS.len();
    prop_oneof![
        5 => (peer.clone(), 0_usize..5).prop_map(|(peer, per_peer)| Step::Keep { peer, per_peer }),
        2 => peer.clone().prop_map(Step::Take),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => peer.prop_map(Step::PopPeer),
        1 => Just(Step::Pop),
    ]
}

/// Items in the order in which they were kept, the oldest first.
#[derive(Default)]
struct Model(Vec<(u64, u32)>);

impl Model {
    fn oldest_of(&self, peer: u64) -> Option<usize> {
        self.0.iter().position(|&(of, _)| of == peer)
    }

    fn newest_of(&self, peer: u64) -> Option<usize> {
        self.0.iter().rposition(|&(of, _)| of == peer)
    }

    fn remove(&mut self, at: Option<usize>) -> Option<u32> {
        at.map(|at| self.0.remove(at).1)
    }

    fn keep(&mut self, capacity: usize, peer: u64, per_peer: usize, item: u32) -> Option<u32> {
        let of_peer = self.0.iter().filter(|&&(of, _)| of == peer).count();
        let out = if of_peer >= per_peer.max(1) {
            self.oldest_of(peer)
        } else {
            (self.0.len() == capacity).then_some(0)
        };
        let evicted = self.remove(out);
        self.0.push((peer, item));
        evicted
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn is_as_the_model(capacity in 0_usize..12, steps in prop::collection::vec(step(), 0..200)) {
        let (mut cache, mut model) = (IdleCache::new(capacity), Model::default());
        let capacity = capacity.max(1);
        let mut slots: Vec<(Slot, u32)> = Vec::new();
        for (item, step) in (0_u32..).zip(steps) {
            match step {
                Step::Keep { peer, per_peer } => {
                    let Kept { slot, evicted } = cache.keep(PEERS[peer], per_peer, item);
                    prop_assert_eq!(evicted, model.keep(capacity, PEERS[peer], per_peer, item));
                    prop_assert_eq!(Slot::from_number(slot.to_number()), slot);
                    prop_assert!(slots.iter().all(|&(other, _)| other != slot), "a slot a second time");
                    slots.push((slot, item));
                }
                Step::Take(peer) => {
                    let at = model.newest_of(PEERS[peer]);
                    prop_assert_eq!(cache.peek(PEERS[peer]), at.map(|at| &model.0[at].1));
                    prop_assert_eq!(cache.take(PEERS[peer]), model.remove(at));
                }
                Step::Remove(index) => {
                    if !slots.is_empty() {
                        let (slot, item) = *index.get(&slots);
                        let at = model.0.iter().position(|&(_, other)| other == item);
                        prop_assert_eq!(cache.remove(slot), model.remove(at));
                    }
                }
                Step::PopPeer(peer) => {
                    let at = model.oldest_of(PEERS[peer]);
                    prop_assert_eq!(cache.pop_peer(PEERS[peer]), model.remove(at));
                }
                Step::Pop => {
                    let at = (!model.0.is_empty()).then_some(0);
                    prop_assert_eq!(cache.pop(), model.remove(at));
                }
            }
            prop_assert_eq!(cache.len(), model.0.len());
            prop_assert_eq!(cache.is_empty(), model.0.is_empty());
        }
        while let Some(item) = cache.pop() {
            let at = (!model.0.is_empty()).then_some(0);
            prop_assert_eq!(Some(item), model.remove(at));
        }
        prop_assert!(model.0.is_empty());
    }
}

#[test]
fn what_is_dropped_with_the_cache_is_dropped_once() {
    let item = Arc::new(());
    let mut cache = IdleCache::new(4);
    for peer in 0..4 {
        assert!(cache.keep(peer, 1, item.clone()).evicted.is_none());
    }
    assert!(cache.keep(9, 1, item.clone()).evicted.is_some());
    drop(cache);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn many_peers_come_and_go() {
    const CAPACITY: usize = 1000;
    let mut cache = IdleCache::new(CAPACITY);
    let mut kept = BTreeSet::new();
    // As the module's keys are: an upstream's number in the upper bits, and below it a peer's, counted up.
    for number in 0_u64..50_000 {
        let peer = ((number % 7) << 48) ^ number;
        if let Some(gone) = cache.keep(peer, 2, peer).evicted {
            assert!(kept.remove(&gone));
        }
        kept.insert(peer);
        assert_eq!(cache.len(), kept.len());
    }
    assert_eq!(cache.len(), CAPACITY);
    for peer in kept {
        assert_eq!(cache.take(peer), Some(peer));
        assert_eq!(cache.take(peer), None);
    }
    assert!(cache.is_empty());
}
