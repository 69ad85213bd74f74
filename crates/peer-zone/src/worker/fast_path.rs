//! Picks and releases at which nothing special holds, as of nearly all requests.
//!
//! A pick asks one question of the table ([`PLAIN`]) and one of the peer that has the turn (no
//! failures, checks passed or none, the whole weight). If either answer is no, it hands the
//! position that it has taken to the pick with care (`pick.rs`), which asks everything. So both are
//! the same sequence, over all workers, and the same counts.

use core::{num::NonZeroU64, sync::atomic::Ordering};

use peer_balance::{Deficit, KEYED_TRIES, Method};

use super::{
    Now, Worker,
    keyed::KeyProgress,
    picked_peer::{PickedPeer, Traits},
    table::Table,
};
use crate::{
    connections::CONNECTION,
    layout::{Entry, Health, PLAIN, Peer, PlanHeader},
    memory::Offset,
    zone::{Zone, peers::RequestAddress},
};

/// Why a request gets no peer at once. It may have got a position of the method already, with which
/// the next pick goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The order of the peers is computed, or what is copied of the peer has an unusual length: for
    /// [`Worker::pick_at_once`] with `IS_WIDE`.
    Narrow(Option<u64>),
    /// For [`Worker::pick_with_care`].
    Careful(Option<u64>),
}

/// What a request does with the peer that it gets at once.
pub trait Take {
    /// Says whether the request takes the peer, which `held` gives it.
    fn take(self, held: impl FnOnce() -> PickedPeer, address: &RequestAddress<'_>) -> bool;
}

impl<F: FnOnce(PickedPeer, &RequestAddress<'_>) -> bool> Take for F {
    #[inline]
    fn take(self, held: impl FnOnce() -> PickedPeer, address: &RequestAddress<'_>) -> bool {
        self(held(), address)
    }
}

/// Why a peer is not held at once.
enum NotHeld {
    /// Something special holds for it.
    Special,
    /// The request does not take it.
    NotTaken,
}

impl Worker {
    /// Picks a peer for a request that has tried none and has no cookie, by `round_robin`,
    /// `least_conn` or `random`, if nothing special holds for the peer that the method looks at
    /// first. `first` is a position that the request has got already.
    ///
    /// `take` gets the peer and says whether the request takes it: it is called before the request
    /// counts, and while the table is pinned, so that no value waits on the stack for the end of
    /// the pick.
    ///
    /// Without `IS_WIDE` a pick calls no function, so that it need not save registers; what it
    /// cannot do is for a pick with it.
    ///
    /// # Errors
    ///
    /// Which pick must find a peer.
    // There is one caller that matters: what is returned need not go through memory there.
    #[inline(always)]
    pub fn pick_at_once<const IS_WIDE: bool>(
        &mut self,
        method: Method,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        let Some((table, cycle)) = self.plain_table() else { return Err(Missed::Careful(first)) };
        let plan = &table.header.primary;
        let is_random = matches!(method, Method::Random);
        let is_least_conn = matches!(method, Method::LeastConn);
        if !IS_WIDE && plan.stride != 0 {
            return Err(Missed::Narrow(first));
        }
        if (is_random || is_least_conn) && plan.in_service < 2 {
            return Err(Missed::Careful(first));
        }
        let position = match first {
            Some(position) => position,
            None if is_random => table.draw_position(plan),
            None => table.zone.positions().primary.fetch_add(1, Ordering::Relaxed),
        };
        let careful = Missed::Careful(Some(position));
        let index = if IS_WIDE {
            Some(table.index_at(plan, position))
        } else {
            table.index_without_stride(plan, cycle, position)
        };
        let &place = index.and_then(|index| table.places.get(index)).ok_or(careful)?;
        let is_fit = |_: &Entry, peer: &Peer| {
            is_random || has_all_its_weight(peer) && !(is_least_conn && Zone::open(peer) != 0)
        };
        // Those that compare several have several.
        let is_single = || !(is_random || is_least_conn) && table.is_single();
        table.hold_at(place, is_single, is_fit, take).map_err(|reason| match reason {
            NotHeld::NotTaken if !IS_WIDE => Missed::Narrow(Some(position)),
            NotHeld::Special | NotHeld::NotTaken => careful,
        })
    }

    /// As [`Worker::pick_at_once`], by a method that goes by something of the request's: `own`.
    ///
    /// # Errors
    ///
    /// If the pick with care must find a peer.
    #[inline(always)]
    pub fn pick_own_at_once(
        &mut self,
        method: Method,
        own: &[u8],
        progress: &mut KeyProgress,
        take: impl Take,
    ) -> Result<(), Missed> {
        let careful = Missed::Careful(None);
        let (table, _) = self.plain_table().ok_or(careful)?;
        if table.header.primaries < 2 || own.is_empty() {
            return Err(careful);
        }
        let mut after = KeyProgress::default();
        let place = table.place_of_key(method, own, &mut after).ok_or(careful)?;
        let is_fit = |entry: &Entry, _: &Peer| entry.parameters().is_in_service();
        // There are several.
        table.hold_at(place, || false, is_fit, take).map_err(|_| careful)?;
        *progress = after;
        Ok(())
    }

    /// As [`Worker::pick_at_once`], by `random two` or `peak_ewma`.
    ///
    /// # Errors
    ///
    /// If the pick with care must find a peer. It draws the same random numbers.
    #[inline(always)]
    pub fn pick_of_two_at_once(
        &mut self,
        method: Method,
        now: Now,
        take: impl Take,
    ) -> Result<(), Missed> {
        let careful = Missed::Careful(None);
        let (table, _) = self.plain_table().ok_or(careful)?;
        if table.header.primary.in_service < 2 {
            return Err(careful);
        }
        let before = table.worker.random.get();
        let held = table
            .place_of_two(method, now)
            .is_some_and(|place| table.hold_at(place, || false, |_, _| true, take).is_ok());
        if !held {
            table.worker.random.set(before);
            return Err(careful);
        }
        Ok(())
    }

    /// The current table and the cycle of its plan, if nothing special holds for all of it.
    #[inline(always)]
    fn plain_table(&mut self) -> Option<(Table<'_>, NonZeroU64)> {
        if self.exhausted.is_some() {
            return None;
        }
        let table = self.table()?;
        let cycle = NonZeroU64::new(table.header.primary.cycle)?;
        (table.header.traits & PLAIN != 0).then_some((table, cycle))
    }

    /// Ends a request's hold on its peer, which has answered, if nothing else than the counts has
    /// to change. Nothing is held then.
    #[inline(always)]
    pub fn release_at_once(&mut self, place: &mut Option<PickedPeer>) -> bool {
        self.release_plain(place, |_, _| Some(()), |()| ()).is_some()
    }

    /// As [`Worker::release_at_once`]; `look` is called before the request gives its peer back, and
    /// says whether it may: otherwise the release takes care. `count` is called with what it has
    /// seen, while the peer still counts the request.
    #[inline(always)]
    pub fn release_at_once_after<T>(
        &mut self,
        place: &mut Option<PickedPeer>,
        look: impl FnOnce() -> Option<T>,
        count: impl FnOnce(T),
    ) -> bool {
        self.release_plain(place, |_, _| look(), count).is_some()
    }

    /// As [`Worker::release_at_once_after`]; says whether the peer is there for others as well, as
    /// [`Worker::is_in_service`] does. `None`, and nothing has changed, if the release takes care.
    #[inline(always)]
    pub fn release_at_once_in_service<T>(
        &mut self,
        place: &mut Option<PickedPeer>,
        look: impl FnOnce() -> Option<T>,
        count: impl FnOnce(T),
    ) -> Option<bool> {
        let look = |worker: &Self, peer: &Peer| Some((worker.is_listed(peer), look()?));
        self.release_plain(place, look, |(is_listed, seen)| {
            count(seen);
            is_listed
        })
    }

    /// `look` is called before the request gives the peer back, which has no failures; `count`
    /// with what it has seen, while the peer still counts the request.
    #[inline(always)]
    fn release_plain<S, T>(
        &self,
        place: &mut Option<PickedPeer>,
        look: impl FnOnce(&Self, &Peer) -> Option<S>,
        count: impl FnOnce(S) -> T,
    ) -> Option<T> {
        let at = match place {
            Some(held) if held.traits.is_plain() => held.peer,
            _ => return None,
        };
        let zone = self.zone;
        // SAFETY: the count that keeps the peer is given back below, last.
        let peer = unsafe { zone.peer(at) };
        if peer.fails.load(Ordering::Relaxed) != 0
            || zone.header().limited.load(Ordering::Relaxed) != 0
        {
            return None;
        }
        match look(self, peer) {
            Some(seen) => {
                // Before `count`, so that the place is not needed behind it.
                *place = None;
                let counted = count(seen);
                self.uncount(at, CONNECTION);
                Some(counted)
            }
            None => None,
        }
    }
}

impl Table<'_> {
    /// As [`Table::index_at`], for a plan that is not computed; `None` if the table is not what it
    /// should be.
    #[inline(always)]
    fn index_without_stride(
        &self,
        plan: &PlanHeader,
        cycle: NonZeroU64,
        position: u64,
    ) -> Option<usize> {
        let position = (position % cycle) as usize;
        if plan.length == 0 {
            return Some(position);
        }
        self.plan_sequence(plan).get(position).map(|&index| index as usize)
    }

    /// As [`Table::pick_of_two`], if nothing special holds for the two; without taking the peer.
    #[inline(never)]
    fn place_of_two(&self, method: Method, now: Now) -> Option<Offset> {
        let is_better = match method {
            Method::RandomTwo => Self::has_fewer_connections,
            Method::PeakEwma => Self::answers_sooner,
            _ => return None,
        };
        let plan = &self.header.primary;
        let draw = || {
            let place = *self.places.get(self.index_at(plan, self.draw_position(plan)))?;
            let entry = self.entry(place);
            let peer = self.peer(entry);
            is_unremarkable(peer).then_some((place, (entry, peer)))
        };
        let (first, known) = draw()?;
        for _ in 0..KEYED_TRIES {
            let (second, other) = draw()?;
            if other.1.id != known.1.id {
                return Some(if is_better(other, known, now) { second } else { first });
            }
        }
        Some(first)
    }

    /// Gives the request the peer of the entry at this place and counts it there, if nothing
    /// special holds for the peer and it `is_fit`.
    #[inline(always)]
    fn hold_at(
        &self,
        place: Offset,
        is_single: impl FnOnce() -> bool,
        is_fit: impl FnOnce(&Entry, &Peer) -> bool,
        take: impl Take,
    ) -> Result<(), NotHeld> {
        let entry = self.entry(place);
        let at = entry.peer;
        let peer = self.peer(entry);
        if !is_unremarkable(peer) || !is_fit(entry, peer) {
            return Err(NotHeld::Special);
        }
        // SAFETY: the table is pinned, and no peer that it lists is freed.
        let address = unsafe { self.zone.request_address(at) };
        // It counts before anybody else can look: nothing comes in between.
        let held = || {
            let traits = Traits::SINGLE.only_if(is_single());
            PickedPeer { peer: at, traits, ..PickedPeer::new(entry, peer) }
        };
        if !take.take(held, &address) {
            return Err(NotHeld::NotTaken);
        }
        self.count(at);
        peer.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
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
