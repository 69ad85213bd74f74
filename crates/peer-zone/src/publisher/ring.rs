//! The ring of consistent hashing, as the publisher has it in its own memory: the servers with
//! their slots, and what tables say of them. The crate `hash-ring` says what a ring is.
//!
//! It may be ahead of what is published, since it changes before the table is made that says so.
//! If there is no room for that table, the publisher reads from the published one what the ring
//! was; see [`Publisher::restore_ring`](super::Publisher::restore_ring).

mod published;
mod room;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use hash_ring::{Base, EMPTY_BASE, Merge, MergeError, Ring, delta_words};

use self::room::may_fit;
pub(super) use self::room::{WORDS_OF_REMOVED, added_words, base_units, points};
use super::records::Listed;
use crate::{
    layout::TableHeader,
    memory::{Memory, Offset, units},
    zone::Zone,
};

/// A ring with at most so many points gets another base whenever that is worth while, before it is
/// published: it takes less than half a millisecond.
const FEW_POINTS: u64 = 1 << 16;

/// The memory of a base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) place: Offset,
    words: usize,
}

impl Block {
    /// That of the base that a table names.
    pub(super) fn of_table(table: &TableHeader) -> Option<Self> {
        let words = table.base_words as usize;
        (table.base.0 != 0).then_some(Self { place: table.base, words })
    }

    pub(super) fn bytes(self) -> usize {
        self.words * size_of::<u32>()
    }

    pub(super) fn units(self) -> u32 {
        units(self.bytes())
    }
}

/// What a table has of a ring.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RingSizes {
    /// Words of the delta.
    pub(super) delta: usize,
    pub(super) slots: usize,
    /// Words of the list of servers that several peers are of.
    pub(super) shared: usize,
    /// Points, which are not in the table.
    pub(super) points: usize,
}

#[derive(Clone, Copy, Debug)]
struct Server {
    slot: u32,
    /// The greatest weight of its peers.
    weight: u32,
}

/// The making of a base, and where it is to lie.
#[derive(Debug)]
struct Merging {
    merge: Merge,
    block: Block,
}

/// The peers that are of one server text, in the order of the list.
#[derive(Default)]
struct Members<'l> {
    text: Option<&'l Arc<str>>,
    weight: u32,
    entries: Vec<Offset>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RingState {
    ring: Ring,
    /// Where the base lies; `None`: it is the empty one.
    base: Option<Block>,
    servers: HashMap<Arc<str>, Server>,
    /// By slot, the place of the entry of the server's peer, of several that of the first; 0
    /// without a server.
    places: Vec<u32>,
    /// Slots of servers that several peers are of, with the places of their entries.
    shared: BTreeMap<u32, Vec<Offset>>,
    /// Slots that nothing names, below the length of `places`.
    free: BTreeSet<u32>,
    merging: Option<Merging>,
    /// The count of what had come back when there was no room for a merge.
    pub(super) no_room_at: Option<u64>,
}

impl RingState {
    /// The words of the base.
    fn base_of<'m>(&self, memory: &Memory) -> &'m [u32] {
        match self.base {
            None => &EMPTY_BASE,
            // SAFETY: a base was written there, and the publisher, who alone frees bases, does not
            // free that of its ring.
            Some(Block { place, words }) => unsafe { memory.slice(place.bytes(), words) },
        }
    }

    pub(super) fn base(&self) -> Option<Block> {
        self.base
    }

    /// How many slots are named, and what all of them are below.
    pub(super) fn slots(&self) -> (usize, usize) {
        (self.places.len() - self.free.len(), self.places.len())
    }

    /// Whether a server of this text and weight is there.
    pub(super) fn has_slot(&self, text: &str, weight: u32) -> bool {
        self.servers.get(text).is_some_and(|server| server.weight == weight)
    }

    /// The words of a delta at most, if of the servers that there are only so many stay.
    pub(super) fn delta_words(&self, staying: usize) -> usize {
        let gone = self.servers.len().saturating_sub(staying) + self.ring.removed_servers();
        delta_words(0, 0) + added_words(self.ring.added_points() as usize) + gone * WORDS_OF_REMOVED
    }

    /// Whether it has no servers.
    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// What a table with it takes; with `is_merged`, if the base had all points.
    pub(super) fn sizes(&self, is_merged: bool) -> RingSizes {
        RingSizes {
            delta: if is_merged { delta_words(0, 0) } else { self.ring.delta_words() },
            slots: self.places.len(),
            shared: self.shared.values().map(|entries| 1 + entries.len()).sum(),
            points: self.ring.points() as usize,
        }
    }

    /// Whether it is another one than its base.
    pub(super) fn has_delta(&self) -> bool {
        self.ring.added_points() > 0 || self.ring.removed_servers() > 0
    }

    pub(super) fn should_merge(&self) -> bool {
        self.ring.should_merge()
    }

    /// Whether a merge should be completed before it is published.
    pub(super) fn must_merge(&self) -> bool {
        self.ring.must_merge() || self.ring.should_merge() && self.ring.points() <= FEW_POINTS
    }

    /// The servers are those of these peers, the peers being in the order of the list. Says whether
    /// a table with their points may fit into so many units that are free: otherwise nothing is
    /// done. To find the points of great weights takes seconds, and a zone that cannot hold them is
    /// not to cost that.
    pub(super) fn update(&mut self, listed: &[Listed], free: u32) -> bool {
        self.take_freed();
        let mut by_text: HashMap<&str, usize> = HashMap::with_capacity(self.servers.len());
        let mut wanted: Vec<Members<'_>> = Vec::with_capacity(self.servers.len());
        for peer in listed.iter().filter(|peer| peer.has_points()) {
            let text = &peer.spec.server;
            let index = *by_text.entry(text).or_insert(wanted.len());
            if index == wanted.len() {
                wanted.push(Members { text: Some(text), ..Members::default() });
            }
            let members = &mut wanted[index];
            members.weight = members.weight.max(peer.weight);
            members.entries.push(peer.entry);
        }
        let (mut all, mut added) = (0, 0);
        for Members { text, weight, .. } in &wanted {
            let is_there = text.is_some_and(|text| self.has_slot(text, *weight));
            all += points(*weight);
            added += if is_there { 0 } else { points(*weight) };
        }
        if !may_fit(all, added, wanted.len(), free) {
            return false;
        }
        let gone = self.servers.keys().filter(|text| !by_text.contains_key(&***text));
        for text in gone.cloned().collect::<Vec<_>>() {
            self.set_server(&text, 0, &[]);
        }
        for Members { text, weight, entries } in &wanted {
            text.iter().for_each(|text| self.set_server(text, *weight, entries));
        }
        true
    }

    /// As [`update`](Self::update) says it, of these edits; as [`edit`](Self::edit) has them. If
    /// several peers are of one server, it may be said that there is no room though there is.
    pub(super) fn can_edit<'l>(
        &self,
        edits: impl Iterator<Item = (Option<&'l Listed>, Option<&'l Listed>)>,
        free: u32,
    ) -> bool {
        let of = |peer: Option<&Listed>| {
            peer.filter(|peer| peer.has_points()).map_or(0, |peer| points(peer.weight))
        };
        let (mut added, mut gone) = (0, 0);
        for (old, new) in edits {
            let is_same = old.zip(new).is_some_and(|(old, new)| {
                old.weight == new.weight && old.spec.server == new.spec.server
            });
            if !is_same {
                added += of(new);
                gone += of(old);
            }
        }
        let there = self.ring.points() as usize;
        may_fit((there + added).saturating_sub(gone), added, self.places.len(), free)
    }

    /// Peers come and go: each was `old`, if it was listed, and is `new`, if it still is.
    pub(super) fn edit<'l>(
        &mut self,
        zone: &Zone,
        edits: impl Iterator<Item = (Option<&'l Listed>, Option<&'l Listed>)>,
    ) {
        self.take_freed();
        for (old, new) in edits {
            let old = old.filter(|peer| peer.has_points());
            let new = new.filter(|peer| peer.has_points());
            match (old, new) {
                (Some(old), Some(new)) if old.spec.server != new.spec.server => {
                    self.edit_server(zone, &old.spec.server, Some(old), None);
                    self.edit_server(zone, &new.spec.server, None, Some(new));
                }
                (Some(peer), _) | (None, Some(peer)) => {
                    self.edit_server(zone, &peer.spec.server, old, new);
                }
                (None, None) => {}
            }
        }
    }

    fn edit_server(
        &mut self,
        zone: &Zone,
        text: &Arc<str>,
        old: Option<&Listed>,
        new: Option<&Listed>,
    ) {
        let slot = self.servers.get(text).map(|server| server.slot);
        let mut entries = slot.map_or_else(Vec::new, |slot| match self.shared.get(&slot) {
            Some(entries) => entries.clone(),
            None => vec![Offset(self.places[slot as usize])],
        });
        entries.retain(|&entry| old.is_none_or(|old| old.entry != entry));
        if let Some(new) = new {
            // SAFETY: the publisher frees entries, and none that it lists.
            let precedes = |&entry: &Offset| unsafe { zone.precedes(entry, new.entry) };
            let at = entries.partition_point(|entry| precedes(entry) != Some(false));
            entries.insert(at, new.entry);
        }
        // SAFETY: as above.
        let weight = |&entry: &Offset| unsafe { zone.entry(entry) }.parameters().weight;
        let weight = entries.iter().map(weight).max().unwrap_or(0);
        self.set_server(text, weight, &entries);
    }

    /// A server has these peers, which are none if it is gone.
    fn set_server(&mut self, text: &Arc<str>, weight: u32, entries: &[Offset]) {
        let old = self.servers.get(text).copied();
        let stays = old.filter(|old| old.weight == weight && !entries.is_empty());
        if let Some(Server { slot, .. }) = old.filter(|_| stays.is_none()) {
            // It is there, as the publisher put it there.
            let _ = self.ring.remove(slot);
            self.places[slot as usize] = 0;
            self.shared.remove(&slot);
        }
        let Some(first) = entries.first() else {
            self.servers.remove(text);
            return;
        };
        let slot = stays.map_or_else(|| self.add_server(text, weight), |server| server.slot);
        let Some(place) = self.places.get_mut(slot as usize) else { return };
        *place = first.0;
        if entries.len() > 1 {
            self.shared.insert(slot, entries.to_vec());
        } else {
            self.shared.remove(&slot);
        }
    }

    /// Gives a server a slot.
    fn add_server(&mut self, text: &Arc<str>, weight: u32) -> u32 {
        let slot = self.free.pop_first().unwrap_or(self.places.len() as u32);
        if slot as usize == self.places.len() {
            self.places.push(0);
        }
        // More points than a ring can have are not in it; a zone is not as large.
        let _ = self.ring.add(slot, peer_balance::points(text, weight));
        self.servers.insert(Arc::clone(text), Server { slot, weight });
        slot
    }

    /// Slots that nothing names any more can be used again: each table has its own list of them.
    pub(super) fn take_freed(&mut self) {
        self.free.extend(self.ring.take_freed());
        while self.places.last().is_some_and(|&place| place == 0)
            && self.free.last().is_some_and(|&slot| slot as usize + 1 == self.places.len())
        {
            self.places.pop();
            self.free.pop_last();
        }
    }

    /// Begins a merge, and says how many units the base takes. One that goes on is given up before.
    pub(super) fn begin_merge(&mut self) -> Option<(Merge, u32)> {
        debug_assert!(self.merging.is_none());
        let merge = self.ring.begin_merge().ok()?;
        let units = units(merge.words() * size_of::<u32>());
        Some((merge, units))
    }

    /// The merge that was begun is not made.
    pub(super) fn forget_merge(&mut self) {
        self.ring.cancel_merge();
    }

    /// The base of the merge is to lie at `place`.
    ///
    /// # Safety
    ///
    /// As many units as [`begin_merge`](Self::begin_merge) has said are nobody else's there, until
    /// the merge is given up or the base is freed.
    pub(super) unsafe fn go_on_at(&mut self, merge: Merge, place: Offset) {
        let block = Block { place, words: merge.words() };
        self.merging = Some(Merging { merge, block });
    }

    /// The block of the merge that goes on.
    pub(super) fn merging(&self) -> Option<Block> {
        self.merging.as_ref().map(|merging| merging.block)
    }

    /// Gives up the merge that goes on. Returns its memory.
    pub(super) fn cancel_merge(&mut self) -> Option<Block> {
        self.ring.cancel_merge();
        self.merging.take().map(|merging| merging.block)
    }

    /// Goes on with the merge for so many points; says whether it is complete.
    pub(super) fn step(&mut self, memory: &Memory, budget: usize) -> Result<bool, MergeError> {
        let base = self.base_of(memory);
        let Some(Merging { merge, block }) = &mut self.merging else { return Ok(false) };
        let base = Base::new(base).map_err(|_| MergeError::OtherBase)?;
        // SAFETY: they are the merge's, as `go_on_at` was promised, and no table names them.
        let words = unsafe { memory.words(block.place.bytes(), block.words) };
        merge.step(&base, words, budget)
    }

    /// Goes over to the base of the merge, which is complete. Returns the base before.
    pub(super) fn finish_merge(&mut self) -> Result<Option<Block>, MergeError> {
        let Some(Merging { merge, block }) = &self.merging else {
            return Err(MergeError::Superseded);
        };
        self.ring.finish_merge(merge)?;
        let old = self.base.replace(*block);
        self.merging = None;
        Ok(old)
    }
}
