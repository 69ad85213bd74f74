//! What an upstream needs of its tables beside the peers.

use peer_balance::Method;

/// What an upstream needs of its tables beside the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// The balancing method of `etcd_balance`.
    pub method: Method,
    /// Whether `etcd_sticky` is on: the table then has an index of the cookies' ids.
    pub is_sticky: bool,
    /// How active checks decide; `None` without `etcd_check`.
    pub checking: Option<CheckPolicy>,
    /// Whether requests choose among the peers of one group, by [`PeerSpec::group`]. It is settled
    /// before the first peers are published.
    ///
    /// [`PeerSpec::group`]: crate::PeerSpec::group
    pub is_grouped: bool,
}

impl TableOptions {
    /// Without what takes room beside the peers: requests go by round robin then.
    pub(super) fn plain(self) -> Self {
        Self { method: Method::RoundRobin, is_sticky: false, ..self }
    }
}

/// What active checks mean for the peers of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckPolicy {
    /// `mandatory`: a new peer gets no requests before it has passed its first check.
    pub mandatory: bool,
    /// Where every peer fails, all are used but those that have not passed their first check yet
    /// (`mandatory`).
    pub panic: bool,
}
