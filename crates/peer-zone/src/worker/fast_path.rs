//! Picks and releases at which nothing special holds, as of nearly all requests.
//!
//! A pick asks one question of the table ([`PLAIN`]) and one of the peer that has the turn (no
//! failures, checks passed or none, the whole weight). If either answer is no, it hands the
//! position that it has taken to the pick with care (`pick.rs`), which asks everything. So both are
//! the same sequence, over all workers, and the same counts.

use core::sync::atomic::Ordering;

use peer_balance::{Deficit, Method};

use super::{
    Worker,
    keyed::{KeyProgress, next_of_address, next_of_key},
    picked_peer::{PickedPeer, Traits},
    table::Table,
};
use crate::{
    connections::CONNECTION,
    layout::{Entry, Health, PLAIN, Peer},
    zone::Zone,
};

impl Worker {
    /// Picks a peer for a request that has tried none and has no cookie, by `round_robin`,
    /// `least_conn` or `random`, if nothing special holds for the peer that the method looks at
    /// first.
    ///
    /// The error is a position of the method that the request has got without a peer, if any: for
    /// [`Worker::pick_with_care`].
    // There is one caller that matters: what is returned need not go through memory there.
    #[inline(always)]
    pub fn pick_at_once(&mut self, method: Method) -> Result<PickedPeer, Option<u64>> {
        let Some(table) = self.plain_table() else { return Err(None) };
        let plan = &table.header.primary;
        let is_random = matches!(method, Method::Random);
        let is_least_conn = matches!(method, Method::LeastConn);
        if (is_random || is_least_conn) && plan.in_service < 2 {
            return Err(None);
        }
        let position = if is_random {
            table.draw_position(plan)
        } else {
            table.worker.zone.positions().primary.fetch_add(1, Ordering::Relaxed)
        };
        let is_fit = |_: &Entry, peer: &Peer| {
            is_random || has_all_its_weight(peer) && !(is_least_conn && Zone::open(peer) != 0)
        };
        table.hold_at(table.index_at(plan, position), is_fit).ok_or(Some(position))
    }

    /// As [`Worker::pick_at_once`], by `hash` or `ip_hash`, with what the request is hashed by.
    #[inline(never)]
    pub fn pick_own_at_once(
        &mut self,
        method: Method,
        own: &[u8],
        progress: &mut KeyProgress,
    ) -> Option<PickedPeer> {
        let table = self.plain_table()?;
        let total = table.range_total(table.header.primaries as usize)?;
        if table.header.primaries < 2 || own.is_empty() {
            return None;
        }
        let mut after = KeyProgress::default();
        let number = match method {
            Method::Hash => next_of_key(&mut after, own),
            Method::IpHash => next_of_address(&mut after, own),
            _ => return None,
        };
        let index = table.in_range(number % total);
        let held = table.hold_at(index, |entry, _| entry.parameters().is_in_service())?;
        *progress = after;
        Some(held)
    }

    /// The current table, if nothing special holds for all of it.
    #[inline(always)]
    fn plain_table(&mut self) -> Option<Table<'_>> {
        if self.exhausted.is_some() {
            return None;
        }
        let table = self.table()?;
        let is_plain = table.header.traits & PLAIN != 0 && table.header.primary.cycle != 0;
        is_plain.then_some(table)
    }

    /// Ends a request's hold on its peer, which has answered, if nothing else than the counts has
    /// to change. Nothing is held then.
    #[inline]
    pub fn release_at_once(&mut self, place: &mut Option<PickedPeer>) -> bool {
        let Some(held) = place else { return false };
        let is_special = held.traits.has(Traits::LIMITED.with(Traits::UPGRADED));
        if is_special || held.in_flight.is_some() {
            return false;
        }
        // SAFETY: the count that keeps the peer is given back below, last.
        let peer = unsafe { self.zone.peer(held.peer) };
        if peer.fails.load(Ordering::Relaxed) != 0
            || self.zone.header().limited.load(Ordering::Relaxed) != 0
        {
            return false;
        }
        self.uncount(held.peer, CONNECTION);
        *place = None;
        true
    }
}

impl Table<'_> {
    /// Counts the request at the peer of this index, if nothing special holds for it and it
    /// `is_fit`.
    #[inline(always)]
    fn hold_at(&self, index: usize, is_fit: impl Fn(&Entry, &Peer) -> bool) -> Option<PickedPeer> {
        let entry = self.entry(*self.places.get(index)?);
        let peer = self.peer(entry);
        if !is_unremarkable(peer) || !is_fit(entry, peer) {
            return None;
        }
        self.worker.count(entry.peer);
        peer.requests.fetch_add(1, Ordering::Relaxed);
        let traits = Traits::SINGLE.only_if(self.is_single());
        Some(PickedPeer { traits, ..PickedPeer::new(entry, peer) })
    }
}

/// Whether no failure has left the peer less than its weight.
#[inline]
fn has_all_its_weight(peer: &Peer) -> bool {
    Deficit(peer.deficit.load(Ordering::Relaxed)) == Deficit::NONE
}

/// Whether the peer has neither failed nor fails its checks.
#[inline]
fn is_unremarkable(peer: &Peer) -> bool {
    let is_healthy = matches!(Health::load(&peer.health), Health::Unchecked | Health::Passing);
    is_healthy && peer.fails.load(Ordering::Acquire) == 0
}

#[cfg(test)]
mod tests;
