//! Round robin, and what every other method falls back to.

use peer_balance::Stride;

use super::{
    Held, Table,
    pick::Group,
    take::{Asked, Weighing},
};
use crate::layout::PlanHeader;

/// How many positions of the plan are tried before the peers are walked. Each position lost to an unavailable peer is a load or two;
/// with half of the peers unavailable, 64 in a row are unavailable once in 10^19 picks.
const POSITIONS_TRIED: u32 = 64;

impl Table<'_> {
    /// Walks the plan from the shared position on. Each position that is passed over is used up, so that what it would have got goes
    /// to all others by their weights, not to its neighbour.
    pub(super) fn pick_round_robin<F: Fn(u64) -> bool>(
        &self,
        group: &Group<'_>,
        asked: &Asked<'_, F>,
    ) -> Option<Held> {
        if group.plan.cycle == 0 {
            return None;
        }
        for _ in 0..POSITIONS_TRIED.min(group.plan.in_service.saturating_mul(2)) {
            let position = group.next();
            let entry = &group.entries[self.index_at(group.plan, position)];
            if let Some(held) = self.take(entry, asked, Weighing::At(position)) {
                return Some(held);
            }
        }
        // Nearly all are unavailable: whoever is not must still be found. The walk starts anywhere, so that the first is not favoured.
        let start = (group.next() % group.entries.len() as u64) as usize;
        let (before, from) = group.entries.split_at(start);
        from.iter().chain(before).find_map(|entry| self.take(entry, asked, Weighing::Not))
    }

    /// The index of the entry that the plan has at this position.
    pub(super) fn index_at(&self, plan: &PlanHeader, position: u64) -> usize {
        if plan.stride == 0 {
            self.plan_sequence(plan)[(position % plan.cycle) as usize] as usize
        } else {
            let stride = Stride { cycle: plan.cycle, stride: plan.stride };
            peer_balance::pick(self.plan_cumulative(plan), &stride, position)
        }
    }
}
