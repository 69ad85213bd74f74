//! What `etcd_status` says. The fields have the names, and the meaning, of the JSON's.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// nginx's version.
    pub nginx_version: String,
    /// The worker that answered.
    pub pid: i32,
    /// Idle connections that the worker that answered keeps.
    pub idle_connections: usize,
    /// TLS sessions with peers that the worker that answered keeps.
    #[serde(default)]
    pub tls_sessions: usize,
    /// The worker that runs the watcher, none at the moment or 0 between two.
    pub watcher_pid: Option<i32>,
    /// Each upstream with an `etcd` directive, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Each variable of `etcd_variable`, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Each variable of `etcd_geo`, by name.
    #[serde(default)]
    pub geo: BTreeMap<String, Geo>,
    /// Each variable of `etcd_map`, by name.
    #[serde(default)]
    pub maps: BTreeMap<String, LiveMap>,
}

/// One variable of `etcd_map`.
#[derive(Clone, Debug, Deserialize)]
pub struct LiveMap {
    /// The cluster's name.
    pub cluster: String,
    /// The prefix, with its final slash.
    pub prefix: String,
    /// How many keys have a value.
    pub entries: usize,
    /// Bytes that these take in the zone.
    pub bytes_used: usize,
    /// Bytes that there are.
    pub bytes_total: usize,
    /// Of the last change.
    pub revision: Option<i64>,
    /// Values rejected since the start.
    pub rejected_total: u64,
    /// A key that is rejected, and why.
    pub rejected: Option<String>,
    /// For how many seconds the values outlive a wiped etcd, if they do.
    pub held: Option<f64>,
    /// The file that keeps the last good values.
    #[serde(default)]
    pub state: Option<StateFile>,
}

/// One variable of `etcd_geo`.
#[derive(Clone, Debug, Deserialize)]
pub struct Geo {
    /// The cluster's name.
    pub cluster: String,
    /// The prefix, with its final slash.
    pub prefix: String,
    /// How many networks there are.
    pub networks: usize,
    /// Of the last change.
    pub revision: Option<i64>,
    /// Values rejected since the start.
    pub rejected_total: u64,
    /// A key that is rejected, and why.
    pub rejected: Option<String>,
    /// For how many seconds the networks outlive a wiped etcd, if they do.
    pub held: Option<f64>,
}

/// One variable of `etcd_variable`.
#[derive(Clone, Debug, Deserialize)]
pub struct Variable {
    /// The cluster's name.
    pub cluster: String,
    /// The key.
    pub key: String,
    /// Whether there is a value; otherwise it is the default.
    pub set: bool,
    /// Bytes of the value.
    pub size: usize,
    /// Of the last change.
    pub revision: Option<i64>,
    /// Values rejected since the start.
    pub rejected_total: u64,
    /// Why the present value is rejected, if it is.
    pub rejected: Option<String>,
    /// For how many seconds the value outlives a wiped etcd, if it does.
    pub held: Option<f64>,
}

/// One upstream.
#[derive(Clone, Debug, Deserialize)]
pub struct Upstream {
    /// `http` or `stream`, where it is; empty from a module that has HTTP alone.
    #[serde(default)]
    pub kind: String,
    /// The cluster's name.
    pub cluster: String,
    /// The prefix, with its final slash.
    pub prefix: String,
    /// The balancing method, without the key that `hash` goes by.
    pub balance: String,
    /// Whether every peer in service fails its checks, and all are used.
    pub panic: bool,
    /// Its groups; none without `etcd_group`.
    #[serde(default)]
    pub groups: Option<Groups>,
    /// Checks that could not be made, for a lack of nginx's own.
    pub checks_not_made: u64,
    /// The applied revision of etcd.
    pub revision: i64,
    /// Moves with each change of the table of peers, and only then.
    pub generation: u64,
    /// Whether the prefix is being followed.
    pub connected: bool,
    /// Since etcd last spoke; null before it ever did.
    pub seconds_since_last_word: Option<f64>,
    /// Lists made, by cause.
    pub resyncs: BTreeMap<String, u64>,
    /// Connections that drains have closed so far; 0 from a module that has none.
    #[serde(default)]
    pub drained: u64,
    /// Values rejected since the start.
    pub rejected_total: u64,
    /// Keys whose present value is rejected.
    pub rejected: Vec<Rejected>,
    /// Keys whose host names cannot be resolved, the first ones; none from a module that does not
    /// show them.
    #[serde(default)]
    pub unresolved: Vec<Unresolved>,
    /// How many there are.
    #[serde(default)]
    pub unresolved_total: usize,
    /// Servers whose labels are not those of `etcd_select`; 0 from a module that has none.
    #[serde(default)]
    pub unselected: usize,
    /// The URL of etcd's that is in use.
    pub endpoint: Option<String>,
    /// Why etcd is not followed just now.
    pub trouble: Option<String>,
    /// Peers that outlive their keys.
    pub holding: Option<Holding>,
    /// The file that keeps the last good list.
    pub state: Option<StateFile>,
    /// The shared memory.
    pub zone: Zone,
    /// The peers.
    pub peers: Vec<Peer>,
}

impl Upstream {
    /// Where it is, in a line: all of its peers may be very many.
    pub fn summary(&self) -> String {
        let Self { revision, connected, trouble, .. } = self;
        let peers = self.peers.len();
        format!("revision {revision}, connected {connected}, {peers} peers, trouble {trouble:?}")
    }

    /// The peer with this key.
    pub fn peer(&self, key: &str) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.key.as_deref() == Some(key))
    }

    /// The keys of the peers that are members, in the order of the status.
    pub fn keys(&self) -> Vec<&str> {
        let members = self.peers.iter().filter(|peer| peer.state != "removed");
        members.filter_map(|peer| peer.key.as_deref()).collect()
    }
}

/// The file of `state=`.
#[derive(Clone, Debug, Deserialize)]
pub struct StateFile {
    /// Its path.
    pub file: String,
    /// The revision of the list that it has.
    pub revision: Option<i64>,
    /// Why it cannot be read or written.
    pub trouble: Option<String>,
}

/// A rejected value.
#[derive(Clone, Debug, Deserialize)]
pub struct Rejected {
    /// The key.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// A key whose host name cannot be resolved.
#[derive(Clone, Debug, Deserialize)]
pub struct Unresolved {
    /// The key.
    pub key: String,
    /// The host name.
    pub name: String,
    /// How many addresses are in hand.
    pub addresses: usize,
    /// Since when.
    pub seconds: f64,
    /// Why; none before the first answer.
    pub reason: Option<String>,
}

/// Peers that outlive their keys.
#[derive(Clone, Debug, Deserialize)]
pub struct Holding {
    /// `another_cluster`, `older_state` or `expired_leases`.
    pub reason: String,
    /// For how long they stay at most; with checks that pass, longer.
    pub seconds_left: f64,
    /// How many.
    pub peers: usize,
}

/// Shared memory of an upstream.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Zone {
    /// In bytes, as configured.
    pub size: u64,
    /// In bytes.
    pub used: u64,
    /// Whether not all peers fit.
    pub full: bool,
    /// How many do not; 0 from a module that does not say so.
    #[serde(default)]
    pub left_out: usize,
    /// Processes that use it.
    pub processes: u32,
    /// The most that can.
    pub max_processes: u32,
    /// Those of them that share where they count connections.
    pub sharing: u32,
}

/// One peer.
#[derive(Clone, Debug, Deserialize)]
pub struct Peer {
    /// The key below the prefix; none for an ordinary `server`.
    pub key: Option<String>,
    /// As nginx writes addresses.
    pub address: String,
    /// The parameter `weight`.
    pub weight: u32,
    /// The parameter `max_fails`.
    pub max_fails: u32,
    /// The parameter `fail_timeout`, in seconds.
    pub fail_timeout: u64,
    /// The parameter `max_conns`.
    pub max_conns: u32,
    /// The parameter `slow_start`, in seconds.
    pub slow_start: u64,
    /// The parameter `backup`.
    pub backup: bool,
    /// The parameter `down`.
    pub down: bool,
    /// The parameter `drain`.
    pub drain: bool,
    /// `up`, `down`, `drain`, `checking`, `unhealthy`, `unavailable` or `removed`.
    pub state: String,
    /// What its checks say: `unchecked`, `pending`, `passing` or `failing`.
    pub health: String,
    /// What `slow_start` leaves of the weight, up to 1.
    pub share: f64,
    /// The average to the header, in seconds, with `least_time`; none before a header.
    pub header_time: Option<f64>,
    /// By which `peak_ewma` goes, in seconds, or the average to the last byte with `least_time`;
    /// none before an answer, and with other methods.
    pub response_time: Option<f64>,
    /// Open now, over all workers.
    pub connections: u64,
    /// Those of them that are upgraded; 0 from a module that does not tell them apart.
    #[serde(default)]
    pub upgraded: u64,
    /// Seconds until its open connections begin to be closed, 0 once they are; none where it does
    /// not drain.
    #[serde(default)]
    pub closes_in: Option<f64>,
    /// Since the peer came.
    pub requests: u64,
    /// Since the peer came.
    pub failures: u64,
    /// The parameter `route`.
    #[serde(default)]
    pub route: Option<String>,
    /// What its value says of it beside.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The groups of an upstream.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Groups {
    /// Those that have peers.
    pub count: usize,
    /// Requests that got no peer, since their group was unknown.
    pub unknown_total: u64,
    /// Requests that got no peer, since their group had none in service.
    pub empty_total: u64,
    /// What groups have of their own, with `settings=`.
    pub settings: Option<GroupSettings>,
}

/// What groups have of their own.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct GroupSettings {
    /// Those that have some.
    pub count: usize,
    /// The revision of the last change.
    pub revision: Option<u64>,
    /// Values that were rejected.
    pub rejected_total: u64,
    /// Why one is.
    pub rejected: Option<String>,
}
