//! Peers as the zone takes them: made of what etcd says, and kept, since most of a list is the same
//! after each change.

use std::{collections::BTreeMap, sync::Arc};

use peer_zone::PeerSpec;
use upstream_peers::{Ages, KnownAge, Labels, Peer, SocketAddress, Source};

use crate::{
    nginx::socket_address,
    zones::peer_specs::{Names, describe, shared},
};

/// The peers of a list, each with what it was made of.
pub(super) struct Described {
    /// By their names; those of each in the order of their socket addresses' bytes, as a zone has
    /// them.
    peers: BTreeMap<Arc<str>, Vec<DescribedPeer>>,
    names: Names,
}

/// A peer as the zone takes it, with what it says in bytes and as a text.
struct DescribedPeer {
    address: SocketAddress,
    source: Source,
    spec: Arc<PeerSpec>,
}

impl Described {
    /// The peers with keys that a zone has already, in their order.
    pub(super) fn of_zone<'a>(listed: impl Iterator<Item = &'a PeerSpec>, names: Names) -> Self {
        let mut peers: BTreeMap<Arc<str>, Vec<DescribedPeer>> = BTreeMap::new();
        for desired in listed {
            let Some(key) = &desired.key else { continue };
            let Some(address) = socket_address::parse(&desired.socket_address) else { continue };
            let server = shared(&desired.name, Arc::clone(&desired.server));
            // Made again: another configuration may have another secret.
            let sticky = names.sticky_id(key, &desired.name, desired.route.as_deref());
            let source = Source::of_text(key, desired.source.as_deref());
            let spec = Arc::new(PeerSpec { server, sticky, ..desired.clone() });
            let described = DescribedPeer { address, source, spec };
            peers.entry(Arc::clone(key)).or_insert_with(one).push(described);
        }
        Self { peers, names }
    }

    /// Takes a new list, in the order of names, and asks `ages` when each of its peers joined. What
    /// was in the last one is not made again.
    pub(super) fn update(&mut self, peers: Vec<Peer>, ages: &Ages, now: u64) {
        let before = std::mem::take(&mut self.peers);
        let mut peers = peers.into_iter().peekable();
        let mut before = before.into_iter().peekable();
        let mut all = Vec::new();
        while let Some(first) = peers.next() {
            let key = Arc::clone(&first.key);
            while before.next_if(|(known, _)| *known < key).is_some() {}
            let known = before.next_if(|(known, _)| *known == key).map(|(_, known)| known);
            let mut more = Vec::new();
            while let Some(next) = peers.next_if(|next| next.key == key) {
                more.push(next);
            }
            let known = known.unwrap_or_default();
            let described = if more.is_empty() && known.len() <= 1 {
                self.describe_only(known, first, ages, now)
            } else {
                more.insert(0, first);
                self.describe_key(known, more, ages, now)
            };
            all.push((key, described));
        }
        self.peers = all.into_iter().collect();
    }

    /// Takes the new peers of a name, as [`update`](Self::update) does with all. Returns them as
    /// the zone takes them.
    pub(super) fn update_key(
        &mut self,
        key: &Arc<str>,
        peers: Vec<Peer>,
        ages: &Ages,
        now: u64,
    ) -> Vec<Arc<PeerSpec>> {
        let known = self.peers.remove(key).unwrap_or_default();
        let described = self.describe_key(known, peers, ages, now);
        let specs = described.iter().map(|peer| Arc::clone(&peer.spec)).collect();
        if !described.is_empty() {
            self.peers.insert(Arc::clone(key), described);
        }
        specs
    }

    /// As [`describe_key`](Self::describe_key), for one peer in the place of one or none: as nearly
    /// all are, and without another allocation for each.
    fn describe_only(
        &self,
        mut known: Vec<DescribedPeer>,
        peer: Peer,
        ages: &Ages,
        now: u64,
    ) -> Vec<DescribedPeer> {
        let before = known.pop().filter(|before| before.address == peer.address);
        known.reserve_exact(1);
        known.push(self.describe_peer(before, peer, ages, now));
        known
    }

    fn describe_key(
        &self,
        mut known: Vec<DescribedPeer>,
        peers: Vec<Peer>,
        ages: &Ages,
        now: u64,
    ) -> Vec<DescribedPeer> {
        let describe = |peer: Peer| {
            let at = known.iter().position(|known| known.address == peer.address);
            let known = at.map(|at| known.swap_remove(at));
            self.describe_peer(known, peer, ages, now)
        };
        let mut described: Vec<_> = peers.into_iter().map(describe).collect();
        described.sort_by(|one, other| one.spec.socket_address.cmp(&other.spec.socket_address));
        described
    }

    /// A peer of which something is `known`, or nothing.
    fn describe_peer(
        &self,
        known: Option<DescribedPeer>,
        peer: Peer,
        ages: &Ages,
        now: u64,
    ) -> DescribedPeer {
        let age = known.as_ref().map(|DescribedPeer { spec, .. }| KnownAge {
            create_revision: spec.create_revision.cast_signed(),
            joined: spec.joined,
        });
        let joined = ages.joined(&peer.key, peer.create_revision, age, now);
        match known {
            Some(known) => renew(known, peer, joined, &self.names),
            None => {
                let source = peer.source.clone();
                let (address, spec) = describe(peer, joined, &self.names);
                DescribedPeer { address, source, spec: Arc::new(spec) }
            }
        }
    }

    /// The peers as the zone takes them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<PeerSpec>> {
        self.peers.values().flatten().map(|peer| &peer.spec)
    }

    /// The peers as etcd has them.
    pub(super) fn peers(&self) -> impl Iterator<Item = Peer> {
        let peers = self.peers.values().flatten();
        peers.filter_map(|known| peer(known.address.clone(), &known.spec))
    }
}

/// Room for one.
fn one() -> Vec<DescribedPeer> {
    Vec::with_capacity(1)
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

fn renew(known: DescribedPeer, peer: Peer, joined: u64, names: &Names) -> DescribedPeer {
    let DescribedPeer { address, source, spec: known } = known;
    let text =
        if source == peer.source { known.source.clone() } else { peer.source.text(&peer.key) };
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
        ..PeerSpec::clone(&known)
    };
    // The same one, where it says the same: then nothing has to be compared later.
    let spec = if spec == *known { known } else { Arc::new(spec) };
    DescribedPeer { address, source: peer.source, spec }
}
