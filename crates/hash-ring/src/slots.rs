//! What names each slot: a slot gets another server only once nothing does.

use crate::{error::NoServer, words::MOST_SLOTS};

/// Its server is there.
pub(crate) const LIVE: u8 = 1;
/// The base has its points.
pub(crate) const IN_BASE: u8 = 2;
/// The points that were added since have its.
pub(crate) const ADDED: u8 = 4;
/// The base that is being made will have its points, which the current one does not have.
pub(crate) const JOINS: u8 = 8;
/// The base that is being made will not have its points, which the current one has.
pub(crate) const LEAVES: u8 = 16;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    flags: u8,
    points: u32,
}

/// The slots, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<Slot>);

impl Slots {
    pub(crate) fn flags(&self, slot: u32) -> u8 {
        self.0.get(slot as usize).map_or(0, |slot| slot.flags)
    }

    pub(crate) fn has(&self, slot: u32, flags: u8) -> bool {
        self.flags(slot) & flags == flags
    }

    /// A slot that nothing named; its number is below [`MOST_SLOTS`].
    pub(crate) fn take(&mut self, slot: u32, flags: u8, points: u32) {
        debug_assert!(self.flags(slot) == 0 && slot < MOST_SLOTS);
        let index = slot as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, Slot::default());
        }
        self.0[index] = Slot { flags, points };
    }

    pub(crate) fn set(&mut self, slot: u32, flags: u8) {
        if let Some(slot) = self.0.get_mut(slot as usize) {
            slot.flags |= flags;
        }
    }

    /// Says whether these were the last ones.
    pub(crate) fn clear(&mut self, slot: u32, flags: u8) -> bool {
        let Some(slot) = self.0.get_mut(slot as usize) else { return false };
        let before = slot.flags;
        slot.flags &= !flags;
        before != 0 && slot.flags == 0
    }

    /// The points of the server in this slot.
    pub(crate) fn points_of_live(&self, slot: u32) -> Result<u32, NoServer> {
        self.0
            .get(slot as usize)
            .filter(|slot| slot.flags & LIVE != 0)
            .map(|slot| slot.points)
            .ok_or(NoServer(slot))
    }

    /// All slots that something names are below this.
    pub(crate) fn end(&mut self) -> u32 {
        while self.0.pop_if(|last| last.flags == 0).is_some() {}
        self.0.len() as u32
    }
}
