//! The status document, which is written as JSON.

use std::{borrow::Cow, collections::BTreeMap};

use ngx::ffi::{NGINX_VERSION, ngx_pid};
use peer_zone::{DrainPolicies, Health, Method, Now, PeerRow, Statistics, Worker};
use serde::Serialize;

use super::{
    live::{LiveRow, live_rows},
    times::times,
};
use crate::{
    config::{GeoConf, UpstreamConf, VariableConf},
    nginx::clock,
    process,
    upstream::{CoreConf, Kept, Upstream},
    zones::report::{self, HoldingReason, Rejection, Report, StateFile},
};

/// The status document. Times are in seconds, as decimal fractions. A field is JSON `null` if it is
/// `None` here.
#[derive(Serialize)]
pub(super) struct Document {
    /// nginx's version, `1.22.1`.
    nginx_version: Cow<'static, str>,
    /// The process id of the worker that answers.
    pid: u32,
    /// The number of idle connections to peers that this worker keeps (`etcd_keepalive`).
    idle_connections: usize,
    /// The number of TLS sessions with peers that this worker keeps, to resume them.
    tls_sessions: usize,
    /// The process id of the worker that follows etcd; `None` while one is about to take over.
    watcher_pid: Option<u32>,
    /// The upstreams with `etcd`, by name.
    upstreams: BTreeMap<String, UpstreamStatus>,
    /// The variables of `etcd_variable`, by name with the dollar sign.
    variables: BTreeMap<String, LiveRow>,
    /// The variables of `etcd_geo`, by name with the dollar sign.
    geo: BTreeMap<String, LiveRow>,
}

/// An upstream.
#[derive(Serialize)]
struct UpstreamStatus {
    /// The name of its `etcd_cluster`.
    cluster: String,
    /// The prefix of its keys, with the slash at its end.
    prefix: String,
    /// The balancing method, `least_conn`.
    balance: &'static str,
    /// Every peer in service fails its checks, and all are used.
    panic: bool,
    /// The number of checks that this host had no descriptors, memory or ports for.
    checks_not_made: u64,
    /// The number of connections that drains have closed.
    drained: u64,
    /// The revision of etcd that the peers are of; 0 before the first list.
    revision: u64,
    /// The number of the published table, which grows with each change; 0 before the first.
    generation: u64,
    /// Whether the prefix is being watched.
    connected: bool,
    /// The seconds since etcd was last heard from; `None` before the first time.
    seconds_since_last_word: Option<f64>,
    /// How often the keys were listed, by cause.
    resyncs: Resyncs,
    /// The number of values that were rejected.
    rejected_total: u64,
    /// The keys whose present value is rejected, the first ones.
    rejected: Vec<Rejection>,
    /// The keys whose host names cannot be resolved, or are not resolved yet, the first ones.
    unresolved: Vec<UnresolvedStatus>,
    /// The number of keys with such host names.
    unresolved_total: usize,
    /// The number of servers in valid values whose labels are not those of `etcd_select`.
    unselected: usize,
    /// The URL of the member of etcd in use, or last in use; `None` before the first answer.
    endpoint: Option<String>,
    /// Why the prefix is not watched, or why keys or peers are left out, and what to do about it;
    /// several reasons are separated by `; `. `None` if there is none.
    trouble: Option<String>,
    /// Why peers are in service that etcd does not have; `None` if there are none.
    holding: Option<HoldingStatus>,
    /// The state file; `None` without `state=`.
    state: Option<StateFile>,
    /// The shared memory.
    zone: ZoneStatus,
    /// The peers: without `backup`, then with it, then removed ones that still have connections.
    peers: Vec<PeerStatus>,
}

/// A key whose host name cannot be resolved, or is not resolved yet.
#[derive(Serialize)]
struct UnresolvedStatus {
    /// The key, with the prefix.
    key: String,
    /// The host name.
    name: String,
    /// The number of addresses of the name that are still used.
    addresses: usize,
    /// The seconds for which the name has been unresolved.
    seconds: f64,
    /// Why; `None` before the first answer.
    reason: Option<String>,
}

/// Why peers are in service that etcd does not have.
#[derive(Serialize)]
struct HoldingStatus {
    /// What happened to etcd or to the keys.
    reason: HoldingReason,
    /// The seconds for which they are held at most; 0 if the time is over, but etcd cannot be
    /// watched.
    seconds_left: f64,
    /// The number of keys whose peers are held.
    peers: usize,
}

/// How often the keys of the prefix were listed, by cause.
#[derive(Serialize)]
struct Resyncs {
    /// It was the first list.
    start: u64,
    /// Another worker took over the watcher.
    takeover: u64,
    /// etcd had compacted the revisions that the watch needed.
    compacted: u64,
    /// etcd canceled the watch, or rejected a request.
    canceled: u64,
    /// The stream of the watch ended, or an answer made no sense.
    broken: u64,
    /// etcd stopped answering, or its member did not reach the quorum.
    silent: u64,
    /// No endpoint answered.
    unreachable: u64,
    /// A change was larger than 16 MiB, or there were more keys than the limit.
    too_large: u64,
}

/// The shared memory of an upstream.
#[derive(Serialize)]
struct ZoneStatus {
    /// The bytes of `zone=`.
    size: usize,
    /// The bytes of `size` that are in use, including nginx's own.
    used: usize,
    /// Not all peers fit, or what the balancing method needs does not.
    full: bool,
    /// The number of peers, and of changes that make a peer larger, that do not fit.
    left_out: u32,
    /// The number of workers that use the zone, including old ones after a reload.
    processes: u32,
    /// How many workers can use it.
    max_processes: u32,
    /// How many of `processes` count connections in a shared column.
    sharing: u32,
}

/// A peer.
#[derive(Serialize)]
struct PeerStatus {
    /// The key below the prefix; `None` for a peer of a `server` line.
    key: Option<String>,
    /// The address as nginx writes it: `10.0.0.7:80`, `[2001:db8::1]:80`, `unix:/run/app.sock`.
    address: String,
    /// The weight; 0 for a peer that drains because of `weight=0`.
    weight: u32,
    /// The number of failures that make it unavailable; 0: none does.
    max_fails: u32,
    /// The seconds in which `max_fails` is counted, and for which it is then unavailable.
    fail_timeout: u32,
    /// The most open connections over all workers; 0 is no limit.
    max_conns: u32,
    /// The seconds in which the weight grows after the peer joins or recovers.
    slow_start: u32,
    /// The peer serves only if no other peer can.
    backup: bool,
    /// The peer gets no requests.
    down: bool,
    /// The peer gets no new sessions.
    drain: bool,
    /// `removed`, `down`, `drain`, `checking`, `unhealthy`, `unavailable` or `up`: the first that
    /// applies.
    state: &'static str,
    /// The result of the checks: `unchecked`, `passing`, `failing` or `pending`.
    health: &'static str,
    /// How much of the weight `slow_start` allows now: a fraction from 0.01 to 1.
    share: f64,
    /// The average of the seconds to the header, with `least_time`; `None` before the first header,
    /// and with other methods.
    header_time: Option<f64>,
    /// With `peak_ewma`, the seconds to the header by which it decides; with `least_time`, the
    /// average of the seconds to the last byte. `None` before the first answer, and with other
    /// methods.
    response_time: Option<f64>,
    /// The number of open connections over all workers.
    connections: u32,
    /// How many of `connections` are upgraded.
    upgraded: u32,
    /// The seconds until the last worker with connections to the peer begins to close them, 0 from
    /// then on; `None` if the peer is not drained, or one of these workers closes none.
    closes_in: Option<f64>,
    /// The number of attempts to send a request to it, over all workers.
    requests: u64,
    /// How many of these attempts failed.
    failures: u64,
    /// The name by which nginx's own `sticky` knows it. The field is left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    /// What its value says of it beside: metadata, tags and labels. The field is left out if there
    /// are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

impl Document {
    /// The state of all upstreams, as this worker sees it.
    pub(super) fn of(core: &CoreConf) -> Self {
        let watcher = process::watcher_process();
        let Kept { idle_connections, tls_sessions } = process::kept();
        Self {
            nginx_version: NGINX_VERSION.to_string_lossy(),
            // SAFETY: nginx sets it when a process starts. A process id is positive.
            pid: unsafe { ngx_pid } as u32,
            idle_connections,
            tls_sessions,
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
    let method = conf.balance();
    let balance = method.name();
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
    let report = worker.with_report(Report::of_bytes);
    let Report { rejected, unresolved, unresolved_total, unselected, endpoint, trouble, .. } =
        report;
    let Report { room, holding, state, .. } = report;
    // If nobody follows etcd for a while, what the last watcher reported no longer holds.
    let no_watcher = process::why_no_watcher();
    let is_connected = is_connected && no_watcher.is_none();
    let is_full = left_out > 0 || room.is_some();
    let troubles: Vec<String> = no_watcher.or(trouble).into_iter().chain(room).collect();
    let trouble = (!troubles.is_empty()).then(|| troubles.join("; "));
    let (generation, peers) = peers(worker, method);
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
        unselected,
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

fn peers(worker: &mut Worker, method: Method) -> (u64, Vec<PeerStatus>) {
    let now = clock::cached();
    match worker.table() {
        Some(table) => {
            let policies = table.policies();
            let shown = table.rows().filter(|row| !row.is_removed || row.connections.all() > 0);
            (table.generation(), shown.map(|row| describe(&row, method, &policies, now)).collect())
        }
        None => (0, Vec::new()),
    }
}

fn describe(row: &PeerRow<'_>, method: Method, policies: &DrainPolicies, now: Now) -> PeerStatus {
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
    let (header_time, response_time) = times(row, method, now);
    let now_exactly = clock::now();
    let closes_in = row.closes_in(policies, now_exactly);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    PeerStatus {
        key: row.peer.key.map(text),
        address: text(row.peer.name),
        route: row.route.map(text),
        labels: row
            .labels
            .and_then(|labels| serde_json::from_slice(labels).ok())
            .unwrap_or_default(),
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
        header_time,
        response_time,
        connections: row.connections.all(),
        upgraded: row.connections.upgraded(),
        closes_in: closes_in.map(|milliseconds| milliseconds as f64 / 1_000.0),
        requests: row.peer.requests,
        failures: row.peer.failures,
    }
}
