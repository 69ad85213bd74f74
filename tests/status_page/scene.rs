//! States of a router that are made up, so that tests can show what is rare: everything that a page
//! can say, hostile texts, very many peers.

use status_document::{
    Change, Checks, Counts, Endpoint, Failures, Head, Health, Histogram, Live, LiveFigure,
    LiveKind, Over, Peer, PeerFigures, Picks, Query, Rejection, Rows, State, StateFile, Unresolved,
    Upstream, UpstreamFigures, Writer, Zone,
};

/// When scenes begin: 2026-11-29 12:06:40 UTC.
pub const BEGIN: f64 = 1_795_954_000.0;

pub const BOUNDS: [f64; 7] = [0.001, 0.004, 0.016, 0.064, 0.256, 1.024, 4.096];

/// What a document is written of.
#[derive(Clone, Debug)]
pub struct Scene {
    pub head: Head,
    pub upstreams: Vec<(Upstream, Vec<Peer<'static>>)>,
    pub live: Vec<Live>,
}

impl Scene {
    /// A document, as a writer writes it.
    pub fn write(&self, writer: &mut dyn Writer, query: &Query) -> Vec<u8> {
        let mut out = Vec::new();
        writer.begin(&self.head, &mut out);
        while let Some(pass) = writer.next_pass(&mut out) {
            match pass.over {
                Over::Upstreams => self.write_upstreams(writer, query, pass.rows, &mut out),
                Over::Variables => self.write_live(writer, LiveKind::Key, &mut out),
                Over::Networks => self.write_live(writer, LiveKind::Prefix, &mut out),
                Over::Maps => self.write_live(writer, LiveKind::Map, &mut out),
            }
        }
        out
    }

    fn write_upstreams(
        &self,
        writer: &mut dyn Writer,
        query: &Query,
        rows: Rows,
        out: &mut Vec<u8>,
    ) {
        let is_asked =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        for (upstream, peers) in &self.upstreams {
            if !is_asked(&query.upstreams, &upstream.name) {
                continue;
            }
            writer.upstream(upstream, out);
            let mut counts = Counts::default();
            for peer in peers {
                if !is_asked(&query.peers, peer.key.as_deref().unwrap_or_default()) {
                    continue;
                }
                counts.add(peer.state);
                if rows == Rows::Write {
                    writer.peer(peer, out);
                }
            }
            writer.end_upstream((rows != Rows::None).then_some(&counts), out);
        }
    }

    fn write_live(&self, writer: &mut dyn Writer, kind: LiveKind, out: &mut Vec<u8>) {
        for live in self.live.iter().filter(|live| live.kind == kind) {
            writer.live(live, out);
        }
    }

    /// A router in good health, but for one peer that fails its checks and one that drains; it is
    /// that of the picture in the documentation.
    pub fn usual() -> Self {
        let peers: Vec<_> = (1..=14).map(usual_peer).collect();
        let mut upstream = upstream("firehose");
        upstream.endpoints = vec![
            endpoint("https://etcd-0.example:2379", "in_use", None),
            endpoint("https://etcd-1.example:2379", "standby", None),
            endpoint("https://etcd-2.example:2379", "standby", None),
        ];
        upstream.changes = usual_changes();
        upstream.changes_total = 412;
        Self {
            head: head(),
            upstreams: vec![(upstream, peers)],
            live: vec![
                live("$maintenance", LiveKind::Key, "/firehose/nginx/maintenance"),
                live("$put_allowed", LiveKind::Prefix, "/firehose/nginx/put_allow/"),
                live("$service", LiveKind::Map, "/firehose/routes/"),
            ],
        }
    }

    /// This many peers in one upstream.
    pub fn fleet(peers: usize) -> Self {
        let mut scene = Self::usual();
        scene.upstreams[0].0.zone.size = 64 << 20;
        scene.upstreams[0].1 = (1..=peers).map(usual_peer).collect();
        scene
    }

    /// Everything that needs attention at once, beside an upstream that serves, and one without
    /// peers and statistics.
    pub fn troubled() -> Self {
        let mut scene = Self::usual();
        let mut troubled = upstream("tickets");
        troubled.connected = false;
        troubled.seconds_since_last_word = Some(95.2);
        troubled.panic = true;
        troubled.trouble = Some("no endpoint answers: check that etcd runs".to_owned());
        troubled.rejected = vec![Rejection {
            key: "/tickets/upstream/x".to_owned(),
            reason: "invalid port \"http\": it must be a number from 1 to 65535".to_owned(),
        }];
        troubled.unresolved = vec![Unresolved {
            key: "/tickets/upstream/y".to_owned(),
            name: "y.internal".to_owned(),
            addresses: 0,
            seconds: 12.5,
            reason: Some("host not found, or it has no address".to_owned()),
        }];
        troubled.unresolved_total = 1;
        troubled.holding = Some(status_document::Holding {
            reason: status_document::HoldingReason::OlderState,
            seconds_left: 1_750.0,
            peers: 4,
        });
        troubled.state = Some(StateFile {
            file: "/var/lib/nginx/tickets.peers".to_owned(),
            revision: None,
            trouble: Some("permission denied: the directory must be writable for root".to_owned()),
        });
        troubled.zone.full = true;
        troubled.zone.left_out = 2;
        troubled.endpoints = vec![
            endpoint("https://etcd-0.example:2379", "failed", Some("connection refused")),
            endpoint("https://etcd-1.example:2379", "failed", Some("timed out after 2s")),
        ];
        let mut failing: Vec<_> = (1..=5).map(usual_peer).collect();
        for peer in &mut failing {
            peer.state = State::Unhealthy;
            peer.health = Health::Failing;
            peer.seconds_in_state = Some(399.0);
            if let Some(checks) = &mut peer.checks {
                checks.last_error = Some("connection refused".to_owned());
            }
        }
        let states = [State::Checking, State::Unavailable, State::Down, State::Removed];
        for (number, state) in states.into_iter().enumerate() {
            failing.push(Peer { state, closes_in: Some(4.0), ..usual_peer(20 + number) });
        }
        failing.insert(0, Peer { key: None, backup: true, ..usual_peer(30) });
        let mut empty = upstream("archive");
        empty.statistics = None;
        scene.upstreams.push((empty, Vec::new()));
        scene.upstreams.push((troubled, failing));
        scene
    }

    /// A second later: `requests` more have been answered by each peer in service.
    pub fn advance(&mut self, requests: u64) {
        self.head.time += 1.0;
        for (upstream, peers) in &mut self.upstreams {
            let Some(figures) = &mut upstream.statistics else { continue };
            for (at, peer) in peers.iter_mut().enumerate() {
                peer.seconds_in_state = peer.seconds_in_state.map(|seconds| seconds + 1.0);
                if peer.state != State::Up {
                    continue;
                }
                let more = requests + (at as u64 * 7 + requests) % 5;
                answer(&mut figures.peers, more);
                figures.requests += more;
                figures.picks.balance += more;
                peer.requests += more;
                if let Some(own) = &mut peer.statistics {
                    answer(own, more);
                }
            }
        }
    }
}

/// Counts answers, few of them slow or failed.
fn answer(figures: &mut PeerFigures, more: u64) {
    figures.responses[1] += more;
    figures.sent += 412 * more;
    figures.received += 2_230 * more;
    for (histogram, shift) in [(&mut figures.header_time, 0), (&mut figures.response_time, 1)] {
        histogram.counts[1 + shift] += more * 6 / 10;
        histogram.counts[2 + shift] += more * 3 / 10;
        histogram.counts[3 + shift] += more - more * 6 / 10 - more * 3 / 10;
        histogram.sum += 0.004 * more as f64;
    }
    if more.is_multiple_of(47) {
        figures.failures.timeout += 1;
        figures.responses[4] += 1;
    }
}

fn head() -> Head {
    Head {
        version: "0.1.0",
        nginx_version: "1.22.1".to_owned(),
        time: BEGIN,
        pid: 4_211,
        idle_connections: 12,
        tls_sessions: 3,
        watcher_pid: Some(4_212),
        time_bounds: BOUNDS,
        publication_bounds: BOUNDS,
    }
}

fn histogram(counts: [u64; 8]) -> Histogram {
    Histogram { counts, sum: 0.5 }
}

/// An upstream without peers.
pub fn upstream(name: &str) -> Upstream {
    let figures = PeerFigures {
        responses: [0, 1_204_410, 312, 4_021, 97],
        failures: Failures { connect: 12, timeout: 31, ..Failures::default() },
        retries: 40,
        sent: 512 << 20,
        received: 3 << 30,
        header_time: histogram([90_000, 700_000, 300_000, 90_000, 25_000, 3_500, 400, 12]),
        response_time: histogram([9_000, 600_000, 400_000, 170_000, 25_000, 4_500, 400, 12]),
    };
    Upstream {
        name: name.to_owned(),
        cluster: "main".to_owned(),
        prefix: format!("/{name}/upstream/"),
        balance: "least_conn",
        revision: 8_841,
        generation: 412,
        connected: true,
        seconds_since_last_word: Some(0.3),
        resyncs: [1, 2, 0, 0, 1, 0, 0, 0],
        rejected_total: 3,
        endpoint: Some("https://etcd-0.example:2379".to_owned()),
        state: Some(StateFile {
            file: format!("/var/lib/nginx/{name}.peers"),
            revision: Some(8_841),
            trouble: None,
        }),
        zone: Zone {
            size: 1 << 20,
            used: 82_944,
            processes: 4,
            max_processes: 1_056,
            ..Zone::default()
        },
        statistics: Some(UpstreamFigures {
            requests: 1_208_880,
            peers: figures,
            no_peer: 0,
            picks: Picks { balance: 1_190_120, sticky: 18_760, panic: 0 },
        }),
        event_to_published: histogram([300, 100, 12, 0, 0, 0, 0, 0]),
        event_to_seen: histogram([280, 110, 20, 2, 0, 0, 0, 0]),
        ..Upstream::default()
    }
}

/// One of many peers; that with the number 3 fails its checks, that with 9 drains.
pub fn usual_peer(number: usize) -> Peer<'static> {
    let (state, health) = match number {
        3 => (State::Unhealthy, Health::Failing),
        9 => (State::Drain, Health::Passing),
        _ => (State::Up, Health::Passing),
    };
    let is_failing = state == State::Unhealthy;
    let requests = 84_000 + 311 * (number as u64 * 37 % 101);
    Peer {
        key: Some(format!("node-{number}").into()),
        address: format!("10.0.{}.{}:8080", number / 250, number % 250 + 10).into(),
        number: 1,
        weight: if number.is_multiple_of(5) { 2 } else { 1 },
        max_fails: 1,
        fail_timeout: 10,
        state,
        seconds_in_state: Some(match state {
            State::Up => 3_600.0 * (number as f64 * 1.7 + 2.0),
            State::Drain => 42.0,
            _ => 305.0,
        }),
        health,
        share: 1.0,
        connections: if is_failing { 0 } else { 20 + (number as u32 * 13) % 17 },
        upgraded: if is_failing { 0 } else { 8 },
        closes_in: (state == State::Drain).then_some(18.0),
        requests,
        failures: if is_failing { 29 } else { number as u64 % 3 },
        seconds_since_last_pick: Some(if state == State::Up { 0.0 } else { 44.0 }),
        checks: Some(Checks {
            made: 9_120,
            failed: if is_failing { 64 } else { 0 },
            seconds_since_last: Some(0.4),
            last_error: is_failing.then(|| "connection refused".to_owned()),
            seconds_since_last_error: is_failing.then_some(0.4),
        }),
        statistics: Some(PeerFigures {
            responses: [0, requests - 20, 5, 12, 3],
            failures: Failures { timeout: 2, ..Failures::default() },
            retries: 2,
            sent: 36 << 20,
            received: 210 << 20,
            header_time: histogram([900, 9_000 + requests % 977, 3_100, 900, 250, 35, 4, 0]),
            response_time: histogram([90, 8_000, 4_100, 1_900, 250, 35, 4, 0]),
        }),
        labels: Some(br#"{"rack":"b4","zone":"eu-1"}"#),
        ..Peer::default()
    }
}

fn endpoint(url: &str, state: &'static str, trouble: Option<&str>) -> Endpoint {
    Endpoint { url: url.to_owned(), state: state.into(), trouble: trouble.map(str::to_owned) }
}

fn live(name: &str, kind: LiveKind, path: &str) -> Live {
    let figures = match kind {
        LiveKind::Key => vec![("set", LiveFigure::Flag(true)), ("size", LiveFigure::Number(3))],
        LiveKind::Prefix => vec![("networks", LiveFigure::Number(4))],
        LiveKind::Map => vec![
            ("entries", LiveFigure::Number(1_200)),
            ("bytes_used", LiveFigure::Number(80 << 10)),
            ("bytes_total", LiveFigure::Number(900 << 10)),
        ],
    };
    Live {
        name: name.to_owned(),
        cluster: "main".to_owned(),
        kind,
        path: path.to_owned(),
        figures: figures.into_iter().collect(),
        revision: Some(8_102),
        rejected_total: 0,
        rejected: None,
        held: None,
        state: None,
    }
}

fn usual_changes() -> Vec<Change> {
    let change = |number: u64, ago: f64, cause: &'static str| Change {
        number,
        time: BEGIN - ago,
        revision: 8_841 - (412 - number),
        cause: cause.into(),
        ..Change::default()
    };
    let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    vec![
        Change { changed: keys(&["node-9"]), ..change(412, 42.0, "event") },
        Change {
            changed: keys(&["node-3"]),
            detail: Some("fails its checks: connection refused".to_owned()),
            ..change(411, 305.0, "check")
        },
        Change { added: keys(&["node-13", "node-14"]), ..change(410, 2_011.0, "event") },
        Change { removed: keys(&["node-0"]), ..change(409, 2_460.0, "expiry") },
        Change { changed: keys(&["node-5", "node-10"]), ..change(408, 3_120.0, "event") },
        Change {
            added: keys(&["node-1", "node-2", "node-3", "node-4"]),
            omitted: 8,
            ..change(407, 7_201.0, "list")
        },
    ]
}
