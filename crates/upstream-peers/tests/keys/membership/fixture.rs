//! Keys and peers to test with.

use std::net::IpAddr;

use upstream_peers::{
    Labels, Membership, MembershipChange, OwnParameters, Parameters, Peer, SocketAddress, Source,
};

/// The revision at which all keys were made, where a test does not say otherwise.
pub const MADE: i64 = 1;

/// Two addresses of any name.
pub fn resolve(_: &str) -> [IpAddr; 2] {
    [[10, 9, 0, 2].into(), [10, 9, 0, 1].into()]
}

/// No address of any name.
pub fn unresolved(_: &str) -> [IpAddr; 0] {
    []
}

/// The peers, each with its key, address and weight.
pub fn printed<A: AsRef<[IpAddr]>>(
    members: &Membership,
    resolve: impl Fn(&str) -> A,
) -> Vec<String> {
    let peers = members.peers(resolve);
    peers
        .iter()
        .map(|peer| format!("{} {} {}", peer.key, peer.address, peer.parameters.weight))
        .collect()
}

/// Takes a list of keys with values.
pub fn list(members: &mut Membership, items: &[(&str, &str)]) -> MembershipChange {
    members.replace(items.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes(), MADE)))
}

/// A peer as a zone has it.
pub fn seed(key: &str, address: &str, weight: u32) -> Peer {
    Peer {
        key: key.into(),
        address: ip(address),
        server: address.strip_suffix(":80").unwrap_or(address).into(),
        parameters: Parameters { weight, ..Parameters::default() },
        own: OwnParameters::ALL,
        route: None,
        labels: Labels::default(),
        create_revision: MADE,
        source: Source::default(),
    }
}

/// An address with a port.
pub fn ip(text: &str) -> SocketAddress {
    SocketAddress::Ip(text.parse().expect("an address"))
}
