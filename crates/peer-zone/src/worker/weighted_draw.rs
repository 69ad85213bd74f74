//! Peers drawn at random, and who has the turn while peers start slowly.
//!
//! A method that compares peers by what is open to them, or by how fast they answer, knows nothing
//! of shares: the newest peer has the fewest connections and has never been slow, so that it would
//! win each comparison that it takes part in, however small the part of its weight that it has. So
//! a peer that starts slowly takes part in none. First a peer is drawn by weight, as `random` draws
//! one, with what `slow_start` leaves of the weights: if it is one that starts slowly, the request
//! is its own; if not, the method chooses among the others. Each of those that start slowly then
//! gets `share * weight` of the sum of all, whatever the method and however many can serve.

use peer_balance::Share;

use super::{
    claim::{PickRequest, Weighing},
    picked_peer::PickedPeer,
    table::Table,
    tier::Tier,
};
use crate::layout::{Entry, Peer, PlanHeader};

/// How many peers are drawn for the turn: with nineteen of twenty that cannot serve, all of these
/// are such once in 27 picks.
const DRAWS: u32 = 64;

/// Who has the turn.
pub(super) enum Turn {
    /// A peer that starts slowly has it: the request holds it.
    Starting(PickedPeer),
    /// The method chooses among the others.
    Others,
    /// None of those that were drawn could have it.
    Open,
}

/// One of several, each with a probability by its weight, that are told of one by one.
#[derive(Default)]
pub(super) struct WeightedDraw<'t> {
    drawn: Option<&'t Entry>,
    total: u64,
}

impl<'t> WeightedDraw<'t> {
    /// One more, of this weight, which is not 0. The first needs no random number.
    pub(super) fn enter(&mut self, entry: &'t Entry, weight: u64, random: impl FnOnce() -> u64) {
        self.total += weight;
        if self.drawn.is_none() || below(random(), self.total) < weight {
            self.drawn = Some(entry);
        }
    }

    /// Another takes the place of all so far.
    pub(super) fn begin_anew(&mut self, entry: &'t Entry, weight: u64) {
        *self = Self { drawn: Some(entry), total: weight };
    }

    /// Which it is; `None` where there was none.
    pub(super) fn drawn(&self) -> Option<&'t Entry> {
        self.drawn
    }

    /// The weights of all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

impl Table<'_> {
    /// Whose turn it is, where peers may be starting slowly.
    pub(super) fn turn<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
    ) -> Turn {
        for _ in 0..DRAWS {
            let entry = self.draw(tier);
            let peer = self.peer(entry);
            if Self::seems_full(entry, peer) || !self.may_serve(entry, peer, request) {
                continue;
            }
            if !self.is_starting(entry, peer, request) {
                return Turn::Others;
            }
            if self.is_admitted(entry, peer, request, Weighing::Ramp)
                && let Some(held) = self.hold_peer(entry, peer, request)
            {
                return Turn::Starting(held);
            }
        }
        Turn::Open
    }

    /// Whether the peer has less than all of its weight for `slow_start`.
    pub(super) fn is_starting<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        peer: &Peer,
        request: &PickRequest<'_, F>,
    ) -> bool {
        self.ramp_share(entry, peer, request) != Share::MAX
    }

    /// A peer in service, with a probability by its weight.
    pub(super) fn draw(&self, tier: &Tier<'_>) -> &Entry {
        self.entry_at(tier, self.draw_position(tier.plan))
    }

    /// A position of a plan that is not empty, each with the same probability.
    #[inline]
    pub(super) fn draw_position(&self, plan: &PlanHeader) -> u64 {
        below(self.worker.random(), plan.cycle)
    }
}

/// A number below `bound` from a random one: the upper half of their product.
#[inline]
pub(super) fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> u64::BITS) as u64
}
