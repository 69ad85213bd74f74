//! The members of one prefix.

mod beside;
mod changed;
mod changed_keys;
mod entry;
mod list;
mod member;
mod names;
mod queries;
mod tally;

use std::collections::{BTreeMap, HashSet, btree_map};
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::Arc;

use crate::address::Target;
use crate::allow::Allow;
use crate::excerpt::Excerpt;
use crate::key_name::weight_key;
use crate::labels::Reading;
use crate::parameters::Parameters;
use crate::parse::parse_value;
use crate::peer::Peer;
use crate::source::Source;
use crate::value::{KeyContent, MAX_KEY_LENGTH, ValueError, check_key};
use changed_keys::ChangedKeys;
pub use changed_keys::ChangedPeers;
use entry::{Entry, Given, Server};
use member::{Member, Rejection};
use names::Names;
use tally::Tally;

/// A key that was removed, with what it stood for.
#[derive(Debug)]
pub struct Removed {
    key: Arc<str>,
    member: Member,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct MembershipChange {
    /// Whether the peers may be others than before.
    pub changed: bool,
    /// Whether [`Membership::rejected`] may give another answer than before.
    pub rejections_changed: bool,
    /// Whether [`Membership::unselected`] may give another answer than before.
    pub unselected_changed: bool,
    /// Keys, fit to be logged, whose values are newly rejected. The same value of the same key is
    /// not reported again before the key had another.
    pub rejected: Vec<(String, ValueError)>,
}

/// The members of one prefix: for each key the last good value, and why the current one is
/// rejected, if it is.
///
/// A malformed value changes nothing: the key's last good peers stay. They go when the key goes. Of
/// a rejected value only a hash and the reason are kept.
pub struct Membership {
    defaults: Parameters,
    allow: Allow,
    reading: Reading,
    /// Whether only the first address of each host name is used.
    is_one_address: bool,
    members: BTreeMap<Arc<str>, Member>,
    names: Names,
    /// Keys that cannot name a peer, whatever their value: as they are shown, and with a hash since
    /// several may be shown alike.
    unusable: BTreeMap<(String, u64), ValueError>,
    rejected_total: u64,
    hasher: RandomState,
    changed: ChangedKeys,
    /// Of all members.
    tally: Tally,
}

impl Membership {
    /// No members yet; `defaults` are the parameters that values do not set.
    pub fn new(defaults: Parameters) -> Self {
        Self {
            defaults,
            allow: Allow::default(),
            reading: Reading::default(),
            is_one_address: false,
            members: BTreeMap::new(),
            names: Names::default(),
            unusable: BTreeMap::new(),
            rejected_total: 0,
            hasher: RandomState::new(),
            changed: ChangedKeys::default(),
            tally: Tally::default(),
        }
    }

    /// The same, with peers only where `allow` permits them: a value that names another place is
    /// rejected as a malformed one is, and of a host name's addresses those outside are left out.
    #[must_use]
    pub fn within(self, allow: Allow) -> Self {
        Self { allow, ..self }
    }

    /// The same, with values read so: a server without the labels that are wanted is no peer, and
    /// is counted ([`unselected`](Self::unselected)).
    #[must_use]
    pub fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// The same, with only the first address of each host name in their order, if this is so.
    #[must_use]
    pub fn with_one_address(self, is_one_address: bool) -> Self {
        Self { is_one_address, ..self }
    }

    /// Other parameters for values that do not set them. Says whether the peers may be others now.
    pub fn set_defaults(&mut self, defaults: Parameters) -> bool {
        self.defaults = defaults;
        let set = |changed, member: &mut Member| changed | member.set_defaults(defaults);
        let is_changed = self.members.values_mut().fold(false, set);
        if is_changed {
            self.changed.add_all();
        }
        is_changed
    }

    /// Takes over a peer that is known from before, while etcd has not been listed yet. A key may
    /// have several addresses. It stays until the key has a good value, or is found missing. A key
    /// that has servers already is left as it is. A peer where none may be is not taken over; one
    /// that is not wanted otherwise is, until the list or [`drop_unwanted`](Self::drop_unwanted):
    /// those that are wanted may come with the list.
    pub fn seed(&mut self, peer: Peer) {
        let Peer { key: name, address, server: text, mut parameters, .. } = peer;
        let Peer { route, labels, create_revision, source, .. } = peer;
        if !self.allow.permits(&address) {
            return;
        }
        let Source { key, priority, is_standby, scheme } = source;
        parameters.backup &= !is_standby;
        if let Some(key) = key.as_deref().and_then(weight_key) {
            // Known from before as well: its value may be malformed by now.
            self.members.entry(key.as_str().into()).or_default().seed_setting(parameters.weight);
            self.note_member(&key);
        }
        let parameters = Given::known(parameters, route);
        let server = Server { address, text, parameters, labels, priority, scheme };
        let (key, name) = key.map_or((Arc::clone(&name), None), |key| (key, Some(name)));
        self.members.entry(Arc::clone(&key)).or_default().seed(server, name, create_revision);
        self.note_member(&key);
    }

    /// Forgets the peers known from before that are not wanted: there will be no list soon. Says
    /// whether there were any.
    pub fn drop_unwanted(&mut self) -> bool {
        let Self { members, reading, .. } = self;
        let wants = |peer: &Server| reading.wants(&peer.labels, peer.scheme.as_deref());
        let retain = |changed, member: &mut Member| changed | member.retain_seeded(wants);
        let is_changed = members.values_mut().fold(false, retain);
        if is_changed {
            self.note_members();
        }
        is_changed
    }

    /// Takes a fresh list of all keys (below the prefix), each with its value and the revision at
    /// which it was made: what the list lacks is gone; what it has malformed keeps its last good
    /// peer.
    pub fn replace<'a>(
        &mut self,
        items: impl IntoIterator<Item = (&'a [u8], &'a [u8], i64)>,
    ) -> MembershipChange {
        self.replace_but(items, |_| false)
    }

    /// As [`replace`](Self::replace), but a key that the list lacks stays where `stays` says so.
    pub fn replace_but<'a>(
        &mut self,
        items: impl IntoIterator<Item = (&'a [u8], &'a [u8], i64)>,
        stays: impl Fn(&str) -> bool,
    ) -> MembershipChange {
        let mut change = MembershipChange::default();
        let mut unusable = mem::take(&mut self.unusable);
        let mut listed = Vec::new();
        for (key, value, create_revision) in items {
            match self.usable(key) {
                Ok(key) => listed.push((key, value, create_revision)),
                Err((key, error)) => {
                    if let Some(error) = unusable.remove(&key) {
                        self.unusable.insert(key, error);
                    } else {
                        self.put_unusable(key, error, &mut change);
                    }
                }
            }
        }
        change.rejections_changed |= !unusable.is_empty();
        for (key, member) in self.put_list(listed, &mut change) {
            if stays(&key) {
                self.members.insert(key, member);
            } else {
                change.rejections_changed |= member.rejected().is_some();
                change.unselected_changed |= member.unselected() > 0;
                change.changed |= member.remove(&mut self.names);
            }
        }
        change.changed |= self.set_all_weights(&stays);
        change.changed |= self.drop_unwanted();
        self.note_members();
        change
    }

    /// The keys that stand for peers and are not among `listed`, unless none of their peers would
    /// be wanted any more.
    pub fn missing<'a>(&self, listed: impl IntoIterator<Item = &'a [u8]>) -> Vec<Arc<str>> {
        let all: HashSet<&[u8]> = listed.into_iter().collect();
        let wants = |peer: &Server| self.reading.wants(&peer.labels, peer.scheme.as_deref());
        let is_missing = |key: &Arc<str>, member: &Member| {
            let seeded = member.seeded();
            member.is_good()
                && !all.contains(key.as_bytes())
                && (seeded.is_empty() || seeded.iter().any(wants))
        };
        let missing = self.members.iter().filter(|(key, member)| is_missing(key, member));
        missing.map(|(key, _)| Arc::clone(key)).collect()
    }

    /// Forgets a key as [`delete`](Self::delete) does, and hands out what it was, where it stood
    /// for peers, so that it can be put back.
    pub fn remove(&mut self, key: &str) -> (MembershipChange, Option<Removed>) {
        let mut change = MembershipChange::default();
        let Some((key, mut member)) = self.members.remove_entry(key) else { return (change, None) };
        self.note_removal(&key, &mut member);
        change.rejections_changed = member.rejected().is_some();
        change.unselected_changed = member.unselected() > 0;
        let had_peers = member.remove(&mut self.names);
        change.changed = had_peers | self.set_weight_beside(&key);
        let removed = had_peers.then_some(Removed { key, member });
        (change, removed)
    }

    /// Puts back what was removed, unless the key is there by now.
    pub fn put_back(&mut self, removed: Removed) -> MembershipChange {
        let mut change = MembershipChange::default();
        let Removed { key, member } = removed;
        if let btree_map::Entry::Vacant(vacant) = self.members.entry(Arc::clone(&key)) {
            change.rejections_changed = member.rejected().is_some();
            change.unselected_changed = member.unselected() > 0;
            change.changed = vacant.insert(member).put_back(&mut self.names);
            self.note_member(&key);
        }
        change
    }

    /// Takes a key's new value; `create_revision` is the revision at which the key was made. A key
    /// that was deleted and made again is a change, even where its value is the one that it had.
    pub fn put(&mut self, key: &[u8], value: &[u8], create_revision: i64) -> MembershipChange {
        let mut change = MembershipChange::default();
        match self.usable(key) {
            Ok(key) => self.put_member(key, value, create_revision, &mut change),
            Err((key, error)) => self.put_unusable(key, error, &mut change),
        }
        change
    }

    /// Forgets a key, its peer and its rejection.
    pub fn delete(&mut self, key: &[u8]) -> MembershipChange {
        let mut change = MembershipChange::default();
        match self.usable(key) {
            Ok(key) => {
                return self.remove(key).0;
            }
            Err((key, _)) => {
                change.rejections_changed = self.unusable.remove(&key).is_some();
            }
        }
        change
    }

    /// The host names that members use, each once, in small letters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }

    /// Whether [`names`](Self::names) may be others than at the last call.
    pub fn take_change_of_names(&mut self) -> bool {
        self.names.take_change()
    }

    /// The key as text, or where it cannot name a peer how it is kept among the
    /// [`unusable`](Self::unusable).
    fn usable<'k>(&self, key: &'k [u8]) -> Result<&'k str, ((String, u64), ValueError)> {
        let checked = match str::from_utf8(key) {
            Ok(text) => check_key(text).map(|()| text),
            Err(_) => Err(ValueError::KeyNotUtf8),
        };
        checked.map_err(|error| {
            ((Excerpt::of_bytes(key).into_text(), self.hasher.hash_one(key)), error)
        })
    }

    fn put_member(
        &mut self,
        key: &str,
        value: &[u8],
        create_revision: i64,
        change: &mut MembershipChange,
    ) {
        let weight = self.weight_beside(key);
        let mut members = mem::take(&mut self.members);
        let member = match members.get_mut(key) {
            Some(member) => member,
            None => members.entry(Arc::from(key)).or_default(),
        };
        self.put_value(member, (key, value, create_revision), weight, change);
        self.members = members;
        self.note_member(key);
        change.changed |= self.set_weight_beside(key);
    }

    /// Takes the value of a member; another key has this `weight` for its servers.
    fn put_value(
        &mut self,
        member: &mut Member,
        (key, value, create_revision): (&str, &[u8], i64),
        weight: Option<u32>,
        change: &mut MembershipChange,
    ) {
        let parsed = self.parse(key, value);
        change.changed |= member.set_create_revision(create_revision);
        let (was_rejected, unselected) = (member.rejected().is_some(), member.unselected());
        match parsed {
            Ok(KeyContent::Servers { name, values }) => {
                let count = values.len();
                let weight = weight.filter(|_| name != key);
                let mut entries = Vec::with_capacity(count);
                for mut value in values {
                    if self.reading.select.wants(&value.labels) {
                        value.overrides.weight = value.overrides.weight.or(weight);
                        entries.push(Entry::new(value, self.defaults));
                    }
                }
                let unselected = count - entries.len();
                change.changed |= member.set_name((name != key).then_some(name));
                change.changed |= member.accept(entries, unselected, &mut self.names);
                change.rejections_changed |= was_rejected;
            }
            Ok(KeyContent::Setting { weight, .. }) => {
                change.changed |= member.accept_setting(weight, &mut self.names);
                change.rejections_changed |= was_rejected;
            }
            Err(error) => {
                if member
                    .reject(Rejection { value: self.hasher.hash_one(value), error: error.clone() })
                {
                    self.rejected_total += 1;
                    change.rejections_changed = true;
                    change.rejected.push((shown(key), error));
                }
            }
        }
        change.unselected_changed |= member.unselected() != unselected;
    }

    /// What the key says with this value, if all peers are where they may be.
    fn parse<'k>(&self, key: &'k str, value: &[u8]) -> Result<KeyContent<'k>, ValueError> {
        let content = parse_value(key, value, &self.reading)?;
        if let KeyContent::Servers { values, .. } = &content {
            for value in values.iter().filter(|value| self.reading.select.wants(&value.labels)) {
                match &value.target {
                    Target::Address(address) if !self.allow.permits(address) => {
                        return Err(ValueError::NotAllowed(address.clone()));
                    }
                    _ => {}
                }
            }
        }
        Ok(content)
    }

    fn put_unusable(
        &mut self,
        key: (String, u64),
        error: ValueError,
        change: &mut MembershipChange,
    ) {
        if !self.unusable.contains_key(&key) {
            self.rejected_total += 1;
            change.rejections_changed = true;
            change.rejected.push((key.0.clone(), error.clone()));
            self.unusable.insert(key, error);
        }
    }
}

/// The key as a line shows it: whole, unless it is longer than others may be.
fn shown(key: &str) -> String {
    if key.len() <= MAX_KEY_LENGTH { key.to_owned() } else { Excerpt::new(key).into_text() }
}
