//! What the watcher tells the status of an upstream, beside what its zone has words for; as JSON in
//! the zone.

use etcd_watch::Continuity;
use serde::{Deserialize, Serialize};

/// The whole. A report that cannot be read is an empty one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Report {
    /// Keys whose present value is rejected, the first ones.
    pub(crate) rejected: Vec<Rejection>,
    /// Keys whose host names cannot be resolved, the first ones, and how many there are.
    pub(crate) unresolved: Vec<Unresolved>,
    pub(crate) unresolved_total: usize,
    /// The URL of etcd's that is in use, or was last.
    pub(crate) endpoint: Option<String>,
    /// Why etcd is not followed just now, and what can be done about it.
    pub(crate) trouble: Option<String>,
    /// Why peers are left out, if the zone has no room for all, and what can be done about it.
    pub(crate) room: Option<String>,
    /// Why peers are in hand that etcd does not have.
    pub(crate) holding: Option<Holding>,
    /// The file that keeps the last good list, if there is to be one.
    pub(crate) state: Option<StateFile>,
}

/// The file of `state=`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct StateFile {
    /// Its path.
    pub(crate) file: String,
    /// The revision of the list that it has; `None` where that is not known, or there is none.
    pub(crate) revision: Option<u64>,
    /// Why it could not be read or written, and what can be done about it.
    pub(crate) trouble: Option<String>,
}

/// A rejected value.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(crate) struct Rejection {
    /// The key, with the prefix.
    pub(crate) key: String,
    /// Why.
    pub(crate) reason: String,
}

/// A key whose host name cannot be resolved, or has no address yet.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Unresolved {
    /// The key, with the prefix.
    pub(crate) key: String,
    /// The host name.
    pub(crate) name: String,
    /// How many addresses are in hand, and in use.
    pub(crate) addresses: usize,
    /// Since when, in milliseconds of the monotonic clock.
    pub(crate) since: u64,
    /// Why; `None` before the first answer.
    pub(crate) reason: Option<String>,
}

/// Peers that outlive their keys.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Holding {
    /// Why.
    pub(crate) reason: HoldingReason,
    /// Until when, in milliseconds of the monotonic clock.
    pub(crate) until: u64,
    /// How many.
    pub(crate) peers: usize,
}

/// Why peers outlive their keys.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldingReason {
    /// etcd was replaced by another cluster, which has no valid one.
    AnotherCluster,
    /// etcd was restored to an older state, which has no valid one.
    OlderState,
    /// Too many leases have run out at the same time.
    ExpiredLeases,
}

impl HoldingReason {
    /// For peers that outlive an etcd that was replaced, restored or wiped.
    pub(crate) fn of(continuity: Continuity) -> Self {
        if continuity == Continuity::OtherCluster { Self::AnotherCluster } else { Self::OlderState }
    }

    /// How etcd relates to the one that the peers came from; `None` where it is the same.
    pub(crate) fn continuity(self) -> Option<Continuity> {
        match self {
            Self::AnotherCluster => Some(Continuity::OtherCluster),
            Self::OlderState => Some(Continuity::OlderRevision),
            Self::ExpiredLeases => None,
        }
    }
}

impl Report {
    /// Reads what [`to_bytes`](Self::to_bytes) has made.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// As it lies in the zone.
    ///
    /// # Errors
    ///
    /// None that could happen with these types.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}
