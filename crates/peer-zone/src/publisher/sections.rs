//! What a table is made of, before it lies in memory.

use std::sync::Arc;

use super::{
    options::TableOptions,
    records::Listed,
    ring::{self, Server, SharedServers},
};
use crate::{
    layout::{Entry, PLAN_ALIGNMENT, Section, TableHeader, TextEntry},
    memory::{Memory, Offset, units},
    peer_spec::PeerSpec,
    plan::Plan,
};

/// A table's entries and whatever its upstream's method needs beside.
pub(super) struct Contents<'a> {
    pub(super) primaries: Vec<&'a Listed>,
    pub(super) backups: Vec<&'a Listed>,
    removed: &'a [Entry],
    options: &'a TableOptions,
    shared: Option<SharedServers>,
    /// Indexes of the entries that have one, in the order of their sticky ids.
    sticky: Vec<u32>,
    text_entries: Vec<TextEntry>,
    texts: Vec<u8>,
}

/// Whether a table has texts for this peer.
pub(super) fn has_texts(peer: &PeerSpec) -> bool {
    peer.route.is_some() || peer.labels.is_some() || peer.source.is_some()
}

/// How many items of each kind a table has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) primaries: usize,
    pub(super) backups: usize,
    pub(super) removed: usize,
    pub(super) ranges: usize,
    pub(super) points: usize,
    /// Words of the list of servers that several peers are of.
    pub(super) shared: usize,
    pub(super) sticky: usize,
    pub(super) text_entries: usize,
    pub(super) texts: usize,
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
    pub(super) ring: Section,
    pub(super) shared: Section,
    pub(super) sticky: Section,
    pub(super) text_entries: Section,
    pub(super) texts: Section,
    bytes: usize,
}

impl<'a> Contents<'a> {
    pub(super) fn new(
        listed: &'a [Listed],
        removed: &'a [Entry],
        options: &'a TableOptions,
    ) -> Self {
        let (backups, primaries): (Vec<&Listed>, Vec<&Listed>) =
            listed.iter().partition(|peer| peer.spec.parameters.backup);
        let mut contents = Self {
            primaries,
            backups,
            removed,
            options,
            shared: None,
            sticky: Vec::new(),
            text_entries: Vec::new(),
            texts: Vec::new(),
        };
        contents.gather_texts();
        if options.method.needs_ring() {
            contents.shared = Some(SharedServers::of(&contents.servers().collect::<Vec<_>>()));
        }
        if options.is_sticky {
            let mut order: Vec<(u64, u32)> = contents
                .in_service()
                .map(|peer| peer.spec.sticky)
                .zip(0..)
                .filter(|&(id, _)| id != 0)
                .collect();
            order.sort_unstable();
            contents.sticky = order.into_iter().map(|(_, index)| index).collect();
        }
        contents
    }

    fn gather_texts(&mut self) {
        // Offsets and indexes are bounded by the zone's size in units, which is a `u32`.
        for (peer, entry) in self.primaries.iter().chain(&self.backups).zip(0..) {
            if !has_texts(&peer.spec) {
                continue;
            }
            let (route, labels) = (&peer.spec.route, &peer.spec.labels);
            let length = |text: &Option<Arc<str>>| {
                text.as_ref().map_or(TextEntry::NONE, |text| text.len() as u32)
            };
            self.text_entries.push(TextEntry {
                entry,
                offset: self.texts.len() as u32,
                route: length(route),
                labels: length(labels),
            });
            let texts = route.iter().chain(labels).chain(&peer.spec.source);
            texts.for_each(|text| self.texts.extend_from_slice(text.as_bytes()));
        }
    }

    fn in_service(&self) -> impl Iterator<Item = &Listed> {
        self.primaries.iter().chain(&self.backups).copied()
    }

    /// The peers that consistent hashing goes by.
    pub(super) fn servers(&self) -> impl Iterator<Item = Server<'a>> {
        self.primaries.iter().map(|peer| (&*peer.spec.server, peer.spec.parameters.weight))
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.in_service().map(Listed::entry).chain(self.removed.iter().copied()).collect()
    }

    /// Weights by which round robin goes: none for those that are out of service.
    pub(super) fn weights(peers: &[&Listed]) -> Vec<u32> {
        let weight = |peer: &&Listed| {
            let parameters = peer.spec.parameters;
            if parameters.is_in_service() { parameters.weight } else { 0 }
        };
        peers.iter().map(weight).collect()
    }

    /// The parts with plans of this kind.
    pub(super) fn places(&self, plan: impl Fn(&[u32]) -> Plan) -> Places {
        let plans = [plan(&Self::weights(&self.primaries)), plan(&Self::weights(&self.backups))];
        let parts = self.numbers().lay_out(plans.each_ref().map(Plan::size));
        Places { plans, parts }
    }

    fn numbers(&self) -> Counts {
        let method = self.options.method;
        Counts {
            primaries: self.primaries.len(),
            backups: self.backups.len(),
            removed: self.removed.len(),
            ranges: if method.needs_ranges() { self.primaries.len() } else { 0 },
            points: if method.needs_ring() { ring::length(self.servers()) } else { 0 },
            shared: self.shared.as_ref().map_or(0, |shared| shared.words.len()),
            sticky: self.sticky.len(),
            text_entries: self.text_entries.len(),
            texts: self.texts.len(),
        }
    }

    /// What the table would take in its most compact form, if those that are removed were not yet:
    /// so a table does not shrink before they are out of it, and the next one fits where the last
    /// one was.
    pub(super) fn compact_units(&self) -> u32 {
        self.numbers().compact_units()
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
            memory.copy(start + size_of::<TableHeader>(), &self.entries());
            for (plan, offset) in places.plans.iter().zip(places.parts.plan_offsets) {
                match plan {
                    Plan::Sequence(sequence) => memory.copy(start + offset, sequence),
                    Plan::Strided(cumulative, _) => memory.copy(start + offset, cumulative),
                }
            }
            if places.parts.ranges.length > 0 {
                let weights: Vec<u32> =
                    self.primaries.iter().map(|peer| peer.spec.parameters.weight).collect();
                memory.copy(
                    start + places.parts.ranges.offset as usize,
                    &peer_balance::cumulative(&weights),
                );
            }
            if let Some(shared) = &self.shared {
                memory.copy(start + places.parts.shared.offset as usize, &shared.words);
            }
            memory.copy(start + places.parts.sticky.offset as usize, &self.sticky);
            memory.copy(start + places.parts.text_entries.offset as usize, &self.text_entries);
            memory.copy(start + places.parts.texts.offset as usize, &self.texts);
        }
    }

    /// Writes the ring, from that of the table before where there is one.
    ///
    /// # Safety
    ///
    /// As for [`Contents::write`].
    pub(super) unsafe fn write_ring(
        &self,
        memory: &Memory,
        at: Offset,
        places: &Places,
        before: Option<&ring::Before<'_>>,
    ) {
        let Some(shared) = &self.shared else { return };
        let servers: Vec<Server<'_>> = self.servers().collect();
        let length = places.parts.ring.length as usize;
        // SAFETY: the ring lies within what `places` has counted; the rest is the caller's promise.
        let points =
            unsafe { memory.zeroed(at.bytes() + places.parts.ring.offset as usize, length) };
        ring::fill(points, &servers, shared, before);
    }

    /// The plans' headers.
    pub(super) fn plan_headers(&self, places: &Places) -> [crate::layout::PlanHeader; 2] {
        let [primary, backup] = &places.plans;
        [
            primary.header(places.parts.plan_offsets[0], &Self::weights(&self.primaries)),
            backup.header(places.parts.plan_offsets[1], &Self::weights(&self.backups)),
        ]
    }

    /// How many peers there are without `backup`, with it, and removed.
    pub(super) fn counts(&self) -> [usize; 3] {
        [self.primaries.len(), self.backups.len(), self.removed.len()]
    }
}

impl Counts {
    /// See [`Contents::compact_units`].
    pub(super) fn compact_units(&self) -> u32 {
        let weights = [self.primaries, self.backups].map(|peers| peers * size_of::<u64>());
        units(self.lay_out(weights).bytes + self.removed * size_of::<u64>())
    }

    /// About as many bytes as these take in a table.
    pub(super) fn bytes(&self) -> usize {
        let peers = self.primaries + self.backups + self.removed;
        peers * (size_of::<Entry>() + size_of::<u64>())
            + (self.ranges + self.points) * size_of::<u64>()
            + (self.shared + self.sticky) * size_of::<u32>()
            + self.text_entries * size_of::<TextEntry>()
            + self.texts
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
        let ring = section(self.points, size_of::<u64>());
        let shared = section(self.shared, size_of::<u32>());
        let sticky = section(self.sticky, size_of::<u32>());
        let text_entries = section(self.text_entries, size_of::<TextEntry>());
        let texts = section(self.texts, 1);
        Parts {
            plan_offsets: [first, second],
            ranges,
            ring,
            shared,
            sticky,
            text_entries,
            texts,
            bytes: end,
        }
    }
}

impl Places {
    /// What the table takes.
    pub(super) fn units(&self) -> u32 {
        units(self.parts.bytes)
    }
}
