//! Methods that choose by a key: `hash`, `hash … consistent`, `ip_hash`. Each maps a key to the
//! peer to which nginx's own maps it.

use hash_ring::{Base, Delta, EMPTY_BASE, View};
use peer_balance::{IP_HASH_START, KEYED_TRIES, Method};

use super::{
    claim::{PickRequest, Weighing},
    picked_peer::PickedPeer,
    table::Table,
    tier::Tier,
};
use crate::{layout::SHARED, memory::Offset};

/// How far a request has come with its key: nginx keeps the like in its
/// `ngx_http_upstream_hash_peer_data_t`.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyProgress {
    hash: u64,
    round: u32,
    tries: u32,
}

impl KeyProgress {
    /// One more peer that could not be had; says whether round robin must go on.
    fn is_lost(&mut self) -> bool {
        self.tries += 1;
        self.tries > KEYED_TRIES
    }
}

impl Table<'_> {
    /// As `ngx_http_upstream_get_hash_peer`; `None` where round robin must go on.
    pub(super) fn pick_by_hash<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        key: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        self.pick_by_range(tier, key, progress, request, next_of_key)
    }

    /// As `ngx_http_upstream_get_ip_hash_peer`; `None` where round robin must go on.
    pub(super) fn pick_by_address<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        address: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        self.pick_by_range(tier, address, progress, request, next_of_address)
    }

    /// Cumulative weights of the peers without `backup`; none if the method needs none.
    #[inline]
    fn ranges(&self) -> &[u64] {
        // SAFETY: the section's items are cumulative weights.
        unsafe { self.section(self.header.ranges) }
    }

    fn pick_by_range<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        key: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
        next: impl Fn(&mut KeyProgress, &[u8]) -> u64,
    ) -> Option<PickedPeer> {
        let total = self.range_total(tier.places.len())?;
        if tier.places.len() < 2 || key.is_empty() || progress.tries > KEYED_TRIES {
            return None;
        }
        loop {
            let index = self.in_range(next(progress, key) % total);
            let held = self.claim_index(tier, index, request);
            if held.is_some() || progress.is_lost() {
                return held;
            }
        }
    }

    /// As `ngx_http_upstream_get_chash_peer`; `None` where round robin must go on.
    pub(super) fn pick_by_ring<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        key: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let view = self.ring()?;
        if view.is_empty()
            || tier.places.len() < 2
            || key.is_empty()
            || progress.tries > KEYED_TRIES
        {
            return None;
        }
        // From the beginning at each try: the ring may have changed since the last one.
        let precedes = |one: u32, other: u32| self.precedes(one, other);
        let mut walk = view.walk(peer_balance::key_hash(key), precedes);
        for _ in 0..progress.round {
            walk.next()?;
        }
        loop {
            if let Some(held) = self.claim_server(tier, walk.next()?, request) {
                return Some(held);
            }
            progress.round += 1;
            if progress.is_lost() {
                return None;
            }
        }
    }

    /// The ring; `None` if the method needs none.
    #[inline]
    fn ring(&self) -> Option<View<'_>> {
        // SAFETY: the section's items are words.
        let delta: &[u32] = unsafe { self.section(self.header.delta) };
        let base: &[u32] = match self.header.base {
            Offset(0) => &EMPTY_BASE,
            // SAFETY: the table is pinned, and no base that it names is freed; the publisher wrote
            // as many words there.
            place => unsafe {
                self.zone().memory.slice(place.bytes(), self.header.base_words as usize)
            },
        };
        View::new(Base::new(base).ok()?, Delta::new(delta).ok()?).ok()
    }

    /// The places of the entries of the peers of a server: there are several where a name has
    /// several addresses.
    #[inline]
    fn places_of_server(&self, slot: u32) -> &[Offset] {
        // SAFETY: the section's items are places, or words of the same size.
        let slots: &[Offset] = unsafe { self.section(self.header.slots) };
        let slot = slot as usize;
        let Some(&Offset(word)) = slots.get(slot).filter(|place| place.0 != 0) else { return &[] };
        if word & SHARED == 0 {
            return &slots[slot..=slot];
        }
        // SAFETY: the section's items are numbers of places, each followed by as many of them.
        let shared: &[Offset] = unsafe { self.section(self.header.shared) };
        let places = shared.get((word & !SHARED) as usize..).and_then(|rest| rest.split_first());
        let places = places.and_then(|(count, places)| places.get(..count.0 as usize));
        places.unwrap_or_default()
    }

    /// Whether the server in one slot comes before that in another: if both have a point of the
    /// same hash, it is the first one's.
    fn precedes(&self, one: u32, other: u32) -> bool {
        let [one, other] = [one, other].map(|slot| self.places_of_server(slot).first());
        let (Some(one), Some(other)) = (one, other) else { return one.is_some() };
        // SAFETY: the table is pinned, and no entry that it lists is freed.
        let precedes = unsafe { self.zone().precedes(*one, *other) };
        precedes.unwrap_or_else(|| {
            self.places.iter().find(|place| [one, other].contains(place)) == Some(one)
        })
    }

    /// The place of the entry of the peer that a method looks at first for a key; `None` if there
    /// is none, or if it is a server with several peers. `after` is how far the request has come
    /// then.
    #[inline(never)]
    pub(super) fn place_of_key(
        &self,
        method: Method,
        key: &[u8],
        after: &mut KeyProgress,
    ) -> Option<Offset> {
        let number = match method {
            Method::Hash => next_of_key(after, key),
            Method::IpHash => next_of_address(after, key),
            Method::HashConsistent => {
                let precedes = |one: u32, other: u32| self.precedes(one, other);
                let slot = self.ring()?.find(peer_balance::key_hash(key), precedes)?;
                let [place] = *self.places_of_server(slot) else { return None };
                return Some(place);
            }
            _ => return None,
        };
        let total = self.range_total(self.header.primaries as usize)?;
        self.places.get(self.in_range(number % total)).copied()
    }

    /// The sum of the weights of all peers without `backup`, of which there are so many; `None`
    /// where it is 0.
    fn range_total(&self, peers: usize) -> Option<u64> {
        let total = match self.header.weight {
            0 => self.ranges().last().copied().unwrap_or_default(),
            weight => u64::from(weight) * peers as u64,
        };
        (total > 0).then_some(total)
    }

    /// The index of the peer in whose range the point lies, of the peers one after the other, each
    /// as wide as its weight.
    fn in_range(&self, point: u64) -> usize {
        match self.header.weight {
            0 => peer_balance::in_range(self.ranges(), point),
            weight => (point / u64::from(weight)) as usize,
        }
    }

    fn claim_index<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        index: usize,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let &place = tier.places.get(index)?;
        self.claim_peer(self.entry(place), request, Weighing::Not)
    }

    /// A peer of the server in this slot; of several they take turns.
    fn claim_server<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        slot: u32,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let claim = |&place: &Offset| self.claim_peer(self.entry(place), request, Weighing::Not);
        match self.places_of_server(slot) {
            [] => None,
            [place] => claim(place),
            places => {
                let (before, from) = places.split_at(self.first_of(tier, places.len()));
                from.iter().chain(before).find_map(claim)
            }
        }
    }
}

/// The next number that `hash` makes of a key.
#[inline]
fn next_of_key(progress: &mut KeyProgress, key: &[u8]) -> u64 {
    // nginx adds them up in 32 bits.
    let hash = (progress.hash as u32).wrapping_add(peer_balance::rehash(progress.round, key));
    progress.round += 1;
    progress.hash = u64::from(hash);
    progress.hash
}

/// The next number that `ip_hash` makes of an address.
#[inline]
fn next_of_address(progress: &mut KeyProgress, address: &[u8]) -> u64 {
    let before = if progress.round == 0 { IP_HASH_START } else { progress.hash as u32 };
    progress.round = 1;
    progress.hash = u64::from(peer_balance::ip_hash(before, address));
    progress.hash
}
