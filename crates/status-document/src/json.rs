//! The document as JSON: indented, with what is small in a line.

mod changes;
mod indented;
mod parts;

pub use changes::ChangesWriter;

use self::{
    indented::{Indented, Written, inline, items},
    parts::{change, checks, counts, endpoint, figures, histogram, rejection, unresolved},
};
use crate::{
    Counts, Head, Live, LiveFigure, LiveKind, Over, Parts, Pass, Peer, RESYNC_CAUSES, Rows,
    Upstream, Writer,
};

/// Writes the document as JSON.
#[derive(Debug)]
pub struct JsonWriter {
    json: Indented,
    rows: Rows,
    passes: usize,
}

impl JsonWriter {
    /// With a row for each peer, or without.
    pub fn new(has_rows: bool) -> Self {
        let rows = if has_rows { Rows::Write } else { Rows::Count };
        Self { json: Indented::default(), rows, passes: 0 }
    }
}

impl Writer for JsonWriter {
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) {
        let json = &mut self.json;
        json.begin(b'{', out);
        json.field("version", head.version, out);
        json.field("nginx_version", head.nginx_version.as_str(), out);
        json.field("time", head.time, out);
        json.field("pid", head.pid, out);
        json.field("idle_connections", head.idle_connections, out);
        json.field("tls_sessions", head.tls_sessions, out);
        json.field("watcher_pid", head.watcher_pid, out);
        json.field("time_bounds", Written(items(head.time_bounds)), out);
        json.field("publication_bounds", Written(items(head.publication_bounds)), out);
    }

    fn next_pass(&mut self, out: &mut Vec<u8>) -> Option<Pass> {
        const PASSES: [(&str, Over); 4] = [
            ("upstreams", Over::Upstreams),
            ("variables", Over::Variables),
            ("geo", Over::Networks),
            ("maps", Over::Maps),
        ];
        if self.passes > 0 {
            self.json.end(b'}', out);
        }
        let Some((name, over)) = PASSES.get(self.passes) else {
            self.json.end(b'}', out);
            return None;
        };
        self.passes += 1;
        self.json.name(name, out);
        self.json.begin(b'{', out);
        Some(Pass { over: *over, parts: Parts::ALL, rows: self.rows })
    }

    fn upstream(&mut self, upstream: &Upstream, out: &mut Vec<u8>) {
        let json = &mut self.json;
        json.name(&upstream.name, out);
        json.begin(b'{', out);
        json.field("kind", upstream.kind.name(), out);
        json.field("cluster", upstream.cluster.as_str(), out);
        json.field("prefix", upstream.prefix.as_str(), out);
        json.field("balance", upstream.balance, out);
        json.field("panic", upstream.panic, out);
        json.field("groups", upstream.groups.as_ref().map(parts::groups), out);
        json.field("checks_not_made", upstream.checks_not_made, out);
        json.field("drained", upstream.drained, out);
        json.field("revision", upstream.revision, out);
        json.field("generation", upstream.generation, out);
        json.field("connected", upstream.connected, out);
        json.field("seconds_since_last_word", upstream.seconds_since_last_word, out);
        json.name("resyncs", out);
        inline(out, |line| {
            for (cause, count) in RESYNC_CAUSES.iter().zip(upstream.resyncs) {
                line.field(cause, count);
            }
        });
        json.field("rejected_total", upstream.rejected_total, out);
        json.list("rejected", &upstream.rejected, rejection, out);
        json.list("unresolved", &upstream.unresolved, unresolved, out);
        json.field("unresolved_total", upstream.unresolved_total, out);
        json.field("unselected", upstream.unselected, out);
        json.field("endpoint", upstream.endpoint.as_deref(), out);
        json.list("endpoints", &upstream.endpoints, endpoint, out);
        json.field("trouble", upstream.trouble.as_deref(), out);
        json.field("holding", upstream.holding.as_ref().map(parts::holding), out);
        json.field("state", upstream.state.as_ref().map(parts::state_file), out);
        json.field("zone", parts::zone(&upstream.zone), out);
        let requests = upstream.statistics.as_ref();
        let requests = requests.map(|figures| Written(|out: &mut _| parts::requests(figures, out)));
        json.field("statistics", requests, out);
        json.field("changes_total", upstream.changes_total, out);
        json.list("changes", &upstream.changes, change, out);
        json.field("event_to_published", histogram(&upstream.event_to_published), out);
        json.field("event_to_seen", histogram(&upstream.event_to_seen), out);
        json.name("peers", out);
        json.begin(b'[', out);
    }

    fn peer(&mut self, peer: &Peer<'_>, out: &mut Vec<u8>) {
        let json = &mut self.json;
        json.item(out);
        json.begin(b'{', out);
        json.field("key", peer.key.as_deref(), out);
        json.field("address", &*peer.address, out);
        json.field("weight", peer.weight, out);
        json.field("max_fails", peer.max_fails, out);
        json.field("fail_timeout", peer.fail_timeout, out);
        json.field("max_conns", peer.max_conns, out);
        json.field("slow_start", peer.slow_start, out);
        json.field("backup", peer.backup, out);
        json.field("down", peer.down, out);
        json.field("drain", peer.drain, out);
        json.field("state", peer.state.name(), out);
        json.field("seconds_in_state", peer.seconds_in_state, out);
        json.field("health", peer.health.name(), out);
        json.field("share", peer.share, out);
        json.field("header_time", peer.header_time, out);
        json.field("response_time", peer.response_time, out);
        json.field("connections", peer.connections, out);
        json.field("upgraded", peer.upgraded, out);
        json.field("closes_in", peer.closes_in, out);
        json.field("requests", peer.requests, out);
        json.field("failures", peer.failures, out);
        json.field("seconds_since_last_pick", peer.seconds_since_last_pick, out);
        json.field("checks", peer.checks.as_ref().map(checks), out);
        let of_peer = peer.statistics.as_ref();
        let of_peer = of_peer.map(|peer| {
            Written(|out: &mut _| {
                inline(out, |line| {
                    figures(peer, line);
                })
            })
        });
        json.field("statistics", of_peer, out);
        if let Some(route) = peer.route.as_deref() {
            json.field("route", route, out);
        }
        let labels = peer.labels();
        if !labels.is_empty() {
            json.name("labels", out);
            inline(out, |line| {
                for (name, value) in &labels {
                    line.field(name, value.as_str());
                }
            });
        }
        json.end(b'}', out);
    }

    fn end_upstream(&mut self, of_peers: Option<&Counts>, out: &mut Vec<u8>) {
        let of_peers = of_peers.copied().unwrap_or_default();
        let json = &mut self.json;
        json.end(b']', out);
        json.field("peers_total", of_peers.total(), out);
        json.field("peers_by_state", counts(&of_peers), out);
        json.end(b'}', out);
    }

    fn live(&mut self, live: &Live, out: &mut Vec<u8>) {
        let json = &mut self.json;
        json.name(&live.name, out);
        json.begin(b'{', out);
        json.field("cluster", live.cluster.as_str(), out);
        let path = match live.kind {
            LiveKind::Key => "key",
            LiveKind::Prefix | LiveKind::Map => "prefix",
        };
        json.field(path, live.path.as_str(), out);
        for (name, figure) in &live.figures {
            match *figure {
                LiveFigure::Flag(flag) => json.field(name, flag, out),
                LiveFigure::Number(number) => json.field(name, number, out),
            }
        }
        json.field("revision", live.revision, out);
        json.field("rejected_total", live.rejected_total, out);
        json.field("rejected", live.rejected.as_deref(), out);
        json.field("held", live.held, out);
        if live.kind == LiveKind::Map {
            json.field("state", live.state.as_ref().map(parts::state_file), out);
        }
        json.end(b'}', out);
    }
}
