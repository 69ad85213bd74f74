//! The cache.

use crate::{
    groups::Groups,
    order::{Link, NONE, Order},
};

/// Where an item is kept. It names this one stay: once the item has left, whatever is kept there later has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(usize);

impl Slot {
    /// As a number, to put where there is room for no more than that.
    pub fn to_number(self) -> usize {
        self.0
    }

    /// From what [`to_number`](Self::to_number) gave. From any other number it is a slot that holds nothing, or anything.
    pub fn from_number(number: usize) -> Self {
        Self(number)
    }
}

/// What [`IdleCache::keep`] has done.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Kept<T> {
    /// Where the item is.
    pub slot: Slot,
    /// What had to go for it.
    pub evicted: Option<T>,
}

#[derive(Debug)]
struct Place<T> {
    item: Option<T>,
    /// The slot of the present stay, or of the last: the place's own number, plus the capacity for each stay before.
    slot: usize,
    /// Where the item's kind is; the next free place where this is free.
    kind: u32,
}

/// A bounded cache of idle connections by peer and kind, `T` being what stands for one.
///
/// A kind is whatever tells the connections of a peer apart: what is kept as one kind is never given out as another. How many are kept is by
/// peer, whatever their kinds.
///
/// Each call takes constant time (that of a hash table, where a peer is looked up), and none but [`new`](Self::new) allocates.
#[derive(Debug)]
pub struct IdleCache<T> {
    capacity: usize,
    len: usize,
    /// No more of them than have been in use at once, so that memory which is never needed is never touched.
    places: Vec<Place<T>>,
    free: u32,
    order: Order,
    links: Vec<Link>,
    peers: Groups<u64>,
    links_of_peers: Vec<Link>,
    /// Each is a part of its peer.
    kinds: Groups<(u64, u64)>,
    links_of_kinds: Vec<Link>,
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
            order: Order::EMPTY,
            links: Vec::with_capacity(capacity),
            peers: Groups::new(capacity),
            links_of_peers: Vec::with_capacity(capacity),
            kinds: Groups::new(capacity),
            links_of_kinds: Vec::with_capacity(capacity),
        }
    }

    /// How many items are kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps an item of a peer and a kind. Where the peer has `per_peer` items already (0 is taken for 1) its oldest has to go, whatever its kind;
    /// otherwise, where the cache is full, the oldest of all.
    pub fn keep(&mut self, peer: u64, kind: u64, per_peer: usize, item: T) -> Kept<T> {
        let mut at = self.find(peer, kind);
        let oldest = match at.peer {
            Some(peer) if self.peers.at(peer).len >= per_peer.max(1) => self.peers.at(peer).order.oldest(),
            _ if self.len == self.capacity => self.order.oldest(),
            _ => None,
        };
        // First out, then in: so there is room for the item and for its peer. Both groups may have gone with it.
        let evicted = oldest.and_then(|place| self.remove_at(place));
        if evicted.is_some() {
            at = self.find(peer, kind);
        }
        let of_peer = at.peer.unwrap_or_else(|| self.peers.insert(peer, NONE));
        let of_kind = at.kind.unwrap_or_else(|| self.kinds.insert((peer, kind), of_peer));

        let place = self.occupy(item, of_kind);
        self.order.push(&mut self.links, place);
        let peer = self.peers.at(of_peer);
        peer.order.push(&mut self.links_of_peers, place);
        peer.len += 1;
        let kind = self.kinds.at(of_kind);
        kind.order.push(&mut self.links_of_kinds, place);
        kind.len += 1;
        self.len += 1;
        Kept { slot: Slot(self.places[place as usize].slot), evicted }
    }

    /// The item of a peer and a kind that was kept last.
    pub fn peek(&mut self, peer: u64, kind: u64) -> Option<&T> {
        let place = self.newest(peer, kind)?;
        self.places[place as usize].item.as_ref()
    }

    /// Takes out the item of a peer and a kind that was kept last.
    pub fn take(&mut self, peer: u64, kind: u64) -> Option<T> {
        let place = self.newest(peer, kind)?;
        self.remove_at(place)
    }

    fn newest(&mut self, peer: u64, kind: u64) -> Option<u32> {
        let at = self.kinds.find((peer, kind))?;
        self.kinds.at(at).order.newest()
    }

    fn find(&mut self, peer: u64, kind: u64) -> Found {
        match self.kinds.find((peer, kind)) {
            Some(kind) => Found { peer: Some(self.kinds.at(kind).whole), kind: Some(kind) },
            None => Found { peer: self.peers.find(peer), kind: None },
        }
    }

    /// Takes out the item in a slot, unless it has left already.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let index = slot.0 % self.capacity;
        if self.places.get(index)?.slot != slot.0 {
            return None;
        }
        self.remove_at(index as u32)
    }

    /// Takes out the oldest item of a peer; to be called until there is none, where the peer is gone.
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
    fn occupy(&mut self, item: T, kind: u32) -> u32 {
        if self.free == NONE {
            let index = self.places.len();
            self.places.push(Place { item: Some(item), slot: index, kind });
            self.links.push(Link::LOOSE);
            self.links_of_peers.push(Link::LOOSE);
            self.links_of_kinds.push(Link::LOOSE);
            return index as u32;
        }
        let index = self.free;
        let place = &mut self.places[index as usize];
        self.free = place.kind;
        // After as many stays as there are numbers the count starts again: no slot is remembered for so long.
        let slot = place.slot.checked_add(self.capacity).unwrap_or(index as usize);
        *place = Place { item: Some(item), slot, kind };
        index
    }

    /// Empties a place; nothing is done where it is empty.
    fn remove_at(&mut self, index: u32) -> Option<T> {
        let place = &mut self.places[index as usize];
        let item = place.item.take()?;
        let of_kind = core::mem::replace(&mut place.kind, self.free);
        self.free = index;
        self.order.remove(&mut self.links, index);
        let kind = self.kinds.at(of_kind);
        kind.order.remove(&mut self.links_of_kinds, index);
        kind.len -= 1;
        let of_peer = kind.whole;
        if kind.len == 0 {
            self.kinds.remove(of_kind);
        }
        let peer = self.peers.at(of_peer);
        peer.order.remove(&mut self.links_of_peers, index);
        peer.len -= 1;
        if peer.len == 0 {
            self.peers.remove(of_peer);
        }
        self.len -= 1;
        Some(item)
    }
}

/// The places of a peer and of a kind of its connections, where they have items.
struct Found {
    peer: Option<u32>,
    kind: Option<u32>,
}
