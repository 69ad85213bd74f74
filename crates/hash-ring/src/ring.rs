//! What the publisher keeps of a ring, in its own memory.

use std::sync::Arc;

use crate::{
    base::Base,
    delta::{self, Delta, delta_words},
    error::{AddError, Malformed, MergeError, NoServer, TooLarge},
    merge::{Changes, Merge},
    slots::{ADDED, IN_BASE, JOINS, LEAVES, LIVE, Slots},
    words::{MOST_POINTS, MOST_SLOTS, point, slot_of},
};

/// From this many added points on, a merge is due however large the base is.
pub const MANY_ADDED: u64 = 10_240;

/// From this many removed servers on, a merge is due however large the base is.
pub const MANY_REMOVED: usize = 1_024;

/// So many times [`MANY_ADDED`] and [`MANY_REMOVED`] a delta should not be published.
const LIMIT: u64 = 4;

/// The servers of a ring, and how the base and the delta of it come about.
#[derive(Debug, Default)]
pub struct Ring {
    /// The base's id.
    base: u32,
    /// The base's points, and how many of them are of live servers.
    points_of_base: u64,
    live_in_base: u64,
    slots: Slots,
    /// The points that the base does not have, in order; a merge has a copy of them.
    added: Arc<Vec<u64>>,
    /// More of them, in no order.
    unsorted: Vec<u64>,
    /// How many of both are of live servers.
    live_added: u64,
    /// The slots of both.
    added_slots: Vec<u32>,
    /// Slots whose points are still in `added` or `unsorted`, although their servers were removed.
    dropped: Vec<u32>,
    /// Slots of the base whose servers were removed.
    removed: Vec<u32>,
    freed: Vec<u32>,
    merges: u64,
    merge: Option<MergeSlots>,
}

/// The slots in which the base that is being made differs from the current one.
#[derive(Debug)]
struct MergeSlots {
    joins: Vec<u32>,
    leaves: Vec<u32>,
    points: u64,
}

impl Ring {
    /// A ring without servers, whose base is [`EMPTY_BASE`](crate::EMPTY_BASE).
    pub fn new() -> Self {
        Self::default()
    }

    /// The ring that a base and a delta are of, which another publisher has left. `servers` are the
    /// slots of those that are there, each with the number of its points.
    ///
    /// It takes time for each server and each point of the delta, but not for those of the base.
    ///
    /// # Errors
    ///
    /// If base, delta and servers do not belong together. The publisher then begins with
    /// [`Ring::new`] and adds all servers.
    pub fn restore(
        base: &Base<'_>,
        delta: &Delta<'_>,
        servers: impl IntoIterator<Item = (u32, u32)>,
    ) -> Result<Self, Malformed> {
        if base.id != delta.base {
            return Err(Malformed);
        }
        let mut ring = Self { base: base.id, points_of_base: base.points() as u64, ..Self::new() };
        for (slot, points) in servers {
            if slot >= MOST_SLOTS || ring.slots.flags(slot) != 0 {
                return Err(Malformed);
            }
            ring.slots.take(slot, LIVE | IN_BASE, points);
            ring.live_in_base += u64::from(points);
        }
        let added: Vec<u64> = (0..delta.points())
            .filter_map(|index| delta.point(index))
            .map(|(hash, slot)| point(hash, slot))
            .collect();
        for slot in added.iter().copied().map(slot_of) {
            let points = ring.slots.points_of_live(slot).map_err(|_| Malformed)?;
            if !ring.slots.has(slot, ADDED) {
                ring.slots.clear(slot, IN_BASE);
                ring.slots.set(slot, ADDED);
                ring.added_slots.push(slot);
                ring.live_in_base -= u64::from(points);
                ring.live_added += u64::from(points);
            }
        }
        for slot in delta.removed() {
            if slot >= MOST_SLOTS || ring.slots.flags(slot) != 0 {
                return Err(Malformed);
            }
            ring.slots.take(slot, IN_BASE, 0);
            ring.removed.push(slot);
        }
        let is_whole = ring.live_in_base == u64::from(delta.live_in_base)
            && ring.live_in_base <= ring.points_of_base
            && ring.live_added == added.len() as u64
            && added.is_sorted();
        ring.added = Arc::new(added);
        if is_whole { Ok(ring) } else { Err(Malformed) }
    }

    /// Adds a server in a slot: the hashes of its points are `hashes`, in any order.
    ///
    /// # Errors
    ///
    /// If the slot has a server, or had one and was not in [`Ring::take_freed`] since; or if there
    /// are too many points or slots. The ring is as before then.
    pub fn add(
        &mut self,
        slot: u32,
        hashes: impl IntoIterator<Item = u32>,
    ) -> Result<(), AddError> {
        if slot >= MOST_SLOTS {
            return Err(TooLarge.into());
        }
        if self.slots.flags(slot) != 0 {
            return Err(AddError::InUse(slot));
        }
        let before = self.unsorted.len();
        let room = MOST_POINTS - self.points().min(MOST_POINTS);
        let hashes = hashes.into_iter().take(room as usize + 1);
        self.unsorted.extend(hashes.map(|hash| point(hash, slot)));
        let points = (self.unsorted.len() - before) as u64;
        if points > room {
            self.unsorted.truncate(before);
            return Err(TooLarge.into());
        }
        self.slots.take(slot, LIVE | ADDED, points as u32);
        self.added_slots.push(slot);
        self.live_added += points;
        Ok(())
    }

    /// Removes the server in a slot. The slot can be used again once [`Ring::take_freed`] has it.
    ///
    /// # Errors
    ///
    /// If there is no server in it.
    pub fn remove(&mut self, slot: u32) -> Result<(), NoServer> {
        let points = u64::from(self.slots.points_of_live(slot)?);
        self.slots.clear(slot, LIVE);
        if self.slots.has(slot, IN_BASE) {
            self.live_in_base -= points;
            self.removed.push(slot);
        } else {
            self.live_added -= points;
            self.dropped.push(slot);
        }
        Ok(())
    }

    /// Whether there is a server in this slot.
    pub fn contains(&self, slot: u32) -> bool {
        self.slots.has(slot, LIVE)
    }

    /// Whether something names this slot: a server that is there, the base, the delta, or the merge
    /// that goes on. [`Ring::add`] takes only slots that nothing names.
    pub fn names(&self, slot: u32) -> bool {
        self.slots.flags(slot) != 0
    }

    /// How many points the servers have.
    pub fn points(&self) -> u64 {
        self.live_in_base + self.live_added
    }

    /// The id of the base that the ring goes by.
    pub fn base_id(&self) -> u32 {
        self.base
    }

    /// How many points the delta adds.
    pub fn added_points(&self) -> u64 {
        self.live_added
    }

    /// How many servers of the base were removed.
    pub fn removed_servers(&self) -> usize {
        self.removed.len()
    }

    /// Whether a merge is worth its time, once the publisher has nothing else to do: if the delta
    /// has an eighth of the base's points, or as many as slow down a request or a change.
    pub fn should_merge(&self) -> bool {
        let changed = self.live_added + (self.points_of_base - self.live_in_base);
        self.live_added >= MANY_ADDED
            || self.removed.len() >= MANY_REMOVED
            || changed > self.points_of_base / 8
    }

    /// Whether the delta is so large that a merge should be completed before it is published. It
    /// would be valid.
    pub fn must_merge(&self) -> bool {
        self.live_added > LIMIT * MANY_ADDED
            || self.removed.len() as u64 > LIMIT * MANY_REMOVED as u64
    }

    /// How many words the delta takes that [`Ring::write_delta`] would write now.
    pub fn delta_words(&self) -> usize {
        delta_words(self.live_added as usize, self.removed.len())
    }

    /// Writes the delta to `words`, and says how many it takes.
    ///
    /// # Errors
    ///
    /// If there are less than [`Ring::delta_words`].
    pub fn write_delta(&mut self, words: &mut [u32]) -> Result<usize, TooLarge> {
        self.settle();
        let length = self.delta_words();
        let words = words.get_mut(..length).ok_or(TooLarge)?;
        // Less than `MOST_POINTS`.
        let live_in_base = self.live_in_base as u32;
        delta::write(words, self.base, &self.added, &self.removed, live_in_base);
        Ok(length)
    }

    /// The slots that can be used again, as far as the ring is concerned: neither the base nor the
    /// delta that is written next names them. The caller gives one of them to another server only
    /// after this delta is published, and after all readers have let go of what was published
    /// before it.
    pub fn take_freed(&mut self) -> Vec<u32> {
        self.settle();
        std::mem::take(&mut self.freed)
    }

    /// Begins to make a base of the servers that are there now. A merge that goes on already is
    /// canceled by it.
    ///
    /// # Errors
    ///
    /// If there are too many points or slots.
    pub fn begin_merge(&mut self) -> Result<Merge, TooLarge> {
        self.cancel_merge();
        self.settle();
        let changes = Changes {
            from: self.base,
            added: Arc::clone(&self.added),
            removed: self.removed.clone(),
            points: self.points(),
            slots: self.slots.end(),
        };
        let points = changes.points;
        let merge = Merge::new(self.merges + 1, changes)?;
        self.merges += 1;
        let (joins, leaves) = (self.added_slots.clone(), self.removed.clone());
        for &slot in &joins {
            self.slots.set(slot, JOINS);
        }
        for &slot in &leaves {
            self.slots.set(slot, LEAVES);
        }
        self.merge = Some(MergeSlots { joins, leaves, points });
        Ok(merge)
    }

    /// Gives up the merge that goes on, if there is one. To begin another one does so as well.
    pub fn cancel_merge(&mut self) {
        let Some(merge) = self.merge.take() else { return };
        for slot in merge.joins {
            if self.slots.clear(slot, JOINS) {
                self.freed.push(slot);
            }
        }
        for slot in merge.leaves {
            self.slots.clear(slot, LEAVES);
        }
    }

    /// Goes over to the base that a merge has made: the next delta says what has changed since the
    /// merge has begun. The caller publishes this delta together with the base.
    ///
    /// # Errors
    ///
    /// If the merge is not complete, was canceled, or is not the last one. The ring is as before.
    pub fn finish_merge(&mut self, done: &Merge) -> Result<(), MergeError> {
        if done.number != self.merges || self.merge.is_none() {
            return Err(MergeError::Superseded);
        }
        if !done.is_complete {
            return Err(MergeError::Incomplete);
        }
        self.settle();
        let Some(merge) = self.merge.take() else { return Err(MergeError::Superseded) };
        self.base = self.base.wrapping_add(1);
        self.points_of_base = merge.points;
        for slot in merge.leaves {
            if self.slots.clear(slot, IN_BASE | LEAVES) {
                self.freed.push(slot);
            }
        }
        for &slot in &merge.joins {
            self.slots.clear(slot, JOINS | ADDED);
            self.slots.set(slot, IN_BASE);
        }
        let slots = &self.slots;
        self.removed.retain(|&slot| slots.has(slot, IN_BASE));
        // Those that were removed while the merge went on.
        let joined = merge.joins.iter().copied();
        self.removed.extend(joined.filter(|&slot| !slots.has(slot, LIVE)));
        self.added_slots.retain(|&slot| slots.has(slot, ADDED));
        let not_in_base = |&point: &u64| slots.has(slot_of(point), ADDED);
        self.added = Arc::new(self.added.iter().copied().filter(not_in_base).collect());
        // What is live and was not added since is in the base.
        let points = self.points();
        self.live_added = self.added.len() as u64;
        self.live_in_base = points - self.live_added;
        Ok(())
    }

    /// Brings the added points in order, without those of servers that were removed.
    fn settle(&mut self) {
        if !self.dropped.is_empty() {
            let slots = &self.slots;
            let is_live = |&slot: &u32| slots.has(slot, LIVE);
            self.unsorted.retain(|&point| is_live(&slot_of(point)));
            Arc::make_mut(&mut self.added).retain(|&point| is_live(&slot_of(point)));
            self.added_slots.retain(is_live);
            for slot in self.dropped.drain(..) {
                if self.slots.clear(slot, ADDED) {
                    self.freed.push(slot);
                }
            }
        }
        if !self.unsorted.is_empty() {
            self.unsorted.sort_unstable();
            insert(Arc::make_mut(&mut self.added), &self.unsorted);
            self.unsorted.clear();
        }
    }
}

/// Inserts points into others; both are in order.
fn insert(points: &mut Vec<u64>, more: &[u64]) {
    let mut old = points.len();
    points.resize(old + more.len(), 0);
    // From the end, where there is room.
    for (new, &next) in more.iter().enumerate().rev() {
        let before = points[..old].partition_point(|&point| point <= next);
        points.copy_within(before..old, before + new + 1);
        points[before + new] = next;
        old = before;
    }
}
