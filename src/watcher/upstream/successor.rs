//! What an etcd has that was wiped, restored or replaced, while the peers are not made of it.

use host_names::HostNames;
use upstream_peers::Membership;

use crate::zones::report::HoldingReason;

/// It succeeds the peers in hand once it has a valid one.
pub(super) struct Successor {
    pub(super) members: Membership,
    /// What etcd is, compared with before.
    pub(super) reason: HoldingReason,
    /// Until when (ms of the monotonic clock) the peers in hand stay without it having any.
    pub(super) until: u64,
}

impl Successor {
    /// Whether it has a peer that can be reached: one whose host name is still being resolved is
    /// none yet.
    pub(super) fn has_peers(&self, names: &HostNames) -> bool {
        !self.members.peers(|name| names.addresses(name)).is_empty()
    }

    /// What etcd is, compared with before.
    pub(super) fn etcd(&self) -> &'static str {
        match self.reason {
            HoldingReason::OlderState => "an older state",
            HoldingReason::AnotherCluster | HoldingReason::ExpiredLeases => "another cluster",
        }
    }
}
