//! A worker's open connections, by peer.

use core::num::NonZeroU32;
use std::collections::HashMap;

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
    /// With [`WAITING`], if the item waits.
    peer: u32,
    /// The one added after this one; of a free place, the next free one.
    next: Option<Slot>,
    previous: Option<Slot>,
    /// Since when the item waits, if it does.
    since: u32,
}

/// This bit of a peer's number says that an item waits. Peers have numbers below it.
const WAITING: u32 = 1 << 31;

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
/// but where it says otherwise.
///
/// An item can be made to wait: it is then in a second list of its peer. Only [`wait`](Self::wait)
/// allocates after the start.
#[derive(Debug)]
pub struct OpenConnections<T> {
    /// As many as there ever were at once; there is room for all.
    nodes: Vec<Node<T>>,
    capacity: usize,
    free: Option<Slot>,
    lists: Vec<List>,
    /// Those that wait, by their peer with [`WAITING`]; only lists that have items.
    waiting: HashMap<u32, List>,
    count: usize,
}

impl<T: Copy> OpenConnections<T> {
    /// For up to `capacity` items, of peers with numbers below `peers`. The memory for them is
    /// reserved, and used as items come.
    pub fn new(capacity: usize, peers: usize) -> Self {
        // Slots are numbered in 32 bits.
        let capacity = capacity.min(u32::MAX as usize - 1);
        let peers = peers.min(WAITING as usize);
        Self {
            nodes: Vec::with_capacity(capacity),
            capacity,
            free: None,
            lists: vec![List::default(); peers],
            waiting: HashMap::new(),
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
            since: 0,
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
        let Some(item) = node.item.filter(|_| node.peer as usize == peer) else {
            return self.remove_waiting(peer, slot);
        };
        match node.previous {
            Some(previous) => self.nodes[previous.index()].next = node.next,
            None => self.lists[peer].first = word(node.next),
        }
        match node.next {
            Some(next) => self.nodes[next.index()].previous = node.previous,
            None => self.lists[peer].last = word(node.previous),
        }
        self.lists[peer].count -= 1;
        self.give_back(slot);
        Some(item)
    }

    /// As [`remove`](Self::remove), for an item that waits.
    #[cold]
    fn remove_waiting(&mut self, peer: usize, slot: Slot) -> Option<T> {
        let node = self.nodes.get(slot.index())?;
        let item = node.item.filter(|_| Some(node.peer) == waiting(peer))?;
        self.unlink(slot);
        self.give_back(slot);
        Some(item)
    }

    /// Makes the place of an item that is in no list any more a free one.
    #[inline]
    fn give_back(&mut self, slot: Slot) {
        self.count -= 1;
        self.nodes[slot.index()] =
            Node { item: None, peer: 0, next: self.free, previous: None, since: 0 };
        self.free = Some(slot);
    }

    /// Takes out the item of a peer that was added first, of those that do not wait.
    pub fn pop(&mut self, peer: usize) -> Option<T> {
        let first = self.lists.get(peer)?.first()?;
        self.remove(peer, first)
    }

    /// The item that [`pop`](Self::pop) would take.
    pub fn first(&self, peer: usize) -> Option<T> {
        self.nodes.get(self.lists.get(peer)?.first()?.index())?.item
    }

    /// Items of a peer that do not wait.
    pub fn count(&self, peer: usize) -> usize {
        self.lists.get(peer).map_or(0, |list| list.count as usize)
    }

    /// Makes the item of a peer that [`pop`](Self::pop) would take wait, since then.
    pub fn wait(&mut self, peer: usize, since: u32) {
        let (Some(list), Some(waiting)) = (self.lists.get(peer), waiting(peer)) else { return };
        let Some(first) = list.first() else { return };
        self.unlink(first);
        self.append(first, waiting);
        self.nodes[first.index()].since = since;
    }

    /// The item of a peer that waits at the head of the others, and since when it does.
    pub fn first_waiting(&self, peer: usize) -> Option<(T, u32)> {
        let node = self.nodes.get(self.head_of_waiting(peer)?.index())?;
        node.item.map(|item| (item, node.since))
    }

    /// Takes out the item that [`first_waiting`](Self::first_waiting) gives.
    pub fn pop_waiting(&mut self, peer: usize) -> Option<T> {
        let first = self.head_of_waiting(peer)?;
        self.remove_waiting(peer, first)
    }

    /// Lets the item that [`first_waiting`](Self::first_waiting) gives wait behind the others.
    pub fn wait_again(&mut self, peer: usize) {
        if let (Some(first), Some(waiting)) = (self.head_of_waiting(peer), waiting(peer)) {
            self.unlink(first);
            self.append(first, waiting);
        }
    }

    /// Lets no item of a peer wait any more: they come behind the others. It walks those that wait.
    pub fn resume(&mut self, peer: usize) {
        let Ok(number) = u32::try_from(peer) else { return };
        while let Some(first) = self.head_of_waiting(peer) {
            self.unlink(first);
            self.append(first, number);
        }
    }

    /// Items of a peer that wait.
    pub fn count_waiting(&self, peer: usize) -> usize {
        waiting(peer).and_then(|peer| self.waiting.get(&peer)).map_or(0, |list| list.count as usize)
    }

    fn head_of_waiting(&self, peer: usize) -> Option<Slot> {
        self.waiting.get(&waiting(peer)?)?.first()
    }

    /// Takes an item out of its list, and leaves it in its place.
    fn unlink(&mut self, slot: Slot) {
        let node = self.nodes[slot.index()];
        let Some(mut list) = self.list(node.peer) else { return };
        match node.previous {
            Some(previous) => self.nodes[previous.index()].next = node.next,
            None => list.first = word(node.next),
        }
        match node.next {
            Some(next) => self.nodes[next.index()].previous = node.previous,
            None => list.last = word(node.previous),
        }
        list.count -= 1;
        self.set_list(node.peer, list);
    }

    /// Puts an item that is in no list at the end of one: a peer's number, with [`WAITING`] or
    /// without.
    fn append(&mut self, slot: Slot, peer: u32) {
        let mut list = self.list(peer).unwrap_or_default();
        match list.last() {
            Some(last) => self.nodes[last.index()].next = Some(slot),
            None => list.first = word(Some(slot)),
        }
        let node = &mut self.nodes[slot.index()];
        (node.peer, node.previous, node.next) = (peer, list.last(), None);
        list.last = word(Some(slot));
        list.count += 1;
        self.set_list(peer, list);
    }

    fn list(&self, peer: u32) -> Option<List> {
        if peer & WAITING == 0 {
            self.lists.get(peer as usize).copied()
        } else {
            self.waiting.get(&peer).copied()
        }
    }

    fn set_list(&mut self, peer: u32, list: List) {
        if peer & WAITING == 0 {
            self.lists[peer as usize] = list;
        } else if list.count == 0 {
            self.waiting.remove(&peer);
        } else {
            self.waiting.insert(peer, list);
        }
    }

    /// Items of all peers.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The peers that have items, each once, or twice if some of its items wait; in any order. It
    /// walks all items.
    pub fn peers(&self) -> impl Iterator<Item = usize> + '_ {
        // The first of each list stands for it.
        self.nodes
            .iter()
            .filter(|node| node.item.is_some() && node.previous.is_none())
            .map(|node| (node.peer & !WAITING) as usize)
    }
}

/// What the items of a peer that wait have as their peer.
fn waiting(peer: usize) -> Option<u32> {
    Some(u32::try_from(peer).ok()? | WAITING)
}

#[cfg(test)]
mod tests;
