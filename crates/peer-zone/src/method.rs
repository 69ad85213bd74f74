//! The balancing methods.

/// How a peer is chosen; the names are nginx's, where nginx has the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Smooth and weighted.
    #[default]
    RoundRobin,
    /// The peer with the fewest open connections for its weight.
    LeastConn,
    /// Any, by weight.
    Random,
    /// Of two at random, by weight, the one with fewer open connections for its weight.
    RandomTwo,
    /// Of two at random, by weight, the one that answers sooner, by its recent response times and
    /// open connections.
    LeastTime,
    /// By a key, which keeps its peer for as long as the peers stay the same.
    Hash,
    /// By a key, most of which keep their peers when one comes or goes (ketama).
    HashConsistent,
    /// By the client's address.
    IpHash,
}

impl Method {
    /// As it stands behind `etcd_balance`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConn => "least_conn",
            Self::Random => "random",
            Self::RandomTwo => "random two",
            Self::LeastTime => "least_time",
            Self::Hash => "hash",
            Self::HashConsistent => "hash consistent",
            Self::IpHash => "ip_hash",
        }
    }

    /// Whether it needs [`TableHeader::ranges`](crate::layout::TableHeader::ranges).
    pub(crate) fn needs_ranges(self) -> bool {
        matches!(self, Self::Hash | Self::IpHash)
    }

    /// Whether it needs [`TableHeader::ring`](crate::layout::TableHeader::ring).
    pub(crate) fn needs_ring(self) -> bool {
        self == Self::HashConsistent
    }
}
