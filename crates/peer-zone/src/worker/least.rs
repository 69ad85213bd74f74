//! Methods that compare peers: `least_conn`, `random`, `random two`, `least_time`.

use core::{array, sync::atomic::Ordering};

use peer_balance::{KEYED_TRIES, PeakEwma};

use super::{
    Held, Now, Table,
    pick::Group,
    take::{Asked, Weighing},
};
use crate::{
    layout::{Entry, Peer},
    zone::Zone,
};

/// Up to so many peers, `least_conn` looks at each. docs/architecture.md says why there is no exact order of more.
const EXACT: usize = 256;

/// Above, it takes the least of so many, drawn at random: that all of them lie outside the 5 % with the fewest has a probability of 0.95^59 =
/// 4.8 %.
const SAMPLE: usize = 59;

/// Peers that are looked at in the order of round robin, for one without any connection, before peers are compared: where most
/// are idle, as with short requests, that is all it takes, and idle peers take turns by their weights.
const IDLE_POSITIONS: u32 = 4;

/// How often peers are compared anew where the best one was taken by another worker in the same instant.
const ROUNDS: u32 = 4;

/// Bits behind the point of a weight that `slow_start` makes smaller.
pub(super) const WEIGHT_SHIFT: u32 = 16;

/// The cost (µs) of a peer that has been asked but never answered, so that a new peer gets one request and not all of them until it has: as the
/// penalty in Finagle's `PeakEwma`. Some 18 minutes: longer than any answer that was waited for.
const UNANSWERED: u32 = 1 << 30;

/// A peer that may take the request.
struct Candidate<'t> {
    entry: &'t Entry,
    peer: &'t Peer,
    open: u32,
    weight: u64,
}

impl Candidate<'_> {
    /// Whether it has fewer connections for its weight than the other, as nginx compares them.
    fn cmp(&self, other: &Candidate<'_>) -> core::cmp::Ordering {
        let one = u128::from(self.open) * u128::from(other.weight);
        one.cmp(&(u128::from(other.open) * u128::from(self.weight)))
    }
}

impl Table<'_> {
    /// The peer with the fewest connections for its weight; of several, by round robin where they have none, otherwise any.
    ///
    /// `None` where round robin must find one.
    pub(super) fn pick_least_conn<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        asked: &Asked<'_, F>,
    ) -> Option<Held> {
        if group.plan.in_service < 2 {
            return None;
        }
        for _ in 0..IDLE_POSITIONS {
            let position = group.next();
            let entry = &group.entries[self.index_at(group.plan, position)];
            if Zone::open(self.peer(entry)) == 0
                && let Some(held) = self.take(entry, asked, Weighing::At(position))
            {
                return Some(held);
            }
        }
        (0..ROUNDS).find_map(|_| {
            let best = self.least_loaded(group, asked)?;
            self.hold(best.entry, best.peer, asked.now)
        })
    }

    fn least_loaded<'t, F: Fn(u64) -> bool>(
        &'t self,
        group: &'t Group<'_>,
        asked: &Asked<'_, F>,
    ) -> Option<Candidate<'t>> {
        let mut best = None;
        let mut equal = 0;
        if group.entries.len() <= EXACT {
            for entry in group.entries {
                let peer = self.peer(entry);
                self.compare(entry, peer, Zone::open(peer), asked, &mut best, &mut equal);
            }
        } else {
            // Step by step for all of them: peers drawn at random are in nobody's cache, and loads that do not wait for each other come
            // together. Peer by peer it takes several times as long.
            let entries: [&Entry; SAMPLE] =
                array::from_fn(|_| &group.entries[below(self.worker.random(), group.entries.len())]);
            let peers = entries.map(|entry| self.peer(entry));
            let open = peers.map(Zone::open);
            for ((entry, peer), open) in entries.into_iter().zip(peers).zip(open) {
                self.compare(entry, peer, open, asked, &mut best, &mut equal);
            }
        }
        best
    }

    /// Takes the peer in the place of the best so far where it is better, or, of those that are equal, with the same probability for each.
    fn compare<'t, F: Fn(u64) -> bool>(
        &'t self,
        entry: &'t Entry,
        peer: &'t Peer,
        open: u32,
        asked: &Asked<'_, F>,
        best: &mut Option<Candidate<'t>>,
        equal: &mut u64,
    ) {
        let weight = self.weight_now(entry, peer, asked.now);
        let candidate = Candidate { entry, peer, open, weight };
        let order = best.as_ref().map_or(core::cmp::Ordering::Less, |best| candidate.cmp(best));
        if order.is_gt() || Self::seems_full(entry, peer) || !self.may_serve(entry, peer, asked) {
            return;
        }
        *equal = if order.is_eq() { *equal + 1 } else { 1 };
        if order.is_lt() || below(self.worker.random(), *equal as usize) == 0 {
            *best = Some(candidate);
        }
    }

    /// Any peer by weight, as `ngx_http_upstream_get_random_peer`.
    pub(super) fn pick_random<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        asked: &Asked<'_, F>,
    ) -> Option<Held> {
        if group.plan.in_service < 2 {
            return None;
        }
        (0..=KEYED_TRIES).find_map(|_| self.take(self.draw(group), asked, Weighing::Ramp))
    }

    /// The better of two that are drawn by weight, as `ngx_http_upstream_get_random2_peer`.
    pub(super) fn pick_of_two<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        asked: &Asked<'_, F>,
        is_better: impl Fn((&Entry, &Peer), (&Entry, &Peer), Now) -> bool,
    ) -> Option<Held> {
        if group.plan.in_service < 2 {
            return None;
        }
        let mut first: Option<(&Entry, &Peer)> = None;
        for _ in 0..=KEYED_TRIES {
            let entry = self.draw(group);
            let peer = self.peer(entry);
            if first.is_some_and(|(_, first)| first.id == peer.id)
                || Self::seems_full(entry, peer)
                || !self.may_serve(entry, peer, asked)
                || !self.is_admitted(entry, peer, asked.now, Weighing::Ramp)
            {
                continue;
            }
            let Some(known) = first else {
                first = Some((entry, peer));
                continue;
            };
            let (entry, peer) =
                if is_better(known, (entry, peer), asked.now) { known } else { (entry, peer) };
            return self.hold(entry, peer, asked.now);
        }
        let (entry, peer) = first?;
        self.hold(entry, peer, asked.now)
    }

    /// For `random two`: whether one has fewer connections for its weight than the other.
    pub(super) fn has_fewer_connections(one: (&Entry, &Peer), other: (&Entry, &Peer), _now: Now) -> bool {
        let load = |(_, peer): (&Entry, &Peer)| u64::from(Zone::open(peer));
        let weight = |(entry, _): (&Entry, &Peer)| u64::from(entry.parameters.weight);
        load(one) * weight(other) < load(other) * weight(one)
    }

    /// For `least_time`: whether one would answer sooner than the other, by its recent response times and what it has to do.
    pub(super) fn answers_sooner(one: (&Entry, &Peer), other: (&Entry, &Peer), now: Now) -> bool {
        let cost = |(_, peer): (&Entry, &Peer)| {
            let open = Zone::open(peer);
            let response_time = PeakEwma(peer.response_time.load(Ordering::Relaxed));
            let cost = match response_time.cost(now.milliseconds as u32) {
                0 if open > 0 => UNANSWERED,
                cost => cost,
            };
            u128::from(cost).max(1) * (u128::from(open) + 1)
        };
        let weight = |(entry, _): (&Entry, &Peer)| u128::from(entry.parameters.weight);
        cost(one) * weight(other) < cost(other) * weight(one)
    }

    /// A peer in service, with a probability by its weight.
    fn draw<'t>(&'t self, group: &'t Group<'_>) -> &'t Entry {
        let plan = group.plan;
        &group.entries[self.index_at(plan, below(self.worker.random(), plan.cycle as usize) as u64)]
    }
}

/// A number below `bound` from a random one: the upper half of their product.
fn below(random: u64, bound: usize) -> usize {
    ((u128::from(random) * bound as u128) >> u64::BITS) as usize
}
