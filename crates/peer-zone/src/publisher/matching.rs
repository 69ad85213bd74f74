//! Which peers stay: the difference between what is published and what is wanted.

use std::collections::{HashMap, VecDeque};

use super::records::{Listed, Removed};
use crate::{
    memory::Offset,
    peer_spec::{PeerSpec, identity, is_same},
};

/// How many of etcd's peers a publication added, removed, and changed in place. A key whose address
/// changes counts as changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Peers with a key that was not there before.
    pub added: usize,
    /// Peers whose key is gone.
    pub removed: usize,
    /// Peers with other parameters, or another address under the same key.
    pub changed: usize,
    /// Peers of `server` lines that are new, gone or other than before, as a reload may bring.
    pub of_server_lines: usize,
}

/// Where the peers that are wanted are already.
pub(super) struct Match {
    /// For each, the place of the peer that it is.
    pub(super) places: Vec<Option<Offset>>,
    pub(super) changes: Changes,
}

fn static_count<'a>(peers: impl Iterator<Item = &'a PeerSpec>) -> usize {
    peers.take_while(|peer| peer.key.is_none()).count()
}

/// Both `listed` and `specs` are in [`order`](crate::peer_spec::order).
pub(super) fn match_peers(listed: &[Listed], removed: &[Removed], specs: &[PeerSpec]) -> Match {
    let mut changes = Changes::default();
    let (old_static, old) = listed.split_at(static_count(listed.iter().map(|peer| &peer.spec)));
    let (new_static, new) = specs.split_at(static_count(specs.iter()));
    let mut places = match_static(old_static, new_static, &mut changes);

    // By key, how many addresses are only in the old list, and how many only in the new one.
    let mut only_old: Vec<&str> = Vec::new();
    let mut only_new: Vec<&str> = Vec::new();
    let mut old = old.iter().peekable();
    for peer in new {
        while let Some(gone) =
            old.next_if(|old| !is_same(&old.spec, peer) && identity(&old.spec) < identity(peer))
        {
            only_old.extend(gone.spec.key.as_deref());
        }
        match old.next_if(|old| is_same(&old.spec, peer)) {
            Some(same) => {
                changes.changed += usize::from(same.spec.parameters != peer.parameters);
                places.push(Some(same.place));
            }
            None => {
                only_new.extend(peer.key.as_deref());
                places.push(None);
            }
        }
    }
    only_old.extend(old.filter_map(|gone| gone.spec.key.as_deref()));
    count(&only_old, &only_new, &mut changes);

    if !removed.is_empty() {
        let returning: HashMap<_, Offset> =
            removed.iter().map(|peer| (identity(&peer.spec), peer.place)).collect();
        for (place, peer) in places.iter_mut().zip(specs) {
            // A line of the configuration has no name by which it could be known again.
            if place.is_none() && peer.key.is_some() {
                *place = returning.get(&identity(peer)).copied();
            }
        }
    }
    Match { places, changes }
}

/// Two lines may name the same address, so each line matches one line.
fn match_static(old: &[Listed], new: &[PeerSpec], changes: &mut Changes) -> Vec<Option<Offset>> {
    let mut by_address: HashMap<&[u8], VecDeque<&Listed>> = HashMap::new();
    for peer in old {
        by_address.entry(&peer.spec.socket_address).or_default().push_back(peer);
    }
    let mut matched = 0;
    let places = new
        .iter()
        .map(|peer| {
            let same = by_address.get_mut(&*peer.socket_address)?.pop_front()?;
            matched += 1;
            changes.of_server_lines += usize::from(same.spec.parameters != peer.parameters);
            Some(same.place)
        })
        .collect();
    changes.of_server_lines += old.len() + new.len() - 2 * matched;
    places
}

/// Both in the order of keys. What one key loses and gains at once has changed.
fn count(only_old: &[&str], only_new: &[&str], changes: &mut Changes) {
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
