//! Publishing peers: what stays, what is made, and what there is no room for.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use thiserror::Error;

use super::{
    Publisher,
    blocks::Spare,
    fitting::Selection,
    matching::{Changes, Known, Match, match_peers},
    options::TableOptions,
    records::{Listed, Removed, Unused},
    roster::Roster,
    sections::sticky_order,
    slots::SlotSet,
};
use crate::{
    memory::Offset,
    peer_spec::{PeerSpec, normalize},
    protocol::Publishing,
};

/// How often what does not fit is tried again, as long as something more does each time: the memory
/// of what is replaced comes back within microseconds. With this many rounds the room that is kept
/// for changes (see `fitting`) is enough for all peers to change at once.
const ROUNDS: usize = 80;

/// Not all of the peers fit into the zone: as many as do are published.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{left_out} of {peers} peers do not fit")]
pub struct ZoneFull {
    /// How many are left out, or are without a change that there is no room for.
    pub left_out: usize,
    /// Peers in the list that was to be published.
    pub peers: usize,
    /// Whether there is no room for what the method needs, though no peer is added: until there is,
    /// requests go by round robin.
    pub lacks_method: bool,
    /// The first group whose method that is; `None` without groups.
    pub group: Option<Arc<str>>,
    /// What all of them would take of the zone, in bytes, as far as it can be said beforehand.
    pub needs: usize,
    /// The changes that were published all the same.
    pub changes: Box<Changes>,
}

impl Publisher {
    /// Publishes these peers at `now` (ms): those of `server` lines in the order given, then those
    /// with keys in the order of keys and addresses (of several with the same key and address the
    /// first). Those whose key and address the zone has already keep all that lives. Where nothing
    /// has changed nothing is published and the generation stays.
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
        specs: Vec<impl Into<Arc<PeerSpec>>>,
        now: u64,
        _publishing: &Publishing,
    ) -> Result<Changes, ZoneFull> {
        let mut specs: Vec<Arc<PeerSpec>> = specs.into_iter().map(Into::into).collect();
        normalize(&mut specs);
        self.complete_drain_times(now);
        if self.groups.is_some() {
            return self.publish_by_groups(specs, now);
        }
        if self.is_published(&specs) && self.has_what_it_needs() {
            return Ok(Changes::default());
        }
        self.free_unread();
        let Match { known, changes } = self.match_listed(&specs);
        if self.zone.left_out() == 0 {
            let options = self.options();
            match self.install(specs, &known, &options, Spare::NeededIfLarger, now) {
                Ok(()) => return Ok(changes),
                Err(not_installed) => specs = not_installed,
            }
        }
        let mut result = self.publish_what_fits(&specs, &known, now);
        for _ in 0..ROUNDS {
            let Err(ZoneFull { changes, .. }) = &result else { break };
            if **changes == Changes::default() {
                break;
            }
            let changes = (**changes).clone();
            let Match { known, .. } = self.match_listed(&specs);
            let next = self.publish_what_fits(&specs, &known, now);
            let is_last = next.as_ref().is_err_and(|full| *full.changes == Changes::default());
            result = match next {
                Ok(more) => Ok(changes.and(more)),
                Err(full) => {
                    let changes = Box::new(changes.and((*full.changes).clone()));
                    Err(ZoneFull { changes, ..full })
                }
            };
            if is_last {
                break;
            }
        }
        result
    }

    /// Which of these peers are there already, of those at hand.
    pub(super) fn match_listed(&self, specs: &[Arc<PeerSpec>]) -> Match {
        let departing = self.groups.as_ref().map(|groups| &groups.departing);
        match_peers(&self.group.listed, &self.removed, departing, specs)
    }

    /// Whether these are the peers of the last table.
    pub(super) fn is_published(&self, specs: &[Arc<PeerSpec>]) -> bool {
        let is_same = |(one, other): (&Listed, &Arc<PeerSpec>)| {
            Arc::ptr_eq(&one.spec, other) || one.spec == *other
        };
        self.group.table.0 != 0
            && self.group.listed.len() == specs.len()
            && self.group.listed.iter().zip(specs).all(is_same)
    }

    fn publish_what_fits(
        &mut self,
        specs: &[Arc<PeerSpec>],
        known: &[Option<Known>],
        now: u64,
    ) -> Result<Changes, ZoneFull> {
        self.group.ring.take_freed();
        let mut chosen = self.select_peers(specs, known, true);
        let mut result = self.install_chosen(&mut chosen, now);
        if result.is_none() {
            // What is gone must go, whatever else has no room.
            chosen = self.select_peers(specs, known, false);
            result = self.install_chosen(&mut chosen, now);
        }
        let is_installed = result.is_some();
        let changes = result.unwrap_or_default();
        let Selection { left_out, lacks_method, needs, .. } = chosen;
        if left_out == 0 && !lacks_method && is_installed {
            return Ok(changes);
        }
        let (peers, changes) = (specs.len(), Box::new(changes));
        Err(ZoneFull { left_out, peers, lacks_method, group: None, needs, changes })
    }

    /// Says what has changed; `None` where there was no room after all.
    fn install_chosen(&mut self, chosen: &mut Selection, now: u64) -> Option<Changes> {
        let peers = std::mem::take(&mut chosen.peers);
        if self.is_published(&peers) && (chosen.lacks_method || self.has_what_it_needs()) {
            return Some(Changes::default());
        }
        let Match { known, changes } = self.match_listed(&peers);
        let options = self.options();
        let options = if chosen.lacks_method { options.plain() } else { options };
        let spare = if chosen.adds { Spare::Needed } else { Spare::NotNeeded };
        self.install(peers, &known, &options, spare, now).ok()?;
        Some(changes)
    }

    /// Whether the table that is published has what the method needs, and says what the group has
    /// of its own: another configuration may want another method.
    pub(super) fn has_what_it_needs(&self) -> bool {
        self.has_what_is_needed_by(&self.group.listed)
            && self.current_table().is_some_and(|table| self.names_own_checking(table))
    }

    fn has_what_is_needed_by(&self, listed: &[Listed]) -> bool {
        let options = self.options();
        let has_id = |peer: &Listed| peer.spec.sticky != 0;
        self.current_table().is_some_and(|table| {
            let method = options.method;
            let has_ranges = table.ranges.length > 0 || table.weight > 0;
            (!method.needs_ranges() || has_ranges || table.primaries == 0)
                && (!method.needs_ring() || table.delta.length > 0)
                && (!options.is_sticky || table.sticky.length > 0 || !listed.iter().any(has_id))
                && self.names_own_options(table)
                && !table.own.lacks_key()
        })
    }

    /// The options that the table that is published goes by.
    pub(super) fn options_in_use(&self, listed: &[Listed]) -> TableOptions {
        let options = self.options();
        if self.has_what_is_needed_by(listed) { options } else { options.plain() }
    }

    /// Tells those that release a peer whether others wait for it. Set before the table is
    /// published and cleared after it: at any time in between it may say so without need, never the
    /// other way round.
    pub(super) fn set_limited(&self, is_limited: bool) {
        self.zone.header().limited.store(u32::from(is_limited), Ordering::Relaxed);
    }

    /// Makes the peers and entries that are not there yet, and the table of all, and publishes it.
    /// Gives the peers back where there was no room.
    pub(super) fn install(
        &mut self,
        specs: Vec<Arc<PeerSpec>>,
        known: &[Option<Known>],
        options: &TableOptions,
        spare: Spare,
        now: u64,
    ) -> Result<(), Vec<Arc<PeerSpec>>> {
        let generation = self.generation + u64::from(!self.is_published(&specs));
        let mut made = Made::default();
        let mut listed = Vec::with_capacity(specs.len());
        for (spec, known) in specs.iter().zip(known) {
            let Some(peer) = self.make_listed(spec, known.as_ref(), &mut made) else {
                self.free_made(made);
                return Err(specs);
            };
            listed.push(peer);
        }
        let listed = Roster::from(listed);
        let places = known.iter().flatten().map(|known| known.place);
        let stays = SlotSet::new(self.zone.index_limit(), places);
        let before = std::mem::take(&mut self.group.listed);
        let all = self.removed.iter().map(|peer| (peer.place, peer.entry));
        let all = all.chain(before.iter().map(|peer| (peer.place, peer.entry)));
        let removed = all.filter(|&(place, _)| !stays.contains(place)).map(|(_, entry)| entry);
        // Those of all groups are in the directory.
        let removed: Vec<Offset> =
            if self.groups.is_some() { Vec::new() } else { removed.collect() };
        let sticky = if options.is_sticky { sticky_order(&listed) } else { Vec::new() };
        let spare = if made.peers.is_empty() { spare } else { Spare::Needed };
        if options.method.needs_ring() && !self.group.ring.update(&listed, self.free_for_ring()) {
            self.group.listed = before;
            self.free_made(made);
            return Err(specs);
        }
        let table = self.make_table(&listed, (&removed, &sticky), generation, options, spare);
        self.group.listed = before;
        let Some(table) = table else {
            self.free_made(made);
            self.restore_ring();
            return Err(specs);
        };
        self.group.limited = listed.iter().filter(|peer| peer.is_limited()).count();
        self.publish_made(table, made, &listed);
        self.generation = generation;
        let since = self.next_publication();
        // The entry of one that comes from another group is that group's until it is settled.
        let replaced = known
            .iter()
            .flatten()
            .filter(|known| !known.is_same && self.departing(known.place).is_none());
        let replaced: Vec<Unused> =
            replaced.map(|known| self.unused_entry(known.entry, since)).collect();
        self.unused.extend(replaced);
        let before = std::mem::replace(&mut self.group.listed, listed);
        self.apply_changes(&before, &stays, now);
        for known in known.iter().flatten() {
            self.removed.remove(known.place);
        }
        let gone = before.into_iter().filter(|peer| !stays.contains(peer.place));
        let (departed, gone): (Vec<Listed>, Vec<Listed>) =
            gone.partition(|peer| self.is_departing(peer));
        departed.iter().for_each(|peer| self.retire_departed(peer));
        self.removed.extend(gone.into_iter().map(|peer| Removed::new(peer, since)));
        self.update_panic(now);
        self.free_unread();
        Ok(())
    }

    /// A peer as a table is to have it, with what of it is not there yet; `None` where there is no
    /// room.
    pub(super) fn make_listed(
        &mut self,
        spec: &Arc<PeerSpec>,
        known: Option<&Known>,
        made: &mut Made,
    ) -> Option<Listed> {
        let place = match known {
            Some(known) => known.place,
            None => {
                let place = self.make_peer(spec)?;
                made.peers.push(place);
                place
            }
        };
        let entry = match known {
            Some(known) if known.is_same => known.entry,
            _ => {
                let entry = self.make_entry(spec, place)?;
                made.entries.push(entry);
                entry
            }
        };
        Some(Listed::new(Arc::clone(spec), place, entry))
    }

    /// Publishes a table, with the peers that were made for it. `listed` are those whose ramps may
    /// begin with it.
    pub(super) fn publish_made<'l>(
        &mut self,
        table: Offset,
        made: Made,
        listed: impl IntoIterator<Item = &'l Listed>,
    ) {
        // From here on nothing fails. A publisher that dies before the table is published leaves
        // peers that no table lists.
        for place in made.peers {
            self.link(place);
        }
        let is_limited = self.group.limited > 0;
        if is_limited {
            self.set_limited(true);
        }
        for peer in listed {
            let from = self.peer(peer).ages.ramp_from().max(peer.spec.joined);
            self.zone.extend_ramps(from, peer.spec.parameters.slow_start);
        }
        self.publish_table(table);
        if self.groups.is_none() {
            self.set_limited(is_limited);
        }
    }

    /// The entry at `place`, which no table names from this publication on.
    pub(super) fn unused_entry(&self, place: Offset, since: u64) -> Unused {
        // SAFETY: the publisher frees entries, and has not freed this one.
        let units = unsafe { self.zone.entry_units(place) };
        Unused { place, units, since }
    }

    /// Frees what is in no table and no list.
    pub(super) fn free_made(&mut self, made: Made) {
        made.peers.into_iter().for_each(|place| self.free_peer(place));
        for place in made.entries {
            let Unused { place, units, .. } = self.unused_entry(place, 0);
            self.free_units(place, units);
        }
        self.store_used();
    }
}

/// What was made for a table that is not published yet.
#[derive(Default)]
pub(super) struct Made {
    pub(super) peers: Vec<Offset>,
    pub(super) entries: Vec<Offset>,
}
