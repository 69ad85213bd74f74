//! Ten thousand open WebSockets: what each costs a worker, and that nothing walks over them when
//! some other peer comes or goes.

use std::time::Duration;

use harness::*;
use tokio::time::{MissedTickBehavior, interval};

const SESSIONS: usize = 10_000;
/// Sessions that also talk, with a client that knows the protocol.
const TALKING: usize = 20;
/// Processes, since none may have as many descriptors as all sessions have ends.
const NODES: usize = 5;
const WORKERS: usize = 2;
/// Connections of a worker: two for each session, of which chance leads a few more to one of the
/// workers.
const CONNECTIONS: usize = 16_384;
/// Sessions that are opened and closed before memory is looked at: by then the allocator has taken
/// what it keeps.
const WARM_UP: usize = 50;
/// The most of a worker's memory that a session may take, as a multiple of what it takes of the
/// same nginx with static servers.
const MEMORY: f64 = 1.05;
/// Bytes of a block of a request's pool. nginx has 4096, of which the length of a header decides
/// how much is left: what the module takes there would cost nothing, or a whole block.
const POOL: usize = 512;
/// Peers that are drained together and called off again, each with a session: what is done for each
/// of them counts as often.
const VISITORS: usize = 8;
/// How often.
const ROUNDS: usize = 25;
/// From one change to the next: more than a worker's tick of 100 ms, so that each is seen by
/// itself.
const PACE: Duration = Duration::from_millis(120);
/// The closing of the visitors' sessions begins at once and takes so long that none is closed:
/// workers look every 10 ms what is due while a visitor says `drain`.
const DRAIN: &str = "etcd_drain timeout=0 spread=90d;";
/// The most that a round may cost the event loops with all sessions open, as a multiple of its cost
/// with the visitors' alone, and beside that: on a busy machine the processor's caches hold other
/// things by the next look. A walk over the sessions of a worker takes some 0.1 ms, and there would
/// be eight of them in a round if there were one for each peer that is left, and more than twenty
/// if there were one at each look.
const ROUND: (f64, Duration) = (2.0, Duration::from_micros(200));

/// nginx with an upstream, and the same server before it whatever that is.
async fn start(configuration: Configuration, upstream: &str) -> Result<(Nginx, String)> {
    let port = free_port()?;
    let server = format!(
        "server {{
            listen 127.0.0.1:{port} reuseport backlog=4096;
            request_pool_size {POOL};
            location / {{
                proxy_pass http://{UPSTREAM};
                proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $connection_upgrade;
                proxy_read_timeout 10m;
                proxy_send_timeout 10m;
            }}
        }}"
    );
    let configuration =
        configuration.workers(WORKERS).connections(CONNECTIONS).http(upstream).http(&server);
    Ok((Nginx::start(configuration).await?, format!("127.0.0.1:{port}")))
}

async fn memory_of(nginx: &Nginx) -> Result<u64> {
    nginx.workers()?.into_iter().map(memory).sum()
}

/// Opens all sessions, and says what the workers took for it.
async fn open(nginx: &Nginx, address: &str) -> Result<(OpenSockets, u64)> {
    let before = memory_of(nginx).await?;
    let sockets = OpenSockets::open(address, "/ws", SESSIONS).await?;
    Ok((sockets, memory_of(nginx).await?.saturating_sub(before)))
}

/// Lets the allocators take what they keep.
async fn warm_up(address: &str) -> Result<()> {
    for _ in 0..2 {
        drop(OpenSockets::open(address, "/ws", WARM_UP).await?);
    }
    Ok(())
}

/// The time for which the event loops of all workers have had a processor.
fn event_loops(nginx: &Nginx) -> Result<Duration> {
    let times = nginx.workers()?.into_iter().map(|pid| {
        // Of the first thread alone, which is the event loop: what the watcher's does depends on
        // peers, and not on connections.
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
        let nanoseconds = text.split_whitespace().next().ok_or("an empty schedstat")?.parse()?;
        Ok(Duration::from_nanos(nanoseconds))
    });
    times.sum()
}

/// The visitors, all at one node, with `parameters`.
fn visitors(node: &NodeProcess, parameters: &str) -> Vec<(String, String)> {
    let value = format!("{} {parameters}", node.address());
    (0..VISITORS).map(|number| (key(&format!("visitor-{number}")), value.clone())).collect()
}

/// What it costs the event loops that the visitors are drained and called off: the median.
async fn round(nginx: &Nginx, etcd: &Etcd, node: &NodeProcess) -> Result<Duration> {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace.tick().await;
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let before = event_loops(nginx)?;
        for parameters in ["drain", ""] {
            let revision = etcd.put_all(visitors(node, parameters)).await?;
            // By the log, so that nothing is asked of nginx.
            nginx.wait_for_log(&format!("~{VISITORS}), revision {revision}")).await?;
            pace.tick().await;
        }
        costs.push(event_loops(nginx)? - before);
    }
    costs.sort_unstable();
    Ok(costs[costs.len() / 2])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sessions_cost_no_more_than_without_the_module() -> Result<()> {
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(NodeProcess::start(&format!("n{number}")).await?);
    }
    let servers: String = nodes.iter().map(|node| format!("server {};", node.address())).collect();
    let stock = {
        let upstream = format!("upstream {UPSTREAM} {{ least_conn; {servers} }}");
        let (nginx, address) = start(Configuration::stock(), &upstream).await?;
        warm_up(&address).await?;
        let (sockets, memory) = open(&nginx, &address).await?;
        assert_eq!(sockets.count_open(), SESSIONS);
        nginx.check_log()?;
        memory
    };

    let etcd = Etcd::start().await?;
    let visitor = NodeProcess::start("visitor").await?;
    let configuration = Configuration::new().http(&cluster("main", &etcd.url()));
    let upstream = upstream("zone=1m", &format!("etcd_balance least_conn; {DRAIN}"));
    let (nginx, address) = start(configuration, &upstream).await?;
    nginx.applied(etcd.put_all(visitors(&visitor, "")).await?).await?;
    let mut talking = Vec::new();
    for _ in 0..VISITORS {
        talking.push(WebSocket::open(&address, "/ws").await?);
    }
    let alone = round(&nginx, &etcd, &visitor).await?;
    assert!(
        nginx.upstream().await?.peers.iter().all(|peer| peer.upgraded == 1),
        "one for each visitor"
    );

    // From here on sessions go to the nodes.
    nginx.applied(etcd.put_all(visitors(&visitor, "down")).await?).await?;
    let keys = nodes.iter().map(|node| (key(node.name()), node.address().to_owned()));
    nginx.applied(etcd.put_all(keys).await?).await?;
    warm_up(&address).await?;
    eventually(SOON, "only the visitors' sessions are open", async || {
        let upstream = nginx.upstream().await?;
        let open: u64 = upstream.peers.iter().map(|peer| peer.connections).sum();
        ensure!(open == VISITORS as u64, "{upstream:?}");
        Ok(())
    })
    .await?;
    let zone = nginx.upstream().await?.zone.used;
    let (sockets, ours) = open(&nginx, &address).await?;
    for _ in 0..TALKING {
        talking.push(WebSocket::open(&address, "/ws").await?);
    }
    let upstream = nginx.upstream().await?;
    let upgraded: u64 = upstream.peers.iter().map(|peer| peer.upgraded).sum();
    assert_eq!(upgraded, (SESSIONS + TALKING + VISITORS) as u64, "{upstream:?}");
    let all = round(&nginx, &etcd, &visitor).await?;

    let each = |memory: u64| memory as f64 / SESSIONS as f64;
    let ratio = ours as f64 / stock as f64;
    println!(
        "bytes for a session: {:.0} with static servers, {:.0} with etcd_drain, ratio {ratio:.4}; \
         bytes of the zone: {zone}, then {}",
        each(stock),
        each(ours),
        upstream.zone.used
    );
    println!(
        "a round: {alone:?} of the event loops with {VISITORS} sessions, {all:?} with {SESSIONS} \
         more"
    );
    assert!(ratio <= MEMORY, "{ratio}");
    assert!(all <= alone.mul_f64(ROUND.0) + ROUND.1, "{all:?}, {alone:?} with the visitors' alone");

    assert_eq!(sockets.count_open(), SESSIONS);
    for session in &mut talking {
        session.echo("still there").await?;
    }
    drop(sockets);
    eventually(SOON, "all are gone", async || {
        let upstream = nginx.upstream().await?;
        let upgraded: u64 = upstream.peers.iter().map(|peer| peer.upgraded).sum();
        ensure!(upgraded == (TALKING + VISITORS) as u64, "{upgraded}");
        Ok(())
    })
    .await?;
    assert_eq!(nginx.upstream().await?.drained, 0);
    nginx.check_log()
}
