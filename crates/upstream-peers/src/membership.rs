//! The members of one prefix.

mod member;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use crate::address::Target;
use crate::allow::{Allow, OutsideAddresses};
use crate::excerpt::Excerpt;
use crate::parameters::Parameters;
use crate::parse::parse_value;
use crate::peer::Peer;
use crate::value::{ValueError, check_key};
use member::{Given, Member, Names, Rejection, Server};

/// A key that was removed, with what it stood for.
#[derive(Debug)]
pub struct Removed {
    key: Arc<str>,
    member: Member,
}

/// Those of a name's addresses at which peers may be.
enum Permitted<A> {
    All(A),
    Some(Vec<IpAddr>),
}

impl<A: AsRef<[IpAddr]>> AsRef<[IpAddr]> for Permitted<A> {
    fn as_ref(&self) -> &[IpAddr] {
        match self {
            Self::All(addresses) => addresses.as_ref(),
            Self::Some(addresses) => addresses,
        }
    }
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct MembershipChange {
    /// Whether the peers may be others than before.
    pub changed: bool,
    /// Whether [`Membership::rejected`] may give another answer than before.
    pub rejections_changed: bool,
    /// Keys, fit to be logged, whose values are newly rejected. The same value of the same key is
    /// not reported again before the key had another.
    pub rejected: Vec<(String, ValueError)>,
}

/// The members of one prefix: for each key the last good value, and why the current one is
/// rejected, if it is.
///
/// A malformed value changes nothing: the key's last good peer stays. It goes when the key goes. Of
/// a rejected value only a hash and the reason are kept.
pub struct Membership {
    defaults: Parameters,
    allow: Allow,
    members: BTreeMap<Arc<str>, Member>,
    names: Names,
    /// Keys that cannot name a peer, whatever their value: as they are shown, and with a hash since
    /// several may be shown alike.
    unusable: BTreeMap<(String, u64), ValueError>,
    rejected_total: u64,
    hasher: RandomState,
}

impl Membership {
    /// No members yet; `defaults` are the parameters that values do not set.
    pub fn new(defaults: Parameters) -> Self {
        Self {
            defaults,
            allow: Allow::default(),
            members: BTreeMap::new(),
            names: Names::default(),
            unusable: BTreeMap::new(),
            rejected_total: 0,
            hasher: RandomState::new(),
        }
    }

    /// The same, with peers only where `allow` permits them: a value that names another place is
    /// rejected as a malformed one is, and of a host name's addresses those outside are left out.
    #[must_use]
    pub fn within(self, allow: Allow) -> Self {
        Self { allow, ..self }
    }

    /// Other parameters for values that do not set them. Says whether the peers may be others now.
    pub fn set_defaults(&mut self, defaults: Parameters) -> bool {
        self.defaults = defaults;
        self.members
            .values_mut()
            .fold(false, |changed, member| changed | member.set_defaults(defaults))
    }

    /// Takes over a peer that is known from before, while etcd has not been listed yet. A key may
    /// have several addresses. It stays until the key has a good value, or is found missing. A key
    /// that has a good value already is left as it is. A peer where none may be is not taken over.
    pub fn seed(&mut self, peer: Peer) {
        let Peer { key, address, server: text, parameters, route, create_revision } = peer;
        if !self.allow.permits(&address) {
            return;
        }
        self.members.entry(key).or_default().seed(
            Server { address, text, parameters: Given::known(parameters, route) },
            create_revision,
        );
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
        let mut members = mem::take(&mut self.members);
        let mut unusable = mem::take(&mut self.unusable);
        for (key, value, create_revision) in items {
            match self.usable(key) {
                Ok(key) => {
                    if let Some((key, member)) = members.remove_entry(key) {
                        self.members.insert(key, member);
                    }
                    self.put_member(key, value, create_revision, &mut change);
                }
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
        for (key, member) in members {
            if stays(&key) {
                self.members.insert(key, member);
            } else {
                change.rejections_changed |= member.rejected().is_some();
                change.changed |= member.remove(&mut self.names);
            }
        }
        change
    }

    /// The keys that stand for peers and are not among `listed`.
    pub fn missing<'a>(&self, listed: impl IntoIterator<Item = &'a [u8]>) -> Vec<Arc<str>> {
        let listed: HashSet<&[u8]> = listed.into_iter().collect();
        let members = self.members.iter().filter(|(_, member)| member.is_good());
        members
            .filter(|(key, _)| !listed.contains(key.as_bytes()))
            .map(|(key, _)| Arc::clone(key))
            .collect()
    }

    /// Forgets a key as [`delete`](Self::delete) does, and hands out what it was, where it stood
    /// for peers, so that it can be put back.
    pub fn remove(&mut self, key: &str) -> (MembershipChange, Option<Removed>) {
        let mut change = MembershipChange::default();
        let Some((key, member)) = self.members.remove_entry(key) else { return (change, None) };
        change.rejections_changed = member.rejected().is_some();
        change.changed = member.remove(&mut self.names);
        let removed = change.changed.then_some(Removed { key, member });
        (change, removed)
    }

    /// Puts back what was removed, unless the key is there by now.
    pub fn put_back(&mut self, removed: Removed) -> MembershipChange {
        let mut change = MembershipChange::default();
        let Removed { key, member } = removed;
        if let Entry::Vacant(vacant) = self.members.entry(key) {
            change.rejections_changed = member.rejected().is_some();
            change.changed = vacant.insert(member).put_back(&mut self.names);
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

    /// The keys whose values say a host name, in their order, each with the name and how many peers
    /// the key has.
    pub fn named<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
    ) -> impl Iterator<Item = (&Arc<str>, &str, usize)> {
        self.members.iter().filter_map(move |(key, member)| {
            let name = member.name()?;
            let mut peers = 0;
            member.each_peer(|name| self.permitted(resolve(name)), |_| peers += 1);
            Some((key, name, peers))
        })
    }

    /// The peers, in the order of their keys (by bytes), then of their addresses, each address once
    /// for a key.
    ///
    /// `resolve` gives the addresses in hand of a host name. While it has none, the addresses that
    /// the key had before it got that name stand in, where there were any: after a takeover those
    /// that were seeded.
    pub fn peers<A: AsRef<[IpAddr]>>(&self, resolve: impl Fn(&str) -> A) -> Vec<Peer> {
        let mut peers = Vec::with_capacity(self.members.len());
        for (key, member) in &self.members {
            member.each_peer(
                |name| self.permitted(resolve(name)),
                |Server { address, text: server, parameters }| {
                    let create_revision = member.create_revision();
                    let Given { all: parameters, overrides } = parameters;
                    let (key, route) = (Arc::clone(key), overrides.route);
                    peers.push(Peer { key, address, server, parameters, route, create_revision });
                },
            );
        }
        peers
    }

    /// The keys that [`peers`](Self::peers) has no address for, each with the revision at which it
    /// was made, in their order: their host names are not resolved yet.
    pub fn unresolved<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
    ) -> impl Iterator<Item = (&Arc<str>, i64)> {
        let is_unresolved =
            move |member: &Member| member.is_unresolved(|name| self.permitted(resolve(name)));
        self.members
            .iter()
            .filter(move |(_, member)| is_unresolved(member))
            .map(|(key, member)| (key, member.create_revision()))
    }

    /// The keys whose host names have addresses that are left out, since no peer may be there.
    pub fn outside<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
    ) -> BTreeMap<Arc<str>, OutsideAddresses> {
        let mut outside = BTreeMap::new();
        if self.allow.is_restricted() {
            for (key, member) in &self.members {
                let Some(name) = member.name() else { continue };
                let resolved = resolve(name);
                let addresses = resolved.as_ref().iter().copied();
                let addresses: BTreeSet<_> =
                    addresses.filter(|&address| !self.allow.permits_ip(address)).collect();
                if !addresses.is_empty() {
                    outside.insert(
                        Arc::clone(key),
                        OutsideAddresses { name: name.to_owned(), addresses },
                    );
                }
            }
        }
        outside
    }

    fn permitted<A: AsRef<[IpAddr]>>(&self, addresses: A) -> Permitted<A> {
        if !self.allow.is_restricted() {
            return Permitted::All(addresses);
        }
        let permitted = |address: &IpAddr| self.allow.permits_ip(*address);
        Permitted::Some(addresses.as_ref().iter().copied().filter(permitted).collect())
    }

    /// The keys whose current value is rejected, fit to be shown, with the reason.
    pub fn rejected(&self) -> impl Iterator<Item = (&str, &ValueError)> {
        let members =
            self.members.iter().filter_map(|(key, member)| Some((&**key, member.rejected()?)));
        let unusable = self.unusable.iter().map(|((shown, _), error)| (shown.as_str(), error));
        members.chain(unusable)
    }

    /// Values rejected since the start, each counted when it was reported.
    pub fn rejected_total(&self) -> u64 {
        self.rejected_total
    }

    /// The keys that have a good value, or had one before the current one.
    pub fn len(&self) -> usize {
        self.members.values().filter(|member| member.is_good()).count()
    }

    /// Whether no key has a good value.
    pub fn is_empty(&self) -> bool {
        !self.members.values().any(Member::is_good)
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
        let parsed = parse_value(key, value).and_then(|value| match value.target {
            Target::Address(address) if !self.allow.permits(&address) => {
                Err(ValueError::NotAllowed(address))
            }
            _ => Ok(value),
        });
        if !self.members.contains_key(key) {
            self.members.insert(Arc::from(key), Member::default());
        }
        let Some(member) = self.members.get_mut(key) else { return };
        change.changed |= member.set_create_revision(create_revision);
        match parsed {
            Ok(value) => {
                let all = value.overrides.apply(self.defaults);
                let parameters = Given { overrides: value.overrides, all };
                change.rejections_changed |= member.rejected().is_some();
                change.changed |=
                    member.accept(value.target, &value.server, parameters, &mut self.names);
            }
            Err(error) => {
                if member
                    .reject(Rejection { value: self.hasher.hash_one(value), error: error.clone() })
                {
                    self.rejected_total += 1;
                    change.rejections_changed = true;
                    change.rejected.push((key.to_owned(), error));
                }
            }
        }
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
