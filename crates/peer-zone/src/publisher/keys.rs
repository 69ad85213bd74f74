//! Publishing what changes: the peers of some keys, where the others stay as they are.
//!
//! A table names all peers, but it does so by a place of four bytes for each; so that what a change
//! costs beside writing these is a matter of what changes, not of how many peers there are.

use std::sync::Arc;

use hash_ring::STEP;

use super::{
    Publisher,
    blocks::Spare,
    matching::{Changes, Known, has_entry_of},
    publish::Made,
    records::{Listed, Removed, Unused},
    sections::sticky_order,
};
use crate::{
    memory::Offset,
    peer_spec::{PeerSpec, identity, is_same},
    protocol::Publishing,
};

/// Peers of more than so many addresses, added, removed or changed together, are published by
/// [`Publisher::publish`]: it walks all peers some times, which is less from there on.
const MANY: usize = 64;

/// All peers of a key.
#[derive(Clone, Debug)]
pub struct KeyPeers {
    /// The key below the prefix.
    pub key: Arc<str>,
    /// Its peers, in the order of their socket addresses, each once; none if it is gone.
    pub peers: Vec<Arc<PeerSpec>>,
}

/// What becomes of one address of a key.
struct Edit {
    /// The index among those listed: of the peer itself or, for a new one, where it is to stand.
    at: usize,
    /// Whether there is a peer of this identity.
    is_listed: bool,
    /// What it is to be; `None` if it is gone.
    spec: Option<Arc<PeerSpec>>,
}

/// What an edit has done.
struct Edited {
    edit: Edit,
    /// What was listed.
    old: Option<Listed>,
    /// What is listed.
    new: Option<Listed>,
    /// An entry in whose place there is another now.
    replaced: Option<Offset>,
}

impl Publisher {
    /// Publishes the peers of these keys at `now` (ms), as [`publish`](Self::publish) would with
    /// all others as they are: of a key that comes twice the last peers count.
    ///
    /// `None` if it has published nothing, since all peers are to be published together: there are
    /// none yet, more change than pays, or there may not be room for all.
    pub fn publish_keys(
        &mut self,
        mut keys: Vec<KeyPeers>,
        now: u64,
        _publishing: &Publishing,
    ) -> Option<Changes> {
        let is_possible = self.zone.header().table.current() != 0 && self.zone.left_out() == 0;
        if !is_possible {
            return None;
        }
        self.complete_drain_times(now);
        keys.reverse();
        keys.sort_by(|one, other| one.key.cmp(&other.key));
        keys.dedup_by(|later, first| later.key == first.key);
        if self.groups.is_some() {
            return self.publish_keys_by_groups(keys, now);
        }
        if self.has_what_it_needs() { self.publish_listed_keys(keys, now) } else { None }
    }

    /// As [`publish_keys`](Self::publish_keys), of the peers at hand; the keys are in order, each
    /// once.
    pub(super) fn publish_listed_keys(&mut self, keys: Vec<KeyPeers>, now: u64) -> Option<Changes> {
        let (edits, changes) = self.edits(keys)?;
        if edits.is_empty() {
            return Some(Changes::default());
        }
        let removes_all = edits.len() == self.group.listed.len()
            && edits.iter().all(|edit| edit.is_listed && edit.spec.is_none());
        if removes_all && self.groups.is_some() {
            self.remove_all_listed(now);
            return Some(changes);
        }
        self.free_unread();
        let mut made = Made::default();
        let Some(edited) = self.edit_listed(edits, &mut made) else {
            self.free_made(made);
            return None;
        };
        if self.options().method.needs_ring() {
            let edits = || edited.iter().map(|edited| (edited.old.as_ref(), edited.new.as_ref()));
            if !self.group.ring.can_edit(edits(), self.free_for_ring()) {
                self.restore_listed(edited);
                self.free_made(made);
                return None;
            }
            self.group.ring.edit(&self.zone, edits());
        }
        let Some(table) = self.make_edited_table(&edited, !made.peers.is_empty()) else {
            self.restore_listed(edited);
            self.free_made(made);
            self.restore_ring();
            return None;
        };
        let limited = |listed: &Option<Listed>| {
            usize::from(listed.as_ref().is_some_and(|listed| listed.is_limited()))
        };
        for Edited { old, new, .. } in &edited {
            self.group.limited = self.group.limited + limited(new) - limited(old);
        }
        self.publish_made(table, made, edited.iter().filter_map(|edited| edited.new.as_ref()));
        self.generation += 1;
        self.apply_edits(edited, now);
        self.store_panic(now);
        self.free_unread();
        self.go_on(STEP);
        Some(changes)
    }

    /// What is to be done, in the order of those listed; `None` if it is too much.
    fn edits(&self, keys: Vec<KeyPeers>) -> Option<(Vec<Edit>, Changes)> {
        let (mut edits, mut changes) = (Vec::new(), Changes::default());
        for KeyPeers { key, peers } in keys {
            let first =
                self.group.listed.partition_point(|peer| peer.spec.key.as_ref() < Some(&key));
            let is_of_key = |peer: &&Listed| peer.spec.key.as_ref() == Some(&key);
            let count = self.group.listed[first..].iter().take_while(is_of_key).count();
            let (mut at, end) = (first, first + count);
            let (had_peers, has_peers) = (count > 0, !peers.is_empty());
            let (mut only_old, mut only_new) = (0, 0);
            let mut gone = |at: usize, edits: &mut Vec<Edit>| {
                only_old += 1;
                edits.push(Edit { at, is_listed: true, spec: None });
            };
            for spec in peers {
                while at < end && identity(&self.group.listed[at].spec) < identity(&spec) {
                    gone(at, &mut edits);
                    at += 1;
                }
                let old = self.group.listed[at..end].first().map(|old| &old.spec);
                let old = old.filter(|old| is_same(old, &spec));
                match old {
                    Some(old) if *old == spec => at += 1,
                    Some(old) => {
                        if old.parameters != spec.parameters {
                            changes.changed += 1;
                            changes.keys.changed.push(&key);
                        }
                        edits.push(Edit { at, is_listed: true, spec: Some(spec) });
                        at += 1;
                    }
                    None => {
                        only_new += 1;
                        edits.push(Edit { at, is_listed: false, spec: Some(spec) });
                    }
                }
                if edits.len() > MANY {
                    return None;
                }
            }
            (at..end).for_each(|at| gone(at, &mut edits));
            // What a key loses and gains at once has changed.
            let both = only_old.min(only_new);
            let (removed, added) = (only_old - both, only_new - both);
            changes.changed += both;
            changes.removed += removed;
            changes.added += added;
            if only_old + only_new > 0 {
                let keys = &mut changes.keys;
                match (had_peers, has_peers) {
                    (false, _) => keys.added.push(&key),
                    (true, false) => keys.removed.push(&key),
                    (true, true) => keys.changed.push(&key),
                }
            }
        }
        (edits.len() <= MANY).then_some((edits, changes))
    }

    /// Makes what is not there yet, and lists it; `None`, and nothing is listed, where there is no
    /// room.
    fn edit_listed(&mut self, edits: Vec<Edit>, made: &mut Made) -> Option<Vec<Edited>> {
        let mut edited = Vec::with_capacity(edits.len());
        for edit in edits {
            let known = edit.spec.as_ref().and_then(|spec| self.known(&edit, spec));
            let new = match &edit.spec {
                Some(spec) => Some(self.make_listed(spec, known.as_ref(), made)?),
                None => None,
            };
            // The entry of one that comes from another group is that group's until it is settled.
            let is_replaced =
                |known: &Known| !known.is_same && self.departing(known.place).is_none();
            let replaced = known.filter(is_replaced).map(|known| known.entry);
            edited.push(Edited { edit, old: None, new, replaced });
        }
        // From the last one, so that the indexes of the others stay.
        for Edited { edit: Edit { at, is_listed, .. }, old, new, .. } in edited.iter_mut().rev() {
            match new {
                Some(new) if *is_listed => {
                    *old = Some(self.group.listed.replace(*at, new.clone()));
                }
                Some(new) => self.group.listed.insert(*at, new.clone()),
                None => *old = Some(self.group.listed.remove(*at)),
            }
        }
        Some(edited)
    }

    /// Lists again what was before.
    fn restore_listed(&mut self, edited: Vec<Edited>) {
        for Edited { edit: Edit { at, .. }, old, new, .. } in edited {
            match (old, new) {
                (Some(old), Some(_)) => drop(self.group.listed.replace(at, old)),
                (Some(old), None) => self.group.listed.insert(at, old),
                (None, _) => drop(self.group.listed.remove(at)),
            }
        }
    }

    /// Where the peer is already, if it is listed or not forgotten yet.
    fn known(&self, edit: &Edit, spec: &PeerSpec) -> Option<Known> {
        let (place, entry, before) = if edit.is_listed {
            let listed = &self.group.listed[edit.at];
            (listed.place, listed.entry, &listed.spec)
        } else if let Some(departing) = self.departing_as(spec) {
            (departing.place, departing.entry, &departing.spec)
        } else {
            let removed = self.removed.find(spec)?;
            (removed.place, removed.entry, &removed.spec)
        };
        Some(Known { place, entry, is_same: has_entry_of(before, spec) })
    }

    /// A table of those that are listed now.
    fn make_edited_table(&mut self, edited: &[Edited], adds: bool) -> Option<Offset> {
        let comes = |place: Offset| {
            edited.iter().flat_map(|edited| &edited.new).any(|it| it.place == place)
        };
        let gone = edited.iter().filter(|edited| edited.new.is_none());
        let gone = gone.filter_map(|edited| edited.old.as_ref()).map(|old| old.entry);
        let stays = self.removed.iter().filter(|peer| !comes(peer.place)).map(|peer| peer.entry);
        // Those of all groups are in the directory.
        let removed: Vec<Offset> =
            if self.groups.is_some() { Vec::new() } else { stays.chain(gone).collect() };
        let options = self.options();
        let sticky = if options.is_sticky { sticky_order(&self.group.listed) } else { Vec::new() };
        let spare = if adds { Spare::Needed } else { Spare::NeededIfLarger };
        let listed = std::mem::take(&mut self.group.listed);
        let parts = (&*removed, &*sticky);
        let table = self.make_table(&listed, parts, self.generation + 1, &options, spare);
        self.group.listed = listed;
        table
    }

    /// What the edits mean for the peers, once they are published.
    fn apply_edits(&mut self, edited: Vec<Edited>, now: u64) {
        let since = self.next_publication();
        for Edited { old, new, replaced, .. } in edited {
            if let Some(old) = &old {
                self.count_peer(old.is_in_service, self.load_health(old), -1);
            }
            let departs = new.is_none() && old.as_ref().is_some_and(|old| self.is_departing(old));
            match &new {
                Some(new) => {
                    let old = old.as_ref().or_else(|| self.departing(new.place));
                    self.apply_change(old, new, now);
                }
                None if departs => {}
                None => old.iter().for_each(|old| self.apply_removal(old, now)),
            }
            if let Some(new) = &new {
                self.count_peer(new.is_in_service, self.load_health(new), 1);
            }
            if let Some(entry) = replaced {
                let unused: Unused = self.unused_entry(entry, since);
                self.unused.push(unused);
            }
            match (old, new) {
                (Some(old), None) if departs => self.retire_departed(&old),
                (Some(old), None) => self.removed.push(Removed::new(old, since)),
                (None, Some(new)) => drop(self.removed.remove(new.place)),
                (_, _) => {}
            }
        }
    }
}
