//! The peers with `backup`, or those without, and how far round robin has come among them.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{claim::PickRequest, table::Table};
use crate::{layout::PlanHeader, memory::Offset};

/// The peers with `backup`, or those without.
pub(super) struct Tier<'t> {
    /// The places of its entries.
    pub(super) places: &'t [Offset],
    pub(super) plan: &'t PlanHeader,
    /// How far round robin has come in this tier.
    position: &'t AtomicU64,
    /// Whether the request gets one of these peers by chance: see the module `next_entry`.
    pub(super) is_by_chance: bool,
}

impl Tier<'_> {
    /// The next position of round robin, which nobody else gets.
    #[inline]
    pub(super) fn next(&self) -> u64 {
        self.position.fetch_add(1, Ordering::Relaxed)
    }

    /// How far round robin has come, without going on.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }
}

impl Table<'_> {
    /// The peers without `backup`.
    #[inline]
    pub(super) fn primary<F>(&self, request: &PickRequest<'_, F>) -> Tier<'_> {
        Tier {
            places: &self.places[..self.header.primaries as usize],
            plan: &self.header.primary,
            position: &self.positions().primary,
            is_by_chance: request.is_by_chance,
        }
    }

    /// The peers with `backup`. The first one that a request tries it gets in turn. To know which
    /// is the first costs a request that has tried others a look at each of them: the peers
    /// without `backup` have just cost it as much.
    #[inline]
    pub(super) fn backup<F: Fn(u64) -> bool>(&self, request: &PickRequest<'_, F>) -> Tier<'_> {
        let primaries = self.header.primaries as usize;
        let places = &self.places[primaries..primaries + self.header.backups as usize];
        let is_tried = |&place: &Offset| (request.tried)(self.peer(self.entry(place)).id);
        Tier {
            places,
            plan: &self.header.backup,
            position: &self.positions().backup,
            is_by_chance: request.is_by_chance && places.iter().any(is_tried),
        }
    }
}
