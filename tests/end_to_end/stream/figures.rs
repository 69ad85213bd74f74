//! Figures of sessions: they are those that nodes, clients and nginx's own log have counted.

mod failures;
mod udp;

use std::time::Duration;

use harness::*;
use serde_json::Value;

use crate::statistics::Figures;

/// What the status says of the upstream of sessions.
async fn status(nginx: &Nginx) -> Result<Value> {
    let document: Value = serde_json::from_slice(&nginx.get("/etcd").await?.body)?;
    Ok(document["upstreams"][SESSIONS].clone())
}

async fn totals(nginx: &Nginx) -> Result<Figures> {
    Ok(Figures(status(nginx).await?["statistics"].clone()))
}

/// The peer with this key.
async fn peer(nginx: &Nginx, key: &str) -> Result<Value> {
    let status = status(nginx).await?;
    let peers = status["peers"].as_array().ok_or("no peers")?;
    Ok(peers.iter().find(|peer| peer["key"] == key).ok_or("no such peer")?.clone())
}

async fn of_peer(nginx: &Nginx, key: &str) -> Result<Figures> {
    Ok(Figures(peer(nginx, key).await?["statistics"].clone()))
}

/// Waits until no session is open, and gives the figures.
async fn ended(nginx: &Nginx) -> Result<Figures> {
    eventually(SOON, "all sessions have ended", async || {
        let upstream = nginx.upstream_of(SESSIONS).await?;
        let open: u64 = upstream.peers.iter().map(|peer| peer.connections).sum();
        ensure!(open == 0, "{open} are open");
        Ok(())
    })
    .await?;
    totals(nginx).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_of_sessions_equal_what_nodes_and_clients_have_counted() -> Result<()> {
    let router = StreamRouter::start(2, 3, "").await?;
    let nginx = &router.nginx;
    let (mut asked, mut said) = (0_u64, 0_u64);
    for round in 0..3_usize {
        let mut sessions = open_tcp(&router.address(), 20).await?;
        asked += sessions.len() as u64;
        // An attempt is counted as it begins; what became of it, when it ends.
        let totals = totals(nginx).await?;
        assert_eq!(totals.number("/requests"), asked, "{totals:?}");
        assert_eq!(totals.ended(), asked - 20, "{totals:?}");
        for number in 0..=round {
            let text = "x".repeat(1_000 * number + 7);
            echo_each(&mut sessions, &text).await?;
            said += (text.len() * sessions.len()) as u64;
        }
        if round == 1 {
            // Old sessions are counted by the workers that have them.
            nginx.reload().await?;
        }
        for session in sessions {
            session.finish().await?;
        }
        ended(nginx).await?;
    }
    let totals = ended(nginx).await?;
    for path in ["/requests", "/responses/2xx", "/picks/balance"] {
        assert_eq!(totals.number(path), asked, "{path} of {totals:?}");
    }
    for path in ["/responses", "/header_time/counts", "/response_time/counts"] {
        assert_eq!(totals.sum(path), asked, "{path} of {totals:?}");
    }
    for path in ["/retries", "/no_peer"] {
        assert_eq!(totals.number(path), 0, "{path} of {totals:?}");
    }
    assert_eq!(totals.sum("/failures"), 0, "{totals:?}");
    // Each node says its name, of two letters and the end of a line, beside what it is told.
    assert_eq!((totals.number("/sent"), totals.number("/received")), (said, said + 3 * asked));
    for node in &router.nodes {
        let (figures, of_node) = (of_peer(nginx, node.name()).await?, node.sessions());
        let [received, sent] = [|one: &NodeSession| one.received, |one: &NodeSession| one.sent]
            .map(|count| of_node.iter().map(count).sum::<u64>());
        assert_eq!(figures.number("/responses/2xx"), of_node.len() as u64, "{figures:?}");
        assert_eq!((figures.number("/sent"), figures.number("/received")), (received, sent));
        let peer = peer(nginx, node.name()).await?;
        assert_eq!(
            (peer["requests"].as_u64(), peer["failures"].as_u64()),
            (Some(of_node.len() as u64), Some(0))
        );
    }
    nginx.check_log()
}

/// Seconds of nginx's log in the milliseconds that it has.
fn milliseconds(text: &str) -> Result<u64> {
    let (seconds, rest) = text.split_once('.').ok_or(text)?;
    Ok(seconds.parse::<u64>()? * 1_000 + rest.parse::<u64>()?)
}

#[tokio::test]
async fn times_of_sessions_are_those_that_nginx_logs() -> Result<()> {
    let router = StreamRouter::with(1, |etcd, port| {
        StreamRouter::configuration(etcd, port, "").stream(
            "log_format times '$status $upstream_bytes_sent $upstream_bytes_received \
             $upstream_first_byte_time $upstream_session_time'; access_log logs/times.log times;",
        )
    })
    .await?;
    let (nginx, node) = (&router.nginx, &router.nodes[0]);
    node.be_silent();
    let (first, whole) = (Duration::from_millis(60), Duration::from_millis(90));
    for _ in 0..3 {
        let open = node.accepted();
        let mut session = TcpSession::connect(None, &router.address()).await?;
        eventually(SOON, "the node has the session", async || {
            ensure!(node.accepted() > open && node.open_sessions() == 1, "it has not");
            Ok(())
        })
        .await?;
        ensure!(session.is_quiet(first).await, "somebody has spoken");
        node.say("late\n");
        assert_eq!(session.line().await?, "late");
        ensure!(session.is_quiet(whole).await, "somebody has spoken");
        session.finish().await?;
        ended(nginx).await?;
    }
    let totals = ended(nginx).await?;
    let log = eventually(SOON, "all sessions are logged", async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/times.log"))?;
        ensure!(log.lines().count() == 3, "{log}");
        Ok(log)
    })
    .await?;
    let (mut sums, mut least) = ([0_u64; 4], [u64::MAX; 4]);
    for line in log.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [status, sent, received, header, session] = words[..] else { return Err(line.into()) };
        assert_eq!(status, "200");
        let figures =
            [sent.parse()?, received.parse()?, milliseconds(header)?, milliseconds(session)?];
        for (at, figure) in figures.into_iter().enumerate() {
            sums[at] += figure;
            least[at] = least[at].min(figure);
        }
    }
    let [sent, received, header, session] = sums;
    assert!(least[2] + 2 >= 60 && least[3] + 2 >= 150, "{log}");
    assert_eq!((totals.number("/sent"), totals.number("/received")), (sent, received));
    for (name, milliseconds) in [("header_time", header), ("response_time", session)] {
        let sum = totals.0[name]["sum"].as_f64().ok_or("no sum")?;
        assert!((sum * 1_000.0 - milliseconds as f64).abs() < 0.5, "{name}: {sum}, {log}");
        assert_eq!(totals.sum(&format!("/{name}/counts")), 3, "{totals:?}");
    }
    nginx.check_log()
}

/// What ends without a byte of the peer's is neither an answer nor a failure.
#[tokio::test]
async fn session_without_a_byte_of_the_peer_counts_as_a_request_only() -> Result<()> {
    let router = StreamRouter::start(1, 1, "").await?;
    let (nginx, node) = (&router.nginx, &router.nodes[0]);
    node.be_silent();
    let mut session = TcpSession::connect(None, &router.address()).await?;
    session.send(b"hello").await?;
    eventually(SOON, "the node has heard it", async || {
        let sessions = node.sessions();
        ensure!(sessions.iter().any(|session| session.received == 5), "{sessions:?}");
        Ok(())
    })
    .await?;
    session.finish().await?;
    let totals = ended(nginx).await?;
    let counted = ["/requests", "/sent", "/received", "/no_peer"].map(|path| totals.number(path));
    assert_eq!(counted, [1, 5, 0, 0], "{totals:?}");
    assert_eq!((totals.ended(), totals.sum("/header_time/counts")), (0, 0), "{totals:?}");
    assert_eq!(totals.sum("/response_time/counts"), 0, "{totals:?}");
    nginx.check_log()
}

/// A drain is the router's own doing.
#[tokio::test]
async fn session_that_a_drain_closes_is_no_failure() -> Result<()> {
    let router = StreamRouter::start(1, 2, "etcd_drain timeout=100ms spread=0s;").await?;
    let nginx = &router.nginx;
    let mut sessions = open_tcp(&router.address(), 10).await?;
    let value = format!("{} drain", router.nodes[0].address());
    let drained = sessions.iter().filter(|session| session.node() == "n0").count() as u64;
    router.applied(router.etcd.put(key("n0"), value).await?).await?;
    sessions.retain(|session| session.node() == "n0");
    ended_each(&mut sessions, SOON).await?;
    let figures = eventually(SOON, "the peer has no session", async || {
        let peer = peer(nginx, "n0").await?;
        ensure!(peer["connections"] == 0, "{peer}");
        Ok(Figures(peer["statistics"].clone()))
    })
    .await?;
    assert_eq!(status(nginx).await?["drained"].as_u64(), Some(drained));
    assert_eq!(figures.number("/responses/2xx"), drained, "{figures:?}");
    assert_eq!(figures.sum("/failures"), 0, "{figures:?}");
    nginx.check_log()
}

/// Both kinds are in one document, with the same fields, and each says which it is.
#[tokio::test]
async fn status_says_of_which_kind_each_upstream_is() -> Result<()> {
    let router = StreamRouter::with(1, |etcd, port| {
        StreamRouter::configuration(etcd, port, "etcd_balance hash $remote_addr;")
            .http("upstream web { etcd main /web/; etcd_balance least_conn; }")
    })
    .await?;
    let nginx = &router.nginx;
    let document: Value = serde_json::from_slice(&nginx.get("/etcd").await?.body)?;
    let upstreams = document["upstreams"].as_object().ok_or("no upstreams")?;
    assert_eq!(upstreams.keys().collect::<Vec<_>>(), [SESSIONS, "web"]);
    let [stream, http] = [SESSIONS, "web"].map(|name| &upstreams[name]);
    assert_eq!((&stream["kind"], &http["kind"]), (&"stream".into(), &"http".into()));
    let fields =
        |of: &Value| of.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    assert_eq!(fields(stream), fields(http));
    let metrics = nginx.get("/etcd?format=prometheus").await?.text();
    for (name, kind, balance) in [(SESSIONS, "stream", "hash"), ("web", "http", "least_conn")] {
        let line = format!(
            "nginx_etcd_upstream_info{{upstream=\"{name}\",kind=\"{kind}\",\
             balance=\"{balance}\"}} 1"
        );
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let page = nginx.get("/etcd?format=html").await?.text();
    for kind in ["http", "stream"] {
        assert!(page.contains(&format!("<span class=\"kind\">{kind}</span>")), "{kind}");
    }
    nginx.check_log()
}
