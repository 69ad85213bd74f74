//! The memory as a whole, as any process reads it and the publisher writes it.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    block::Block,
    check_fault::CheckFault,
    counter::Carries,
    figures::{PeerFigures, Totals},
    head::{Head, Publication},
    recorder::Recorder,
    slot::Slot,
};

/// The figures of an upstream, wherever this process has them mapped.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    head: &'static Head,
    blocks: &'static [Block],
    slots: &'static [Slot],
    carries: &'static [Carries],
}

impl Statistics {
    /// Those in this memory; see [`Layout`](crate::Layout).
    #[must_use]
    pub fn new(
        head: &'static Head,
        blocks: &'static [Block],
        slots: &'static [Slot],
        carries: &'static [Carries],
    ) -> Self {
        Self { head, blocks, slots, carries }
    }

    /// Where the process with this entry in the peers' zone adds figures.
    #[must_use]
    pub fn recorder(&self, entry: usize) -> Option<Recorder> {
        let block = self.blocks.get(entry)?;
        let seen = u32::try_from(entry + 1).ok()?;
        self.head.blocks_seen.fetch_max(seen, Ordering::AcqRel);
        Some(Recorder { block, slots: self.slots, carries: self.carries })
    }

    /// The figures of the peer with this index and id; of one that has none, zeroes.
    #[must_use]
    pub fn peer(&self, index: usize, id: u64) -> PeerFigures {
        let found = self.slots.get(index).zip(self.carries.get(index));
        let own = found.filter(|(slot, _)| slot.id() == id);
        own.map_or_else(PeerFigures::default, |(slot, carries)| slot.read(carries))
    }

    /// The figures of the upstream, over all processes and peers that it has had.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let seen = self.head.blocks_seen.load(Ordering::Acquire) as usize;
        let mut totals = Totals::default();
        for block in self.blocks.iter().take(seen) {
            block.add_to(&mut totals);
        }
        totals
    }

    /// The words of the history of changes.
    #[must_use]
    pub fn history(&self) -> &'static [AtomicU64] {
        &self.head.history
    }

    /// How long changes took.
    #[must_use]
    pub fn publication(&self) -> &'static Publication {
        &self.head.publication
    }

    /// A peer with this index and id is made, which no request has yet: for the publisher.
    pub fn begin(&self, index: usize, id: u64) {
        if let Some((slot, carries)) = self.slots.get(index).zip(self.carries.get(index)) {
            slot.clear(carries, id);
        }
    }

    /// The peer with this index and id is there: its figures stay if they are its own, and are
    /// cleared otherwise. For the publisher.
    pub fn keep(&self, index: usize, id: u64) {
        if self.slots.get(index).is_some_and(|slot| slot.id() != id) {
            self.begin(index, id);
        }
    }

    /// The peer with this index and id is in another state since `now` (ms).
    pub fn set_state_since(&self, index: usize, id: u64, now: u64) {
        if let Some(slot) = self.slot_of(index, id) {
            slot.set_state_since(now);
        }
    }

    /// A check of the peer with this index and id has ended at `now` (ms); `None` if it passed.
    /// For the publisher.
    pub fn count_check(&self, index: usize, id: u64, now: u64, fault: Option<CheckFault>) {
        if let Some(slot) = self.slot_of(index, id) {
            slot.count_check(now, fault);
        }
    }

    fn slot_of(&self, index: usize, id: u64) -> Option<&Slot> {
        self.slots.get(index).filter(|slot| slot.id() == id)
    }
}
