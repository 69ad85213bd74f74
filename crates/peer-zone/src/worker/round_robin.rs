//! Round robin, and what every other method falls back to.

use peer_balance::Stride;

use super::{
    claim::{PickRequest, Visit, Weighing},
    picked_peer::PickedPeer,
    table::Table,
    tier::Tier,
    weighted_draw::WeightedDraw,
};
use crate::{
    layout::{Entry, PlanHeader},
    memory::Offset,
    zone::Zone,
};

/// How many positions of the plan are tried before the peers are walked. Each position lost to an
/// unavailable peer is a load or two; with half of the peers unavailable, 64 in a row are
/// unavailable once in 10^19 picks.
const POSITIONS_TRIED: u32 = 64;

/// How many are tried at most where it is by their share alone that peers are not picked: with the
/// least share, a hundredth, none of so many is picked once in 30 000 picks.
const POSITIONS_AT_MOST: u32 = 1024;

/// Where there are no more peers than this, a walk is cheaper than so many positions.
const FEW: usize = 256;

/// One in so many positions at least must be a usable peer's for more of them to be tried.
const USABLE: u32 = 16;

/// How often peers are walked again if the one that was drawn was taken by another worker in the
/// same instant.
const ROUNDS: u32 = 4;

impl Table<'_> {
    /// Walks the plan from the shared position on. Each position that is passed over is used up, so
    /// that what it would have got goes to all others by their weights, not to its neighbour. A
    /// retry draws positions instead, see the module `next_entry`.
    ///
    /// `first` is a position that the request has got already.
    pub(super) fn pick_round_robin<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
        first: Option<u64>,
    ) -> Option<PickedPeer> {
        if tier.plan.cycle == 0 {
            return None;
        }
        let few = POSITIONS_TRIED.min(tier.plan.in_service.saturating_mul(2));
        let mut passed_over = 0;
        let mut first = first;
        for tried in 0..POSITIONS_AT_MOST {
            if tried >= few && (tier.places.len() <= FEW || passed_over * USABLE < tried) {
                break;
            }
            let (entry, weighing) = self.next_entry(tier, first.take());
            match self.visit_peer(entry, request, weighing) {
                Visit::Taken(held) => return Some(held),
                Visit::PassedOver => passed_over += 1,
                Visit::Unusable => {}
            }
        }
        self.pick_by_walk(tier, request)
    }

    /// Nearly all are unavailable: those that are not must still be found, each as often as what it
    /// has of its weight says.
    fn pick_by_walk<F: Fn(u64) -> bool>(
        &self,
        tier: &Tier<'_>,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        for _ in 0..ROUNDS {
            let position = tier.position();
            let mut lot = WeightedDraw::default();
            let mut has_full = false;
            for &place in tier.places {
                let entry = self.entry(place);
                let peer = self.peer(entry);
                if !self.may_serve(entry, peer, request) {
                    continue;
                }
                if Self::seems_full(entry, peer) {
                    has_full = true;
                    continue;
                }
                lot.enter(entry, self.weight_now(entry, peer, request, position), || {
                    self.worker.random()
                });
            }
            match lot.drawn() {
                Some(entry) => {
                    if let Some(held) = self.hold_peer(entry, self.peer(entry), request) {
                        return Some(held);
                    }
                }
                None if !has_full => return None,
                None => break,
            }
        }
        // The walk starts anywhere, so that the first is not favoured.
        let (before, from) = tier.places.split_at(self.first_of(tier, tier.places.len()));
        let mut entries = from.iter().chain(before).map(|&place| self.entry(place));
        entries.find_map(|entry| self.claim_peer(entry, request, Weighing::Not))
    }

    /// The entry that the tier's plan has at this position.
    #[inline]
    pub(super) fn entry_at(&self, tier: &Tier<'_>, position: u64) -> &Entry {
        self.entry(tier.places[self.index_at(tier.plan, position)])
    }

    /// The index of the entry that the plan has at this position.
    #[inline]
    pub(super) fn index_at(&self, plan: &PlanHeader, position: u64) -> usize {
        if plan.stride != 0 {
            return strided_index(self.worker.zone, self.place, plan, position);
        }
        let position = (position % plan.cycle) as usize;
        if plan.length == 0 { position } else { self.plan_sequence(plan)[position] as usize }
    }
}

/// The index of the entry that a plan which is computed has at this position, for the pinned table
/// at `place`.
///
/// Apart and without the table, so that plans of the other kind do not save registers for it.
#[inline(never)]
fn strided_index(zone: Zone, place: Offset, plan: &PlanHeader, position: u64) -> usize {
    let stride = Stride { cycle: plan.cycle, stride: plan.stride };
    // SAFETY: the table is pinned, and the publisher wrote as many items there.
    let cumulative =
        unsafe { zone.memory.slice(place.bytes() + plan.offset as usize, plan.length as usize) };
    peer_balance::pick(cumulative, &stride, position)
}
