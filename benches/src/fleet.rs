//! What stands in an upstream.

use serde::{Deserialize, Serialize};

use crate::method::Method;

/// Zone for each peer while one table takes the place of another.
const ZONE_PER_PEER: usize = 1 << 10;
/// And for the points of `hash consistent`, 160 of 8 bytes for each peer, in each of three tables
/// that do not all fit where another was.
const RING_PER_PEER: usize = 6 << 10;
/// Mebibytes besides.
const ZONE_AT_LEAST: usize = 8;

/// Peers and how they are used.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Fleet {
    /// How many.
    pub peers: usize,
    /// How they are chosen.
    pub method: Method,
    /// Whether each has an address of its own.
    pub is_distinct: bool,
    /// Whether a connection is kept to each.
    pub keeps: bool,
    /// Whether they speak TLS.
    pub tls: bool,
    /// Room for as many WebSockets.
    pub sessions: usize,
}

impl Fleet {
    /// Chosen by turns, all at one address, without kept connections.
    pub fn plain(peers: usize) -> Self {
        Self::of(peers, Method::RoundRobin)
    }

    /// As the method needs them.
    pub fn of(peers: usize, method: Method) -> Self {
        Self {
            peers,
            method,
            is_distinct: method.needs_distinct(),
            keeps: false,
            tls: false,
            sessions: 0,
        }
    }

    /// Each at an address of its own, with a connection kept to each.
    pub fn kept(peers: usize, method: Method) -> Self {
        Self { peers, method, is_distinct: true, keeps: true, tls: false, sessions: 0 }
    }

    /// Each at an address of its own, with TLS and a new connection for each request.
    pub fn with_tls(peers: usize, method: Method) -> Self {
        Self { peers, method, is_distinct: true, keeps: false, tls: true, sessions: 0 }
    }

    /// Where peer `number` is: all on one port.
    pub fn address(&self, number: usize, port: u16) -> String {
        if !self.is_distinct {
            return format!("127.0.0.1:{port}");
        }
        // From 127.1.0.1 on: 65 000 of them for each second byte, without the last byte's ends.
        let (rest, last) = (number / 254, number % 254 + 1);
        format!("127.{}.{}.{last}:{port}", 1 + rest / 256, rest % 256)
    }

    /// The parameter of `etcd`.
    pub fn zone(&self) -> String {
        let ring = if self.method == Method::HashConsistent { RING_PER_PEER } else { 0 };
        format!("zone={}m", ZONE_AT_LEAST + ((self.peers * (ZONE_PER_PEER + ring)) >> 20))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::SocketAddrV4;

    use super::{Fleet, Method};

    #[test]
    fn addresses_are_distinct_and_local() {
        let fleet = Fleet::kept(100_000, Method::RoundRobin);
        let addresses: BTreeSet<SocketAddrV4> = (0..fleet.peers)
            .map(|number| fleet.address(number, 80).parse().expect("an address"))
            .collect();
        assert_eq!(addresses.len(), fleet.peers);
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
    }
}
