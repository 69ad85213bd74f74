//! Peers as the zone takes them: made of what etcd says, and kept, since most of a list is the same
//! after each change.

use std::{cmp::Ordering, rc::Rc, sync::Arc};

use peer_zone::PeerSpec;
use upstream_peers::{Ages, Known, Parameters, Peer, SocketAddress};

use crate::{conf::Naming, socket_address};

/// The peers of a list, each with what it was made of.
pub(super) struct Described {
    peers: Vec<(SocketAddress, PeerSpec)>,
    names: Names,
}

/// How peers are named to clients, where they are.
pub(crate) struct Names {
    /// The prefix of their keys.
    pub(crate) prefix: Rc<str>,
    /// By what clients know them.
    pub(crate) naming: Naming,
}

impl Names {
    /// The id by which a client names the peer, or 0.
    fn sticky_id(&self, key: &str, address: &str, route: Option<&str>) -> u64 {
        self.naming.id(&self.prefix, key, address, route)
    }
}

impl Described {
    /// The peers with keys that a zone has already.
    pub(super) fn of_zone<'a>(listed: impl Iterator<Item = &'a PeerSpec>, names: Names) -> Self {
        let mut peers: Vec<_> = listed
            .filter(|desired| desired.key.is_some())
            .filter_map(|desired| {
                let server = shared(&desired.name, Arc::clone(&desired.server));
                let address = socket_address::parse(&desired.socket_address)?;
                // Made anew: another configuration may have another secret.
                let key = desired.key.as_deref().unwrap_or_default();
                let sticky = names.sticky_id(key, &desired.name, desired.route.as_deref());
                Some((address, PeerSpec { server, sticky, ..desired.clone() }))
            })
            .collect();
        // A zone has them in the order of the addresses' bytes.
        peers.sort_by(|(address, desired), (other_address, other)| {
            desired.key.cmp(&other.key).then_with(|| address.cmp(other_address))
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
                let is_behind =
                    |known: &(SocketAddress, PeerSpec)| compare(known, &peer) == Ordering::Less;
                while before.next_if(is_behind).is_some() {}
                let known = before.next_if(|known| compare(known, &peer) == Ordering::Equal);
                let age = known.as_ref().map(|(_, known)| Known {
                    create_revision: known.create_revision.cast_signed(),
                    joined: known.joined,
                });
                let joined = ages.joined(&peer.key, peer.create_revision, age, now);
                match known {
                    Some((address, known)) => (address, renew(known, peer, joined, names)),
                    None => describe(peer, joined, names),
                }
            })
            .collect();
    }

    /// The peers as the zone takes them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &PeerSpec> {
        self.peers.iter().map(|(_, desired)| desired)
    }

    /// The peers as etcd has them.
    pub(super) fn peers(&self) -> impl Iterator<Item = Peer> {
        self.peers.iter().filter_map(|(address, desired)| peer(address.clone(), desired))
    }
}

/// The peer, at this address, as etcd has it; `None` for one of a `server` line.
pub(super) fn peer(address: SocketAddress, desired: &PeerSpec) -> Option<Peer> {
    Some(Peer {
        key: Arc::clone(desired.key.as_ref()?),
        address,
        server: Arc::clone(&desired.server),
        parameters: of_zone(desired.parameters),
        route: desired.route.clone(),
        create_revision: desired.create_revision.cast_signed(),
    })
}

fn compare((address, known): &(SocketAddress, PeerSpec), peer: &Peer) -> Ordering {
    let by_key = match &known.key {
        Some(key) if Arc::ptr_eq(key, &peer.key) => Ordering::Equal,
        key => key.as_deref().cmp(&Some(&*peer.key)),
    };
    by_key.then_with(|| address.cmp(&peer.address))
}

fn renew(known: PeerSpec, peer: Peer, joined: u64, names: &Names) -> PeerSpec {
    let sticky = if known.route == peer.route {
        known.sticky
    } else {
        names.sticky_id(&peer.key, &known.name, peer.route.as_deref())
    };
    PeerSpec {
        server: shared(&known.name, peer.server),
        sticky,
        route: peer.route,
        create_revision: peer.create_revision.unsigned_abs(),
        joined,
        parameters: to_zone(peer.parameters),
        ..known
    }
}

/// The peer as the zone takes it, with its address. It `joined` at a time of the monotonic clock
/// (ms), or 0: long ago.
pub(crate) fn describe(peer: Peer, joined: u64, names: &Names) -> (SocketAddress, PeerSpec) {
    let name = peer.address.to_string();
    let name = if *peer.server == *name { Arc::clone(&peer.server) } else { name.into() };
    let sticky = names.sticky_id(&peer.key, &name, peer.route.as_deref());
    let desired = PeerSpec {
        key: Some(peer.key),
        socket_address: socket_address::bytes(&peer.address),
        name,
        server: peer.server,
        sticky,
        route: peer.route,
        create_revision: peer.create_revision.unsigned_abs(),
        joined,
        parameters: to_zone(peer.parameters),
    };
    (peer.address, desired)
}

/// The text, as the string of the name where that says the same.
fn shared(name: &Arc<str>, text: Arc<str>) -> Arc<str> {
    if *name == text { Arc::clone(name) } else { text }
}

/// The zone keeps its own type, so that what etcd says and what lies in shared memory can change
/// apart.
fn to_zone(parameters: Parameters) -> peer_zone::Parameters {
    let Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, backup, down, drain } =
        parameters;
    peer_zone::Parameters {
        weight,
        max_conns,
        max_fails,
        fail_timeout,
        slow_start,
        backup,
        down,
        drain,
    }
}

/// The way back.
fn of_zone(parameters: peer_zone::Parameters) -> Parameters {
    let peer_zone::Parameters {
        weight,
        max_conns,
        max_fails,
        fail_timeout,
        slow_start,
        backup,
        down,
        drain,
    } = parameters;
    Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, backup, down, drain }
}
