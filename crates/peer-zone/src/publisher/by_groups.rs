//! Publishing peers that are in groups: each group as an upstream of its own, and then the
//! directory with all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hash_ring::delta_words;

use super::{
    Publisher,
    blocks::{REPORT, changing, units_of_entry},
    directory::directory_units,
    group_fitting::GroupPublished,
    grouping::units_of_positions,
    groups::{Groups, Refusal},
    keys::KeyPeers,
    matching::Changes,
    placed::Placed,
    publish::ZoneFull,
    records::{Listed, Removed},
    reserve::{DIRECTORIES, MORE},
    sections::Counts,
};
use crate::{
    group_index,
    layout::ProcessEntry,
    memory::UNIT,
    peer_spec::{PeerSpec, normalize},
};

impl Publisher {
    /// As [`publish`](Self::publish), of peers that are in groups; they are in order.
    pub(super) fn publish_by_groups(
        &mut self,
        specs: Vec<Arc<PeerSpec>>,
        now: u64,
    ) -> Result<Changes, ZoneFull> {
        let Some(mut groups) = self.groups.take() else { return Ok(Changes::default()) };
        // The first one says that there is none.
        groups.is_dirty |= self.zone.header().table.current() == 0;
        groups.departing = departing(&groups, &specs);
        groups.set_keys(&specs);
        let mut wanted: BTreeMap<Arc<str>, Vec<Arc<PeerSpec>>> =
            groups.names().iter().map(|name| (Arc::clone(name), Vec::new())).collect();
        for spec in &specs {
            wanted.entry(groups.name_of(spec)).or_default().push(Arc::clone(spec));
        }
        let mut changes = std::mem::take(&mut groups.untold);
        self.groups = Some(groups);
        self.free_unread();
        // What is gone makes room for what comes.
        let (gone, rest): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|(_, peers)| peers.is_empty());
        let (mut left_out, mut group) = (0, None);
        for (name, peers) in gone.into_iter().chain(rest) {
            self.free_reserve();
            let published = self.try_anew(&name, peers, now);
            left_out += usize::from(published.is_stuck);
            changes = changes.and(published.changes);
            left_out += published.left_out;
            if published.lacks_method {
                group.get_or_insert(name);
            }
        }
        changes = self.settle_departing(changes, now);
        let has_room = self.finish_groups();
        if left_out == 0 && group.is_none() && has_room {
            return Ok(changes);
        }
        let (peers, changes) = (specs.len(), Box::new(changes));
        let (lacks_method, needs) = (group.is_some(), self.needs_of(&specs));
        Err(ZoneFull { left_out, peers, lacks_method, group, needs, changes })
    }

    /// Publishes the peers of a group, unless they are those that had no room at the last time, and
    /// there is no more room now: one that does not fit is not to cost each change of another one.
    fn try_anew(&mut self, name: &Arc<str>, peers: Vec<Arc<PeerSpec>>, now: u64) -> GroupPublished {
        let own = self.group_options(name).clone();
        let (available, longest) = (self.allocator.available(), self.allocator.longest());
        if let Some(groups) = &mut self.groups
            && let Some(refusal) = groups.refusals.get(name)
        {
            let is_hopeless = !refusal.is_stuck
                && refusal.wanted == peers
                && refusal.own == own
                && available <= refusal.available
                && longest <= refusal.longest;
            if is_hopeless {
                let (left_out, lacks_method) = (refusal.left_out, refusal.lacks_method);
                return GroupPublished { left_out, lacks_method, ..GroupPublished::default() };
            }
            groups.refusals.remove(name);
        }
        let wanted = peers.clone();
        let published = self.with_group(name, |publisher| {
            let published = publisher.publish_group(peers, now);
            publisher.update_closings();
            published
        });
        let GroupPublished { left_out, lacks_method, is_stuck, .. } = published;
        let (available, longest) = (self.allocator.available(), self.allocator.longest());
        let is_refused = left_out > 0 || lacks_method || is_stuck;
        if let Some(groups) = self.groups.as_mut().filter(|_| is_refused) {
            let refusal =
                Refusal { wanted, own, available, longest, left_out, lacks_method, is_stuck };
            groups.refusals.insert(Arc::clone(name), refusal);
        }
        published
    }

    /// As [`publish_keys`](Self::publish_keys), of peers that are in groups.
    pub(super) fn publish_keys_by_groups(
        &mut self,
        keys: Vec<KeyPeers>,
        now: u64,
    ) -> Option<Changes> {
        let mut groups = self.groups.take()?;
        let mut by_group: BTreeMap<Arc<str>, Vec<KeyPeers>> = BTreeMap::new();
        for KeyPeers { key, peers } in &keys {
            let now = peers.iter().map(|peer| groups.name_of(peer));
            let names: BTreeSet<Arc<str>> =
                groups.of_key(Some(key)).iter().cloned().chain(now).collect();
            for name in names {
                let own = peers.iter().filter(|peer| groups.name_of(peer) == name);
                let own = KeyPeers { key: Arc::clone(key), peers: own.cloned().collect() };
                by_group.entry(name).or_default().push(own);
            }
        }
        let all: Vec<Arc<PeerSpec>> =
            keys.iter().flat_map(|key| key.peers.iter().cloned()).collect();
        groups.departing = departing(&groups, &all);
        keys.iter().for_each(|KeyPeers { key, peers }| groups.set_key(key, peers));
        self.groups = Some(groups);
        self.free_unread();
        let (mut changes, mut left_out) = (Changes::default(), 0);
        for (name, keys) in by_group {
            self.free_reserve();
            let GroupPublished { changes: more, left_out: out, lacks_method, is_stuck } = self
                .with_group(&name, |publisher| {
                    let published = publisher.publish_keys_of_group(keys, now);
                    publisher.update_closings();
                    published
                });
            changes = changes.and(more);
            left_out += out + usize::from(lacks_method) + usize::from(is_stuck);
        }
        changes = self.settle_departing(changes, now);
        let has_room = self.finish_groups();
        let groups = self.groups.as_mut()?;
        changes = std::mem::take(&mut groups.untold).and(changes);
        if left_out == 0 && has_room {
            return Some(changes);
        }
        groups.untold = changes;
        None
    }

    /// The peers of these keys in the group at hand are others.
    fn publish_keys_of_group(&mut self, keys: Vec<KeyPeers>, now: u64) -> GroupPublished {
        self.take_group_options(now);
        let is_possible = self.group.table.0 != 0 && self.has_what_it_needs();
        if is_possible && let Some(changes) = self.publish_listed_keys(keys.clone(), now) {
            return GroupPublished { changes, ..GroupPublished::default() };
        }
        let is_of = |spec: &PeerSpec| keys.iter().any(|key| spec.key.as_ref() == Some(&key.key));
        let stays = self.group.listed.iter().map(|peer| &peer.spec).filter(|spec| !is_of(spec));
        let come = keys.iter().flat_map(|key| &key.peers);
        let mut specs: Vec<Arc<PeerSpec>> = stays.chain(come).cloned().collect();
        normalize(&mut specs);
        self.publish_group(specs, now)
    }

    /// Peers that have left their group and have found no room in another are gone. The others have
    /// changed, and have neither gone nor come.
    fn settle_departing(&mut self, mut changes: Changes, now: u64) -> Changes {
        let Some(groups) = &mut self.groups else { return changes };
        if groups.departing.is_empty() {
            return changes;
        }
        let departing: Vec<Listed> = groups.departing.iter().cloned().collect();
        let (moved, gone): (Vec<Listed>, Vec<Listed>) =
            departing.into_iter().partition(|it| self.record_of(it).is_some());
        let since = self.next_publication();
        for listed in &moved {
            let is_other =
                self.record_of(listed).is_some_and(|record| record.entry != listed.entry);
            if is_other && !self.is_in_former_group(listed) {
                let unused = self.unused_entry(listed.entry, since);
                self.unused.push(unused);
            }
        }
        let Some(groups) = &mut self.groups else { return changes };
        groups.departing.clear();
        let keys = moved.iter().filter_map(|it| it.spec.key.as_ref());
        let keys: BTreeSet<Arc<str>> = keys.cloned().collect();
        let arrived = keys.iter().flat_map(|key| groups.of_key(Some(key)));
        let arrived: BTreeSet<Arc<str>> = arrived.cloned().collect();
        for name in &arrived {
            self.with_group(name, |publisher| publisher.receive(&moved, now));
        }
        // A group that had no room for a table without them counts them still.
        let stuck = moved.iter().filter(|it| self.is_in_former_group(it));
        let stuck =
            stuck.flat_map(|it| self.groups.as_ref().map(|groups| groups.name_of(&it.spec)));
        for name in stuck.collect::<BTreeSet<Arc<str>>>() {
            self.with_group(&name, |publisher| publisher.update_panic(now));
        }
        changes.added = changes.added.saturating_sub(moved.len());
        changes.removed = changes.removed.saturating_sub(moved.len());
        changes.changed += moved.len();
        changes.keys = changes.keys.with_moved(&keys);
        for listed in gone {
            self.apply_removal(&listed, now);
            self.removed.push(Removed::new(listed, since));
        }
        changes
    }

    /// Publishes the directory, and gives back what nobody reads. Says whether there was room.
    fn finish_groups(&mut self) -> bool {
        let has_room = self.publish_directory();
        self.free_unread();
        self.restore_reserve();
        has_room
    }

    /// What all of these peers would take of the zone, in bytes.
    fn needs_of(&self, specs: &[Arc<PeerSpec>]) -> usize {
        let Some(groups) = &self.groups else { return 0 };
        let mut of_groups: BTreeMap<Arc<str>, Counts> = BTreeMap::new();
        let mut of_peers = 0;
        for peer in specs {
            of_peers += (self.units_of(peer) + units_of_entry(peer)) as usize;
            let name = groups.name_of(peer);
            let own = self.group_options(&name);
            let options = self.options.of_group(own);
            let delta = if options.method.needs_ring() { delta_words(0, 0) } else { 0 };
            let hash_key = own.key_for(&options).map_or(0, |key| key.len());
            let none = Counts { name: name.len(), hash_key, delta, ..Counts::default() };
            let counts = of_groups.entry(name).or_insert(none);
            *counts = counts.plus(&Counts::of_peer(peer, &options, false, false));
        }
        let tables = of_groups.values().map(|counts| counts.needed_units() as usize);
        let largest = tables.clone().max().unwrap_or_default();
        let tables: usize = tables.map(|units| units + units_of_positions() as usize).sum();
        let slots = group_index::slots(of_groups.len());
        let directory = directory_units(of_groups.len(), slots, specs.len()) as usize;
        let reserve = largest + DIRECTORIES * directory;
        let others = 2 * REPORT as usize + changing(specs.len());
        let first = self.zone.first_block() as usize;
        let needs = first + of_peers + tables + reserve + reserve / MORE as usize + others;
        let processes = self.zone.most_processes() as usize * size_of::<ProcessEntry>();
        (needs * UNIT).saturating_sub(processes)
    }
}

/// The listed peers that go to another group, since these, which are all of their keys, are in
/// others.
fn departing(groups: &Groups, specs: &[Arc<PeerSpec>]) -> Placed<Listed> {
    let moves = specs.iter().filter_map(|spec| {
        let name = groups.name_of(spec);
        let key = spec.key.as_deref();
        let mut former = groups.of_key(key).iter().filter(|&former| *former != name);
        let listed =
            former.find_map(|former| groups.get(former)?.find(key, &spec.socket_address))?;
        Some(listed.clone())
    });
    moves.collect()
}
