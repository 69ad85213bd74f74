//! The cache: items by age and by peer.

use crate::order::{Ends, Link, OF_ALL, OF_PEER, ORDERS, push, remove};

/// How many items of a peer are looked at, from the newest on, for one of a kind. Nearly all peers
/// have one kind; of one with many the items that are not found go as they age.
const LOOKED_AT: usize = 256;

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

/// A peer: its place among all, which another may have after it, and what tells it from that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Below the number that [`IdleCache::new`] was told.
    pub index: usize,
    /// No other peer that ever has the same index has the same.
    pub id: u64,
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

/// The slot of a place in which nothing was kept yet: the first stay after it has the place's own
/// number.
const NEVER: usize = usize::MAX;

#[derive(Debug)]
struct Entry<T> {
    /// `None` where the place is free.
    item: Option<T>,
    peer: Peer,
    kind: u64,
    /// The slot of the present stay, or of the last: the place's own number, plus the capacity for
    /// each stay before.
    slot: usize,
}

/// The items of the peers of an index, as numbers: the newest, the oldest, how many. All are 0 if
/// there are none, and a vector of such arrays is made of memory that the system has zeroed, so
/// that the memory of peers without any is never touched.
type Head = [u32; 3];

const NEWEST: usize = 0;
const OLDEST: usize = 1;
const LENGTH: usize = 2;

fn ends_of(head: Head) -> Ends<OF_PEER> {
    Ends::new(head[NEWEST], head[OLDEST])
}

fn set_ends(head: &mut Head, ends: Ends<OF_PEER>) {
    (head[NEWEST], head[OLDEST]) = (ends.newest(), ends.oldest());
}

/// A bounded cache of idle connections by peer and kind, `T` being what stands for one.
///
/// A kind is whatever tells the connections of a peer apart: what is kept as one kind is never
/// given out as another. How many are kept is by peer, whatever their kinds.
///
/// Each call takes constant time, and none but [`new`](Self::new) allocates.
#[derive(Debug)]
pub struct IdleCache<T> {
    capacity: usize,
    len: usize,
    /// No more of them than have been in use at once, so that memory which is never needed is never
    /// touched. Places are numbered from 1.
    places: Vec<Entry<T>>,
    /// Of each place, beside it.
    links: Vec<[Link; ORDERS]>,
    /// The first free place; the others follow by their links.
    free: u32,
    all: Ends<OF_ALL>,
    heads: Vec<Head>,
}

impl<T> IdleCache<T> {
    /// A cache for at most `capacity` items (0 is taken for 1) of peers with indexes below `peers`.
    pub fn new(capacity: usize, peers: usize) -> Self {
        let capacity = capacity.clamp(1, u32::MAX as usize - 1);
        Self {
            capacity,
            len: 0,
            places: Vec::with_capacity(capacity),
            links: Vec::with_capacity(capacity),
            free: 0,
            all: Ends::default(),
            heads: vec![[0; 3]; peers],
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
    /// oldest of all. `None`, and nothing is kept, if there is no peer of this index.
    #[inline]
    pub fn insert(
        &mut self,
        peer: Peer,
        kind: u64,
        per_peer: usize,
        item: T,
    ) -> Option<Insertion<T>> {
        let head = self.heads.get(peer.index)?;
        let oldest = if head[LENGTH] as usize >= per_peer.max(1) {
            head[OLDEST]
        } else if self.len == self.capacity {
            self.all.oldest()
        } else {
            0
        };
        // First out, then in: so there is room for the item.
        let evicted = if oldest == 0 { None } else { self.remove_at(oldest) };
        let (place, slot) = self.occupy(peer, kind, item);
        let head = &mut self.heads[peer.index];
        head[LENGTH] += 1;
        let mut ends = ends_of(*head);
        push(&mut self.links, place, &mut ends);
        set_ends(head, ends);
        push(&mut self.links, place, &mut self.all);
        self.len += 1;
        Some(Insertion { slot, evicted })
    }

    /// The item of a peer and a kind that was kept last.
    pub fn peek(&mut self, peer: Peer, kind: u64) -> Option<&T> {
        let place = self.newest(peer, kind)?;
        self.places[place as usize - 1].item.as_ref()
    }

    /// Takes out the item of a peer and a kind that was kept last.
    #[inline]
    pub fn take_newest(&mut self, peer: Peer, kind: u64) -> Option<T> {
        let place = self.newest(peer, kind)?;
        self.remove_at(place)
    }

    #[inline]
    fn newest(&self, peer: Peer, kind: u64) -> Option<u32> {
        let mut place = self.heads.get(peer.index)?[NEWEST];
        for _ in 0..LOOKED_AT {
            // Of no place there is none.
            let entry = self.places.get((place as usize).wrapping_sub(1))?;
            if entry.kind == kind && entry.peer.id == peer.id {
                return Some(place);
            }
            place = self.links[place as usize - 1][OF_PEER].older;
        }
        None
    }

    /// Takes out the item in a slot, unless it has left already.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let index = slot.0 % self.capacity;
        if self.places.get(index)?.slot != slot.0 {
            return None;
        }
        self.remove_at(index as u32 + 1)
    }

    /// Takes out the oldest item of a peer; to be called until there is none, where the peer is
    /// gone.
    pub fn pop_peer(&mut self, peer: Peer) -> Option<T> {
        let mut place = self.heads.get(peer.index)?[OLDEST];
        // Those of the peer that had the index before, if any are left, are older.
        while let Some(entry) = self.places.get((place as usize).wrapping_sub(1)) {
            if entry.peer.id == peer.id {
                return self.remove_at(place);
            }
            place = self.links[place as usize - 1][OF_PEER].newer;
        }
        None
    }

    /// Takes out the oldest item of all.
    pub fn pop(&mut self) -> Option<T> {
        match self.all.oldest() {
            0 => None,
            place => self.remove_at(place),
        }
    }

    /// Puts an item into a free place; there must be one that is free, or was never in use.
    #[inline]
    fn occupy(&mut self, peer: Peer, kind: u64, item: T) -> (u32, Slot) {
        if self.free == 0 {
            self.append();
        }
        let place = self.free;
        let index = place as usize - 1;
        self.free = self.links[index][OF_ALL].older;
        let entry = &mut self.places[index];
        // After as many stays as there are numbers the count starts again: no slot is remembered
        // for so long.
        let slot = entry.slot.checked_add(self.capacity).unwrap_or(index);
        *entry = Entry { item: Some(item), peer, kind, slot };
        (place, Slot(slot))
    }

    /// Makes a place that has never been in use a free one.
    #[cold]
    #[inline(never)]
    fn append(&mut self) {
        let peer = Peer { index: 0, id: 0 };
        self.places.push(Entry { item: None, peer, kind: 0, slot: NEVER });
        self.links.push([Link::default(); ORDERS]);
        self.free = self.places.len() as u32;
    }

    /// Empties a place; nothing is done where it is empty.
    #[inline]
    fn remove_at(&mut self, place: u32) -> Option<T> {
        let index = place as usize - 1;
        let entry = &mut self.places[index];
        let item = entry.item.take()?;
        let head = &mut self.heads[entry.peer.index];
        head[LENGTH] -= 1;
        let mut ends = ends_of(*head);
        remove(&mut self.links, place, &mut ends);
        set_ends(head, ends);
        remove(&mut self.links, place, &mut self.all);
        self.len -= 1;
        self.links[index][OF_ALL].older = self.free;
        self.free = place;
        Some(item)
    }
}
