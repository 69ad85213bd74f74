//! What `etcd_status` says. Fields that modules of other versions do not have are empty.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole document.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Document {
    #[serde(default)]
    pub(crate) nginx_version: String,
    /// The module's version.
    #[serde(default)]
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) watcher_pid: Option<i64>,
    /// Seconds since 1970.
    #[serde(default)]
    pub(crate) time: Option<f64>,
    /// The bounds of the histograms of times, in seconds.
    #[serde(default)]
    pub(crate) time_bounds: Vec<f64>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Live>,
    #[serde(default)]
    pub(crate) geo: BTreeMap<String, Live>,
    #[serde(default)]
    pub(crate) maps: BTreeMap<String, Live>,
}

/// An upstream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Upstream {
    /// `http` or `stream`; empty if the module is older than the field, and knows `http` alone.
    pub(crate) kind: String,
    pub(crate) cluster: String,
    pub(crate) prefix: String,
    pub(crate) balance: String,
    pub(crate) panic: bool,
    pub(crate) groups: Option<Groups>,
    pub(crate) revision: i64,
    pub(crate) connected: bool,
    pub(crate) seconds_since_last_word: Option<f64>,
    pub(crate) rejected_total: u64,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) unresolved: Vec<Unresolved>,
    pub(crate) unresolved_total: u64,
    pub(crate) endpoint: Option<String>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) trouble: Option<String>,
    pub(crate) holding: Option<Holding>,
    pub(crate) state: Option<StateFile>,
    pub(crate) zone: Zone,
    pub(crate) statistics: Option<UpstreamStatistics>,
    pub(crate) changes_total: Option<u64>,
    pub(crate) changes: Vec<Change>,
    pub(crate) peers_by_state: Option<BTreeMap<String, u64>>,
    pub(crate) peers: Vec<Peer>,
}

impl Upstream {
    /// Whether its peers get sessions, not requests.
    pub(crate) fn is_stream(&self) -> bool {
        self.kind == "stream"
    }
}

/// A key whose value is rejected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rejected {
    pub(crate) key: String,
    pub(crate) reason: String,
}

/// A key whose host name is not resolved.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Unresolved {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) reason: Option<String>,
}

/// An endpoint of etcd.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) trouble: Option<String>,
}

/// Why peers are held.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Holding {
    pub(crate) reason: String,
    pub(crate) seconds_left: f64,
    pub(crate) peers: u64,
}

/// The groups of an upstream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Groups {
    /// What they have of their own, if they can have something.
    pub(crate) settings: Option<Live>,
}

/// The state file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StateFile {
    pub(crate) file: String,
    pub(crate) trouble: Option<String>,
}

/// The shared memory.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Zone {
    pub(crate) size: u64,
    pub(crate) used: u64,
    pub(crate) full: bool,
    pub(crate) left_out: u64,
}

/// How often something took how long: counts by the bounds, and their sum in seconds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Histogram {
    pub(crate) counts: Vec<u64>,
}

/// The figures of an upstream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UpstreamStatistics {
    pub(crate) requests: u64,
    pub(crate) responses: BTreeMap<String, u64>,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) retries: u64,
    pub(crate) header_time: Histogram,
    pub(crate) response_time: Histogram,
    pub(crate) no_peer: u64,
}

/// The figures of a peer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PeerStatistics {
    pub(crate) responses: BTreeMap<String, u64>,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) header_time: Histogram,
    pub(crate) response_time: Histogram,
}

/// The checks of a peer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Checks {
    pub(crate) last_error: Option<String>,
}

/// A change of the list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    pub(crate) number: u64,
    pub(crate) time: f64,
    pub(crate) revision: i64,
    pub(crate) cause: String,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) omitted: u64,
    pub(crate) detail: Option<String>,
}

/// A peer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Peer {
    /// None for a peer of a `server` line.
    pub(crate) key: Option<String>,
    pub(crate) address: String,
    pub(crate) weight: u32,
    pub(crate) backup: bool,
    pub(crate) drain: bool,
    pub(crate) state: String,
    pub(crate) health: String,
    pub(crate) connections: u64,
    pub(crate) upgraded: u64,
    pub(crate) closes_in: Option<f64>,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) seconds_in_state: Option<f64>,
    pub(crate) seconds_since_last_pick: Option<f64>,
    pub(crate) checks: Option<Checks>,
    pub(crate) statistics: Option<PeerStatistics>,
}

/// A variable, a set of networks, a map, or the settings of groups.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Live {
    pub(crate) rejected: Option<String>,
    pub(crate) held: Option<f64>,
    pub(crate) state: Option<StateFile>,
}

#[cfg(test)]
mod tests {
    use super::Document;

    #[test]
    fn fields_of_other_versions_may_be_missing() {
        let old = r#"{"nginx_version":"1.22.1","upstreams":{"a":{"peers":[{"key":null}]}}}"#;
        let document: Document = serde_json::from_str(old).expect("a document");
        assert_eq!(document.version, None);
        assert!(document.upstreams["a"].peers[0].statistics.is_none());
        assert!(!document.upstreams["a"].is_stream());
        let new = r#"{"upstreams":{"a":{"holding":null,"unknown":[{}],"statistics":null}}}"#;
        assert!(serde_json::from_str::<Document>(new).is_ok());
        for none in ["{}", "[]", "{\"upstreams\":null}"] {
            assert!(serde_json::from_str::<Document>(none).is_err(), "{none}");
        }
    }
}
