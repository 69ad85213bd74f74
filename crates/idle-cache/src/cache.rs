//! The cache: items by age, by peer and by kind.

use crate::{
    groups::Groups,
    order::{LOOSE, Links, NONE, OF_ALL, OF_KIND, OF_PEER, Order},
};

/// Where an item is kept. It names this one stay: once the item has left, whatever is kept there
/// later has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(usize);

impl Slot {
    /// As a number, to put where there is room for no more than that.
    pub fn to_number(self) -> usize {
        self.0
    }

    /// From what [`to_number`](Self::to_number) gave. From any other number it is a slot that holds
    /// nothing, or anything.
    pub fn from_number(number: usize) -> Self {
        Self(number)
    }
}

/// What [`IdleCache::insert`] has done.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Insertion<T> {
    /// The slot of the item that was inserted.
    pub slot: Slot,
    /// The item that had to go for it.
    pub evicted: Option<T>,
}

#[derive(Debug)]
struct Entry<T> {
    item: Option<T>,
    /// The slot of the present stay, or of the last: the place's own number, plus the capacity for
    /// each stay before.
    slot: usize,
    /// Where the item's peer is; the next free place where this is free.
    peer: u32,
    /// Where the item's kind is; [`NONE`] where it is the peer's first.
    kind: u32,
}

/// A peer that has items.
#[derive(Debug)]
struct Peer {
    len: usize,
    order: Order<OF_PEER>,
    /// One of its kinds, which most peers have no other than: it is found with the peer, and comes
    /// and goes with it. It may have no items while others have some.
    first: u64,
    order_of_first: Order<OF_KIND>,
}

/// A bounded cache of idle connections by peer and kind, `T` being what stands for one.
///
/// A kind is whatever tells the connections of a peer apart: what is kept as one kind is never
/// given out as another. How many are kept is by peer, whatever their kinds.
///
/// Each call takes constant time (that of a hash table, where a peer is looked up), and none but
/// [`new`](Self::new) allocates.
#[derive(Debug)]
pub struct IdleCache<T> {
    capacity: usize,
    len: usize,
    /// No more of them than have been in use at once, so that memory which is never needed is never
    /// touched.
    places: Vec<Entry<T>>,
    free: u32,
    links: Vec<Links>,
    order: Order<OF_ALL>,
    peers: Groups<u64, Peer>,
    /// All kinds but the first of each peer.
    kinds: Groups<(u64, u64), Order<OF_KIND>>,
}

impl<T> IdleCache<T> {
    /// With room for `capacity` items: for one at least, and for fewer than 2^32 at most.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, NONE as usize - 1);
        Self {
            capacity,
            len: 0,
            places: Vec::with_capacity(capacity),
            free: NONE,
            links: Vec::with_capacity(capacity),
            order: Order::EMPTY,
            peers: Groups::new(capacity),
            kinds: Groups::new(capacity),
        }
    }

    /// How many items are kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no item is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps an item of a peer and a kind. Where the peer has `per_peer` items already (0 is taken
    /// for 1) its oldest has to go, whatever its kind; otherwise, where the cache is full, the
    /// oldest of all.
    pub fn insert(&mut self, peer: u64, kind: u64, per_peer: usize, item: T) -> Insertion<T> {
        let mut at = self.peers.find(peer);
        let oldest = match at {
            Some(at) if self.peers.at(at).len >= per_peer.max(1) => {
                self.peers.at(at).order.oldest()
            }
            _ if self.len == self.capacity => self.order.oldest(),
            _ => None,
        };
        // First out, then in: so there is room for the item, for its peer and for its kind.
        let evicted = oldest.and_then(|place| self.remove_at(place));
        if evicted.is_some() {
            at = self.peers.find(peer);
        }
        let (place, slot) = self.occupy(item);
        self.order.push(&mut self.links, place);
        let (of_peer, of_kind) = match at {
            Some(at) => (at, self.push(at, peer, kind, place)),
            None => {
                let alone = Peer {
                    len: 1,
                    order: Order::of_one(place),
                    first: kind,
                    order_of_first: Order::of_one(place),
                };
                (self.peers.insert(peer, alone), NONE)
            }
        };
        let place = &mut self.places[place as usize];
        (place.peer, place.kind) = (of_peer, of_kind);
        self.len += 1;
        Insertion { slot, evicted }
    }

    /// Puts a place into the orders of a peer that has items, and of a kind. Returns where the kind
    /// is.
    fn push(&mut self, at: u32, peer: u64, kind: u64, place: u32) -> u32 {
        let of_peer = self.peers.at(at);
        of_peer.len += 1;
        of_peer.order.push(&mut self.links, place);
        if of_peer.first != kind {
            if let Some(at) = self.kinds.find((peer, kind)) {
                self.kinds.at(at).push(&mut self.links, place);
                return at;
            }
            if !of_peer.order_of_first.is_empty() {
                return self.kinds.insert((peer, kind), Order::of_one(place));
            }
            of_peer.first = kind;
        }
        of_peer.order_of_first.push(&mut self.links, place);
        NONE
    }

    /// The item of a peer and a kind that was kept last.
    pub fn peek(&mut self, peer: u64, kind: u64) -> Option<&T> {
        let place = self.newest(peer, kind)?;
        self.places[place as usize].item.as_ref()
    }

    /// Takes out the item of a peer and a kind that was kept last.
    pub fn take_newest(&mut self, peer: u64, kind: u64) -> Option<T> {
        let place = self.newest(peer, kind)?;
        self.remove_at(place)
    }

    fn newest(&mut self, peer: u64, kind: u64) -> Option<u32> {
        let at = self.peers.find(peer)?;
        let of_peer = self.peers.at(at);
        if of_peer.first == kind {
            return of_peer.order_of_first.newest();
        }
        let at = self.kinds.find((peer, kind))?;
        self.kinds.at(at).newest()
    }

    /// Takes out the item in a slot, unless it has left already.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let index = slot.0 % self.capacity;
        if self.places.get(index)?.slot != slot.0 {
            return None;
        }
        self.remove_at(index as u32)
    }

    /// Takes out the oldest item of a peer; to be called until there is none, where the peer is
    /// gone.
    pub fn pop_peer(&mut self, peer: u64) -> Option<T> {
        let at = self.peers.find(peer)?;
        let place = self.peers.at(at).order.oldest()?;
        self.remove_at(place)
    }

    /// Takes out the oldest item of all.
    pub fn pop(&mut self) -> Option<T> {
        let place = self.order.oldest()?;
        self.remove_at(place)
    }

    /// Finds a free place, of which there must be one, and puts the item there.
    fn occupy(&mut self, item: T) -> (u32, Slot) {
        let index = self.free;
        let Some(place) = self.places.get_mut(index as usize) else { return self.append(item) };
        self.free = place.peer;
        // After as many stays as there are numbers the count starts again: no slot is remembered
        // for so long.
        place.slot = place.slot.checked_add(self.capacity).unwrap_or(index as usize);
        place.item = Some(item);
        (index, Slot(place.slot))
    }

    /// Puts the item into a place that has never been in use.
    #[cold]
    fn append(&mut self, item: T) -> (u32, Slot) {
        let index = self.places.len();
        self.places.push(Entry { item: Some(item), slot: index, peer: NONE, kind: NONE });
        self.links.push(LOOSE);
        (index as u32, Slot(index))
    }

    /// Empties a place; nothing is done where it is empty.
    fn remove_at(&mut self, index: u32) -> Option<T> {
        let place = &mut self.places[index as usize];
        let item = place.item.take()?;
        let of_kind = place.kind;
        let of_peer = core::mem::replace(&mut place.peer, self.free);
        self.free = index;
        self.len -= 1;
        self.order.remove(&mut self.links, index);
        let peer = self.peers.at(of_peer);
        peer.len -= 1;
        // The last of a peer is alone in its orders, which go with it.
        let is_last = peer.len == 0;
        if !is_last {
            peer.order.remove(&mut self.links, index);
        }
        if of_kind != NONE {
            let kind = self.kinds.at(of_kind);
            kind.remove(&mut self.links, index);
            if kind.is_empty() {
                self.kinds.remove(of_kind);
            }
        } else if !is_last {
            peer.order_of_first.remove(&mut self.links, index);
        }
        if is_last {
            self.peers.remove(of_peer);
        }
        Some(item)
    }
}
