//! Peers as the zone takes them: made of what etcd says, and kept, since most of a list is the same
//! after each change.

use std::{cmp::Ordering, sync::Arc};

use peer_zone::PeerSpec;
use upstream_peers::{Ages, KnownAge, Labels, Overrides, OwnParameters, Peer, Source};

use crate::{
    nginx::socket_address,
    zones::peer_specs::{Names, describe, shared},
};

/// The peers of a list.
pub(super) struct Described {
    /// In the order of their names, those of each in the order of their socket addresses' bytes, as
    /// a zone has them.
    specs: Vec<Arc<PeerSpec>>,
    names: Names,
}

impl Described {
    /// The peers with keys that a zone has already, in their order.
    pub(super) fn of_zone<'a>(listed: impl Iterator<Item = &'a PeerSpec>, names: Names) -> Self {
        let spec = |desired: &PeerSpec| {
            let key = desired.key.as_ref()?;
            socket_address::parse(&desired.socket_address)?;
            let server = shared(&desired.name, Arc::clone(&desired.server));
            // Made again: another configuration may have another secret.
            let sticky = names.sticky_id(key, &desired.name, desired.route.as_deref());
            let group = names.group(key, desired.labels.as_ref());
            Some(Arc::new(PeerSpec { server, sticky, group, ..desired.clone() }))
        };
        let mut specs: Vec<Arc<PeerSpec>> = listed.filter_map(spec).collect();
        if names.groups.is_some() {
            // A zone has them group by group.
            specs
                .sort_by(|one, other| one.key.cmp(&other.key).then_with(|| by_address(one, other)));
        }
        Self { specs, names }
    }

    /// Takes a new list, in the order of names, and asks `ages` when each of its peers joined. What
    /// was in the last one is not made again.
    pub(super) fn update(&mut self, peers: Vec<Peer>, ages: &Ages, now: u64) {
        let mut before = std::mem::take(&mut self.specs).into_iter().peekable();
        let mut specs = Vec::with_capacity(peers.len());
        let mut peers = peers.into_iter().peekable();
        let mut known = Vec::new();
        while let Some(first) = peers.next() {
            let key = Arc::clone(&first.key);
            while before.next_if(|spec| name(spec) < Some(&*key)).is_some() {}
            known.clear();
            known.extend(std::iter::from_fn(|| before.next_if(|spec| name(spec) == Some(&*key))));
            let of_key = specs.len();
            specs.push(self.describe_peer(&mut known, first, ages, now));
            while let Some(next) = peers.next_if(|next| next.key == key) {
                specs.push(self.describe_peer(&mut known, next, ages, now));
            }
            specs[of_key..].sort_by(by_address);
        }
        self.specs = specs;
    }

    /// Takes the new peers of a name, as [`update`](Self::update) does with all. Returns them as
    /// the zone takes them, behind those that it had before.
    pub(super) fn update_key(
        &mut self,
        key: &Arc<str>,
        peers: Vec<Peer>,
        ages: &Ages,
        now: u64,
    ) -> [Vec<Arc<PeerSpec>>; 2] {
        let first = self.specs.partition_point(|spec| name(spec) < Some(&**key));
        let behind = &self.specs[first..];
        let count = behind.iter().take_while(|spec| name(spec) == Some(&**key)).count();
        let before = behind[..count].to_vec();
        let mut known = before.clone();
        let describe = |peer| self.describe_peer(&mut known, peer, ages, now);
        let mut specs: Vec<_> = peers.into_iter().map(describe).collect();
        specs.sort_by(by_address);
        self.specs.splice(first..first + count, specs.iter().cloned());
        [before, specs]
    }

    /// A peer, made of one of those that are `known` of its name, if that is at the same address.
    fn describe_peer(
        &self,
        known: &mut Vec<Arc<PeerSpec>>,
        peer: Peer,
        ages: &Ages,
        now: u64,
    ) -> Arc<PeerSpec> {
        let is_same = |known: &Arc<PeerSpec>| {
            socket_address::parse(&known.socket_address).as_ref() == Some(&peer.address)
        };
        let known = known.iter().position(is_same).map(|at| known.swap_remove(at));
        let age = known.as_ref().map(|spec| KnownAge {
            create_revision: spec.create_revision.cast_signed(),
            joined: spec.joined,
        });
        let joined = ages.joined(&peer.key, peer.create_revision, age, now);
        match known {
            Some(known) => renew(known, peer, joined, &self.names),
            None => Arc::new(describe(peer, joined, &self.names)),
        }
    }

    /// The peers of a group have these parameters where their values do not set them. Returns the
    /// names of the peers to describe anew.
    pub(super) fn set_defaults(
        &mut self,
        group: &Arc<str>,
        defaults: Option<&Overrides>,
    ) -> Vec<Arc<str>> {
        self.names.set_defaults(group, defaults);
        self.keys_of(group)
    }

    /// The names of the peers of a group.
    pub(super) fn keys_of(&self, group: &Arc<str>) -> Vec<Arc<str>> {
        let of_group = self.specs.iter().filter(|spec| spec.group.as_ref() == Some(group));
        let mut keys: Vec<_> = of_group.filter_map(|spec| spec.key.clone()).collect();
        keys.dedup();
        keys
    }

    /// The peers as the zone takes them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<PeerSpec>> {
        self.specs.iter()
    }

    /// The peers as etcd has them.
    pub(super) fn peers(&self) -> impl Iterator<Item = Peer> {
        self.specs.iter().filter_map(|spec| peer(spec))
    }
}

/// A peer's name.
fn name(spec: &Arc<PeerSpec>) -> Option<&str> {
    spec.key.as_deref()
}

fn by_address(one: &Arc<PeerSpec>, other: &Arc<PeerSpec>) -> Ordering {
    one.socket_address.cmp(&other.socket_address)
}

/// The peer as etcd has it; `None` for one of a `server` line.
pub(super) fn peer(desired: &PeerSpec) -> Option<Peer> {
    let key = desired.key.as_ref()?;
    Some(Peer {
        key: Arc::clone(key),
        address: socket_address::parse(&desired.socket_address)?,
        source: Source::of_text(key, desired.source.as_deref()),
        server: Arc::clone(&desired.server),
        parameters: desired.parameters,
        own: OwnParameters::ALL,
        route: desired.route.clone(),
        labels: Labels::of_text(desired.labels.clone()),
        create_revision: desired.create_revision.cast_signed(),
    })
}

fn renew(known: Arc<PeerSpec>, peer: Peer, joined: u64, names: &Names) -> Arc<PeerSpec> {
    let sticky = if known.route == peer.route {
        known.sticky
    } else {
        names.sticky_id(&peer.key, &known.name, peer.route.as_deref())
    };
    let labels = peer.labels.text();
    let group = if known.labels.as_ref() == labels {
        known.group.clone()
    } else {
        names.group(&peer.key, labels)
    };
    let parameters = names.parameters(peer.own, peer.parameters, group.as_ref());
    let spec = PeerSpec {
        server: shared(&known.name, peer.server),
        sticky,
        group,
        route: peer.route,
        labels: labels.cloned(),
        source: peer.source.text(&peer.key),
        create_revision: peer.create_revision.unsigned_abs(),
        joined,
        parameters,
        ..PeerSpec::clone(&known)
    };
    // The same one, where it says the same: then nothing has to be compared later.
    if spec == *known { known } else { Arc::new(spec) }
}
