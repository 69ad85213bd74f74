//! What the watcher reports for the status of an upstream, apart from what the zone has counters
//! for: JSON in the zone.

use etcd_watch::Continuity;
use serde::{Deserialize, Serialize};

/// The report. One that cannot be read counts as an empty one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Report {
    /// The keys whose present value is rejected, the first ones.
    pub(crate) rejected: Vec<Rejection>,
    /// The keys whose host names cannot be resolved, the first ones.
    pub(crate) unresolved: Vec<Unresolved>,
    /// The number of keys with such host names.
    pub(crate) unresolved_total: usize,
    /// The number of servers whose labels are not those of `etcd_select`.
    pub(crate) unselected: usize,
    /// The URL of the member of etcd in use, or last in use; `None` before the first answer.
    pub(crate) endpoint: Option<String>,
    /// All endpoints of the cluster.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Why etcd is not followed, and what to do about it; `None` if it is.
    pub(crate) trouble: Option<String>,
    /// Why peers do not fit into the zone, and what to do about it; `None` if all fit.
    pub(crate) room: Option<String>,
    /// Why peers are in service that etcd does not have; `None` if there are none.
    pub(crate) holding: Option<Holding>,
    /// The state file; `None` without `state=`.
    pub(crate) state: Option<StateFile>,
}

/// An endpoint of the cluster.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Endpoint {
    /// Its URL.
    pub(crate) url: String,
    /// What it is to the watcher.
    pub(crate) state: EndpointState,
    /// Why the last attempt to use it failed, and what to do about it.
    pub(crate) trouble: Option<String>,
}

/// What an endpoint is to the watcher.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointState {
    /// etcd is followed there.
    InUse,
    /// etcd is followed elsewhere, or not yet.
    Standby,
    /// The last attempt to use it failed.
    Failed,
}

/// The file of `state=`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct StateFile {
    /// Its path.
    pub(crate) file: String,
    /// The revision of the list in it; `None` if it was not read or written yet, or could not be
    /// used.
    pub(crate) revision: Option<u64>,
    /// Why it could not be read or written, and what to do about it; `None` after a successful
    /// write.
    pub(crate) trouble: Option<String>,
}

/// A key whose present value is rejected.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(crate) struct Rejection {
    /// The key, with the prefix.
    pub(crate) key: String,
    /// Why the value is rejected.
    pub(crate) reason: String,
}

/// A key whose host name cannot be resolved, or is not resolved yet.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Unresolved {
    /// The key, with the prefix.
    pub(crate) key: String,
    /// The host name.
    pub(crate) name: String,
    /// The number of addresses of the name that are still used.
    pub(crate) addresses: usize,
    /// Since when, in milliseconds of the monotonic clock.
    pub(crate) since: u64,
    /// Why; `None` before the first answer.
    pub(crate) reason: Option<String>,
}

/// Peers that are in service although etcd does not have them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Holding {
    /// What happened to etcd or to the keys.
    pub(crate) reason: HoldingReason,
    /// Until when they are held, in milliseconds of the monotonic clock.
    pub(crate) until: u64,
    /// The number of keys whose peers are held.
    pub(crate) peers: usize,
}

/// Why peers are held.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldingReason {
    /// etcd was replaced by another cluster, which has no valid peer.
    AnotherCluster,
    /// etcd was wiped or restored from a backup, and has no valid peer.
    OlderState,
    /// Too many leases expired at once.
    ExpiredLeases,
}

impl HoldingReason {
    /// The reason if etcd was replaced, restored or wiped.
    pub(crate) fn of(continuity: Continuity) -> Self {
        if continuity == Continuity::OtherCluster { Self::AnotherCluster } else { Self::OlderState }
    }

    /// How etcd relates to the one that the peers came from; `None` if it is the same.
    pub(crate) fn continuity(self) -> Option<Continuity> {
        match self {
            Self::AnotherCluster => Some(Continuity::OtherCluster),
            Self::OlderState => Some(Continuity::OlderRevision),
            Self::ExpiredLeases => None,
        }
    }
}

impl Report {
    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// The report as JSON, as the zone contains it.
    ///
    /// # Errors
    ///
    /// An error of `serde_json`. Reports contain only texts, numbers and lists, for which there is
    /// none.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}
