//! Which of the wanted peers are published where there is not room for all.
//!
//! It is computed beside the memory, on a copy of what is known of its free extents: nothing is
//! written, so that it costs a few walks over the peers, however many are left out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Publisher,
    blocks::{REPORT, Replaced, above, changing, units_of_entry},
    matching::{Known, has_entry_of},
    options::TableOptions,
    ring::{WORDS_OF_REMOVED, added_words, points},
    sections::Counts,
};
use crate::{
    allocator::{Allocator, Tables},
    layout::ProcessEntry,
    memory::{Offset, UNIT},
    peer_spec::PeerSpec,
};

/// What one takes that is nearly as large: beside it there is room for one more, not for two.
const LARGE_REPORT: u32 = REPORT - 4;

/// Peers that may be found too large, one by one, before the search ends; others that are as large
/// are passed over without.
const MOST_REFUSED: usize = 16;

/// What is to be published.
pub(super) struct Selection {
    pub(super) peers: Vec<Arc<PeerSpec>>,
    /// Whether anything is among them that needs more room than there was taken.
    pub(super) adds: bool,
    /// See [`ZoneFull`](super::publish::ZoneFull).
    pub(super) left_out: usize,
    pub(super) lacks_method: bool,
    pub(super) needs: usize,
}

/// What takes room: a new peer, or a change.
struct Candidate {
    index: usize,
    /// Beside the table: of the peer, if it is new, and of its entry, if that is.
    units: [u32; 2],
    /// In the table: what comes, and what it comes in the place of.
    comes: Counts,
    goes: Counts,
}

/// What is taken so far.
#[derive(Clone)]
struct Taken {
    allocator: Allocator,
    counts: Counts,
}

impl Publisher {
    /// Of the peers `specs`, in order, those that are listed, and of the others as many as fit;
    /// with `adds` unset none.
    pub(super) fn select_peers(
        &self,
        specs: &[Arc<PeerSpec>],
        known: &[Option<Known>],
        adds: bool,
    ) -> Selection {
        let listed = self.listed_by_place();
        let old = |known: &Option<Known>| {
            let number = known.map_or(0, |known| listed[known.place.index()]);
            self.group.listed.get((number as usize).wrapping_sub(1))
        };
        let shared = several(specs, &self.options);
        let counts = |peer: &PeerSpec, options: &TableOptions| {
            let has_slot = self.group.ring.has_slot(&peer.server, peer.parameters.weight);
            Counts::of_peer(peer, options, shared.contains_key(&*peer.server), has_slot)
        };

        let gone = Counts { removed: 1, ..Counts::default() };
        let needs_ring = self.options.method.needs_ring();
        let delta = if needs_ring { hash_ring::delta_words(0, 0) } else { 0 };
        let mut all = Counts { delta, ..Counts::default() };
        let mut units_of_all = 0_usize;
        let mut taken = Taken {
            allocator: self.allocator.clone(),
            counts: Counts {
                removed: self.removed.len() + self.group.listed.len(),
                ..Counts::default()
            },
        };
        let mut plain = taken.counts;
        if needs_ring {
            (taken.counts.slots, taken.counts.least_slots) = self.group.ring.slots();
        }
        // Changes first: they are of peers that are in service.
        let (mut changes, mut new) = (Vec::new(), Vec::new());
        // Servers of the ring that stay.
        let mut staying = HashSet::new();
        let mut kept: Vec<Option<Arc<PeerSpec>>> = vec![None; specs.len()];
        for (index, (peer, known)) in specs.iter().zip(known).enumerate() {
            let comes = counts(peer, &self.options);
            all = all.plus(&comes);
            let units = [self.units_of(peer), units_of_entry(peer)];
            units_of_all += units.iter().sum::<u32>() as usize;
            let of_entry = if known.is_some_and(|known| known.is_same) { 0 } else { units[1] };
            if let Some(old) = old(known) {
                let listed = no_larger(peer, &old.spec, &self.options);
                let of_kept = counts(&listed, &self.options);
                taken.counts = taken.counts.plus(&of_kept).minus(&gone);
                plain = plain.plus(&counts(&listed, &self.options.plain())).minus(&gone);
                if needs_ring && self.group.ring.has_slot(&listed.server, listed.parameters.weight)
                {
                    staying.insert(&*peer.server);
                }
                if listed != *peer {
                    let delta = comes.delta + if needs_ring { WORDS_OF_REMOVED } else { 0 };
                    let comes = Counts { delta, ..comes };
                    changes.push(Candidate { index, units: [0, of_entry], comes, goes: of_kept });
                }
                kept[index] = Some(listed);
            } else if known.is_some() {
                // Gone, but not forgotten.
                new.push(Candidate { index, units: [0, of_entry], comes, goes: gone });
            } else {
                new.push(Candidate { index, units, comes, goes: Counts::default() });
            }
        }
        let has_ring = needs_ring && self.has_what_it_needs();
        taken.counts.delta +=
            if needs_ring { self.group.ring.delta_words(staying.len()) } else { 0 };
        let tables = self.tables();
        let mut unchanged = 0;
        for (index, known) in known.iter().enumerate() {
            let (Some(peer), Some(old)) = (&mut kept[index], old(known)) else { continue };
            let is_same = has_entry_of(peer, &old.spec);
            if !is_same && !taken.change(units_of_entry(peer), tables, has_ring) {
                *peer = with_entry_of(peer, &old.spec);
                unchanged += usize::from(!changes.iter().any(|change| change.index == index));
            }
        }
        changes.append(&mut new);
        let candidates = changes;
        let lacks_method =
            !taken.fits(has_ring) && taken.allocator.longest() >= plain.needed_units();
        let added = if adds && !lacks_method {
            self.add_candidates(taken, &candidates)
        } else {
            vec![false; candidates.len()]
        };

        let mut is_added = vec![false; specs.len()];
        for (candidate, added) in candidates.iter().zip(&added) {
            is_added[candidate.index] = *added;
        }
        let peers = specs.iter().zip(kept).zip(is_added);
        let peers = peers.filter_map(
            |((peer, kept), is_added)| if is_added { Some(Arc::clone(peer)) } else { kept },
        );
        all.slots = if needs_ring { all.primaries } else { 0 };
        let tables = 2 * all.needed_units() as usize;
        let others = 2 * REPORT as usize + changing(specs.len());
        let needs = self.zone.first_block() as usize + units_of_all + tables + others;
        let processes = self.zone.most_processes() as usize * size_of::<ProcessEntry>();
        Selection {
            peers: peers.collect(),
            adds: added.contains(&true),
            left_out: unchanged + added.iter().filter(|added| !**added).count(),
            lacks_method,
            needs: (needs * UNIT).saturating_sub(processes),
        }
    }

    /// For each index the number of the listed peer that has it, counted from 1, or 0.
    fn listed_by_place(&self) -> Vec<u32> {
        let mut listed = vec![0; self.zone.index_limit()];
        for (number, peer) in (1..).zip(&self.group.listed) {
            listed[peer.place.index()] = number;
        }
        listed
    }

    /// Adds the candidates to what is taken, in order, those that fit; says which. In steps that
    /// double while all of a step fits, and are halved where it does not.
    fn add_candidates(&self, mut taken: Taken, candidates: &[Candidate]) -> Vec<bool> {
        let mut is_added = vec![false; candidates.len()];
        let mut refused: Vec<(u32, usize)> = Vec::new();
        let (mut at, mut step) = (0, 1);
        let tables = self.tables();
        while at < candidates.len() && refused.len() < MOST_REFUSED {
            let is_hopeless = |candidate: &Candidate| {
                let (units, bytes) = candidate.size();
                refused.iter().any(|refused| units >= refused.0 && bytes >= refused.1)
            };
            let end = candidates.len().min(at + step);
            let batch: Vec<usize> =
                (at..end).filter(|&index| !is_hopeless(&candidates[index])).collect();
            if batch.is_empty() {
                (at, step) = (end, 2 * step);
                continue;
            }
            let mut more = taken.clone();
            if batch.iter().all(|&index| more.add(&candidates[index], tables))
                && self.has_room(&mut more)
            {
                batch.iter().for_each(|&index| is_added[index] = true);
                (taken, at, step) = (more, end, 2 * step);
            } else if let [only] = batch[..] {
                refused.push(candidates[only].size());
                (at, step) = (end, 1);
            } else {
                step = (step / 2).max(1);
            }
        }
        is_added
    }

    /// Whether there is room for the table of what is taken, for a report, and for another table
    /// after it. A ring has its points in another base, or in the table.
    fn has_room(&self, taken: &mut Taken) -> bool {
        let units = taken.counts.needed_units();
        self.has_room_for(taken, units, Replaced::TABLE_AND_BASE)
            || taken.counts.delta > 0 && {
                let units = taken.counts.units_with_delta();
                self.has_room_for(taken, units, Replaced::TABLE)
            }
    }

    /// As [`has_room`](Self::has_room), for a table of so many units.
    fn has_room_for(&self, taken: &mut Taken, units: u32, replaced: Replaced) -> bool {
        let Taken { allocator, counts } = taken;
        let (needed, peers) = (counts.needed_units(), counts.primaries + counts.backups);
        let Some(table) = allocator.allocate_for_table(units, above(units, peers)) else {
            return false;
        };
        let has_large_report =
            self.current_report().is_some_and(|report| report.units >= LARGE_REPORT);
        let wanted = if has_large_report { 1 } else { 2 };
        let mut take = |_| self.allocate_for_report(allocator, REPORT, needed, replaced);
        let reports: Vec<Offset> = (0..wanted).map_while(&mut take).collect();
        let current = self.current_table().map_or(0, |table| table.units);
        let base = self.published_base().filter(|_| replaced.base).map_or(0, |base| base.units());
        let grows = units.saturating_sub(current + base) as usize;
        let has_room =
            reports.len() == wanted && allocator.available() as usize >= grows + changing(peers);
        reports.into_iter().for_each(|report| allocator.release(report, REPORT));
        allocator.release(table, units);
        has_room
    }
}

impl Candidate {
    /// What it takes: beside the table, and in it, in bytes.
    fn size(&self) -> (u32, usize) {
        (self.units.iter().sum(), self.comes.bytes().saturating_sub(self.goes.bytes()))
    }
}

impl Taken {
    /// Whether there is room for the table: if one with a ring is published (`has_ring`), the next
    /// one can have its base as well.
    fn fits(&self, has_ring: bool) -> bool {
        let needed = self.counts.needed_units();
        let needed = if has_ring { needed.min(self.counts.units_with_delta()) } else { needed };
        self.allocator.longest() >= needed
    }

    /// A peer that is listed gets an entry of so many units. Says whether there was room, beside
    /// that for the table.
    fn change(&mut self, units: u32, tables: Tables, has_ring: bool) -> bool {
        let Some(place) = self.allocator.allocate_tight(units, tables) else { return false };
        let has_room = self.fits(has_ring);
        if !has_room {
            self.allocator.release(place, units);
        }
        has_room
    }

    /// Says whether there was room beside the table.
    fn add(&mut self, candidate: &Candidate, tables: Tables) -> bool {
        self.counts = self.counts.plus(&candidate.comes).minus(&candidate.goes);
        let [of_peer, of_entry] = candidate.units;
        (of_peer == 0 || self.allocator.allocate_low(of_peer).is_some())
            && (of_entry == 0 || self.allocator.allocate_tight(of_entry, tables).is_some())
    }
}

impl Counts {
    /// What one peer has in a table; for one that shares its server with others at most.
    pub(super) fn of_peer(
        peer: &PeerSpec,
        options: &TableOptions,
        shares_server: bool,
        has_slot: bool,
    ) -> Self {
        let TableOptions { method, is_sticky, .. } = *options;
        let is_primary = !peer.parameters.backup;
        let needs_slot = method.needs_ring() && !has_slot;
        let if_primary =
            |is_needed: bool, count: usize| if is_needed && is_primary { count } else { 0 };
        Self {
            primaries: usize::from(is_primary),
            backups: usize::from(!is_primary),
            removed: 0,
            ranges: if_primary(method.needs_ranges(), 1),
            delta: if_primary(needs_slot, added_words(points(peer.parameters.weight))),
            slots: if_primary(needs_slot, 1),
            least_slots: 0,
            // Its index, and its part of the number of them.
            shared: if_primary(method.needs_ring() && shares_server, 2),
            sticky: usize::from(is_sticky && peer.sticky != 0),
            name: 0,
            hash_key: 0,
            points: if_primary(method.needs_ring(), points(peer.parameters.weight)),
        }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        self.with(other, usize::saturating_add)
    }

    fn minus(&self, other: &Self) -> Self {
        self.with(other, usize::saturating_sub)
    }

    fn with(&self, other: &Self, combine: impl Fn(usize, usize) -> usize) -> Self {
        Self {
            primaries: combine(self.primaries, other.primaries),
            backups: combine(self.backups, other.backups),
            removed: combine(self.removed, other.removed),
            ranges: combine(self.ranges, other.ranges),
            delta: combine(self.delta, other.delta),
            slots: combine(self.slots, other.slots),
            least_slots: combine(self.least_slots, other.least_slots),
            shared: combine(self.shared, other.shared),
            sticky: combine(self.sticky, other.sticky),
            name: combine(self.name, other.name),
            hash_key: combine(self.hash_key, other.hash_key),
            points: combine(self.points, other.points),
        }
    }
}

/// The servers that several of the peers are of, where that takes room.
fn several<'a>(specs: &'a [Arc<PeerSpec>], options: &TableOptions) -> HashMap<&'a str, u32> {
    let mut servers = HashMap::new();
    if options.method.needs_ring() {
        for peer in specs {
            *servers.entry(&*peer.server).or_insert(0) += 1;
        }
        servers.retain(|_, count| *count > 1);
    }
    servers
}

/// The peer as it is wanted, but for what would take more room than it does as it is listed.
fn no_larger(peer: &Arc<PeerSpec>, listed: &PeerSpec, options: &TableOptions) -> Arc<PeerSpec> {
    if has_entry_of(peer, listed) {
        return Arc::clone(peer);
    }
    let mut kept = PeerSpec::clone(peer);
    let (needs_ring, needs_ranges) = (options.method.needs_ring(), options.method.needs_ranges());
    kept.parameters.backup |= (needs_ring || needs_ranges) && listed.parameters.backup;
    if needs_ring && !kept.parameters.backup {
        kept.parameters.weight = kept.parameters.weight.min(listed.parameters.weight);
    }
    for (kept, listed) in [
        (&mut kept.route, &listed.route),
        (&mut kept.labels, &listed.labels),
        (&mut kept.source, &listed.source),
    ] {
        if length(kept) > length(listed) {
            kept.clone_from(listed);
        }
    }
    if kept == **peer { Arc::clone(peer) } else { Arc::new(kept) }
}

fn length(text: &Option<Arc<str>>) -> usize {
    text.as_ref().map_or(0, |text| text.len())
}

/// The peer as it is wanted, but for what its entry says: that is as it is listed.
pub(super) fn with_entry_of(peer: &Arc<PeerSpec>, listed: &PeerSpec) -> Arc<PeerSpec> {
    if has_entry_of(peer, listed) {
        return Arc::clone(peer);
    }
    let mut kept = PeerSpec::clone(peer);
    (kept.parameters, kept.sticky) = (listed.parameters, listed.sticky);
    kept.route.clone_from(&listed.route);
    kept.labels.clone_from(&listed.labels);
    kept.source.clone_from(&listed.source);
    Arc::new(kept)
}
