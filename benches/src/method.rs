//! The balancing methods, and what stands for each in a stock nginx.

use harness::Result;
use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Method {
    /// Smooth and weighted.
    RoundRobin,
    /// The fewest open connections.
    LeastConn,
    /// Any.
    Random,
    /// Of two the one with fewer open connections.
    RandomTwo,
    /// The least estimated time, by the average to the header.
    LeastTimeHeader,
    /// By that to the last byte, with the age of requests in flight.
    LeastTimeInflight,
    /// Of two the one that answers sooner.
    PeakEwma,
    /// By a key.
    Hash,
    /// By a key, most of which stay where they are when peers come or go.
    HashConsistent,
    /// By the client's address.
    IpHash,
}

/// All of them.
pub const METHODS: [Method; 10] = [
    Method::RoundRobin,
    Method::LeastConn,
    Method::Random,
    Method::RandomTwo,
    Method::LeastTimeHeader,
    Method::LeastTimeInflight,
    Method::PeakEwma,
    Method::Hash,
    Method::HashConsistent,
    Method::IpHash,
];

/// How many keys there are for the methods that go by one.
const KEYS: usize = 1_000;
/// The key of a request.
pub const KEY: &str = "$arg_k";

impl Method {
    /// In a table, and where methods are chosen.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConn => "least_conn",
            Self::Random => "random",
            Self::RandomTwo => "random two",
            Self::LeastTimeHeader => "least_time header",
            Self::LeastTimeInflight => "least_time last_byte inflight",
            Self::PeakEwma => "peak_ewma",
            Self::Hash => "hash",
            Self::HashConsistent => "hash consistent",
            Self::IpHash => "ip_hash",
        }
    }

    /// By its name.
    ///
    /// # Errors
    ///
    /// Where there is none of that name.
    pub fn by_name(name: &str) -> Result<Self> {
        let method = METHODS.into_iter().find(|method| method.name() == name);
        method.ok_or_else(|| format!("no method {name:?}").into())
    }

    fn words(self, key: &str) -> String {
        match self {
            Self::Hash => format!("hash {key}"),
            Self::HashConsistent => format!("hash {key} consistent"),
            _ => self.name().to_owned(),
        }
    }

    /// The module's directive, by this key where the method goes by one.
    pub fn directive(self, key: &str) -> String {
        format!("etcd_balance {};", self.words(key))
    }

    /// nginx's own, before its servers: for `peak_ewma`, which it has not, and for `least_time`,
    /// which it has from 1.31.0 on, the methods that are nearest.
    pub fn stock_directive(self, key: &str) -> String {
        match self {
            Self::RoundRobin => String::new(),
            Self::PeakEwma => Self::RandomTwo.stock_directive(key),
            Self::LeastTimeHeader | Self::LeastTimeInflight => Self::LeastConn.stock_directive(key),
            _ => format!("{};", self.words(key)),
        }
    }

    /// Whether peers need addresses of their own, without which they would all have the same points
    /// on the ring.
    pub fn needs_distinct(self) -> bool {
        self == Self::HashConsistent
    }
}

/// What request `number` asks for, as long for each, whatever the method makes of it.
pub fn path(number: usize) -> String {
    format!("/?k={:05}", number % KEYS)
}

#[cfg(test)]
mod tests {
    use super::{METHODS, Method};

    #[test]
    fn methods_are_found_by_their_names() {
        for method in METHODS {
            assert_eq!(Method::by_name(method.name()).expect("a method"), method);
        }
        assert!(Method::by_name("none").is_err());
    }
}
