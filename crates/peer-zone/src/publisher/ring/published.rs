//! What tables have of a ring: as it is written, and as a successor finds it.

use std::{collections::HashMap, sync::Arc};

use hash_ring::{Base, Delta, Ring};

use super::{Block, RingState, Server, points};
use crate::{
    layout::{SHARED, Section, TableHeader},
    memory::{Memory, Offset},
    publisher::{records::Listed, sections::Parts},
};

impl RingState {
    /// The ring that a table has, of which `listed` are the peers; `None` if it has none, or one
    /// that does not fit to them.
    ///
    /// # Safety
    ///
    /// The table at `place`, with this header, was published and is not freed.
    pub(in crate::publisher) unsafe fn of_table(
        memory: &Memory,
        place: Offset,
        header: &TableHeader,
        listed: &[Listed],
    ) -> Option<Self> {
        if header.delta.length == 0 {
            return None;
        }
        let section = |section: Section| {
            let start = place.bytes() + section.offset as usize;
            // SAFETY: the caller's promise; the publisher wrote as many words there.
            unsafe { memory.slice::<u32>(start, section.length as usize) }
        };
        let (slots, shared) = (section(header.slots), section(header.shared));
        let by_entry: HashMap<u32, &Listed> =
            listed.iter().map(|peer| (peer.entry.0, peer)).collect();
        let mut state = Self { base: Block::of_table(header), ..Self::default() };
        for (slot, &word) in (0..).zip(slots) {
            let one = [word];
            let entries = match word {
                0 => &[],
                word if word & SHARED == 0 => &one[..],
                word => {
                    let (&count, entries) =
                        shared.get((word & !SHARED) as usize..)?.split_first()?;
                    entries.get(..count as usize)?
                }
            };
            state.places.push(entries.first().copied().unwrap_or(0));
            let peers: Option<Vec<&Listed>> =
                entries.iter().map(|entry| by_entry.get(entry).copied()).collect();
            let peers = peers?;
            let Some(first) = peers.first() else { continue };
            let weight = peers.iter().map(|peer| peer.weight).max().unwrap_or(0);
            state.servers.insert(Arc::clone(&first.spec.server), Server { slot, weight });
            if entries.len() > 1 {
                state.shared.insert(slot, entries.iter().copied().map(Offset).collect());
            }
        }
        // Peers of a zone that is damaged may have the same text under two slots.
        let slots_with_servers = state.places.iter().filter(|&&place| place != 0).count();
        let (base, delta) = (Base::new(state.base_of(memory)).ok()?, section(header.delta));
        let delta = Delta::new(delta).ok().filter(|_| slots_with_servers == state.servers.len())?;
        let servers = state.servers.values();
        let servers = servers.map(|server| (server.slot, points(server.weight) as u32));
        state.ring = Ring::restore(&base, &delta, servers).ok()?;
        let ring = &state.ring;
        state.free = (0..state.places.len() as u32).filter(|&slot| !ring.names(slot)).collect();
        Some(state)
    }

    /// Writes what a table has of it to the table at `place`.
    ///
    /// # Safety
    ///
    /// The parts are those of the [`sizes`](Self::sizes), and nobody else's.
    pub(in crate::publisher) unsafe fn write(
        &mut self,
        memory: &Memory,
        place: Offset,
        parts: &Parts,
    ) {
        let start = place.bytes();
        let [delta, slots] = [parts.delta, parts.slots].map(|section| {
            let (offset, length) = (section.offset as usize, section.length as usize);
            // SAFETY: the caller's promise.
            unsafe { memory.words(start + offset, length) }
        });
        // There is room for it, as `sizes` has said.
        let _ = self.ring.write_delta(delta);
        slots.copy_from_slice(&self.places);
        let mut shared: Vec<u32> = Vec::with_capacity(parts.shared.length as usize);
        for (&slot, entries) in &self.shared {
            // Bounded by the number of peers, which a zone's size bounds.
            slots[slot as usize] = shared.len() as u32 | SHARED;
            shared.push(entries.len() as u32);
            shared.extend(entries.iter().map(|entry| entry.0));
        }
        // SAFETY: the caller's promise.
        unsafe { memory.copy(start + parts.shared.offset as usize, &shared) };
    }
}
