//! The cache against one so plain that it can be believed.

use std::{collections::BTreeSet, sync::Arc};

use idle_cache::{IdleCache, Insertion, Slot};
use proptest::prelude::*;

/// Peers of the tests: few, so that they meet again; far apart and near, so that chains of the hash
/// table have more than one.
const PEERS: [u64; 6] = [0, 1, 2, 1 << 48, (1 << 48) ^ 1, u64::MAX];

/// Kinds of connections to each.
const KINDS: u64 = 3;

#[derive(Clone, Debug)]
enum Step {
    Keep {
        peer: usize,
        kind: u64,
        per_peer: usize,
    },
    Take(usize, u64),
    /// Of all the slots there ever were, one by its share of their number.
    Remove(prop::sample::Index),
    PopPeer(usize),
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..PEERS.len();
    prop_oneof![
        5 => (peer.clone(), 0..KINDS, 0_usize..5)
            .prop_map(|(peer, kind, per_peer)| Step::Keep { peer, kind, per_peer }),
        2 => (peer.clone(), 0..KINDS).prop_map(|(peer, kind)| Step::Take(peer, kind)),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => peer.prop_map(Step::PopPeer),
        1 => Just(Step::Pop),
    ]
}

/// Items in the order in which they were kept, the oldest first.
#[derive(Default)]
struct Model(Vec<Item>);

#[derive(Clone, Copy)]
struct Item {
    peer: u64,
    kind: u64,
    number: u32,
}

impl Model {
    fn oldest_of(&self, peer: u64) -> Option<usize> {
        self.0.iter().position(|item| item.peer == peer)
    }

    fn newest_of(&self, peer: u64, kind: u64) -> Option<usize> {
        self.0.iter().rposition(|item| item.peer == peer && item.kind == kind)
    }

    fn remove(&mut self, at: Option<usize>) -> Option<u32> {
        at.map(|at| self.0.remove(at).number)
    }

    fn insert(&mut self, capacity: usize, per_peer: usize, item: Item) -> Option<u32> {
        let of_peer = self.0.iter().filter(|other| other.peer == item.peer).count();
        let out = if of_peer >= per_peer.max(1) {
            self.oldest_of(item.peer)
        } else {
            (self.0.len() == capacity).then_some(0)
        };
        let evicted = self.remove(out);
        self.0.push(item);
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
                Step::Keep { peer, kind, per_peer } => {
                    let peer = PEERS[peer];
                    let Insertion { slot, evicted } = cache.insert(peer, kind, per_peer, item);
                    let expected =
                        model.insert(capacity, per_peer, Item { peer, kind, number: item });
                    prop_assert_eq!(evicted, expected);
                    prop_assert_eq!(Slot::from_number(slot.to_number()), slot);
                    prop_assert!(
                        slots.iter().all(|&(other, _)| other != slot),
                        "a slot a second time"
                    );
                    slots.push((slot, item));
                }
                Step::Take(peer, kind) => {
                    let at = model.newest_of(PEERS[peer], kind);
                    prop_assert_eq!(
                        cache.peek(PEERS[peer], kind),
                        at.map(|at| &model.0[at].number)
                    );
                    prop_assert_eq!(cache.take_newest(PEERS[peer], kind), model.remove(at));
                }
                Step::Remove(index) => {
                    if !slots.is_empty() {
                        let (slot, item) = *index.get(&slots);
                        let at = model.0.iter().position(|other| other.number == item);
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
        assert!(cache.insert(peer, 0, 1, item.clone()).evicted.is_none());
    }
    assert!(cache.insert(9, 0, 1, item.clone()).evicted.is_some());
    drop(cache);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn many_peers_come_and_go() {
    const CAPACITY: usize = 1000;
    let mut cache = IdleCache::new(CAPACITY);
    let mut kept = BTreeSet::new();
    // As the module's keys are: an upstream's number in the upper bits, and below it a peer's,
    // counted up.
    for number in 0_u64..50_000 {
        let peer = ((number % 7) << 48) ^ number;
        if let Some(gone) = cache.insert(peer, peer % 5, 2, peer).evicted {
            assert!(kept.remove(&gone));
        }
        kept.insert(peer);
        assert_eq!(cache.len(), kept.len());
    }
    assert_eq!(cache.len(), CAPACITY);
    for peer in kept {
        assert_eq!(cache.take_newest(peer, peer % 5 + 1), None);
        assert_eq!(cache.take_newest(peer, peer % 5), Some(peer));
        assert_eq!(cache.take_newest(peer, peer % 5), None);
    }
    assert!(cache.is_empty());
}
