//! Peers as the zone takes them: made of what etcd says, and kept, since most of a list is the same after each change.

use std::{cmp::Ordering, sync::Arc};

use peer_zone::Desired;
use upstream_peers::{Parameters, Peer, SocketAddress};

use crate::socket_address;

/// The peers of a list, each with what it was made of.
#[derive(Default)]
pub(super) struct Described(Vec<(SocketAddress, Desired)>);

impl Described {
    /// Takes a new list. What was in the last one, which is in the same order (of keys, then of addresses), is not made again.
    pub(super) fn update(&mut self, peers: Vec<Peer>) {
        let mut before = std::mem::take(&mut self.0).into_iter().peekable();
        self.0 = peers
            .into_iter()
            .map(|peer| {
                let is_behind = |known: &(SocketAddress, Desired)| compare(known, &peer) == Ordering::Less;
                while before.next_if(is_behind).is_some() {}
                match before.next_if(|known| compare(known, &peer) == Ordering::Equal) {
                    Some((address, known)) => {
                        (address, Desired { parameters: to_zone(peer.parameters), ..known })
                    }
                    None => describe(peer),
                }
            })
            .collect();
    }

    /// The peers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Desired> {
        self.0.iter().map(|(_, desired)| desired)
    }
}

fn compare((address, known): &(SocketAddress, Desired), peer: &Peer) -> Ordering {
    let by_key = match &known.key {
        Some(key) if Arc::ptr_eq(key, &peer.key) => Ordering::Equal,
        key => key.as_deref().cmp(&Some(&*peer.key)),
    };
    by_key.then_with(|| address.cmp(&peer.address))
}

fn describe(peer: Peer) -> (SocketAddress, Desired) {
    let desired = Desired {
        key: Some(peer.key),
        socket_address: socket_address::bytes(&peer.address),
        name: peer.address.to_string().into(),
        parameters: to_zone(peer.parameters),
    };
    (peer.address, desired)
}

/// The zone keeps its own type, so that what etcd says and what lies in shared memory can change apart.
fn to_zone(parameters: Parameters) -> peer_zone::Parameters {
    let Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, backup, down, drain } =
        parameters;
    peer_zone::Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, backup, down, drain }
}

/// The way back.
pub(super) fn of_zone(parameters: peer_zone::Parameters) -> Parameters {
    let peer_zone::Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, backup, down, drain } =
        parameters;
    Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, backup, down, drain }
}
