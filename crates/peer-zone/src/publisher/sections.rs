//! What a table is made of, before it lies in memory.

use peer_balance::cumulative;

use super::{
    options::TableOptions,
    records::Listed,
    ring::{RingSizes, base_units},
    roster::{Roster, Tier},
};
use crate::{
    layout::{PLAIN, PLAN_ALIGNMENT, PlanHeader, Section, TableHeader},
    memory::{Memory, Offset, units},
    plan::Plan,
};

/// A table's entries and whatever its upstream's method needs beside.
pub(super) struct Contents<'a> {
    listed: &'a Roster,
    removed: &'a [Offset],
    options: &'a TableOptions,
    /// Places of the entries that have one, in the order of their sticky ids.
    sticky: &'a [Offset],
    /// If the method needs a ring.
    ring: Option<RingSizes>,
    /// The group's; empty without one.
    name: &'a str,
    /// The text of the group's own key; empty without one.
    hash_key: &'a str,
}

/// How many items of each kind a table has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) primaries: usize,
    pub(super) backups: usize,
    pub(super) removed: usize,
    pub(super) ranges: usize,
    /// Words of what has changed since the ring's base; none without a ring.
    pub(super) delta: usize,
    /// Slots of the ring that are named, and how many slots there are at least.
    pub(super) slots: usize,
    pub(super) least_slots: usize,
    /// Words of the list of servers that several peers are of.
    pub(super) shared: usize,
    pub(super) sticky: usize,
    /// Bytes of the group's name, and of its own key.
    pub(super) name: usize,
    pub(super) hash_key: usize,
    /// Points of the ring, which are not in the table.
    pub(super) points: usize,
}

/// The plans of a table, and where its parts lie.
pub(super) struct Places {
    plans: [Plan; 2],
    pub(super) parts: Parts,
}

/// Where the parts of a table lie, in bytes from its start, and how much it takes.
pub(super) struct Parts {
    plan_offsets: [usize; 2],
    pub(super) ranges: Section,
    pub(super) delta: Section,
    pub(super) slots: Section,
    pub(super) shared: Section,
    pub(super) sticky: Section,
    pub(super) name: Section,
    pub(super) hash_key: Section,
    bytes: usize,
}

/// The places of the entries that have a sticky id, in the order of these.
pub(super) fn sticky_order(listed: &[Listed]) -> Vec<Offset> {
    // Backups come last among those with the same id, as in a table.
    let mut order: Vec<(u64, bool, Offset)> = listed
        .iter()
        .filter(|peer| peer.spec.sticky != 0)
        .map(|peer| (peer.spec.sticky, peer.is_backup, peer.entry))
        .collect();
    order.sort_by_key(|&(id, is_backup, _)| (id, is_backup));
    order.into_iter().map(|(_, _, entry)| entry).collect()
}

impl<'a> Contents<'a> {
    /// `listed` and the entries' places of those that are `removed`; `sticky` where the options
    /// want it (see [`sticky_order`]), and `ring` if they want one; of the group of this name, with
    /// this key of its own.
    pub(super) fn new(
        listed: &'a Roster,
        removed: &'a [Offset],
        sticky: &'a [Offset],
        options: &'a TableOptions,
        ring: Option<RingSizes>,
        (name, hash_key): (&'a str, &'a str),
    ) -> Self {
        Self { listed, removed, options, sticky, ring, name, hash_key }
    }

    fn tiers(&self) -> &'a [Tier; 2] {
        self.listed.tiers()
    }

    /// The weights of the peers with `backup`, or of those without.
    fn weights(&self, is_backup: bool, weight: impl Fn(&Listed) -> u32) -> Vec<u32> {
        if self.tiers()[usize::from(!is_backup)].peers == 0 {
            // In one go.
            return self.listed.iter().map(weight).collect();
        }
        self.listed.iter().filter(|peer| peer.is_backup == is_backup).map(weight).collect()
    }

    /// The weight of all peers without `backup`; 0 where they differ.
    pub(super) fn even_weight(&self) -> u32 {
        self.tiers()[0].even_weight()
    }

    /// The parts, with the plans in their shortest form or in the one that depends on nothing but
    /// the number of peers.
    pub(super) fn places(&self, is_compact: bool) -> Places {
        let plan = |is_backup: bool| {
            let tier = &self.tiers()[usize::from(is_backup)];
            if tier.is_even() && tier.in_service == tier.peers {
                return Plan::InTurn(tier.peers);
            }
            let weights = self.weights(is_backup, Listed::weight_in_turn);
            if is_compact { Plan::compact(weights) } else { Plan::new(weights) }
        };
        let plans = [plan(false), plan(true)];
        let parts = self.numbers().lay_out(plans.each_ref().map(Plan::size));
        Places { plans, parts }
    }

    fn numbers(&self) -> Counts {
        let method = self.options.method;
        let ring = self.ring.unwrap_or_default();
        let [primaries, backups] = self.tiers().each_ref().map(|tier| tier.peers);
        let has_ranges = method.needs_ranges() && self.even_weight() == 0;
        Counts {
            primaries,
            backups,
            removed: self.removed.len(),
            ranges: if has_ranges { primaries } else { 0 },
            delta: ring.delta,
            slots: ring.slots,
            least_slots: 0,
            shared: ring.shared,
            sticky: self.sticky.len(),
            name: self.name.len(),
            hash_key: self.hash_key.len(),
            points: ring.points,
        }
    }

    /// What the table would take in its most compact form, if those that are removed were not yet:
    /// so a table does not shrink before they are out of it, and the next one fits where the last
    /// one was.
    pub(super) fn compact_units(&self) -> u32 {
        self.compact_numbers().compact_units()
    }

    /// As [`Contents::compact_units`], with a base of the ring.
    pub(super) fn needed_units(&self) -> u32 {
        self.compact_numbers().needed_units()
    }

    fn compact_numbers(&self) -> Counts {
        let mut numbers = self.numbers();
        if self.options.method.needs_ranges() {
            numbers.ranges = numbers.primaries;
        }
        numbers
    }

    /// Writes the parts behind the header, but for the ring.
    ///
    /// # Safety
    ///
    /// As many units as [`Places::units`] says from `at` are nobody else's.
    pub(super) unsafe fn write(&self, memory: &Memory, at: Offset, places: &Places) {
        let start = at.bytes();
        // SAFETY: each part lies within what `places` has counted; the rest is the caller's
        // promise.
        unsafe {
            let mut behind = start + size_of::<TableHeader>();
            if self.tiers().iter().any(|tier| tier.peers == 0) {
                memory.copy(behind, self.listed.entries());
                behind += size_of_val(self.listed.entries());
            } else {
                for is_backup in [false, true] {
                    let tier = self.listed.iter().filter(|peer| peer.is_backup == is_backup);
                    behind = memory.fill(behind, tier.map(|peer| peer.entry));
                }
            }
            memory.copy(behind, self.removed);
            for (plan, offset) in places.plans.iter().zip(places.parts.plan_offsets) {
                match plan {
                    Plan::InTurn(_) => {}
                    Plan::Sequence(sequence) => memory.copy(start + offset, sequence),
                    Plan::Strided(weights, _) => {
                        memory.fill(start + offset, cumulative(weights));
                    }
                }
            }
            if places.parts.ranges.length > 0 {
                let weights = self.weights(false, |peer| peer.weight);
                memory.fill(start + places.parts.ranges.offset as usize, cumulative(&weights));
            }
            memory.copy(start + places.parts.sticky.offset as usize, self.sticky);
            for (part, text) in
                [(places.parts.name, self.name), (places.parts.hash_key, self.hash_key)]
            {
                memory.copy(start + part.offset as usize, text.as_bytes());
            }
        }
    }

    /// The plans' headers.
    pub(super) fn plan_headers(&self, places: &Places) -> [PlanHeader; 2] {
        let [primary, backup] = &places.plans;
        let [first, second] = places.parts.plan_offsets;
        let [primaries, backups] = self.tiers().each_ref().map(|tier| tier.in_service);
        [primary.header(first, primaries), backup.header(second, backups)]
    }

    /// See [`TableHeader::traits`].
    pub(super) fn traits(&self) -> u32 {
        if self.tiers()[0].is_plain() { PLAIN } else { 0 }
    }

    /// See [`TableHeader::share`].
    pub(super) fn share(&self) -> u64 {
        self.tiers()[0].share()
    }

    /// How many peers there are without `backup`, with it, and removed.
    pub(super) fn counts(&self) -> [usize; 3] {
        let [primaries, backups] = self.tiers().each_ref().map(|tier| tier.peers);
        [primaries, backups, self.removed.len()]
    }
}

impl Counts {
    /// See [`Contents::compact_units`]: a ring is in its base.
    pub(super) fn compact_units(&self) -> u32 {
        let delta = self.delta.min(hash_ring::delta_words(0, 0));
        Self { delta, ..*self }.units_with_delta()
    }

    /// As [`Counts::compact_units`], with what has changed since the ring's base.
    pub(super) fn units_with_delta(&self) -> u32 {
        let weights = [self.primaries, self.backups].map(|peers| peers * size_of::<u64>());
        units(self.lay_out(weights).bytes + self.removed * size_of::<u64>())
    }

    /// As [`Counts::compact_units`], with a base of the ring.
    pub(super) fn needed_units(&self) -> u32 {
        let base = if self.delta > 0 { base_units(self.points, self.all_slots()) } else { 0 };
        self.compact_units().saturating_add(base)
    }

    fn all_slots(&self) -> usize {
        self.slots.max(self.least_slots)
    }

    /// About as many bytes as these take in a table, and in the base of its ring.
    pub(super) fn bytes(&self) -> usize {
        let peers = self.primaries + self.backups + self.removed;
        peers * (size_of::<Offset>() + size_of::<u64>())
            + self.ranges * size_of::<u64>()
            + (self.points + self.all_slots() + self.shared) * size_of::<u32>()
            + self.sticky * size_of::<Offset>()
    }

    /// Where the parts lie, with plans of these sizes.
    fn lay_out(&self, plans: [usize; 2]) -> Parts {
        let first = TableHeader::plans(self.primaries + self.backups + self.removed);
        let second = (first + plans[0]).next_multiple_of(PLAN_ALIGNMENT);
        let mut end = second + plans[1];
        let mut section = |count: usize, size: usize| {
            if count == 0 {
                return Section::default();
            }
            let offset = end.next_multiple_of(PLAN_ALIGNMENT);
            end = offset + count * size;
            // A table's size is bounded by its zone's; what is larger is refused by the allocator.
            Section {
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
                length: u32::try_from(count).unwrap_or(u32::MAX),
            }
        };
        let ranges = section(self.ranges, size_of::<u64>());
        let delta = section(self.delta, size_of::<u32>());
        let slots = section(self.all_slots(), size_of::<u32>());
        let shared = section(self.shared, size_of::<u32>());
        let sticky = section(self.sticky, size_of::<Offset>());
        let name = section(self.name, size_of::<u8>());
        let hash_key = section(self.hash_key, size_of::<u8>());
        let plan_offsets = [first, second];
        Parts { plan_offsets, ranges, delta, slots, shared, sticky, name, hash_key, bytes: end }
    }
}

impl Places {
    /// What the table takes.
    pub(super) fn units(&self) -> u32 {
        units(self.parts.bytes)
    }
}
