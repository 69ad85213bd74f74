//! The cache against one so plain that it can be believed.

use std::{collections::BTreeSet, sync::Arc};

use idle_cache::{IdleCache, Insertion, Peer, Slot};
use proptest::prelude::*;

/// Peers of the tests: few, so that they meet again; two of them have the same index one after the
/// other, as a peer may get the place of one that is gone.
const PEERS: [Peer; 6] = [
    Peer { index: 0, id: 0 },
    Peer { index: 1, id: 1 },
    Peer { index: 1, id: 0 },
    Peer { index: 2, id: 1 << 48 },
    Peer { index: 2, id: u64::MAX },
    Peer { index: 3, id: 7 },
];

/// Indexes of them, and more.
const INDEXES: usize = 5;

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
    peer: Peer,
    kind: u64,
    number: u32,
}

impl Model {
    fn oldest_of(&self, peer: Peer) -> Option<usize> {
        self.0.iter().position(|item| item.peer == peer)
    }

    fn newest_of(&self, peer: Peer, kind: u64) -> Option<usize> {
        self.0.iter().rposition(|item| item.peer == peer && item.kind == kind)
    }

    fn remove(&mut self, at: Option<usize>) -> Option<u32> {
        at.map(|at| self.0.remove(at).number)
    }

    fn insert(&mut self, capacity: usize, per_peer: usize, item: Item) -> Option<u32> {
        let is_there = |other: &Item| other.peer.index == item.peer.index;
        let of_index = self.0.iter().filter(|other| is_there(other)).count();
        let out = if of_index >= per_peer.max(1) {
            self.0.iter().position(is_there)
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
        let (mut cache, mut model) = (IdleCache::new(capacity, INDEXES), Model::default());
        let capacity = capacity.max(1);
        let mut slots: Vec<(Slot, u32)> = Vec::new();
        for (item, step) in (0_u32..).zip(steps) {
            match step {
                Step::Keep { peer, kind, per_peer } => {
                    let peer = PEERS[peer];
                    let kept = cache.insert(peer, kind, per_peer, item);
                    let Insertion { slot, evicted } = kept.expect("a peer");
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
    let mut cache = IdleCache::new(4, 5);
    let peer = |index| Peer { index, id: 0 };
    let mut has_evicted = |index| {
        cache.insert(peer(index), 0, 1, item.clone()).is_some_and(|kept| kept.evicted.is_some())
    };
    assert!((0..4).all(|index| !has_evicted(index)));
    assert!(has_evicted(4));
    assert!(cache.insert(peer(5), 0, 1, item.clone()).is_none());
    drop(cache);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn many_peers_come_and_go() {
    const CAPACITY: usize = 1000;
    const INDEXES: u64 = 4001;
    let mut cache = IdleCache::new(CAPACITY, INDEXES as usize);
    let mut kept = BTreeSet::new();
    let peer = |number: u64| Peer { index: (number % INDEXES) as usize, id: number };
    for number in 0_u64..50_000 {
        let insertion = cache.insert(peer(number), number % 5, 2, number).expect("a peer");
        if let Some(gone) = insertion.evicted {
            assert!(kept.remove(&gone));
        }
        kept.insert(number);
        assert_eq!(cache.len(), kept.len());
    }
    assert_eq!(cache.len(), CAPACITY);
    for number in kept {
        assert_eq!(cache.take_newest(peer(number), number % 5 + 1), None);
        assert_eq!(cache.take_newest(peer(number + INDEXES), number % 5), None);
        assert_eq!(cache.take_newest(peer(number), number % 5), Some(number));
        assert_eq!(cache.take_newest(peer(number), number % 5), None);
    }
    assert!(cache.is_empty());
}

/// A connection of one kind is not looked for among any number of others, so that a request's time
/// does not grow with them.
#[test]
fn a_kind_behind_many_of_another_is_not_found_but_goes_in_its_turn() {
    let mut cache = IdleCache::new(300, 1);
    let peer = Peer { index: 0, id: 0 };
    for number in 0..257_u64 {
        let kept = cache.insert(peer, number.min(1), 300, number).expect("a peer");
        assert_eq!(kept.evicted, None);
        let is_near = number < 256;
        assert_eq!(cache.peek(peer, 0), is_near.then_some(&0), "{number} of another kind");
    }
    assert_eq!(cache.pop_peer(peer), Some(0));
    assert_eq!(cache.take_newest(peer, 1), Some(256));
}
