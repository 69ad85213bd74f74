//! `least_time`: requests go to the peer that answers soonest, as with nginx's own method of this
//! name (1.31.0 on).

mod timed_node;

use std::time::Duration;

use harness::*;
use tokio::task::JoinSet;

use self::timed_node::TimedNode;

/// What the status says of the method, and the directive takes.
const METHODS: [&str; 4] = [
    "least_time header",
    "least_time header inflight",
    "least_time last_byte",
    "least_time last_byte inflight",
];

/// Requests one after the other.
const REQUESTS: u64 = 30;

/// By how many requests a node may get more or fewer than expected: what the machine holds up for
/// 20 ms may make one node the better one for a while.
const TOLERANCE: u64 = 3;

const MS: Duration = Duration::from_millis(1);
const NONE: Duration = Duration::ZERO;

/// nginx before nodes that answer when they are due.
struct Timed {
    nginx: Nginx,
    nodes: Vec<TimedNode>,
    etcd: Etcd,
}

impl Timed {
    /// With nodes of these times to the header and from there to the last byte.
    async fn start(method: &str, times: &[(Duration, Duration)]) -> Result<Self> {
        let etcd = Etcd::start().await?;
        let nodes = start(times).await?;
        let mut revision = 0;
        for (number, node) in nodes.iter().enumerate() {
            revision = etcd.put(key(&format!("n{number}")), node.address()).await?;
        }
        let nginx = Nginx::start(configuration(&etcd, method)).await?;
        assert_eq!(nginx.applied(revision).await?.balance, method);
        Ok(Self { nginx, nodes, etcd })
    }
}

fn configuration(etcd: &Etcd, method: &str) -> Configuration {
    Configuration::new()
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("", &format!("etcd_balance {method};")))
}

async fn start(times: &[(Duration, Duration)]) -> Result<Vec<TimedNode>> {
    let mut nodes = Vec::new();
    for &(header, body) in times {
        nodes.push(TimedNode::start(header, body).await?);
    }
    Ok(nodes)
}

/// Asks so many times, one after the other. Returns how many of the requests each node got.
async fn ask(nginx: &Nginx, nodes: &[TimedNode], times: u64) -> Result<Vec<u64>> {
    let before: Vec<_> = nodes.iter().map(TimedNode::requests).collect();
    for _ in 0..times {
        let answer = nginx.get("/").await?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    Ok(nodes.iter().zip(before).map(|(node, before)| node.requests() - before).collect())
}

#[tokio::test]
async fn requests_go_to_the_quickest_peer() -> Result<()> {
    for method in METHODS {
        let times = [(150 * MS, NONE), (2 * MS, NONE), (300 * MS, NONE)];
        let few = 1..=TOLERANCE;
        let mut seen = Vec::new();
        for _ in 0..ATTEMPTS {
            let timed = Timed::start(method, &times).await?;
            let counts = ask(&timed.nginx, &timed.nodes, REQUESTS).await?;
            timed.nginx.check_log()?;
            if few.contains(&counts[0]) && few.contains(&counts[2]) {
                seen.clear();
                break;
            }
            seen.push(counts);
        }
        assert!(seen.is_empty(), "{method}: {seen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn header_and_last_byte_prefer_different_peers() -> Result<()> {
    for (method, quickest) in [("least_time header", 0), ("least_time last_byte", 1)] {
        let mut seen = Vec::new();
        for _ in 0..ATTEMPTS {
            let timed = Timed::start(method, &[(2 * MS, 400 * MS), (150 * MS, NONE)]).await?;
            let counts = ask(&timed.nginx, &timed.nodes, REQUESTS / 2).await?;
            timed.nginx.check_log()?;
            let peer = timed.nginx.upstream().await?.peers.remove(0);
            let is_near = |time: Option<f64>, expected: f64| {
                time.is_some_and(|time| (expected..expected + 0.13).contains(&time))
            };
            if counts[1 - quickest] <= TOLERANCE
                && is_near(peer.header_time, 0.0)
                && is_near(peer.response_time, 0.4)
            {
                seen.clear();
                break;
            }
            seen.push((counts, peer));
        }
        assert!(seen.is_empty(), "{method}: {seen:?}");
    }
    Ok(())
}

/// Requests that the other peer has answered meanwhile.
const SETTLED: u64 = 500;

#[tokio::test]
async fn peer_that_hangs_gets_no_more_requests() -> Result<()> {
    for method in ["least_time header inflight", "least_time last_byte inflight"] {
        let timed = Timed::start(method, &[(Duration::MAX, NONE), (20 * MS, NONE)]).await?;
        // As many clients as would all hang.
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let mut connection = timed.nginx.connect().await?;
            clients.spawn(async move { while connection.get("/").await.is_ok() {} });
        }
        let mut hanging = Vec::new();
        for answers in [SETTLED, 2 * SETTLED] {
            eventually(SOON, "the other peer answers", async || {
                ensure!(timed.nodes[1].requests() >= answers, "{}", timed.nodes[1].requests());
                Ok(())
            })
            .await?;
            hanging.push(timed.nodes[0].requests());
        }
        assert!(hanging[0] >= 1 && hanging[0] < 16 && hanging[1] == hanging[0], "{hanging:?}");
        clients.shutdown().await;
    }
    Ok(())
}

/// The header is known as soon as it has come, and an upgraded connection is in flight no longer.
#[tokio::test]
async fn header_of_a_websocket_counts_at_once() -> Result<()> {
    let router = Router::with(2, |etcd| {
        Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", "etcd_balance least_time last_byte inflight;"))
    })
    .await?;
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(router.nginx.websocket("/ws").await?);
    }
    let peers = router.nginx.upstream().await?.peers;
    for peer in &peers {
        assert_eq!((peer.connections, peer.upgraded), (5, 5), "{peers:?}");
        assert!(peer.header_time.is_some() && peer.response_time.is_none(), "{peer:?}");
    }
    for session in sessions {
        session.close().await?;
    }
    eventually(SOON, "all are closed", async || {
        let peers = router.nginx.upstream().await?.peers;
        ensure!(peers.iter().all(|peer| peer.connections == 0), "{peers:?}");
        assert!(peers.iter().all(|peer| peer.response_time.is_none()), "{peers:?}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

/// How many requests each node gets from the module, and from nginx's own method.
async fn compare(
    method: &str,
    times: &[(Duration, Duration)],
    weights: &[u32],
) -> Result<[Vec<u64>; 2]> {
    let timed = Timed::start(method, times).await?;
    let mut revision = 0;
    for (number, (node, weight)) in timed.nodes.iter().zip(weights).enumerate() {
        let value = format!("{} weight={weight}", node.address());
        revision = timed.etcd.put(key(&format!("n{number}")), value).await?;
    }
    timed.nginx.applied(revision).await?;
    let ours = ask(&timed.nginx, &timed.nodes, REQUESTS).await?;
    timed.nginx.check_log()?;
    let servers: String = (timed.nodes.iter().zip(weights))
        .map(|(node, weight)| format!("server {} weight={weight}; ", node.address()))
        .collect();
    let stock = Configuration::stock().workers(1);
    let stock = stock.http(&format!("upstream {UPSTREAM} {{ {method}; {servers} }}"));
    let stock = Nginx::start(stock).await?;
    Ok([ours, ask(&stock, &timed.nodes, REQUESTS).await?])
}

/// A node of two that are equal is the slower one for the rest of the test if the machine holds up
/// its first answer for 20 ms. That happens to the same node in the same test hardly ever.
const ATTEMPTS: u32 = 4;

#[tokio::test]
async fn each_node_gets_what_nginx_itself_gives_it() -> Result<()> {
    if !nginx_has("\"least_time\"", [1, 31, 0])? {
        return Ok(());
    }
    // Two are equal; the third is slow to the header, and the fourth to the last byte.
    let times = [(MS, NONE), (MS, NONE), (110 * MS, NONE), (MS, 160 * MS)];
    for method in METHODS {
        for weights in [[1, 1, 1, 1], [1, 1, 20, 1]] {
            let mut seen = Vec::new();
            for _ in 0..ATTEMPTS {
                let [ours, theirs] = compare(method, &times, &weights).await?;
                let is_same = |(ours, theirs): (&u64, &u64)| ours.abs_diff(*theirs) <= TOLERANCE;
                let is_equal = ours.iter().zip(&theirs).all(is_same);
                println!("{method}, weights {weights:?}: {ours:?}, of nginx {theirs:?}");
                seen.push((ours, theirs));
                if is_equal {
                    seen.clear();
                    break;
                }
            }
            assert!(seen.is_empty(), "{method}, weights {weights:?}, ours and nginx's: {seen:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn former_name_is_peak_ewma_with_one_warning() -> Result<()> {
    let in_upstream = format!(
        "{} {}",
        cluster("main", "http://127.0.0.1:1"),
        upstream("", "etcd_balance least_time;")
    );
    let output = Nginx::test(&Configuration::new().http(&in_upstream))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("[warn]")).collect();
    assert_eq!(warnings.len(), 1, "{said}");
    for word in
        ["\"peak_ewma\"", "\"least_time header\"", "\"etcd_balance\" directive", "nginx.conf:"]
    {
        assert!(warnings[0].contains(word), "{word}: {said}");
    }
    Ok(())
}

/// What one method has measured says nothing of another one's decisions.
#[tokio::test]
async fn status_has_no_times_of_the_method_before_a_reload() -> Result<()> {
    let mut timed = Timed::start("least_time header", &[(20 * MS, NONE)]).await?;
    assert_eq!(timed.nginx.get("/").await?.status, 200);
    let peer = timed.nginx.upstream().await?.peers.remove(0);
    assert!(peer.header_time.is_some() && peer.response_time.is_some(), "{peer:?}");
    for method in ["round_robin", "peak_ewma"] {
        timed.nginx.configure(configuration(&timed.etcd, method))?;
        timed.nginx.reload().await?;
        let upstream = timed.nginx.upstream().await?;
        let peer = &upstream.peers[0];
        assert_eq!((peer.header_time, peer.response_time), (None, None), "{peer:?}");
        assert_eq!(upstream.balance, method);
    }
    timed.nginx.check_log()
}
