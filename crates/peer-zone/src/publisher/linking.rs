//! The list of all peers, by which a successor finds them.
//!
//! The list in the memory leads from each peer to the next one only. So that a peer is taken out
//! without a walk through all others, the publisher knows for itself what is before it.

use core::{hash::BuildHasherDefault, sync::atomic::Ordering};
use std::collections::hash_map::Entry;

use super::{Publisher, links::Links};
use crate::memory::Offset;

impl Publisher {
    /// Puts a peer into the list of all, by which a successor finds it.
    pub(super) fn link(&mut self, place: Offset) {
        let head = &self.zone.header().peers;
        // SAFETY: the publisher frees peers, and has just made this one.
        let peer = unsafe { self.zone.peer(place) };
        let first = Offset(head.load(Ordering::Relaxed));
        peer.next.store(first.0, Ordering::Relaxed);
        head.store(place.0, Ordering::Release);
        if let Some(before) = &mut self.links {
            before.insert(place, Offset(0));
            before.entry(first).and_modify(|before| *before = place);
        }
    }

    /// Takes peers out of the list of all. Each step is one store, so that a successor finds a
    /// whole list whenever this ends.
    pub(super) fn unlink(&mut self, gone: &[(Offset, u64)]) {
        let mut before = self.links.take().unwrap_or_else(|| self.find_links());
        for (place, _) in gone {
            let Some(previous) = before.remove(place) else { continue };
            // SAFETY: the publisher frees peers, and frees those in the list only after it has
            // taken them out.
            let next = Offset(unsafe { self.zone.peer(*place) }.next.load(Ordering::Relaxed));
            let link = match previous {
                Offset(0) => &self.zone.header().peers,
                // SAFETY: as above.
                previous => unsafe { &self.zone.peer(previous).next },
            };
            link.store(next.0, Ordering::Release);
            before.entry(next).and_modify(|before| *before = previous);
        }
        self.links = Some(before);
    }

    /// Walks the list.
    fn find_links(&self) -> Links {
        let count = self.count() + self.removed.len() + self.unlisted.len();
        let mut links = Links::with_capacity_and_hasher(count, BuildHasherDefault::default());
        let mut before = Offset(0);
        loop {
            let link = match before {
                Offset(0) => &self.zone.header().peers,
                // SAFETY: the publisher frees peers, and frees those in the list only after it has
                // taken them out.
                place => unsafe { &self.zone.peer(place).next },
            };
            let place = Offset(link.load(Ordering::Relaxed));
            let is_within = (self.zone.first_block()..self.zone.memory.units()).contains(&place.0);
            let Entry::Vacant(vacant) = links.entry(place) else { return links };
            // A list that leads elsewhere, or into itself, is not one of ours: see `find_peers`.
            if !is_within {
                return links;
            }
            vacant.insert(before);
            before = place;
        }
    }
}
