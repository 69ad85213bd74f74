//! Methods that choose by a key: `hash`, `hash … consistent`, `ip_hash`. Each maps a key to the
//! peer to which nginx's own maps it.

use peer_balance::{IP_HASH_START, KEYED_TRIES};

use super::{
    claim::{PickRequest, Weighing},
    group::Group,
    picked_peer::PickedPeer,
    table::Table,
};
use crate::layout::SHARED;

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
        group: &Group<'_>,
        key: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        self.pick_by_range(group, key, progress, request, next_of_key)
    }

    /// As `ngx_http_upstream_get_ip_hash_peer`; `None` where round robin must go on.
    pub(super) fn pick_by_address<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        address: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        self.pick_by_range(group, address, progress, request, next_of_address)
    }

    /// Cumulative weights of the peers without `backup`; none if the method needs none.
    #[inline]
    pub(super) fn ranges(&self) -> &[u64] {
        // SAFETY: the section's items are cumulative weights.
        unsafe { self.section(self.header.ranges) }
    }

    fn pick_by_range<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        key: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
        next: impl Fn(&mut KeyProgress, &[u8]) -> u64,
    ) -> Option<PickedPeer> {
        let total = self.range_total(group.places.len())?;
        if group.places.len() < 2 || key.is_empty() || progress.tries > KEYED_TRIES {
            return None;
        }
        loop {
            let index = self.in_range(next(progress, key) % total);
            let held = self.claim_index(group, index, request);
            if held.is_some() || progress.is_lost() {
                return held;
            }
        }
    }

    /// As `ngx_http_upstream_get_chash_peer`; `None` where round robin must go on.
    pub(super) fn pick_by_ring<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        key: &[u8],
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        // SAFETY: the section's items are points.
        let points: &[u64] = unsafe { self.section(self.header.ring) };
        if points.is_empty()
            || group.places.len() < 2
            || key.is_empty()
            || progress.tries > KEYED_TRIES
        {
            return None;
        }
        let hash_at = |index: usize| (points[index] >> 32) as u32;
        // Looked up again at each try: the ring may have changed since the last one.
        let found = peer_balance::find(hash_at, points.len(), peer_balance::key_hash(key));
        let mut at = (0..progress.round).fold(found % points.len(), |at, _| following(points, at));
        loop {
            if let Some(held) = self.claim_server(group, points[at] as u32, request) {
                return Some(held);
            }
            at = following(points, at);
            progress.round += 1;
            if progress.is_lost() {
                return None;
            }
        }
    }

    /// The sum of the weights of all peers without `backup`, of which there are so many; `None`
    /// where it is 0.
    pub(super) fn range_total(&self, peers: usize) -> Option<u64> {
        let total = match self.header.weight {
            0 => self.ranges().last().copied().unwrap_or_default(),
            weight => u64::from(weight) * peers as u64,
        };
        (total > 0).then_some(total)
    }

    /// The index of the peer in whose range the point lies, of the peers one after the other, each
    /// as wide as its weight.
    pub(super) fn in_range(&self, point: u64) -> usize {
        match self.header.weight {
            0 => peer_balance::in_range(self.ranges(), point),
            weight => (point / u64::from(weight)) as usize,
        }
    }

    fn claim_index<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        index: usize,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let &place = group.places.get(index)?;
        self.claim_peer(self.entry(place), request, Weighing::Not)
    }

    /// A peer of the server that a point names: there are several where a name has several
    /// addresses.
    fn claim_server<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        server: u32,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let claim = |index: usize| self.claim_index(group, index, request);
        if server & SHARED == 0 {
            return claim(server as usize);
        }
        // SAFETY: the section's items are numbers of entries, each followed by as many indexes.
        let shared: &[u32] = unsafe { self.section(self.header.shared) };
        let (&count, indexes) = shared.get((server & !SHARED) as usize..)?.split_first()?;
        let indexes = indexes.get(..count as usize).filter(|indexes| !indexes.is_empty())?;
        let (before, from) = indexes.split_at((group.next() % indexes.len() as u64) as usize);
        from.iter().chain(before).find_map(|&index| claim(index as usize))
    }
}

/// The next number that `hash` makes of a key.
#[inline]
pub(super) fn next_of_key(progress: &mut KeyProgress, key: &[u8]) -> u64 {
    // nginx adds them up in 32 bits.
    let hash = (progress.hash as u32).wrapping_add(peer_balance::rehash(progress.round, key));
    progress.round += 1;
    progress.hash = u64::from(hash);
    progress.hash
}

/// The next number that `ip_hash` makes of an address.
#[inline]
pub(super) fn next_of_address(progress: &mut KeyProgress, address: &[u8]) -> u64 {
    let before = if progress.round == 0 { IP_HASH_START } else { progress.hash as u32 };
    progress.round = 1;
    progress.hash = u64::from(peer_balance::ip_hash(before, address));
    progress.hash
}

/// The point behind this one that has another hash. Of points with the same hash nginx keeps the
/// first; all are kept here, since the first may go.
fn following(points: &[u64], at: usize) -> usize {
    let hash = points[at] >> 32;
    let mut next = at + 1;
    while next < points.len() && points[next] >> 32 == hash {
        next += 1;
    }
    if next == points.len() { 0 } else { next }
}
