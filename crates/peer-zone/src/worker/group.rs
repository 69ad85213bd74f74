//! The peers with `backup`, or those without, and how far round robin has come among them.

use core::sync::atomic::{AtomicU64, Ordering};

use super::table::Table;
use crate::{layout::PlanHeader, memory::Offset};

/// The peers with `backup`, or those without.
pub(super) struct Group<'t> {
    /// The places of its entries.
    pub(super) places: &'t [Offset],
    pub(super) plan: &'t PlanHeader,
    /// How far round robin has come in this group.
    position: &'t AtomicU64,
}

impl Group<'_> {
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
    pub(super) fn primary(&self) -> Group<'_> {
        Group {
            places: &self.places[..self.header.primaries as usize],
            plan: &self.header.primary,
            position: &self.worker.zone.positions().primary,
        }
    }

    /// The peers with `backup`.
    #[inline]
    pub(super) fn backup(&self) -> Group<'_> {
        let primaries = self.header.primaries as usize;
        Group {
            places: &self.places[primaries..primaries + self.header.backups as usize],
            plan: &self.header.backup,
            position: &self.worker.zone.positions().backup,
        }
    }
}
