//! Peers as the zone takes them: made of what etcd says, and kept, since most of a list is the same
//! after each change.

use std::{cmp::Ordering, sync::Arc};

use peer_zone::PeerSpec;
use upstream_peers::{Ages, KnownAge, Labels, Peer, SocketAddress, Source};

use crate::{
    nginx::socket_address,
    zones::peer_specs::{Names, describe, shared},
};

/// The peers of a list, each with what it was made of.
pub(super) struct Described {
    peers: Vec<DescribedPeer>,
    names: Names,
}

/// A peer as the zone takes it, with what it says in bytes and as a text.
struct DescribedPeer {
    address: SocketAddress,
    source: Source,
    spec: PeerSpec,
}

impl Described {
    /// The peers with keys that a zone has already.
    pub(super) fn of_zone<'a>(listed: impl Iterator<Item = &'a PeerSpec>, names: Names) -> Self {
        let mut peers: Vec<_> = listed
            .filter(|desired| desired.key.is_some())
            .filter_map(|desired| {
                let server = shared(&desired.name, Arc::clone(&desired.server));
                let address = socket_address::parse(&desired.socket_address)?;
                // Made again: another configuration may have another secret.
                let key = desired.key.as_deref().unwrap_or_default();
                let sticky = names.sticky_id(key, &desired.name, desired.route.as_deref());
                let source = Source::of_text(key, desired.source.as_deref());
                let spec = PeerSpec { server, sticky, ..desired.clone() };
                Some(DescribedPeer { address, source, spec })
            })
            .collect();
        // A zone has them in the order of the addresses' bytes.
        peers.sort_by(|one, other| {
            let by_key = one.spec.key.cmp(&other.spec.key);
            by_key.then_with(|| one.address.cmp(&other.address))
        });
        Self { peers, names }
    }

    /// Takes a new list, and asks `ages` when each of its peers joined. What was in the last one,
    /// which is in the same order (of keys, then of addresses), is not made again.
    pub(super) fn update(&mut self, peers: Vec<Peer>, ages: &Ages, now: u64) {
        let mut before = std::mem::take(&mut self.peers).into_iter().peekable();
        let names = &self.names;
        self.peers = peers
            .into_iter()
            .map(|peer| {
                let is_behind = |known: &DescribedPeer| compare(known, &peer) == Ordering::Less;
                while before.next_if(is_behind).is_some() {}
                let known = before.next_if(|known| compare(known, &peer) == Ordering::Equal);
                let age = known.as_ref().map(|DescribedPeer { spec, .. }| KnownAge {
                    create_revision: spec.create_revision.cast_signed(),
                    joined: spec.joined,
                });
                let joined = ages.joined(&peer.key, peer.create_revision, age, now);
                match known {
                    Some(known) => renew(known, peer, joined, names),
                    None => {
                        let source = peer.source.clone();
                        let (address, spec) = describe(peer, joined, names);
                        DescribedPeer { address, source, spec }
                    }
                }
            })
            .collect();
    }

    /// The peers as the zone takes them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &PeerSpec> {
        self.peers.iter().map(|peer| &peer.spec)
    }

    /// The peers as etcd has them.
    pub(super) fn peers(&self) -> impl Iterator<Item = Peer> {
        self.peers.iter().filter_map(|known| peer(known.address.clone(), &known.spec))
    }
}

/// The peer, at this address, as etcd has it; `None` for one of a `server` line.
pub(super) fn peer(address: SocketAddress, desired: &PeerSpec) -> Option<Peer> {
    let key = desired.key.as_ref()?;
    Some(Peer {
        key: Arc::clone(key),
        address,
        source: Source::of_text(key, desired.source.as_deref()),
        server: Arc::clone(&desired.server),
        parameters: desired.parameters,
        route: desired.route.clone(),
        labels: Labels::of_text(desired.labels.clone()),
        create_revision: desired.create_revision.cast_signed(),
    })
}

fn compare(DescribedPeer { address, spec, .. }: &DescribedPeer, peer: &Peer) -> Ordering {
    let by_key = match &spec.key {
        Some(key) if Arc::ptr_eq(key, &peer.key) => Ordering::Equal,
        key => key.as_deref().cmp(&Some(&*peer.key)),
    };
    by_key.then_with(|| address.cmp(&peer.address))
}

fn renew(known: DescribedPeer, peer: Peer, joined: u64, names: &Names) -> DescribedPeer {
    let DescribedPeer { address, source, spec: known } = known;
    let text = if source == peer.source { known.source } else { peer.source.text(&peer.key) };
    let sticky = if known.route == peer.route {
        known.sticky
    } else {
        names.sticky_id(&peer.key, &known.name, peer.route.as_deref())
    };
    let spec = PeerSpec {
        server: shared(&known.name, peer.server),
        sticky,
        route: peer.route,
        labels: peer.labels.text().cloned(),
        source: text,
        create_revision: peer.create_revision.unsigned_abs(),
        joined,
        parameters: peer.parameters,
        ..known
    };
    DescribedPeer { address, source: peer.source, spec }
}
