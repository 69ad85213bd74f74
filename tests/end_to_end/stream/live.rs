//! Nodes come and go while sessions last, and nginx goes on as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use harness::*;
use tokio::time::{MissedTickBehavior, interval};

/// Sessions that are open at the time.
const OPEN: usize = 200;
/// Nodes that come and go.
const VISITORS: usize = 100;

/// Which nodes each worker has led sessions to.
async fn nodes_of_each_worker(router: &StreamRouter) -> Result<BTreeMap<i32, BTreeSet<String>>> {
    let path = router.nginx.folder().path().join("logs/workers.log");
    let before = std::fs::read_to_string(&path)?.len();
    // Each worker gets a session by chance, and half of them go to each of two nodes: one of four
    // workers has had none to one of these in less than one run of a thousand millions.
    for session in open_tcp(&router.address(), 160).await? {
        session.finish().await?;
    }
    let log = std::fs::read_to_string(&path)?;
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in log[before..].lines() {
        let (worker, peer) = line.split_once(' ').ok_or(line)?;
        all.entry(worker.parse()?).or_default().insert(peer.to_owned());
    }
    Ok(all)
}

#[tokio::test]
async fn change_is_seen_by_every_worker_of_the_same_cycle() -> Result<()> {
    let router = StreamRouter::with(1, |etcd, port| {
        StreamRouter::configuration(etcd, port, "")
            .workers(4)
            .stream("log_format peers '$pid $etcd_peer'; access_log logs/workers.log peers;")
    })
    .await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let (master, workers) = (nginx.master(), nginx.workers()?);
    let check = async |peers: &[&str]| -> Result<()> {
        let expected: BTreeSet<_> = peers.iter().map(|peer| (*peer).to_owned()).collect();
        let seen = nodes_of_each_worker(&router).await?;
        ensure!(seen.len() == 4, "{seen:?}");
        ensure!(seen.values().all(|nodes| *nodes == expected), "{peers:?}: {seen:?}");
        Ok(())
    };
    check(&["n0"]).await?;
    let others = start_tcp_nodes(3).await?;
    for (name, address, peers, change) in [
        ("added", Some(others[1].address()), &["added", "n0"][..], "2 peers (+1 -0 ~0)"),
        ("added", Some(others[2].address()), &["added", "n0"], "2 peers (+0 -0 ~1)"),
        ("n0", None, &["added"], "1 peers (+0 -1 ~0)"),
    ] {
        let revision = match address {
            Some(address) => etcd.put(key(name), address).await?,
            None => etcd.delete(&key(name)).await?,
        };
        router.applied(revision).await?;
        check(peers).await?;
        let line = format!("etcd: upstream \"{SESSIONS}\": {change}, revision {revision}");
        nginx.wait_for_log(&line).await?;
    }
    assert_eq!((nginx.master(), nginx.workers()?), (master, workers));
    for sign in ["reconfiguring", "SIGHUP", "gracefully shutting down", "exited"] {
        assert!(nginx.log_lines(sign).is_empty(), "{sign}: {}", nginx.log());
    }
    nginx.check_log()
}

#[tokio::test]
async fn last_peer_goes_and_another_comes() -> Result<()> {
    let router = StreamRouter::start(2, 1, "").await?;
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    assert!(TcpSession::open(&router.address()).await.is_err());
    assert!(!router.nginx.log_lines("no live upstreams").is_empty());
    let address = router.nodes[0].address();
    router.applied(router.etcd.put(key("again"), address).await?).await?;
    assert_eq!(TcpSession::open(&router.address()).await?.node(), "n0");
    router.nginx.check_log()
}

/// Echoes on each session again and again, as many rounds as there are until `stop` has ended.
async fn echo_until<T>(
    sessions: &mut [TcpSession],
    stop: impl Future<Output = Result<T>>,
) -> Result<(usize, T)> {
    let mut stop = std::pin::pin!(stop);
    let mut rounds = 0;
    loop {
        let text = format!("round {rounds}");
        let echo = echo_each(sessions, &text);
        let mut echo = std::pin::pin!(echo);
        tokio::select! {
            // Cancel safe: the echo is gone on with when the other has ended.
            echoed = &mut echo => echoed?,
            stopped = &mut stop => {
                let stopped = stopped?;
                echo.await?;
                return Ok((rounds, stopped));
            }
        }
        rounds += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_are_untouched_while_a_hundred_nodes_come_and_go() -> Result<()> {
    let router = StreamRouter::start(4, 4, "etcd_drain timeout=0 spread=0;").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let visitors = TcpNode::listen("visitor", "0.0.0.0:0").await?;
    let port = visitors.address().rsplit(':').next().ok_or("no port")?.to_owned();
    let mut sessions = open_tcp(&router.address(), OPEN).await?;
    let (workers, before) = (nginx.workers()?, nginx.upstream_of(SESSIONS).await?);
    let changes = async {
        for number in 1..=VISITORS {
            etcd.put(key(&format!("v{number}")), format!("127.0.3.{number}:{port}")).await?;
        }
        router.settled().await?;
        // Those who come now go to the newcomers as well.
        let mut nodes = BTreeSet::new();
        for session in open_tcp(&router.address(), 2 * (VISITORS + 4)).await? {
            nodes.insert(session.node().to_owned());
            session.finish().await?;
        }
        ensure!(nodes.contains("visitor"), "{nodes:?}");
        for number in 1..=VISITORS {
            etcd.delete(&key(&format!("v{number}"))).await?;
        }
        router.settled().await
    };
    let (rounds, after) = echo_until(&mut sessions, changes).await?;
    println!("{rounds} rounds of echoes");
    assert!(rounds > 0);
    assert!(after.generation > before.generation, "{}", after.summary());
    assert_eq!(nginx.workers()?, workers);
    echo_each(&mut sessions, "at last").await?;
    let upstream = nginx.upstream_of(SESSIONS).await?;
    let connections: Vec<_> = upstream.peers.iter().map(|peer| peer.connections).collect();
    assert_eq!(connections, [OPEN as u64 / 4; 4], "{upstream:?}");
    for session in sessions {
        session.finish().await?;
    }
    eventually(SOON, "all are counted out", async || {
        let upstream = nginx.upstream_of(SESSIONS).await?;
        ensure!(upstream.peers.iter().all(|peer| peer.connections == 0), "{upstream:?}");
        ensure!(router.nodes.iter().all(|node| node.open_sessions() == 0), "a node has some");
        Ok(())
    })
    .await?;
    for node in &router.nodes {
        let ends: Vec<_> = node.sessions().into_iter().map(|session| session.end).collect();
        assert!(ends.iter().all(|end| *end == Some(Ending::Eof)), "{ends:?}");
    }
    nginx.check_log()
}

const TIME: Duration = Duration::from_secs(4);
const CHANGES_PER_SECOND: u32 = 100;
/// When so many changes take longer, something is wrong with more than the machine.
const LONGEST: Duration = Duration::from_secs(60);
/// Nodes that stay in the list: somebody has to be there.
const RESIDENTS: usize = 4;
const NODES: usize = 16;
/// Those who make the changes, each at its nodes.
const CHANGERS: usize = 4;

/// Removes a node that comes and goes, adds it, or gives its key another node's address.
async fn change(router: &StreamRouter, changer: usize, step: usize) -> Result<()> {
    let (etcd, nodes) = (&router.etcd, &router.nodes);
    let visitors: Vec<_> =
        (RESIDENTS..NODES).filter(|number| number % CHANGERS == changer).collect();
    let number = visitors[step / 4 % visitors.len()];
    let (name, address) = (key(nodes[number].name()), nodes[number].address());
    match step % 4 {
        0 => etcd.delete(&name).await?,
        2 => etcd.put(name, format!("{} weight=3", nodes[(number + 1) % NODES].address())).await?,
        _ => etcd.put(name, address).await?,
    };
    Ok(())
}

async fn changes(router: &StreamRouter, changer: usize) -> Result<usize> {
    let share = TIME.as_secs() as usize * CHANGES_PER_SECOND as usize / CHANGERS;
    let (start, mut step) = (Instant::now(), 0);
    let mut tick = interval(Duration::from_secs(CHANGERS as u64) / CHANGES_PER_SECOND);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while start.elapsed() < TIME || step < share || step % 4 != 0 {
        ensure!(start.elapsed() < LONGEST, "{step} changes in {:?}", start.elapsed());
        tick.tick().await;
        change(router, changer, step).await?;
        step += 1;
    }
    Ok(step)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_fails_while_the_members_change_a_hundred_times_a_second() -> Result<()> {
    let router = StreamRouter::start(2, NODES, "").await?;
    let workers = router.nginx.workers()?;
    let load = TcpLoad::start(&router.address(), 4);
    let (a, b, c, d) = tokio::try_join!(
        changes(&router, 0),
        changes(&router, 1),
        changes(&router, 2),
        changes(&router, 3)
    )?;
    let report = load.stop().await?;
    println!("{} sessions, {} changes, nodes {:?}", report.answered, a + b + c + d, report.nodes);
    report.without_failure()?;
    assert_eq!(report.nodes.len(), NODES, "every node served: {:?}", report.nodes);
    assert_eq!(router.nginx.workers()?, workers);
    router.settled().await?;
    assert!(router.nginx.log_lines("upstream server temporarily disabled").is_empty());
    router.nginx.check_log()
}
