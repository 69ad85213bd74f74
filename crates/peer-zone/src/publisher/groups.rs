//! All groups, as the publisher knows them, and what their directory has.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    group::Group, matching::Changes, options::GroupOptions, placed::Placed, records::Listed,
    reserve::Reserve,
};
use crate::{group_index::GroupIndex, memory::Offset, peer_spec::PeerSpec};

/// The groups that a key has peers in: one, but for a value with several servers whose labels
/// differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GroupsOfKey {
    One(Arc<str>),
    Several(Vec<Arc<str>>),
}

impl GroupsOfKey {
    pub(super) fn names(&self) -> &[Arc<str>] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }

    fn add(&mut self, name: &Arc<str>) {
        if self.names().contains(name) {
            return;
        }
        let mut names = self.names().to_vec();
        names.push(Arc::clone(name));
        *self = Self::Several(names);
    }
}

/// What a table says of its group to the directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableEntry {
    pub(super) place: Offset,
    pub(super) hash: u32,
    pub(super) share: u64,
    /// Its peers in service.
    pub(super) tries: u32,
}

/// What did not fit of a group, and how much was free then.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) wanted: Vec<Arc<PeerSpec>>,
    pub(super) own: GroupOptions,
    pub(super) available: u32,
    pub(super) longest: u32,
    pub(super) left_out: usize,
    pub(super) lacks_method: bool,
    /// See [`GroupPublished`](super::group_fitting::GroupPublished).
    pub(super) is_stuck: bool,
}

/// See the module. While a group is at hand, an empty one is in its place.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// In order.
    names: Vec<Arc<str>>,
    /// In the order of their names, each with a table.
    #[expect(clippy::vec_box, reason = "one that comes or goes moves the places of all behind it")]
    all: Vec<Box<Group>>,
    /// Their tables, which the directory has as they are here.
    entries: Vec<TableEntry>,
    index: GroupIndex,
    /// The one that is at hand.
    current: Option<usize>,
    /// By key.
    of_key: HashMap<Arc<str>, GroupsOfKey>,
    /// The name of the group of peers that are in none: empty, so that no request asks for it.
    nameless: Arc<str>,
    /// Those of whose rings a base is being made, or is to be made.
    pub(super) merging: BTreeSet<Arc<str>>,
    /// Whether the directory that is published says something else.
    pub(super) is_dirty: bool,
    pub(super) reserve: Reserve,
    /// The group whose table lies in the place of the reserve.
    pub(super) displaced: Option<Arc<str>>,
    /// The count of what had come back when tables were moved last to have a place for the reserve.
    pub(super) moved_at: Option<u64>,
    /// Peers that go from one group to another in this publication, as they were.
    pub(super) departing: Placed<Listed>,
    /// By name, the groups that have not all that they are to have.
    pub(super) refusals: HashMap<Arc<str>, Refusal>,
    /// What was published, and is still to be told.
    pub(super) untold: Changes,
    /// Of all groups but the one at hand: peers, and those whose connections are limited.
    pub(super) peers: usize,
    pub(super) limited: usize,
}

impl Groups {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.iter().map(|group| &**group)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Their names, in order.
    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    pub(super) fn entries(&self) -> &[TableEntry] {
        &self.entries
    }

    pub(super) fn index(&self) -> &GroupIndex {
        &self.index
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|other| (**other).cmp(name))
    }

    /// The group of this name. Not for the one at hand.
    pub(super) fn get(&self, name: &str) -> Option<&Group> {
        self.position(name).ok().map(|at| &*self.all[at])
    }

    /// The group of peers that are in none. Not while it is at hand.
    pub(super) fn nameless(&self) -> Option<&Group> {
        self.get(&self.nameless)
    }

    /// The name of the group of a peer.
    pub(super) fn name_of(&self, spec: &PeerSpec) -> Arc<str> {
        Arc::clone(spec.group.as_ref().unwrap_or(&self.nameless))
    }

    /// The names of the groups that a key has peers in; those of `server` lines are in none.
    pub(super) fn of_key(&self, key: Option<&str>) -> &[Arc<str>] {
        match key {
            None => std::slice::from_ref(&self.nameless),
            Some(key) => self.of_key.get(key).map_or(&[], GroupsOfKey::names),
        }
    }

    /// The groups of a key are those of these peers, which are all that it has.
    pub(super) fn set_key(&mut self, key: &Arc<str>, peers: &[Arc<PeerSpec>]) {
        let mut names = peers.iter().map(|peer| self.name_of(peer));
        let Some(first) = names.next() else {
            self.of_key.remove(key);
            return;
        };
        let mut of_key = GroupsOfKey::One(first);
        names.for_each(|name| of_key.add(&name));
        self.of_key.insert(Arc::clone(key), of_key);
    }

    /// The keys have these peers, and no others. Those of a key are next to each other.
    pub(super) fn set_keys(&mut self, peers: &[Arc<PeerSpec>]) {
        self.of_key.clear();
        for of_key in peers.chunk_by(|one, other| one.key == other.key) {
            if let Some(key) = &of_key[0].key {
                self.set_key(key, of_key);
            }
        }
    }

    /// A group is at hand: it is taken out of its place, if it is there. `group` takes its place.
    pub(super) fn begin(&mut self, name: &Arc<str>, group: &mut Group) {
        self.current = self.position(name).ok();
        match self.current {
            Some(at) => std::mem::swap(&mut *self.all[at], group),
            None => *group = Group::new(Arc::clone(name)),
        }
        self.peers -= group.listed.len();
        self.limited -= group.limited;
    }

    /// It goes back into its place, if it has one. Returns what of it has none.
    pub(super) fn end(&mut self, group: &mut Group) -> Option<Group> {
        let Some(at) = self.current.take() else { return Some(std::mem::take(group)) };
        self.peers += group.listed.len();
        self.limited += group.limited;
        std::mem::swap(&mut *self.all[at], group);
        None
    }

    /// The group at hand, of this name, has this table, in the place of another one or as its
    /// first. `hash_of` says the hashes of all others.
    pub(super) fn set_table(
        &mut self,
        name: &Arc<str>,
        entry: TableEntry,
        hash_of: impl Fn(Offset) -> u32,
    ) {
        self.is_dirty = true;
        match self.current {
            Some(at) => {
                let old = std::mem::replace(&mut self.entries[at], entry);
                self.index.replace(old.place, entry.place, entry.hash);
            }
            None => {
                let at = self.position(name).unwrap_or_else(|at| at);
                self.names.insert(at, Arc::clone(name));
                self.all.insert(at, Box::default());
                self.entries.insert(at, entry);
                self.index.insert(entry.place, entry.hash, hash_of);
                self.current = Some(at);
            }
        }
    }

    /// The group at hand is gone. Returns whether it was there.
    pub(super) fn remove_current(&mut self, hash_of: impl Fn(Offset) -> u32) -> bool {
        let Some(at) = self.current.take() else { return false };
        self.is_dirty = true;
        self.names.remove(at);
        self.all.remove(at);
        let TableEntry { place, hash, .. } = self.entries.remove(at);
        self.index.remove(place, hash, hash_of);
        true
    }

    /// Peers in service, over all groups.
    pub(super) fn tries(&self) -> u32 {
        self.entries.iter().map(|entry| entry.tries).fold(0, u32::saturating_add)
    }
}
