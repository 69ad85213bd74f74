//! The bases of rings: made in steps beside what is published, or at once before a publication.
//!
//! A base is a block of its own, which tables name. It is free when no table that names it can be
//! read any more, as an entry is.

use hash_ring::STEP;

use super::{
    Publisher,
    blocks::{Replaced, Spare, above, changing},
    ring::{Block, RingState},
    sections::sticky_order,
};
use crate::memory::Offset;

/// How many points a step of a merge takes that goes on from time to time: some 0.4 ms.
pub(super) const MERGE_BUDGET: usize = 4 * STEP;

impl Publisher {
    /// The base of the table that is published now.
    pub(super) fn published_base(&self) -> Option<Block> {
        Block::of_table(self.current_table()?)
    }

    /// Whether a base is being made, or is to be made.
    pub(super) fn is_merging(&self) -> bool {
        match &self.groups {
            Some(groups) => !groups.merging.is_empty(),
            None => self.is_group_merging(),
        }
    }

    /// As [`go_on`](Self::go_on), of all groups whose rings need it.
    pub(super) fn go_on_with_rings(&mut self, budget: usize) {
        let Some(groups) = &self.groups else { return self.go_on(budget) };
        for name in groups.merging.clone() {
            self.with_group(&name, |publisher| publisher.go_on(budget));
        }
        self.make_room();
    }

    /// As [`is_merging`](Self::is_merging), of the peers at hand.
    pub(super) fn is_group_merging(&self) -> bool {
        self.has_ring()
            && (self.group.ring.merging().is_some()
                || self.group.ring.should_merge()
                    && self.group.ring.no_room_at != Some(self.free_count))
    }

    fn has_ring(&self) -> bool {
        self.current_table().is_some_and(|table| table.delta.length > 0)
    }

    /// Goes on with the base of the ring for so many points, if there is something to do, and
    /// publishes the base when it is complete.
    pub(super) fn go_on(&mut self, budget: usize) {
        if !self.is_group_merging() {
            return;
        }
        if self.group.ring.merging().is_none() && !self.begin_merge() {
            self.group.ring.no_room_at = Some(self.free_count);
            return;
        }
        match self.group.ring.step(&self.zone.memory, budget) {
            Ok(false) => {}
            Ok(true) => {
                let is_published = self.finish_merge().is_some() && self.publish_ring();
                if !is_published {
                    self.restore_ring();
                    self.group.ring.no_room_at = Some(self.free_count);
                }
            }
            Err(_) => self.renew_ring(),
        }
    }

    /// Begins with a base, if there is room for it, and for what else may be published meanwhile.
    fn begin_merge(&mut self) -> bool {
        let Some((merge, units)) = self.group.ring.begin_merge() else { return false };
        let peers = self.group.listed.len();
        let place = self.allocator.allocate_for_table(units, above(units, peers));
        let table = self.current_table().map_or((0, 0), |table| (table.units, table.compact_units));
        let has_room = self.allocator.longest() >= table.0
            && self.leaves_room_for_table(table.1)
            && self.allocator.available() as usize >= table.0 as usize + changing(peers);
        match place {
            Some(place) if has_room => {
                // SAFETY: the allocator gave these units out.
                unsafe { self.group.ring.go_on_at(merge, place) };
                self.store_used();
                true
            }
            place => {
                self.group.ring.forget_merge();
                place.into_iter().for_each(|place| self.allocator.release(place, units));
                false
            }
        }
    }

    /// Whether there is room for a table of so many units in its compact form beside what is taken;
    /// groups have a reserve.
    fn leaves_room_for_table(&self, units: u32) -> bool {
        self.groups.is_some() || self.has_spare(&self.allocator, units, Replaced::TABLE_AND_BASE)
    }

    /// Makes the base of a merge that was begun, which is to lie at `place`. Says whether that is
    /// the ring's base now.
    ///
    /// # Safety
    ///
    /// As for [`RingState::go_on_at`].
    pub(super) unsafe fn merge_at_once(&mut self, merge: hash_ring::Merge, place: Offset) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.group.ring.go_on_at(merge, place) };
        self.group.ring.step(&self.zone.memory, usize::MAX).is_ok_and(|is_complete| is_complete)
            && self.finish_merge().is_some()
    }

    /// Goes over to the base that is complete.
    fn finish_merge(&mut self) -> Option<()> {
        let old = self.group.ring.finish_merge().ok()?;
        // One that is published is free when no table that names it is read any more.
        let published = self.published_base().map(|base| base.place);
        if let Some(old) = old.filter(|old| Some(old.place) != published) {
            self.free_units(old.place, old.units());
        }
        Some(())
    }

    /// Makes the table of the peers at hand once more, as it is.
    pub(super) fn renew_table(&mut self) {
        self.publish_ring();
    }

    /// Publishes the table as it is, with the ring as it is. Says whether there was room.
    fn publish_ring(&mut self) -> bool {
        let listed = std::mem::take(&mut self.group.listed);
        let options = self.options_in_use(&listed);
        let removed = self.removed.iter().map(|peer| peer.entry);
        // Those of all groups are in the directory.
        let removed: Vec<Offset> =
            if self.groups.is_some() { Vec::new() } else { removed.collect() };
        let sticky = if options.is_sticky { sticky_order(&listed) } else { Vec::new() };
        let parts = (&*removed, &*sticky);
        let table = self.make_table(&listed, parts, self.generation, &options, Spare::NotNeeded);
        self.group.listed = listed;
        table.into_iter().for_each(|table| self.publish_table(table));
        self.free_unread();
        table.is_some()
    }

    /// How many units a table with its ring may take: those that are free, and those of the merge
    /// that goes on, which is given up if it must be.
    pub(super) fn free_for_ring(&self) -> u32 {
        let merging = self.group.ring.merging().map_or(0, |block| block.units());
        self.allocator.available().saturating_add(merging)
    }

    /// Gives up the merge that goes on.
    pub(super) fn cancel_merge(&mut self) {
        if let Some(block) = self.group.ring.cancel_merge() {
            self.free_units(block.place, block.units());
            self.store_used();
        }
    }

    /// Forgets the ring, and frees what of it is not published; `published` is freed elsewhere.
    pub(super) fn drop_ring(&mut self, published: Option<Block>) {
        self.cancel_merge();
        let published = published.map(|base| base.place);
        if let Some(base) = self.group.ring.base().filter(|base| Some(base.place) != published) {
            self.free_units(base.place, base.units());
        }
        self.group.ring = RingState::default();
    }

    /// The ring is as it is published.
    pub(super) fn restore_ring(&mut self) {
        self.drop_ring(self.published_base());
        let place = self.group.table;
        let Some(header) = self.current_table().filter(|table| table.delta.length > 0) else {
            return;
        };
        // SAFETY: it is published, and the publisher, who alone frees tables, does not free it
        // meanwhile.
        let found =
            unsafe { RingState::of_table(&self.zone.memory, place, header, &self.group.listed) };
        match found {
            Some(ring) => self.group.ring = ring,
            None => self.make_ring(),
        }
    }

    /// Makes the ring once more, from the empty base: the one that there was is damaged.
    fn renew_ring(&mut self) {
        self.drop_ring(self.published_base());
        self.make_ring();
    }

    /// Makes the ring of the peers that are published, which had room.
    fn make_ring(&mut self) {
        self.group.ring.update(&self.group.listed, u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use core::ptr::NonNull;
    use std::sync::Arc;

    use peer_balance::{Method, Parameters};

    use super::*;
    use crate::{
        layout::TableHeader,
        memory::LINE,
        peer_spec::PeerSpec,
        protocol::{Process, Publishing},
        publisher::options::TableOptions,
        zone::Zone,
    };

    #[derive(Clone, Copy)]
    #[repr(C, align(64))]
    struct Line([u8; LINE]);

    fn specs(numbers: std::ops::Range<usize>) -> Vec<PeerSpec> {
        let parameters = Parameters {
            weight: 1,
            max_conns: 0,
            max_fails: 1,
            fail_timeout: 10,
            slow_start: 0,
            backup: false,
            down: false,
            drain: false,
        };
        let spec = |number: usize| {
            let name: Arc<str> = format!("10.0.0.1:{number}").into();
            PeerSpec {
                key: Some(Arc::clone(&name)),
                socket_address: name.as_bytes().into(),
                server: Arc::clone(&name),
                name,
                parameters,
                sticky: 0,
                route: None,
                labels: None,
                source: None,
                group: None,
                create_revision: 0,
                joined: 0,
            }
        };
        numbers.map(spec).collect()
    }

    /// A reader that has an old table has its base as well, whichever publisher comes.
    #[test]
    fn a_base_stays_while_a_table_that_names_it_is_read() {
        let mut memory = vec![Line([0; LINE]); (1 << 20) / LINE];
        let start = NonNull::new(memory.as_mut_ptr().cast::<u8>()).expect("an address");
        let capacity = crate::Capacity { workers: 2, processes: 4 };
        // SAFETY: the memory is ours alone, and outlives all that is made from it here.
        let zone =
            unsafe { Zone::format(start, memory.len() * LINE, capacity) }.expect("large enough");
        let (me, publishing) = (Process::new(1, 1), Publishing::unshared());
        let options = TableOptions { method: Method::HashConsistent, ..TableOptions::default() };
        let take_over = || {
            // SAFETY: there is one publisher at a time.
            let mut publisher = unsafe { Publisher::take_over(zone, &publishing) };
            publisher.set_options(options, 0, &publishing);
            publisher
        };
        let mut publisher = take_over();
        publisher.publish(specs(0..100), 0, &publishing).expect("room");
        let mut reader = zone.join(Process::new(2, 2), |_| true).expect("an entry");
        let table = reader.table().expect("a table");
        // SAFETY: it is pinned.
        let header: &TableHeader =
            unsafe { zone.memory.get(Offset(zone.header().table.current()).bytes()) };
        let base = Block::of_table(header).expect("a base");
        // SAFETY: as above.
        let words = || unsafe { zone.memory.slice::<u32>(base.place.bytes(), base.bytes() / 4) };
        let before = words().to_vec();
        for first in 1..60 {
            // Enough for another base at each change.
            publisher.publish(specs(3 * first..3 * first + 100), 0, &publishing).expect("room");
            publisher.reclaim_memory(me, |_| true, &publishing);
            if first % 7 == 0 {
                publisher = take_over();
            }
            assert!(words() == before, "after {first} changes");
        }
        drop(table);
        publisher.publish(Vec::<PeerSpec>::new(), 0, &publishing).expect("room");
        (0..5).for_each(|_| publisher.reclaim_memory(me, |_| true, &publishing));
        assert!(publisher.allocator.used() < 20, "{}", publisher.allocator.used());
    }
}
