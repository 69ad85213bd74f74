//! What the status says, as it is written in JSON.

use std::{borrow::Cow, collections::BTreeMap};

use ngx::ffi::{NGINX_VERSION, ngx_pid};
use peer_zone::{DrainPolicies, Health, Now, PeerRow, Statistics, Worker};
use serde::Serialize;

use super::live::{LiveRow, live_rows};
use crate::{
    config::{GeoConf, UpstreamConf, VariableConf},
    http,
    nginx::clock,
    process,
    upstream::{CoreConf, Upstream},
    zones::report::{self, HoldingReason, Rejection, Report, StateFile},
};

/// The whole.
#[derive(Serialize)]
pub(super) struct Document {
    nginx_version: Cow<'static, str>,
    /// The worker that answers.
    pid: u32,
    /// Connections to peers that this worker keeps for requests to come (`etcd_keepalive`).
    idle_connections: usize,
    /// TLS sessions with peers that this worker keeps, to resume them.
    tls_sessions: usize,
    /// The worker that follows etcd; null while one is about to take over.
    watcher_pid: Option<u32>,
    upstreams: BTreeMap<String, UpstreamStatus>,
    /// Those of `etcd_variable`, by name.
    variables: BTreeMap<String, LiveRow>,
    /// Those of `etcd_geo`, by name.
    geo: BTreeMap<String, LiveRow>,
}

#[derive(Serialize)]
struct UpstreamStatus {
    cluster: String,
    prefix: String,
    balance: &'static str,
    /// Every peer in service fails its checks, and all are used.
    panic: bool,
    checks_not_made: u64,
    /// Connections that drains have closed.
    drained: u64,
    revision: u64,
    generation: u64,
    connected: bool,
    /// Null before the first word.
    seconds_since_last_word: Option<f64>,
    resyncs: Resyncs,
    rejected_total: u64,
    rejected: Vec<Rejection>,
    /// Keys whose host names cannot be resolved, or have no address yet: the first ones, and how
    /// many there are.
    unresolved: Vec<UnresolvedStatus>,
    unresolved_total: usize,
    /// The URL of etcd's that is in use, or was last; null before there was one.
    endpoint: Option<String>,
    /// Why etcd is not followed just now, or why peers are left out.
    trouble: Option<String>,
    /// Peers that outlive their keys.
    holding: Option<HoldingStatus>,
    /// The file that keeps the last good list.
    state: Option<StateFile>,
    zone: ZoneStatus,
    peers: Vec<PeerStatus>,
}

#[derive(Serialize)]
struct UnresolvedStatus {
    key: String,
    name: String,
    /// How many addresses are in hand, and in use.
    addresses: usize,
    /// Seconds since it began.
    seconds: f64,
    /// Null before the first answer.
    reason: Option<String>,
}

#[derive(Serialize)]
struct HoldingStatus {
    reason: HoldingReason,
    seconds_left: f64,
    peers: usize,
}

#[derive(Serialize)]
struct Resyncs {
    start: u64,
    takeover: u64,
    compacted: u64,
    canceled: u64,
    broken: u64,
    silent: u64,
    unreachable: u64,
    too_large: u64,
}

#[derive(Serialize)]
struct ZoneStatus {
    size: usize,
    used: usize,
    full: bool,
    /// Peers that do not fit.
    left_out: u32,
    /// Processes that use it, old workers among them, and the most that can.
    processes: u32,
    max_processes: u32,
    /// Those of them that share where they count connections.
    sharing: u32,
}

#[derive(Serialize)]
struct PeerStatus {
    key: Option<String>,
    address: String,
    weight: u32,
    max_fails: u32,
    fail_timeout: u32,
    max_conns: u32,
    slow_start: u32,
    backup: bool,
    down: bool,
    drain: bool,
    state: &'static str,
    health: &'static str,
    /// What `slow_start` leaves of the weight just now: 1 where that is all of it.
    share: f64,
    /// By which `least_time` goes, in seconds; null before the first answer, and with other
    /// methods.
    response_time: Option<f64>,
    /// Open connections, and those of them that are upgraded.
    connections: u32,
    upgraded: u32,
    /// Seconds until a drain begins to close them, in the last of the workers that have some; 0
    /// from then on, null where one of them closes none.
    closes_in: Option<f64>,
    requests: u64,
    failures: u64,
    /// The name by which nginx's own `sticky` knows it; left out where its value or line gives
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
}

impl Document {
    /// The state of all upstreams, as this worker sees it.
    pub(super) fn of(core: &CoreConf) -> Self {
        let watcher = process::watcher_process();
        Self {
            nginx_version: NGINX_VERSION.to_string_lossy(),
            // SAFETY: nginx sets it when a process starts. A process id is positive.
            pid: unsafe { ngx_pid } as u32,
            idle_connections: http::idle_connections(),
            tls_sessions: http::tls_sessions(),
            watcher_pid: (watcher != 0).then_some(watcher),
            upstreams: core.upstreams.iter().filter_map(upstream).collect(),
            variables: live_rows::<VariableConf>(core),
            geo: live_rows::<GeoConf>(core),
        }
    }
}

fn upstream(upstream: &Upstream) -> Option<(String, UpstreamStatus)> {
    upstream.with_worker(|worker| describe_upstream(upstream.settings(), worker))?
}

fn describe_upstream(conf: &UpstreamConf, worker: &mut Worker) -> Option<(String, UpstreamStatus)> {
    let etcd = conf.etcd.as_ref()?;
    let (name, cluster, prefix) =
        (etcd.upstream.clone(), etcd.cluster.clone(), etcd.prefix.clone());
    let zone_size = etcd.options.zone_size;
    let balance = conf.balance().method.name();
    let statistics = worker.zone().statistics();
    let Statistics { size, used, left_out, is_panicking, is_connected, .. } = statistics;
    let Statistics { processes, most_processes, sharing, .. } = statistics;
    let Statistics {
        checks_not_made,
        drained,
        revision,
        last_contact,
        rejected_total,
        resyncs,
        ..
    } = statistics;
    let [start, takeover, compacted, canceled, broken, silent, unreachable, too_large] = resyncs;
    let Report { rejected, unresolved, unresolved_total, endpoint, trouble, room, holding, state } =
        worker.with_report(Report::of_bytes);
    // While nobody follows etcd for longer, what the last watcher has said does not hold.
    let no_watcher = process::why_no_watcher();
    let is_connected = is_connected && no_watcher.is_none();
    let is_full = left_out > 0 || room.is_some();
    let troubles: Vec<String> = no_watcher.or(trouble).into_iter().chain(room).collect();
    let trouble = (!troubles.is_empty()).then(|| troubles.join("; "));
    let (generation, peers) = peers(worker);
    let now = clock::now();
    let since = now.saturating_sub(last_contact);
    let holding = holding.map(|report::Holding { reason, until, peers }| HoldingStatus {
        reason,
        seconds_left: until.saturating_sub(now) as f64 / 1_000.0,
        peers,
    });
    let unresolved =
        unresolved.into_iter().map(|report::Unresolved { key, name, addresses, since, reason }| {
            let seconds = now.saturating_sub(since) as f64 / 1_000.0;
            UnresolvedStatus { key, name, addresses, seconds, reason }
        });
    let upstream = UpstreamStatus {
        cluster,
        prefix,
        balance,
        panic: is_panicking,
        checks_not_made,
        drained,
        revision,
        generation,
        connected: is_connected,
        // Milliseconds, of which an `f64` holds more than a machine's life exactly.
        seconds_since_last_word: (last_contact != 0).then_some(since as f64 / 1_000.0),
        resyncs: Resyncs {
            start,
            takeover,
            compacted,
            canceled,
            broken,
            silent,
            unreachable,
            too_large,
        },
        rejected_total,
        rejected,
        unresolved: unresolved.collect(),
        unresolved_total,
        endpoint,
        trouble,
        holding,
        state,
        zone: ZoneStatus {
            size: zone_size,
            // What nginx itself takes of the zone is in use as well.
            used: used + zone_size.saturating_sub(size),
            full: is_full,
            left_out,
            processes,
            max_processes: most_processes,
            sharing,
        },
        peers,
    };
    Some((name, upstream))
}

fn peers(worker: &mut Worker) -> (u64, Vec<PeerStatus>) {
    let now = clock::cached();
    match worker.table() {
        Some(table) => {
            let policies = table.policies();
            let shown = table.rows().filter(|row| !row.is_removed || row.connections.all() > 0);
            (table.generation(), shown.map(|row| describe(&row, &policies, now)).collect())
        }
        None => (0, Vec::new()),
    }
}

fn describe(row: &PeerRow<'_>, policies: &DrainPolicies, now: Now) -> PeerStatus {
    let parameters = row.parameters;
    let state = if row.is_removed {
        "removed"
    } else if parameters.down {
        "down"
    } else if parameters.drain {
        "drain"
    } else if row.peer.health == Health::Pending {
        "checking"
    } else if row.peer.health == Health::Failing {
        "unhealthy"
    } else if row.is_unavailable(now.seconds) {
        "unavailable"
    } else {
        "up"
    };
    let response_time =
        Some(row.peer.response_time.cost(now.milliseconds as u32)).filter(|&cost| cost > 0);
    let now_exactly = clock::now();
    let closes_in = row.closes_in(policies, now_exactly);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    PeerStatus {
        key: row.peer.key.map(text),
        address: text(row.peer.name),
        route: row.route.map(text),
        weight: parameters.weight,
        max_fails: parameters.max_fails,
        fail_timeout: parameters.fail_timeout,
        max_conns: parameters.max_conns,
        slow_start: parameters.slow_start,
        backup: parameters.backup,
        down: parameters.down,
        drain: parameters.drain,
        state,
        health: match row.peer.health {
            Health::Unchecked => "unchecked",
            Health::Passing => "passing",
            Health::Failing => "failing",
            Health::Pending => "pending",
        },
        share: row.share(now.milliseconds),
        // Microseconds, of which an `f64` holds all there can be exactly.
        response_time: response_time.map(|microseconds| f64::from(microseconds) / 1_000_000.0),
        connections: row.connections.all(),
        upgraded: row.connections.upgraded(),
        closes_in: closes_in.map(|milliseconds| milliseconds as f64 / 1_000.0),
        requests: row.peer.requests,
        failures: row.peer.failures,
    }
}
