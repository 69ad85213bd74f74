//! What the document says.

mod kind;
mod live;
mod peer;
mod state_file;

use std::borrow::Cow;

pub use self::{
    kind::UpstreamKind,
    live::{Live, LiveFigure, LiveKind},
    peer::{Counts, Health, Peer, State},
    state_file::StateFile,
};
use crate::figures::{Histogram, UpstreamFigures};

/// What is said of nginx and of the worker that answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// The module's version.
    pub version: &'static str,
    /// nginx's version, `1.22.1`.
    pub nginx_version: String,
    /// The seconds since 1970.
    pub time: f64,
    /// The process id of the worker that answers.
    pub pid: u32,
    /// The number of idle connections to peers that this worker keeps (`etcd_keepalive`).
    pub idle_connections: usize,
    /// The number of TLS sessions with peers that this worker keeps, to resume them.
    pub tls_sessions: usize,
    /// The process id of the worker that follows etcd; `None` while one is about to take over.
    pub watcher_pid: Option<u32>,
    /// The bounds of the histograms of header and response times, in seconds.
    pub time_bounds: [f64; 7],
    /// The bounds of the histograms of publications, in seconds.
    pub publication_bounds: [f64; 7],
}

/// The causes of lists of all keys, in the order of [`Upstream::resyncs`].
pub const RESYNC_CAUSES: [&str; 8] =
    ["start", "takeover", "compacted", "canceled", "broken", "silent", "unreachable", "too_large"];

/// An upstream, without its peers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// What its peers get.
    pub kind: UpstreamKind,
    /// The name of its `etcd_cluster`.
    pub cluster: String,
    /// The prefix of its keys, with the slash at its end.
    pub prefix: String,
    /// The balancing method, `least_conn`.
    pub balance: &'static str,
    /// Every peer in service fails its checks, and all are used.
    pub panic: bool,
    /// Its groups; `None` without `etcd_group`.
    pub groups: Option<Groups>,
    /// The number of checks that this host had no descriptors, memory or ports for.
    pub checks_not_made: u64,
    /// The number of connections that drains have closed.
    pub drained: u64,
    /// The revision of etcd that the peers are of; 0 before the first list.
    pub revision: u64,
    /// The number of the published table, which grows with each change; 0 before the first.
    pub generation: u64,
    /// Whether the prefix is being watched.
    pub connected: bool,
    /// The seconds since etcd was last heard from; `None` before the first time.
    pub seconds_since_last_word: Option<f64>,
    /// How often the keys were listed, by the causes in [`RESYNC_CAUSES`].
    pub resyncs: [u64; 8],
    /// The number of values that were rejected.
    pub rejected_total: u64,
    /// The keys whose present value is rejected, the first ones.
    pub rejected: Vec<Rejection>,
    /// The keys whose host names cannot be resolved, or are not resolved yet, the first ones.
    pub unresolved: Vec<Unresolved>,
    /// The number of keys with such host names.
    pub unresolved_total: usize,
    /// The number of servers in valid values whose labels are not those of `etcd_select`.
    pub unselected: usize,
    /// The URL of the member of etcd in use, or last in use; `None` before the first answer.
    pub endpoint: Option<String>,
    /// The URLs of the cluster's members.
    pub endpoints: Vec<Endpoint>,
    /// Why the prefix is not watched, or why keys or peers are left out, and what to do about it;
    /// several reasons are separated by `; `. `None` if there is none.
    pub trouble: Option<String>,
    /// Why peers are in service that etcd does not have; `None` if there are none.
    pub holding: Option<Holding>,
    /// The state file; `None` without `state=`.
    pub state: Option<StateFile>,
    /// The shared memory.
    pub zone: Zone,
    /// Figures of the requests; `None` with `etcd_statistics off`.
    pub statistics: Option<UpstreamFigures>,
    /// The number of changes of the list of peers.
    pub changes_total: u64,
    /// The last changes, the newest first.
    pub changes: Vec<Change>,
    /// Times from the arrival of a change to its publication.
    pub event_to_published: Histogram,
    /// Times from the arrival of a change to the first worker that has seen it.
    pub event_to_seen: Histogram,
}

/// The groups of an upstream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// The number of groups that have peers.
    pub count: usize,
    /// The number of requests that got no peer since their group was unknown.
    pub unknown_total: u64,
    /// The number of requests that got no peer since their group had no peer in service.
    pub empty_total: u64,
    /// Their settings; `None` without `settings=`.
    pub settings: Option<GroupSettings>,
}

/// The settings of an upstream's groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSettings {
    /// The prefix of their keys.
    pub prefix: String,
    /// The number of groups that have settings.
    pub count: usize,
    /// The revision of the last change; `None` before the first.
    pub revision: Option<u64>,
    /// The number of values that were rejected since the shared memory was created.
    pub rejected_total: u64,
    /// Why a present value is rejected, with its key; `None` if every one is valid.
    pub rejected: Option<String>,
    /// The seconds for which the settings outlive a wiped etcd at most; `None` if they do not have
    /// to.
    pub held: Option<f64>,
    /// The bytes that they take in the shared memory.
    pub bytes_used: usize,
    /// Those that there are.
    pub bytes_total: usize,
}

/// A key whose present value is rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// The key, with the prefix.
    pub key: String,
    /// Why the value is rejected.
    pub reason: String,
}

/// A key whose host name cannot be resolved, or is not resolved yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unresolved {
    /// The key, with the prefix.
    pub key: String,
    /// The host name.
    pub name: String,
    /// The number of addresses of the name that are still used.
    pub addresses: usize,
    /// The seconds for which the name has been unresolved.
    pub seconds: f64,
    /// Why; `None` before the first answer.
    pub reason: Option<String>,
}

/// A member of the cluster, as the watcher of the upstream knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URL.
    pub url: String,
    /// `in_use`, `standby` or `failed`.
    pub state: Cow<'static, str>,
    /// Why it failed, and what to do about it; `None` if it has not.
    pub trouble: Option<String>,
}

impl Endpoint {
    /// The states that an endpoint can have.
    pub const STATES: [&str; 3] = ["in_use", "standby", "failed"];
}

/// Why peers are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldingReason {
    /// etcd was replaced by another cluster, which has no valid peer.
    AnotherCluster,
    /// etcd was wiped or restored from a backup, and has no valid peer.
    OlderState,
    /// Too many leases expired at once.
    ExpiredLeases,
}

impl HoldingReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::AnotherCluster, Self::OlderState, Self::ExpiredLeases];

    /// Its name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnotherCluster => "another_cluster",
            Self::OlderState => "older_state",
            Self::ExpiredLeases => "expired_leases",
        }
    }
}

/// Why peers are in service that etcd does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    /// What happened to etcd or to the keys.
    pub reason: HoldingReason,
    /// The seconds for which they are held at most; 0 if the time is over, but etcd cannot be
    /// watched.
    pub seconds_left: f64,
    /// The number of keys whose peers are held.
    pub peers: usize,
}

/// The shared memory of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// The bytes of `zone=`.
    pub size: usize,
    /// The bytes of `size` that are in use, including nginx's own.
    pub used: usize,
    /// Not all peers fit, or what the balancing method needs does not.
    pub full: bool,
    /// The number of peers, and of changes that make a peer larger, that do not fit.
    pub left_out: u32,
    /// The number of workers that use the zone, including old ones after a reload.
    pub processes: u32,
    /// How many workers can use it.
    pub max_processes: u32,
    /// How many of `processes` count connections in a shared column.
    pub sharing: u32,
}

/// A change of the list of peers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Its number, which counts up from 1.
    pub number: u64,
    /// When it was published, in seconds since 1970.
    pub time: f64,
    /// The revision of etcd that the list was of then.
    pub revision: u64,
    /// What caused it, `event`.
    pub cause: Cow<'static, str>,
    /// The keys of peers that joined.
    pub added: Vec<String>,
    /// The keys of peers that were removed.
    pub removed: Vec<String>,
    /// The keys of peers that changed.
    pub changed: Vec<String>,
    /// How many keys more there were than are listed.
    pub omitted: u64,
    /// What happened beside, if there is something to say.
    pub detail: Option<String>,
}
