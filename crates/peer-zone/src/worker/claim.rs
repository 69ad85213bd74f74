//! Whether a peer may take a request, and taking it.

use core::sync::atomic::{Ordering, fence};

use peer_balance::{Deficit, LeastTime, Share};

use super::{
    Now,
    picked_peer::{PickedPeer, Traits},
    table::Table,
    times::begin_in_flight,
};
use crate::{
    connections::CONNECTION,
    layout::{Entry, Health, Peer},
    zone::Zone,
};

/// How often a place below `max_conns` is tried for that another worker wants in the same instant.
/// Each attempt takes some tens of nanoseconds and two workers rarely meet even once; one that
/// loses every time goes on to the next peer.
const ATTEMPTS: u32 = 4;

/// Bits behind the point of a weight of which only a part is there.
pub(super) const WEIGHT_SHIFT: u32 = 16;

/// A request that asks for a peer.
pub(super) struct PickRequest<'a, F> {
    pub(super) now: Now,
    /// Whether it has tried the peer of this id.
    pub(super) tried: &'a F,
    /// Whether it gets its next peer by chance and not in turn: see the module `next_entry`.
    pub(super) is_by_chance: bool,
    /// Whether any peer may have less than its weight for `slow_start` now.
    pub(super) has_ramps: bool,
    /// What `least_time` goes by, where it is the method.
    pub(super) least_time: Option<LeastTime>,
    /// Whether it chooses among the peers of other groups as well.
    pub(super) has_others: bool,
}

/// What came of a visit to a peer.
pub(super) enum Visit {
    /// The request holds it.
    Taken(PickedPeer),
    /// It could have had the request, but for what it has of its weight.
    PassedOver,
    /// It cannot take the request.
    Unusable,
}

/// Whether a visit counts by what a peer has of its weight just now.
#[derive(Clone, Copy)]
pub(super) enum Weighing {
    /// It does, at this position of its tier's plan: both by what `slow_start` and by what a
    /// failure leaves of it.
    At(u64),
    /// As `At`, while round robin has come as far as this position, which is not used up: the peer
    /// has the visit with the probability that its share is.
    ByChance(u64),
    /// By what `slow_start` leaves of it only: where nginx does not go by the effective weight,
    /// which is what a failure changes.
    Ramp,
    /// It does not: there is no other peer, or the method does not go by weights.
    Not,
}

impl Table<'_> {
    /// The peer of an entry.
    pub(super) fn peer(&self, entry: &Entry) -> &Peer {
        // SAFETY: the table is pinned, and no peer that it lists is freed.
        unsafe { self.zone.peer(entry.peer) }
    }

    /// Whether the peer may serve this request, but for `max_conns`.
    pub(super) fn may_serve<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        peer: &Peer,
        request: &PickRequest<'_, F>,
    ) -> bool {
        entry.parameters().is_in_service() && self.is_healthy(entry, peer, request)
    }

    /// Whether the request has but one peer to choose: nginx never takes that one out of service.
    fn is_only_choice<F>(&self, request: &PickRequest<'_, F>) -> bool {
        self.is_single() && !request.has_others
    }

    fn is_healthy<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        peer: &Peer,
        request: &PickRequest<'_, F>,
    ) -> bool {
        match Health::load(&peer.health) {
            Health::Unchecked | Health::Passing => {}
            Health::Failing if peer.is_used_failing() => {}
            Health::Failing | Health::Pending => return false,
        }
        let fails = peer.fails.load(Ordering::Acquire);
        if fails != 0
            && !self.is_only_choice(request)
            && entry.parameters().is_failed(
                fails,
                peer.checked.load(Ordering::Relaxed),
                request.now.seconds,
            )
        {
            return false;
        }
        // The only one may be tried again: a connection that was kept may have been closed just as
        // it was used, for which nginx grants a try.
        self.is_only_choice(request) || !(request.tried)(peer.id)
    }

    /// Takes the peer of `entry` for a request, if it may be picked.
    pub(super) fn claim_peer<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        request: &PickRequest<'_, F>,
        weighing: Weighing,
    ) -> Option<PickedPeer> {
        match self.visit_peer(entry, request, weighing) {
            Visit::Taken(held) => Some(held),
            Visit::PassedOver | Visit::Unusable => None,
        }
    }

    /// As [`Table::claim_peer`]; says why not.
    pub(super) fn visit_peer<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        request: &PickRequest<'_, F>,
        weighing: Weighing,
    ) -> Visit {
        let peer = self.peer(entry);
        if !self.may_serve(entry, peer, request) {
            return Visit::Unusable;
        }
        if !self.is_admitted(entry, peer, request, weighing) {
            return Visit::PassedOver;
        }
        self.hold_peer(entry, peer, request).map_or(Visit::Unusable, Visit::Taken)
    }

    /// As [`Table::claim_peer`], for a session that has been there before: `drain` and the weight
    /// do not matter.
    pub(super) fn claim_for_session<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let peer = self.peer(entry);
        if entry.parameters().down || !self.is_healthy(entry, peer, request) {
            return None;
        }
        self.hold_peer(entry, peer, request)
    }

    /// Whether the peer may have this visit by what it has of its weight: less than all of it while
    /// it starts slowly, and for a while after a failure.
    #[inline]
    pub(super) fn is_admitted<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        peer: &Peer,
        request: &PickRequest<'_, F>,
        weighing: Weighing,
    ) -> bool {
        let position = match weighing {
            Weighing::At(position) | Weighing::ByChance(position) => Some(position),
            Weighing::Ramp => None,
            Weighing::Not => return true,
        };
        let parameters = entry.parameters();
        let mut share = self.ramp_share(entry, peer, request);
        let deficit = match position {
            Some(_) => Deficit(peer.deficit.load(Ordering::Relaxed)),
            None => Deficit::NONE,
        };
        if let Some(position) = position
            && deficit != Deficit::NONE
        {
            share =
                peer_balance::both(share, weigh(peer, deficit, parameters.weight, position as u32));
        }
        if share == Share::MAX {
            return true;
        }
        if let Weighing::ByChance(_) = weighing {
            return self.worker.random() >> (u64::BITS - Share::BITS) < u64::from(share);
        }
        let before = peer.credit.fetch_add(share, Ordering::Relaxed);
        let is_admitted = peer_balance::admits(before, share);
        if !is_admitted && deficit != Deficit::NONE {
            // A position that is passed over is not a pick, after which nginx would give some of
            // the weight back.
            let now = Deficit(peer.deficit.load(Ordering::Relaxed));
            store(peer, now, now.passed_over());
        }
        is_admitted
    }

    /// What `slow_start` leaves of the peer's weight.
    pub(super) fn ramp_share<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        peer: &Peer,
        request: &PickRequest<'_, F>,
    ) -> Share {
        if !request.has_ramps || entry.parameters().slow_start == 0 || self.is_only_choice(request)
        {
            return Share::MAX;
        }
        entry.parameters().ramp_share(peer.ages.ramp_from(), request.now.milliseconds)
    }

    /// What the peer has of its weight just now, with [`WEIGHT_SHIFT`] bits behind the point: what
    /// `slow_start` leaves of it and, at this position of its tier's plan, what a failure does. At
    /// least 1.
    pub(super) fn weight_now<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        peer: &Peer,
        request: &PickRequest<'_, F>,
        position: u64,
    ) -> u64 {
        let mut share = self.ramp_share(entry, peer, request);
        let deficit = Deficit(peer.deficit.load(Ordering::Relaxed));
        if deficit != Deficit::NONE {
            let recovered = weigh(peer, deficit, entry.parameters().weight, position as u32);
            share = peer_balance::both(share, recovered);
        }
        let weight = u64::from(entry.parameters().weight) << WEIGHT_SHIFT;
        if share == Share::MAX {
            return weight;
        }
        // Of 48 bits at most 80 are left for a moment.
        (((u128::from(weight) * u128::from(share)) >> Share::BITS) as u64).max(1)
    }

    /// Counts the request at the peer.
    pub(super) fn hold_peer<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        peer: &Peer,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let now = request.now;
        // Before the trial below: a peer that is full must not lose its trial to a request that
        // cannot have it.
        if !self.count_within_limit(entry) {
            return None;
        }
        let parameters = entry.parameters();
        let is_single = self.is_only_choice(request);
        let fails = peer.fails.load(Ordering::Acquire);
        let checked = peer.checked.load(Ordering::Relaxed);
        // With `least_time` the moment also says how long the peer has had no request.
        if (fails != 0 || request.least_time.is_some())
            && now.seconds.saturating_sub(checked) > parameters.fail_timeout
        {
            // Of all that find a failed peer's time up, one tries it; the others wait for its
            // `fail_timeout` once more.
            let mine = peer
                .checked
                .compare_exchange(checked, now.seconds, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
            if parameters.is_failed(fails, now.seconds, now.seconds) {
                if mine {
                    // It is unavailable again until the trial is answered.
                    self.worker.note_state(peer, entry.peer.index(), now.milliseconds);
                } else if !is_single {
                    self.uncount_claim(entry);
                    return None;
                }
            }
        }
        peer.requests.fetch_add(1, Ordering::Relaxed);
        let in_flight = request
            .least_time
            .filter(|least_time| least_time.is_inflight)
            .and_then(|_| begin_in_flight(peer, now));
        let traits = Traits::SINGLE
            .only_if(is_single)
            .with(Traits::BACKUP.only_if(parameters.backup))
            .with(Traits::LIMITED.only_if(parameters.max_conns != 0))
            .with(Traits::IN_FLIGHT.only_if(in_flight.is_some()))
            .with(Traits::FAILING.only_if(Health::load(&peer.health) == Health::Failing))
            .with_group(self.header.own.kept());
        Some(PickedPeer { in_flight, traits, ..PickedPeer::new(entry, peer) })
    }

    /// Counts a connection, unless that would be one too many.
    ///
    /// Each worker first counts and then looks at the sum, so that of two that want the last place
    /// at most one gets it. Where both give up, each tries again: there was a place. Without
    /// looking before it counts, a worker would keep others from a place that it cannot have
    /// itself.
    fn count_within_limit(&self, entry: &Entry) -> bool {
        let limit = entry.parameters().max_conns;
        if limit == 0 {
            self.count(entry.peer);
            return true;
        }
        // SAFETY: the table is pinned, and no peer that it lists is freed.
        let connections = || unsafe { self.worker.zone.connections(entry.peer) }.all();
        for _ in 0..ATTEMPTS {
            if connections() >= limit {
                return false;
            }
            self.count(entry.peer);
            // Orders the count before the loads of the other columns.
            fence(Ordering::SeqCst);
            if connections() <= limit {
                return true;
            }
            self.uncount_claim(entry);
        }
        false
    }

    /// Takes back a count that has come to nothing. Another may have found the peer full for it.
    fn uncount_claim(&self, entry: &Entry) {
        self.worker.uncount(entry.peer, CONNECTION);
        if entry.parameters().max_conns != 0 {
            self.worker.zone.note_recovery();
        }
    }

    /// Whether the peer seems to be full; [`Table::hold_peer`] knows it for certain.
    pub(super) fn seems_full(entry: &Entry, peer: &Peer) -> bool {
        entry.parameters().max_conns != 0 && Zone::open(peer) >= entry.parameters().max_conns
    }
}

/// What a failure has left of the peer's weight at this position. The recovery begins with the
/// first visit that the peer could have had, and is forgotten once it is complete.
fn weigh(peer: &Peer, deficit: Deficit, weight: u32, position: u32) -> Share {
    let considered = deficit.considered(position);
    let after = if considered.amount(position) == 0 { Deficit::NONE } else { considered };
    store(peer, deficit, after);
    considered.share(weight, position)
}

/// Puts one word in the place of another. Where somebody else was faster, that one's word stays; it
/// says much the same.
fn store(peer: &Peer, before: Deficit, after: Deficit) {
    if after != before {
        let _ =
            peer.deficit.compare_exchange(before.0, after.0, Ordering::Relaxed, Ordering::Relaxed);
    }
}
