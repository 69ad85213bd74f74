//! Methods that compare peers: `least_conn`, `random`, `random two`, `peak_ewma`; and the
//! comparison that `least_time` has in common with the first.

use core::{array, sync::atomic::Ordering};

use peer_balance::{KEYED_TRIES, PeakEwma};

use super::{
    Now,
    claim::{PickRequest, Weighing},
    picked_peer::PickedPeer,
    recall::RECALLED,
    table::Table,
    tier::Tier,
    weighted_draw::{Turn, WeightedDraw, below},
};
use crate::{
    layout::{Entry, Peer},
    memory::Offset,
    zone::Zone,
};

/// Up to so many peers, `least_conn` and `least_time` look at each.
/// docs/explanation/balancing.md says why there is no exact order of more.
pub(super) const EXACT: usize = 256;

/// Above, they take the least of so many, drawn at random, and of the best of the last sample: that
/// all of those that are drawn lie outside the least 5 % has a probability of 0.95^59 = 4.8 %.
const DRAWN: usize = 59;
const SAMPLE: usize = RECALLED + DRAWN;

/// Peers that are looked at in the order of round robin, for one without any connection, before
/// peers are compared: where most are idle, as with short requests, that is all it takes, and idle
/// peers take turns by their weights.
const IDLE_POSITIONS: u32 = 4;

/// How often peers are compared again if the best one was taken by another worker in the same
/// instant.
pub(super) const ROUNDS: u32 = 4;

/// The cost (µs) of a peer that has been asked but never answered, so that a new peer gets one
/// request and not all of them until it has: as the penalty in Finagle's `PeakEwma`. Some 18
/// minutes: longer than any answer that was waited for.
const UNANSWERED: u32 = 1 << 30;

/// What a peer has to do, and the weight that it is to be seen in relation to.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// Below 2^48, so that a product with a weight is an `u64`.
    pub(super) load: u64,
    weight: u64,
}

impl Load {
    pub(super) fn new(load: u64, entry: &Entry) -> Self {
        Self { load, weight: u64::from(entry.parameters().weight) }
    }

    /// As nginx compares them.
    pub(super) fn order(self, other: Self) -> core::cmp::Ordering {
        (self.load * other.weight).cmp(&(other.load * self.weight))
    }
}

/// What came of a comparison.
pub(super) struct Least<'t> {
    /// The peer with the least load for its weight; of several that are equal, one by weight.
    pub(super) entry: &'t Entry,
    /// The load of several that are equal.
    pub(super) equal: Option<Load>,
}

/// The best of the peers that were compared, as far as they have been.
#[derive(Default)]
struct Comparison<'t> {
    /// Its load, or that of each of several that are equal, and its weight; none before the first.
    least: Option<Load>,
    /// Those that are equal.
    equal: WeightedDraw<'t>,
    /// Whether there are several.
    is_several: bool,
    /// Those that start slowly.
    starting: WeightedDraw<'t>,
    /// The weights of all others that can serve.
    others: u64,
}

impl Table<'_> {
    /// The peer with the fewest connections for its weight; of several, by round robin where they
    /// have none, otherwise any by weight.
    ///
    /// `None` where round robin must find one. `first` is a position of round robin that the
    /// request has got already.
    pub(super) fn pick_least_conn<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
        first: Option<u64>,
    ) -> Option<PickedPeer> {
        if tier.plan.in_service < 2 {
            return None;
        }
        let turn = if request.has_ramps { self.turn(tier, request) } else { Turn::Others };
        let is_open = match turn {
            Turn::Starting(held) => return Some(held),
            Turn::Open if tier.places.len() > EXACT => return None,
            Turn::Open => true,
            Turn::Others => false,
        };
        let mut first = first;
        for _ in 0..if is_open { 0 } else { IDLE_POSITIONS } {
            let (entry, weighing) = self.next_entry(tier, first.take());
            let peer = self.peer(entry);
            if Zone::open(peer) == 0
                && !self.is_starting(entry, peer, request)
                && let Some(held) = self.claim_peer(entry, request, weighing)
            {
                return Some(held);
            }
        }
        (0..ROUNDS).find_map(|_| {
            let open = |_: &Entry, peer: &Peer| u64::from(Zone::open(peer));
            let best = self.least_loaded(tier, request, is_open, open)?.entry;
            self.hold_peer(best, self.peer(best), request)
        })
    }

    /// The peer with the least load for its weight. Where `is_open`, those that start slowly have
    /// their share.
    #[inline]
    pub(super) fn least_loaded<'t, F: Fn(u64) -> bool>(
        &'t self,
        tier: &'t Tier<'_>,
        request: &PickRequest<'_, F>,
        is_open: bool,
        load: impl Fn(&Entry, &Peer) -> u64,
    ) -> Option<Least<'t>> {
        let mut compared = Comparison::default();
        let position = tier.position();
        if tier.places.len() <= EXACT {
            for &place in tier.places {
                let entry = self.entry(place);
                let peer = self.peer(entry);
                self.compare((entry, peer, load(entry, peer)), request, position, &mut compared);
            }
        } else {
            // Step by step for all of them: peers drawn at random are in nobody's cache, and loads
            // that do not wait for each other come together. Peer by peer it takes several times as
            // long.
            let recall = &self.worker.recall;
            let recalled = recall.indexes();
            let indexes: [u32; SAMPLE] = array::from_fn(|at| match recalled.get(at) {
                Some(&index) if (index as usize) < tier.places.len() => index,
                // No more than a table has peers, which are numbered with 32 bits.
                _ => below(self.worker.random(), tier.places.len() as u64) as u32,
            });
            let places: [Offset; SAMPLE] = indexes.map(|index| tier.places[index as usize]);
            let entries = places.map(|place| self.entry(place));
            let peers = entries.map(|entry| self.peer(entry));
            let loads: [u64; SAMPLE] = array::from_fn(|at| load(entries[at], peers[at]));
            for at in 0..SAMPLE {
                let peer = (entries[at], peers[at], loads[at]);
                if self.compare(peer, request, position, &mut compared) {
                    recall.note(indexes[at]);
                }
            }
        }
        let Comparison { least, equal, is_several, others, starting } = compared;
        let all = others + starting.total();
        if is_open && starting.total() > 0 && below(self.worker.random(), all) < starting.total() {
            return starting.drawn().map(|entry| Least { entry, equal: None });
        }
        let equal_load = least.filter(|_| is_several);
        equal.drawn().map(|entry| Least { entry, equal: equal_load })
    }

    /// Takes the peer into the comparison: in the place of the best so far where it is better, or,
    /// of those that are equal, with a probability by its weight. Says whether it is as good as all
    /// before it.
    fn compare<'t, F: Fn(u64) -> bool>(
        &'t self,
        (entry, peer, load): (&'t Entry, &'t Peer, u64),
        request: &PickRequest<'_, F>,
        position: u64,
        compared: &mut Comparison<'t>,
    ) -> bool {
        let load = Load::new(load, entry);
        let order = compared.least.map_or(core::cmp::Ordering::Less, |least| load.order(least));
        // Without ramps there is nothing to be learnt of those that are not better.
        if order.is_gt() && !request.has_ramps {
            return false;
        }
        if Self::seems_full(entry, peer) || !self.may_serve(entry, peer, request) {
            return false;
        }
        let random = || self.worker.random();
        if self.is_starting(entry, peer, request) {
            compared.starting.enter(entry, self.weight_now(entry, peer, request, position), random);
            return false;
        }
        let weight_now = self.weight_now(entry, peer, request, position);
        compared.others += weight_now;
        match order {
            core::cmp::Ordering::Less => {
                (compared.least, compared.is_several) = (Some(load), false);
                compared.equal.begin_anew(entry, weight_now);
            }
            core::cmp::Ordering::Equal => {
                compared.is_several = true;
                compared.equal.enter(entry, weight_now, random);
            }
            core::cmp::Ordering::Greater => {}
        }
        order.is_le()
    }

    /// Any peer by weight, as `ngx_http_upstream_get_random_peer`.
    ///
    /// `first` is a position that was drawn for the request already.
    pub(super) fn pick_random<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
        first: Option<u64>,
    ) -> Option<PickedPeer> {
        if tier.plan.in_service < 2 {
            return None;
        }
        let mut first = first;
        (0..=KEYED_TRIES).find_map(|_| {
            let position = first.take().unwrap_or_else(|| self.draw_position(tier.plan));
            let entry = self.entry_at(tier, position);
            self.claim_peer(entry, request, Weighing::Ramp)
        })
    }

    /// The better of two that are drawn by weight, as `ngx_http_upstream_get_random2_peer`.
    pub(super) fn pick_of_two<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
        is_better: impl Fn((&Entry, &Peer), (&Entry, &Peer), Now) -> bool,
    ) -> Option<PickedPeer> {
        if tier.plan.in_service < 2 {
            return None;
        }
        let mut first: Option<(&Entry, &Peer)> = None;
        for _ in 0..=KEYED_TRIES {
            let entry = self.draw(tier);
            let peer = self.peer(entry);
            if first.is_some_and(|(_, first)| first.id == peer.id)
                || Self::seems_full(entry, peer)
                || !self.may_serve(entry, peer, request)
            {
                continue;
            }
            if self.is_starting(entry, peer, request) {
                // A peer in slow start has the turn if it is drawn first, and is not compared (see
                // the module `weighted_draw`).
                if first.is_none() && self.is_admitted(entry, peer, request, Weighing::Ramp) {
                    return self.hold_peer(entry, peer, request);
                }
                continue;
            }
            let Some(known) = first else {
                first = Some((entry, peer));
                continue;
            };
            // Of two that are equal the first, which is one by weight. With nginx it is the second:
            // of two peers the lighter one, then, more often the lighter it is.
            let (entry, peer) =
                if is_better((entry, peer), known, request.now) { (entry, peer) } else { known };
            return self.hold_peer(entry, peer, request);
        }
        let (entry, peer) = first?;
        self.hold_peer(entry, peer, request)
    }

    /// For `random two`: whether one has fewer connections for its weight than the other.
    pub(super) fn has_fewer_connections(
        one: (&Entry, &Peer),
        other: (&Entry, &Peer),
        _now: Now,
    ) -> bool {
        let load = |(_, peer): (&Entry, &Peer)| u64::from(Zone::open(peer));
        let weight = |(entry, _): (&Entry, &Peer)| u64::from(entry.parameters().weight);
        load(one) * weight(other) < load(other) * weight(one)
    }

    /// For `peak_ewma`: whether one would answer sooner than the other, by its recent response
    /// times and what it has to do.
    pub(super) fn answers_sooner(one: (&Entry, &Peer), other: (&Entry, &Peer), now: Now) -> bool {
        let cost = |(_, peer): (&Entry, &Peer)| {
            let open = Zone::open(peer);
            let response_time = PeakEwma::of_word(peer.response_time.load(Ordering::Relaxed));
            let cost = match response_time.cost(now.milliseconds as u32) {
                0 if open > 0 => UNANSWERED,
                cost => cost,
            };
            u128::from(cost).max(1) * (u128::from(open) + 1)
        };
        let weight = |(entry, _): (&Entry, &Peer)| u128::from(entry.parameters().weight);
        cost(one) * weight(other) < cost(other) * weight(one)
    }
}
