//! A worker's open connections, by peer.

use core::num::NonZeroU32;

/// Where an item is; see [`OpenConnections::add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(NonZeroU32);

impl Slot {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A place for an item. In place of neighbours that there are not stands `None`.
#[derive(Clone, Copy, Debug)]
struct Node<T> {
    /// `None` where the place is free.
    item: Option<T>,
    peer: u32,
    /// The one added after this one; of a free place, the next free one.
    next: Option<Slot>,
    previous: Option<Slot>,
}

/// The connections to a peer. All zero where there are none, so that the memory of peers without
/// any is never touched.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: u32,
    last: u32,
    count: u32,
}

impl List {
    fn first(self) -> Option<Slot> {
        NonZeroU32::new(self.first).map(Slot)
    }

    fn last(self) -> Option<Slot> {
        NonZeroU32::new(self.last).map(Slot)
    }
}

fn word(slot: Option<Slot>) -> u32 {
    slot.map_or(0, |slot| slot.0.get())
}

/// Items by peer, each peer's in the order in which they were added. Everything takes constant time
/// but where it says otherwise, and nothing allocates after the start.
#[derive(Debug)]
pub struct OpenConnections<T> {
    /// As many as there ever were at once; there is room for all.
    nodes: Vec<Node<T>>,
    capacity: usize,
    free: Option<Slot>,
    lists: Vec<List>,
    count: usize,
}

impl<T: Copy> OpenConnections<T> {
    /// For up to `capacity` items, of peers with numbers below `peers`. The memory for them is
    /// reserved, and used as items come.
    pub fn new(capacity: usize, peers: usize) -> Self {
        // Slots are numbered in 32 bits.
        let capacity = capacity.min(u32::MAX as usize - 1);
        Self {
            nodes: Vec::with_capacity(capacity),
            capacity,
            free: None,
            lists: vec![List::default(); peers],
            count: 0,
        }
    }

    /// Adds an item of a peer. `None` where there is no room, or no peer of this number.
    pub fn add(&mut self, peer: usize, item: T) -> Option<Slot> {
        let list = *self.lists.get(peer)?;
        let node = Node {
            item: Some(item),
            peer: u32::try_from(peer).ok()?,
            next: None,
            previous: list.last(),
        };
        let slot = match self.free {
            Some(slot) => {
                let place = self.nodes.get_mut(slot.index())?;
                self.free = place.next;
                *place = node;
                slot
            }
            None if self.nodes.len() < self.capacity => {
                self.nodes.push(node);
                Slot(NonZeroU32::new(u32::try_from(self.nodes.len()).ok()?)?)
            }
            None => return None,
        };
        match list.last() {
            Some(last) => self.nodes[last.index()].next = Some(slot),
            None => self.lists[peer].first = word(Some(slot)),
        }
        self.lists[peer].last = word(Some(slot));
        self.lists[peer].count += 1;
        self.count += 1;
        Some(slot)
    }

    /// Takes out an item of a peer. `None`, and nothing changes, where no item of this peer is
    /// there (any more).
    pub fn remove(&mut self, peer: usize, slot: Slot) -> Option<T> {
        let node = *self.nodes.get(slot.index())?;
        let item = node.item.filter(|_| node.peer as usize == peer)?;
        match node.previous {
            Some(previous) => self.nodes[previous.index()].next = node.next,
            None => self.lists[peer].first = word(node.next),
        }
        match node.next {
            Some(next) => self.nodes[next.index()].previous = node.previous,
            None => self.lists[peer].last = word(node.previous),
        }
        self.lists[peer].count -= 1;
        self.count -= 1;
        self.nodes[slot.index()] = Node { item: None, peer: 0, next: self.free, previous: None };
        self.free = Some(slot);
        Some(item)
    }

    /// Takes out the item of a peer that was added first.
    pub fn pop(&mut self, peer: usize) -> Option<T> {
        let first = self.lists.get(peer)?.first()?;
        self.remove(peer, first)
    }

    /// The item that [`pop`](Self::pop) would take.
    pub fn first(&self, peer: usize) -> Option<T> {
        self.nodes.get(self.lists.get(peer)?.first()?.index())?.item
    }

    /// Items of a peer.
    pub fn count(&self, peer: usize) -> usize {
        self.lists.get(peer).map_or(0, |list| list.count as usize)
    }

    /// Items of all peers.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The peers that have items, each once, in any order. It walks all items.
    pub fn peers(&self) -> impl Iterator<Item = usize> + '_ {
        // The first of each peer stands for it.
        self.nodes
            .iter()
            .filter(|node| node.item.is_some() && node.previous.is_none())
            .map(|node| node.peer as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use proptest::prelude::*;

    use super::*;

    const PEERS: usize = 5;
    const CAPACITY: usize = 20;

    #[derive(Clone, Debug)]
    enum Step {
        Add(usize),
        /// The nth of those that have ever been added, as if it were of this peer, or of its own.
        Remove(usize, Option<usize>),
        Pop(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..PEERS + 1).prop_map(Step::Add),
            3 => (any::<usize>(), prop::option::weighted(0.2, 0..PEERS + 1))
                .prop_map(|(nth, peer)| Step::Remove(nth, peer)),
            1 => (0..PEERS + 1).prop_map(Step::Pop),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        #[test]
        fn it_is_a_queue_for_each_peer(steps in steps()) {
            let mut open = OpenConnections::new(CAPACITY, PEERS);
            let mut model: BTreeMap<usize, VecDeque<(usize, Slot)>> = BTreeMap::new();
            let mut ever = Vec::new();
            for (item, step) in steps.into_iter().enumerate() {
                let len: usize = model.values().map(VecDeque::len).sum();
                match step {
                    Step::Add(peer) => {
                        let slot = open.add(peer, item);
                        prop_assert_eq!(slot.is_some(), peer < PEERS && len < CAPACITY);
                        if let Some(slot) = slot {
                            model.entry(peer).or_default().push_back((item, slot));
                            ever.push((peer, slot));
                        }
                    }
                    Step::Remove(nth, other) if !ever.is_empty() => {
                        let (own, slot) = ever[nth % ever.len()];
                        let peer = other.unwrap_or(own);
                        let queue = model.entry(peer).or_default();
                        let at = queue.iter().position(|&(_, at)| at == slot);
                        let expected = at.and_then(|at| queue.remove(at)).map(|(item, _)| item);
                        prop_assert_eq!(open.remove(peer, slot), expected);
                    }
                    Step::Remove(..) => {}
                    Step::Pop(peer) => {
                        let expected =
                            model.entry(peer).or_default().pop_front().map(|(item, _)| item);
                        prop_assert_eq!(open.pop(peer), expected);
                    }
                }
                for peer in 0..=PEERS {
                    let queue = model.entry(peer).or_default();
                    prop_assert_eq!(open.count(peer), queue.len());
                    prop_assert_eq!(open.first(peer), queue.front().map(|&(item, _)| item));
                }
                let mut peers: Vec<usize> = open.peers().collect();
                peers.sort_unstable();
                let expected: Vec<usize> = model
                    .iter()
                    .filter(|(_, queue)| !queue.is_empty())
                    .map(|(&peer, _)| peer)
                    .collect();
                prop_assert_eq!(&peers, &expected);
                prop_assert_eq!(open.len(), model.values().map(VecDeque::len).sum::<usize>());
                prop_assert_eq!(open.is_empty(), expected.is_empty());
            }
        }
    }

    #[test]
    fn a_slot_is_no_larger_than_its_number() {
        assert_eq!(size_of::<Option<Slot>>(), 4);
        assert_eq!(size_of::<Node<core::ptr::NonNull<u8>>>(), 24);
    }

    #[test]
    fn nothing_moves_after_the_start() {
        let mut open = OpenConnections::new(1_000, 3);
        let start = open.nodes.as_ptr();
        for item in 0..1_000 {
            assert!(open.add(item % 3, item).is_some());
        }
        assert_eq!((open.nodes.as_ptr(), open.add(0, 0)), (start, None));
    }
}
