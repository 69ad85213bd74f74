//! Which peers stay: the difference between what is published and what is wanted.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use change_history::ChangedKeys;

use super::{
    placed::Placed,
    records::{Listed, Removed},
};
use crate::{
    memory::Offset,
    peer_spec::{PeerSpec, identity, is_same},
};

/// How many of etcd's peers a publication added, removed, and changed in place, and their keys. A
/// peer whose address changes counts as changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Peers that were not there before.
    pub added: usize,
    /// Peers that are gone.
    pub removed: usize,
    /// Peers with other parameters, or another address under the same key.
    pub changed: usize,
    /// Peers of `server` lines that are new, gone or other than before, as a reload may bring.
    pub of_server_lines: usize,
    /// The keys that had no peer before, those that have none any more, and those that have others
    /// than before.
    pub keys: ChangedKeys,
}

/// Where the peers that are wanted are already.
pub(super) struct Match {
    /// For each, where it is.
    pub(super) known: Vec<Option<Known>>,
    pub(super) changes: Changes,
}

/// Where a peer is already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) place: Offset,
    /// Its entry's place.
    pub(super) entry: Offset,
    /// Whether that says what the one that is wanted is to say.
    pub(super) is_same: bool,
}

impl Known {
    fn listed(listed: &Listed, spec: &PeerSpec) -> Self {
        let is_same = has_entry_of(&listed.spec, spec);
        Self { place: listed.place, entry: listed.entry, is_same }
    }

    fn removed(removed: &Removed, spec: &PeerSpec) -> Self {
        let is_same = has_entry_of(&removed.spec, spec);
        Self { place: removed.place, entry: removed.entry, is_same }
    }
}

/// Whether the entries of two specs are the same.
pub(super) fn has_entry_of(one: &PeerSpec, other: &PeerSpec) -> bool {
    std::ptr::eq(one, other)
        || one.parameters == other.parameters
            && one.sticky == other.sticky
            && (&one.route, &one.labels, &one.source)
                == (&other.route, &other.labels, &other.source)
}

impl Changes {
    /// These and others.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            added: self.added + other.added,
            removed: self.removed + other.removed,
            changed: self.changed + other.changed,
            of_server_lines: self.of_server_lines + other.of_server_lines,
            keys: self.keys.and(other.keys),
        }
    }
}

fn static_count<'a>(peers: impl Iterator<Item = &'a Arc<PeerSpec>>) -> usize {
    peers.take_while(|peer| peer.key.is_none()).count()
}

/// Both `listed` and `specs` are in [`order`](crate::peer_spec::order). `departing` are peers that
/// leave another group for this one, among others.
pub(super) fn match_peers(
    listed: &[Listed],
    removed: &Placed<Removed>,
    departing: Option<&Placed<Listed>>,
    specs: &[Arc<PeerSpec>],
) -> Match {
    let mut changes = Changes::default();
    let (old_static, old) = listed.split_at(static_count(listed.iter().map(|peer| &peer.spec)));
    let (new_static, new) = specs.split_at(static_count(specs.iter()));
    let mut known = match_static(old_static, new_static, &mut changes);

    // By key, how many addresses are only in the old list, and how many only in the new one.
    let mut only_old: Vec<&Arc<str>> = Vec::new();
    let mut only_new: Vec<&Arc<str>> = Vec::new();
    let mut changed: Vec<&Arc<str>> = Vec::new();
    let (all_old, mut old) = (old, old.iter().peekable());
    for peer in new {
        while let Some(gone) =
            old.next_if(|old| !is_same(&old.spec, peer) && identity(&old.spec) < identity(peer))
        {
            only_old.extend(&gone.spec.key);
        }
        match old.next_if(|old| is_same(&old.spec, peer)) {
            Some(same) => {
                if same.spec.parameters != peer.parameters {
                    changes.changed += 1;
                    changed.extend(&peer.key);
                }
                known.push(Some(Known::listed(same, peer)));
            }
            None => {
                only_new.extend(&peer.key);
                known.push(None);
            }
        }
    }
    only_old.extend(old.filter_map(|gone| gone.spec.key.as_ref()));
    let had = |key: &Arc<str>| {
        all_old.binary_search_by(|peer| peer.spec.key.as_ref().cmp(&Some(key))).is_ok()
    };
    let has =
        |key: &Arc<str>| new.binary_search_by(|peer| peer.key.as_ref().cmp(&Some(key))).is_ok();
    count(&only_old, &only_new, &mut changes);
    for key in only_old {
        if has(key) { changed.push(key) } else { changes.keys.removed.push(key) }
    }
    for key in only_new {
        if had(key) { changed.push(key) } else { changes.keys.added.push(key) }
    }
    changed.sort_unstable();
    changes.keys.changed.extend(changed);

    // A line of the configuration has no name by which it could be known again.
    let is_new = |known: &Option<Known>, peer: &PeerSpec| known.is_none() && peer.key.is_some();
    for (known, peer) in known.iter_mut().zip(specs) {
        if is_new(known, peer) {
            let moved = departing.and_then(|departing| departing.find(peer));
            *known = moved
                .map(|listed| Known::listed(listed, peer))
                .or_else(|| Some(Known::removed(removed.find(peer)?, peer)));
        }
    }
    Match { known, changes }
}

/// Two lines may name the same address, so each line matches one line.
fn match_static(
    old: &[Listed],
    new: &[Arc<PeerSpec>],
    changes: &mut Changes,
) -> Vec<Option<Known>> {
    let mut by_address: HashMap<&[u8], VecDeque<&Listed>> = HashMap::new();
    for peer in old {
        by_address.entry(&peer.spec.socket_address).or_default().push_back(peer);
    }
    let mut matched = 0;
    let known = new
        .iter()
        .map(|peer| {
            let same = by_address.get_mut(&*peer.socket_address)?.pop_front()?;
            matched += 1;
            changes.of_server_lines += usize::from(same.spec.parameters != peer.parameters);
            Some(Known::listed(same, peer))
        })
        .collect();
    changes.of_server_lines += old.len() + new.len() - 2 * matched;
    known
}

/// Both in the order of keys. What one key loses and gains at once has changed.
fn count(only_old: &[&Arc<str>], only_new: &[&Arc<str>], changes: &mut Changes) {
    let mut old = only_old.iter().peekable();
    for key in only_new {
        while old.next_if(|old| *old < key).is_some() {
            changes.removed += 1;
        }
        if old.next_if(|old| *old == key).is_some() {
            changes.changed += 1;
        } else {
            changes.added += 1;
        }
    }
    changes.removed += old.count();
}
