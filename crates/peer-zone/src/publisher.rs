//! The publisher's side: what etcd says becomes a table, and memory that nobody uses any more comes
//! back.

mod blocks;
mod by_groups;
mod changes;
pub(crate) mod closings;
mod directories;
mod directory;
mod fitting;
mod group;
mod group_fitting;
mod group_options;
mod group_takeover;
mod grouping;
mod groups;
mod health;
pub(crate) mod keys;
mod linking;
mod links;
mod load_correction;
pub(crate) mod matching;
mod merging;
pub(crate) mod options;
mod placed;
pub(crate) mod publish;
mod reclaim;
mod records;
mod reserve;
mod ring;
mod roster;
mod sections;
mod slots;
mod tables;
mod takeover;

use std::{collections::HashMap, sync::Arc};

use peer_statistics::{CheckFault, Statistics};

use self::{
    group::Group,
    groups::Groups,
    links::Links,
    load_correction::LoadCorrection,
    options::{TableOptions, WantedOptions},
    placed::Placed,
    records::{Listed, Outdated, Removed, Unused},
};
use crate::{
    allocator::Allocator, layout::Peer, memory::Offset, peer_spec::PeerSpec, protocol::Publishing,
    zone::Zone,
};

/// The only writer of a zone. What it knows of the memory is private to it; see
/// [`Publisher::take_over`].
#[derive(Debug)]
pub struct Publisher {
    zone: Zone,
    allocator: Allocator,
    /// The peers that requests choose among; if they are in groups, those of the group at hand.
    group: Group,
    /// The other groups, if peers are in groups.
    groups: Option<Groups>,
    removed: Placed<Removed>,
    /// Peers that are in no table but perhaps a pinned one, and the first publication without them.
    unlisted: Vec<(Offset, u64)>,
    tables: Vec<Outdated>,
    reports: Vec<Outdated>,
    unused: Vec<Unused>,
    /// Found with the first peer that is taken out.
    links: Option<Links>,
    /// Counts the tables that this publisher has published.
    publication: u64,
    generation: u64,
    options: TableOptions,
    /// By name, what groups are to have of their own that is not nothing.
    group_options: HashMap<Arc<str>, WantedOptions>,
    recounts: LoadCorrection,
    /// Whether the publisher before this one may have published a change without saying since when
    /// the peers concerned are drained.
    may_lack_times: bool,
    /// Counts what has come back.
    free_count: u64,
    /// The figures of the peers, which it clears.
    statistics: Option<Statistics>,
}

impl Publisher {
    /// The zone that it publishes to.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The peers that were published last, in the order of [`publish`](Self::publish); if they are
    /// in groups, group by group.
    pub fn listed(&self) -> impl Iterator<Item = &PeerSpec> {
        self.all_listed().map(|peer| &*peer.spec)
    }

    /// As [`listed`](Self::listed), to be kept.
    pub fn specs(&self) -> impl Iterator<Item = Arc<PeerSpec>> {
        self.all_listed().map(|peer| Arc::clone(&peer.spec))
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.group.listed.len() + self.groups.as_ref().map_or(0, |groups| groups.peers)
    }

    /// How many of them have keys.
    pub fn keyed(&self) -> usize {
        // Those that have none come first, and are in no group.
        let lines = |group: &Group| group.listed.partition_point(|peer| peer.spec.key.is_none());
        let of_lines = match &self.groups {
            Some(groups) => groups.nameless().map_or(0, lines),
            None => lines(&self.group),
        };
        self.count() - of_lines
    }

    /// All groups, or the one in which peers are that are in none. Not to be called while a group
    /// is at hand.
    fn all_groups(&self) -> impl Iterator<Item = &Group> {
        std::iter::once(&self.group).chain(self.groups.iter().flat_map(Groups::iter))
    }

    fn all_listed(&self) -> impl Iterator<Item = &Listed> {
        self.all_groups().flat_map(|group| group.listed.iter())
    }

    /// The number of the published list: counted up with every change of the peers.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Says where the figures of the peers are, which are those of the zone's peers from then on:
    /// to be called before anything is published.
    pub fn set_statistics(&mut self, statistics: Statistics, _publishing: &Publishing) {
        self.statistics = Some(statistics);
        for place in self.places() {
            // SAFETY: the publisher frees peers, and has not freed these.
            let peer = unsafe { self.zone.peer(place) };
            statistics.keep(place.index(), peer.id);
        }
    }

    /// Counts a check of a peer that has ended at `now` (ms); `None` if it passed.
    pub fn count_check(
        &self,
        key: Option<&str>,
        socket_address: &[u8],
        now: u64,
        fault: Option<CheckFault>,
        _publishing: &Publishing,
    ) {
        if let (Some(listed), Some(statistics)) = (self.find(key, socket_address), self.statistics)
        {
            statistics.count_check(listed.place.index(), self.peer(listed).id, now, fault);
        }
    }

    /// The peer at `place` is in another state since `now` (ms), as the status shows states.
    fn note_state(&self, place: Offset, now: u64) {
        if let Some(statistics) = self.statistics {
            // SAFETY: the publisher frees peers, and has not freed this one.
            let id = unsafe { self.zone.peer(place) }.id;
            statistics.set_state_since(place.index(), id, now);
        }
    }

    fn peer(&self, listed: &Listed) -> &Peer {
        // SAFETY: the publisher frees peers, and frees none that it lists.
        unsafe { self.zone.peer(listed.place) }
    }
}
