//! The publisher's side: what etcd says becomes a table, and memory that nobody uses any more comes
//! back.

mod blocks;
mod fitting;
mod health;
mod load_correction;
mod matching;
mod reclaim;
mod ring;
mod sections;
mod slots;
mod takeover;

use core::sync::atomic::Ordering;
use std::{collections::HashMap, sync::Arc};

use thiserror::Error;

use self::{
    blocks::Spare,
    fitting::Selection,
    load_correction::LoadCorrection,
    matching::{Match, identity, match_peers, normalize},
    reclaim::Outdated,
    slots::SlotSet,
};
pub use self::{health::CheckPolicy, matching::Changes};
use crate::{
    allocator::Allocator,
    layout::{Entry, Parameters, Peer},
    memory::Offset,
    method::Method,
    protocol::Publishing,
    zone::Zone,
};

/// A peer as it is wanted. Key and address together are what it is: where the address of a key
/// changes, it is another peer.
///
/// Whoever publishes the same peers again does well to share these strings between the lists: then
/// they need not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSpec {
    /// The key below the prefix; `None` for a peer of an ordinary `server` line. At most 65 535
    /// bytes.
    pub key: Option<Arc<str>>,
    /// A `sockaddr` of the operating system, as bytes.
    pub socket_address: Arc<[u8]>,
    /// The address as nginx writes it.
    pub name: Arc<str>,
    /// The server's text as it was written, by which consistent hashing goes; often the name.
    pub server: Arc<str>,
    /// Its parameters.
    pub parameters: Parameters,
    /// The id by which a cookie names it; 0 where cookies are not used.
    pub sticky: u64,
    /// The name by which nginx's own `sticky` knows it; `None` where that is made of its address.
    pub route: Option<Arc<str>>,
    /// etcd's revision at which the key was created; 0 where that is not known.
    pub create_revision: u64,
    /// When it joined, in milliseconds of the monotonic clock; 0: long ago. `slow_start` counts
    /// from there.
    pub joined: u64,
}

/// What an upstream needs of its tables beside the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// Its balancing method.
    pub method: Method,
    /// Whether cookies name peers.
    pub is_sticky: bool,
    /// How its peers are checked, if they are.
    pub checking: Option<CheckPolicy>,
}

/// Not all of the peers fit into the zone: as many as do are published.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{left_out} of {peers} peers do not fit")]
pub struct ZoneFull {
    /// How many are left out, or are without a change that makes them larger (a greater weight,
    /// with consistent hashing).
    pub left_out: usize,
    /// How many were wanted.
    pub peers: usize,
    /// Whether there is no room for what the method needs, though no peer is added: until there is,
    /// requests go by round robin.
    pub lacks_method: bool,
    /// What all of them would take of the zone, in bytes, as far as it can be said beforehand.
    pub needs: usize,
    /// What was published all the same.
    pub changes: Changes,
}

impl TableOptions {
    /// Without what takes room beside the peers: requests go by round robin then.
    fn plain(self) -> Self {
        Self { method: Method::RoundRobin, is_sticky: false, ..self }
    }
}

/// A peer that the current table gives requests to.
#[derive(Debug)]
struct Listed {
    spec: PeerSpec,
    place: Offset,
}

/// A peer that it does not, but lists for the connections that are still open.
#[derive(Debug)]
struct Removed {
    spec: PeerSpec,
    place: Offset,
    /// The first publication that did not give it requests.
    since: u64,
}

/// The only writer of a zone. What it knows of the memory is private to it; see
/// [`Publisher::take_over`].
#[derive(Debug)]
pub struct Publisher {
    zone: Zone,
    allocator: Allocator,
    listed: Vec<Listed>,
    removed: Vec<Removed>,
    /// Peers that are in no table but perhaps a pinned one, and the first publication without them.
    unlisted: Vec<(Offset, u64)>,
    tables: Vec<Outdated>,
    reports: Vec<Outdated>,
    /// Counts the tables that this publisher has published.
    publication: u64,
    generation: u64,
    options: TableOptions,
    /// Peers in service, and those of them that fail their checks or have not passed one yet.
    in_service: usize,
    failing: usize,
    pending: usize,
    recounts: LoadCorrection,
    /// Whether the publisher before this one may have published a change without saying since when
    /// whom it concerns is being left.
    may_lack_times: bool,
    /// Counts what has come back.
    free_count: u64,
}

impl Publisher {
    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The peers published last.
    pub fn listed(&self) -> impl ExactSizeIterator<Item = &PeerSpec> {
        self.listed.iter().map(|peer| &peer.spec)
    }

    /// Counted up with every change of the peers.
    pub fn generation(&self) -> u64 {
        self.generation
    }

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
    /// Where some are left out.
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
        let mut chosen = self.choose(specs, places, true);
        let mut result = self.install_chosen(&mut chosen, now);
        if result.is_none() {
            // What is gone must go, whatever else has no room.
            chosen = self.choose(specs, places, false);
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
    fn options_in_use(&self, listed: &[Listed]) -> TableOptions {
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

    /// Tells those who keep idle connections of the peers that get no new requests any more, and
    /// starts the ramp of those that join again. `before` is what was listed, of which `stays` is
    /// listed still.
    fn apply_changes(&self, before: &[Listed], stays: &SlotSet, now: u64) {
        for gone in before.iter().filter(|peer| !stays.contains(peer.place)) {
            self.peer(gone).removed.begin(now);
            self.withdraw(self.peer(gone));
        }
        let was = SlotSet::new(self.zone.memory.units(), before.iter().map(|peer| peer.place));
        let (lines, keyed) =
            before.split_at(before.partition_point(|peer| peer.spec.key.is_none()));
        // Lines may be in another order than before; of the others, what stays is in the same order
        // in both.
        let lines: HashMap<Offset, &Listed> = lines.iter().map(|line| (line.place, line)).collect();
        let mut keyed = keyed.iter().filter(|peer| stays.contains(peer.place));
        for new in &self.listed {
            let old = match new.spec.key {
                _ if !was.contains(new.place) => None,
                None => lines.get(&new.place).copied(),
                Some(_) => keyed.find(|old| old.place == new.place),
            };
            let joined_again = old.is_none_or(|old| old.spec.joined != new.spec.joined);
            if joined_again
                || old.is_some_and(|old| old.spec.create_revision != new.spec.create_revision)
            {
                let peer = self.peer(new);
                peer.create_revision.store(new.spec.create_revision, Ordering::Relaxed);
                peer.joined.store(new.spec.joined, Ordering::Relaxed);
                if joined_again {
                    // One that there was no room for begins now, however long its key has been
                    // there.
                    let waited = old.is_none() && self.zone.left_out() > 0;
                    self.begin_ramp(new, if waited { now } else { new.spec.joined });
                }
                if old.is_none() {
                    // One that returns before it is forgotten is as new to its checks.
                    peer.health.store(self.health_at_first() as u32, Ordering::Relaxed);
                    peer.failing.end();
                }
            }
            if old.is_none() {
                self.peer(new).removed.end();
            }
            let drains = self.update_drain_time(new, now);
            match (old.map(Listed::is_in_service), new.is_in_service()) {
                (Some(true) | None, false) => self.withdraw(self.peer(new)),
                (None, true) => self.peer(new).in_service.store(1, Ordering::Relaxed),
                (Some(false), true) => {
                    self.peer(new).in_service.store(1, Ordering::Relaxed);
                    self.begin_ramp(new, now);
                }
                // Who is told of it may have connections to close for `drain` that `down` has left
                // alone.
                (Some(false), false) if drains => self.withdraw(self.peer(new)),
                (Some(true), true) | (Some(false), false) => {}
            }
        }
    }

    /// `slow_start` counts from this moment (ms) for a peer.
    fn begin_ramp(&self, listed: &Listed, from: u64) {
        self.zone.extend_ramps(from, listed.spec.parameters.slow_start);
        self.peer(listed).ramp_from.store(from, Ordering::Relaxed);
    }

    /// Since when a peer says `drain`, where it does. Returns whether it has just begun to.
    fn update_drain_time(&self, listed: &Listed, now: u64) -> bool {
        let drains = &self.peer(listed).drains;
        if listed.spec.parameters.drain {
            drains.begin(now)
        } else {
            drains.end();
            false
        }
    }

    /// The peer gets no new requests. Who looks for the withdrawal sees that, too, and keeps no
    /// connection to it from then on.
    fn withdraw(&self, peer: &Peer) {
        peer.in_service.store(0, Ordering::Relaxed);
        self.zone.record_withdrawal(peer.id);
    }

    fn peer(&self, listed: &Listed) -> &Peer {
        // SAFETY: the publisher frees peers, and frees none that it lists.
        unsafe { self.zone.peer(listed.place) }
    }
}

impl Listed {
    fn entry(&self) -> Entry {
        entry(self.place, &self.spec)
    }

    fn is_in_service(&self) -> bool {
        self.spec.parameters.is_in_service()
    }

    /// Whether it has the same points in the ring of consistent hashing as the other.
    fn has_points_of(&self, other: &Self) -> bool {
        let (one, other) = (&self.spec, &other.spec);
        identity(one) == identity(other)
            && one.server == other.server
            && one.parameters.weight == other.parameters.weight
    }
}

fn entry(peer: Offset, spec: &PeerSpec) -> Entry {
    // The two halves.
    let sticky = [spec.sticky as u32, (spec.sticky >> 32) as u32];
    Entry { peer, parameters: spec.parameters, sticky }
}

impl Removed {
    fn entry(&self) -> Entry {
        entry(self.place, &self.spec)
    }
}
