//! What a membership has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::entry::{Entry, Server};
use super::member::Member;
use super::{Membership, shown};
use crate::allow::OutsideAddresses;
use crate::peer::Peer;
use crate::source::Source;
use crate::value::ValueError;

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

impl Membership {
    /// The keys whose values say host names, in their order, each with the name and how many peers
    /// it makes.
    pub fn named<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
    ) -> impl Iterator<Item = (&Arc<str>, &str, usize)> {
        let entries = self
            .members
            .iter()
            .flat_map(|(key, member)| member.entries().iter().map(move |entry| (key, entry)));
        entries.filter_map(move |(key, entry)| {
            let name = entry.host()?;
            let mut peers = 0;
            let resolve = |name: &str| self.permitted(resolve(name));
            entry.each_peer(resolve, self.is_one_address, |_| peers += 1);
            Some((key, name, peers))
        })
    }

    /// The peers, in the order of their names (by bytes), then of their addresses, each address
    /// once for a name.
    ///
    /// `resolve` gives the addresses in hand of a host name. While it has none, the addresses that
    /// the key had before it got that name stand in, where there were any: after a takeover those
    /// that were seeded.
    pub fn peers<A: AsRef<[IpAddr]>>(&self, resolve: impl Fn(&str) -> A) -> Vec<Peer> {
        let mut peers = Vec::with_capacity(self.members.len());
        let entries = || self.members.values().flat_map(Member::entries);
        let seeded = || self.members.values().flat_map(Member::seeded).map(|peer| peer.priority);
        let has_peers = |entry: &&Entry| {
            let mut has_peers = false;
            let resolve = |name: &str| self.permitted(resolve(name));
            entry.each_peer(resolve, self.is_one_address, |_| has_peers = true);
            has_peers
        };
        let priorities = || entries().map(Entry::priority).chain(seeded());
        let first = match priorities().min() {
            // A host name without an address must not push others back.
            first if first != priorities().max() => {
                let priorities = entries().filter(has_peers).map(Entry::priority);
                priorities.chain(seeded()).min()
            }
            first => first,
        };
        let first = first.unwrap_or_default();
        let mut has_names = false;
        for (key, member) in &self.members {
            has_names |= member.name().is_some();
            let create_revision = member.create_revision();
            member.each_peer(
                |name| self.permitted(resolve(name)),
                self.is_one_address,
                |Server { address, text: server, parameters, labels, priority, scheme }| {
                    let (route, own) = (parameters.route().cloned(), parameters.own());
                    let mut parameters = parameters.all;
                    let is_standby = priority > first && !parameters.backup;
                    parameters.backup |= is_standby;
                    let (key, etcd_key) = match member.name() {
                        Some(name) => (Arc::clone(name), Some(Arc::clone(key))),
                        None => (Arc::clone(key), None),
                    };
                    let source = Source { key: etcd_key, priority, is_standby, scheme };
                    peers.push(Peer {
                        key,
                        address,
                        server,
                        parameters,
                        own,
                        route,
                        labels,
                        create_revision,
                        source,
                    });
                },
            );
        }
        if has_names {
            // Several keys may have a name: the newest counts.
            peers.sort_by(|one, other| {
                let by_name = one.key.cmp(&other.key).then_with(|| one.address.cmp(&other.address));
                let revision = |peer: &Peer| Reverse(peer.create_revision);
                by_name.then_with(|| revision(one).cmp(&revision(other)))
            });
            peers.dedup_by(|later, first| later.key == first.key && later.address == first.address);
        }
        peers
    }

    /// The names that [`peers`](Self::peers) has no address for, or not all, each with the revision
    /// at which its key was made, in their order: host names are not resolved yet.
    pub fn unresolved<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
    ) -> impl Iterator<Item = (&Arc<str>, i64)> {
        // Where nobody has a host name, nobody is asked.
        let members = self.names.iter().next().map(|_| self.members.iter());
        let mut unresolved: Vec<_> = members
            .into_iter()
            .flatten()
            .filter(|(_, member)| member.is_unresolved(|name| self.permitted(resolve(name))))
            .map(|(key, member)| (member.name().unwrap_or(key), member.create_revision()))
            .collect();
        unresolved.sort_unstable();
        unresolved.into_iter()
    }

    /// The keys whose host names have addresses that are left out, since no peer may be there: for
    /// each its first such name.
    pub fn outside<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
    ) -> BTreeMap<Arc<str>, OutsideAddresses> {
        let mut outside = BTreeMap::new();
        if self.allow.is_restricted() && self.names.iter().next().is_some() {
            for (key, member) in &self.members {
                for name in member.entries().iter().filter_map(Entry::host) {
                    let resolved = resolve(name);
                    let addresses = resolved.as_ref().iter().copied();
                    let addresses: BTreeSet<_> =
                        addresses.filter(|&address| !self.allow.permits_ip(address)).collect();
                    if !addresses.is_empty() {
                        let name = name.to_owned();
                        let addresses = OutsideAddresses { name, addresses };
                        outside.entry(Arc::clone(key)).or_insert(addresses);
                    }
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
    pub fn rejected(&self) -> impl Iterator<Item = (String, &ValueError)> {
        let members = (self.tally.rejected > 0).then(|| self.members.iter());
        let members = members.into_iter().flatten();
        let members = members.filter_map(|(key, member)| Some((shown(key), member.rejected()?)));
        let unusable = self.unusable.iter().map(|((shown, _), error)| (shown.clone(), error));
        members.chain(unusable)
    }

    /// Values rejected since the start, each counted when it was reported.
    pub fn rejected_total(&self) -> u64 {
        self.rejected_total
    }

    /// The keys that have a good value, or had one before the current one.
    pub fn len(&self) -> usize {
        self.tally.good as usize
    }

    /// Whether no key has a good value.
    pub fn is_empty(&self) -> bool {
        self.tally.good == 0
    }

    /// The servers of valid values that have not the labels that are wanted, but for those of keys
    /// that stay although they are not there.
    pub fn unselected(&self, stays: impl Fn(&str) -> bool) -> usize {
        if self.tally.unselected == 0 {
            return 0;
        }
        let members = self.members.iter().map(|(key, member)| (key, member.unselected()));
        members.filter(|(key, count)| *count > 0 && !stays(key)).map(|(_, count)| count).sum()
    }

    /// The name of a key's peers.
    pub fn peer_name<'k>(&'k self, key: &'k str) -> &'k str {
        self.members.get(key).and_then(Member::name).map_or(key, |name| name)
    }
}
