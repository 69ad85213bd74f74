//! Publishing peers: what stays, what is made, and what there is no room for.

use core::sync::atomic::Ordering;

use thiserror::Error;

use super::{
    Publisher,
    blocks::Spare,
    fitting::Selection,
    matching::{Changes, Match, match_peers},
    options::TableOptions,
    records::{Listed, Removed},
    slots::SlotSet,
};
use crate::{
    layout::Entry,
    memory::Offset,
    peer_spec::{PeerSpec, normalize},
    protocol::Publishing,
};

/// Not all of the peers fit into the zone: as many as do are published.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{left_out} of {peers} peers do not fit")]
pub struct ZoneFull {
    /// How many are left out, or are without a change that makes them larger (a greater weight,
    /// with consistent hashing).
    pub left_out: usize,
    /// Peers in the list that was to be published.
    pub peers: usize,
    /// Whether there is no room for what the method needs, though no peer is added: until there is,
    /// requests go by round robin.
    pub lacks_method: bool,
    /// What all of them would take of the zone, in bytes, as far as it can be said beforehand.
    pub needs: usize,
    /// The changes that were published all the same.
    pub changes: Changes,
}

impl Publisher {
    /// Publishes these peers at `now` (ms): those of `server` lines in the order given, then those
    /// with keys in the order of keys and addresses (of several with the same key and address the
    /// first). Those whose key and address the zone has already keep all that lives. Where nothing
    /// has changed nothing is published and the generation stays.
    ///
    ///
    /// Where there is not room for all, what is published already and is still wanted stays, and of
    /// the others as many as fit are added, in the same order; one that is too large is passed
    /// over. What is gone goes in any case.
    ///
    /// # Errors
    ///
    /// [`ZoneFull`] if there is no room for all of them.
    pub fn publish(
        &mut self,
        mut specs: Vec<PeerSpec>,
        now: u64,
        _publishing: &Publishing,
    ) -> Result<Changes, ZoneFull> {
        normalize(&mut specs);
        self.complete_drain_times(now);
        let is_first = self.zone.header().table.current() == 0;
        let is_same = !is_first && self.listed().eq(&specs);
        if is_same && self.has_what_it_needs() {
            return Ok(Changes::default());
        }
        self.free_unread();
        let Match { places, changes } = match_peers(&self.listed, &self.removed, &specs);
        if self.zone.left_out() == 0 {
            let options = self.options;
            match self.install(specs, &places, &options, Spare::NeededIfLarger, now) {
                Ok(()) => return Ok(changes),
                Err(not_installed) => specs = not_installed,
            }
        }
        self.publish_what_fits(&specs, &places, now)
    }

    fn publish_what_fits(
        &mut self,
        specs: &[PeerSpec],
        places: &[Option<Offset>],
        now: u64,
    ) -> Result<Changes, ZoneFull> {
        let mut chosen = self.select_peers(specs, places, true);
        let mut result = self.install_chosen(&mut chosen, now);
        if result.is_none() {
            // What is gone must go, whatever else has no room.
            chosen = self.select_peers(specs, places, false);
            result = self.install_chosen(&mut chosen, now);
        }
        let changes = result.unwrap_or_default();
        let Selection { left_out, lacks_method, needs, .. } = chosen;
        if left_out == 0 && !lacks_method && result.is_some() {
            return Ok(changes);
        }
        Err(ZoneFull { left_out, peers: specs.len(), lacks_method, needs, changes })
    }

    /// Says what has changed; `None` where there was no room after all.
    fn install_chosen(&mut self, chosen: &mut Selection, now: u64) -> Option<Changes> {
        let peers = std::mem::take(&mut chosen.peers);
        let is_first = self.zone.header().table.current() == 0;
        let is_same = !is_first && self.listed().eq(&peers);
        if is_same && (chosen.lacks_method || self.has_what_it_needs()) {
            return Some(Changes::default());
        }
        let Match { places, changes } = match_peers(&self.listed, &self.removed, &peers);
        let options = if chosen.lacks_method { self.options.plain() } else { self.options };
        let spare = if chosen.adds { Spare::Needed } else { Spare::NotNeeded };
        self.install(peers, &places, &options, spare, now).ok()?;
        Some(changes)
    }

    /// Whether the table that is published has what the upstream's method needs: another
    /// configuration may want another method.
    fn has_what_it_needs(&self) -> bool {
        self.has_what_is_needed_by(&self.listed)
    }

    fn has_what_is_needed_by(&self, listed: &[Listed]) -> bool {
        self.current_table().is_some_and(|table| {
            let method = self.options.method;
            let has_all =
                |is_needed: bool, length: u32| !is_needed || length > 0 || table.primaries == 0;
            // Without a weight a peer has no point.
            let has_weight = |Listed { spec, .. }: &Listed| {
                !spec.parameters.backup && spec.parameters.weight > 0
            };
            has_all(method.needs_ranges(), table.ranges.length)
                && has_all(method.needs_ring() && listed.iter().any(has_weight), table.ring.length)
                && (!self.options.is_sticky || table.sticky.length > 0 || listed.is_empty())
        })
    }

    /// The options that the table that is published goes by.
    pub(super) fn options_in_use(&self, listed: &[Listed]) -> TableOptions {
        if self.has_what_is_needed_by(listed) { self.options } else { self.options.plain() }
    }

    /// Tells those that release a peer whether others wait for it. Set before the table is
    /// published and cleared after it: at any time in between it may say so without need, never the
    /// other way round.
    fn set_limited(&self, is_limited: bool) {
        self.zone.header().limited.store(u32::from(is_limited), Ordering::Relaxed);
    }

    /// Makes the peers that have no place yet, and the table of all, and publishes it. Gives the
    /// peers back where there was no room.
    fn install(
        &mut self,
        specs: Vec<PeerSpec>,
        places: &[Option<Offset>],
        options: &TableOptions,
        spare: Spare,
        now: u64,
    ) -> Result<(), Vec<PeerSpec>> {
        let is_same = self.zone.header().table.current() != 0 && self.listed().eq(&specs);
        let generation = self.generation + u64::from(!is_same);
        let mut made = Vec::new();
        for (peer, _) in specs.iter().zip(places).filter(|(_, place)| place.is_none()) {
            let Some(place) = self.make_peer(peer) else {
                self.free_peers(made);
                return Err(specs);
            };
            made.push(place);
        }
        let mut new = made.iter().copied();
        let listed: Vec<Listed> = specs
            .into_iter()
            .zip(places)
            .filter_map(|(spec, place)| Some(Listed { spec, place: place.or_else(|| new.next())? }))
            .collect();
        let stays = SlotSet::new(self.zone.memory.units(), places.iter().flatten().copied());
        let before = std::mem::take(&mut self.listed);
        let removed =
            self.removed.iter().map(Removed::entry).chain(before.iter().map(Listed::entry));
        let removed: Vec<Entry> = removed.filter(|entry| !stays.contains(entry.peer)).collect();
        let spare = if made.is_empty() { spare } else { Spare::Needed };
        let table = self.make_table(&listed, &before, &removed, generation, options, spare);
        self.listed = before;
        let Some(table) = table else {
            self.free_peers(made);
            return Err(listed.into_iter().map(|peer| peer.spec).collect());
        };
        // From here on nothing fails. A publisher that dies before the table is published leaves
        // peers that no table lists.
        for place in made {
            self.link(place);
        }
        let is_limited = listed.iter().any(|peer| peer.spec.parameters.max_conns != 0);
        if is_limited {
            self.set_limited(true);
        }
        for peer in &listed {
            let from = self.peer(peer).ramp_from.load(Ordering::Relaxed).max(peer.spec.joined);
            self.zone.extend_ramps(from, peer.spec.parameters.slow_start);
        }
        self.publish_table(table);
        self.set_limited(is_limited);
        self.generation = generation;
        let since = self.publication;
        let before = std::mem::replace(&mut self.listed, listed);
        self.apply_changes(&before, &stays, now);
        self.removed.retain(|peer| !stays.contains(peer.place));
        self.removed.extend(
            before
                .into_iter()
                .filter(|peer| !stays.contains(peer.place))
                .map(|Listed { spec, place }| Removed { spec, place, since }),
        );
        self.update_panic(now);
        self.free_unread();
        Ok(())
    }

    /// Frees peers that are in no list.
    fn free_peers(&mut self, places: Vec<Offset>) {
        places.into_iter().for_each(|place| self.free_peer(place));
    }
}
