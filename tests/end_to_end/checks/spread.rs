//! Thousands of checked peers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use harness::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

const PEERS: u32 = 2_000;
const INTERVAL: Duration = Duration::from_secs(4);
/// The parts of an interval whose checks are counted.
const PARTS: u32 = 10;
/// In none of them are there more checks than this many times the even share. At random it is 1.2
/// times at most; the rest is for a busy machine, which holds checks up and makes them all at once.
/// A burst would be ten times.
const MOST: usize = 3;
/// Of so many still smaller parts, each of which has 20 checks if they are even, hardly any is
/// without one.
const SMALL_PARTS: u32 = 100;

/// One node at all addresses of 127.0.0.0/8 that says when it was checked at which.
struct Many {
    port: u16,
    checks: Arc<Mutex<Vec<(Instant, IpAddr)>>>,
    _listener: AbortOnDropHandle<()>,
}

impl Many {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        let (port, checks) = (listener.local_addr()?.port(), Arc::default());
        let seen = Arc::clone(&checks);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(pass(stream, Arc::clone(&seen)));
            }
        });
        Ok(Self { port, checks, _listener: AbortOnDropHandle::new(accepting) })
    }

    fn checks(&self) -> Vec<(Instant, IpAddr)> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers one check well. An error is of nginx's end, which has not counted that check then.
async fn pass(
    mut stream: TcpStream,
    checks: Arc<Mutex<Vec<(Instant, IpAddr)>>>,
) -> std::io::Result<()> {
    let at = (Instant::now(), stream.local_addr()?.ip());
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await?;
    checks.lock().unwrap_or_else(PoisonError::into_inner).push(at);
    Ok(())
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 1, 0).to_bits() + number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_of_two_thousand_peers_are_spread_over_the_interval() -> Result<()> {
    let (etcd, many) = (Etcd::start().await?, Many::start().await?);
    let pairs = (0..PEERS)
        .map(|number| (key(&format!("{number:04}")), format!("{}:{}", address(number), many.port)));
    let revision = etcd.put_all(pairs).await?;
    let check = format!("http uri=/healthz interval={}ms timeout=10s", INTERVAL.as_millis());
    let configuration = Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("zone=4m", &format!("etcd_check {check};")));
    let nginx = Nginx::start(configuration).await?;
    let began = Instant::now();
    nginx.applied(revision).await?;
    // Two whole intervals behind the first check, with what jitter adds to the second.
    let checks = eventually(SOON, "two intervals have gone by", async || {
        let checks = many.checks();
        let first = checks.first().ok_or("no check yet")?.0;
        ensure!(first.elapsed() > INTERVAL * 22 / 10, "{} checks", checks.len());
        Ok(checks)
    })
    .await?;

    let upstream = nginx.upstream().await?;
    let passing = upstream.peers.iter().filter(|peer| peer.health == "passing").count();
    assert_eq!((passing, upstream.checks_not_made), (PEERS as usize, 0));
    let mut parts: BTreeMap<u128, usize> = BTreeMap::new();
    let mut of_peers: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for &(at, peer) in &checks {
        let part = at.saturating_duration_since(began).as_nanos() / (INTERVAL / PARTS).as_nanos();
        *parts.entry(part).or_default() += 1;
        *of_peers.entry(peer).or_default() += 1;
    }
    let small = |at: Instant| {
        at.saturating_duration_since(began).as_nanos() / (INTERVAL / SMALL_PARTS).as_nanos()
    };
    let busy: BTreeSet<u128> = checks.iter().map(|(at, _)| small(*at)).collect();
    let all = checks.last().map_or(0, |(at, _)| small(*at))
        - checks.first().map_or(0, |(at, _)| small(*at))
        + 1;
    // Checks that were made in bunches would be in one part of ten or fewer; a machine without a
    // processor to spare leaves some out.
    assert!(busy.len() as u128 * 2 >= all, "checks in only {} of {all} small parts", busy.len());
    println!("checks in each tenth of an interval: {parts:?}");
    let even = (PEERS / PARTS) as usize;
    for (part, count) in &parts {
        assert!(*count <= MOST * even, "{count} checks in tenth {part}: {parts:?}");
    }
    assert_eq!(of_peers.len(), PEERS as usize, "not all were checked");
    for (peer, count) in of_peers {
        // In 2.2 intervals, the first of which has one check for each.
        assert!((1..=3).contains(&count), "{peer} was checked {count} times");
    }
    nginx.check_log()
}

#[tokio::test]
async fn single_peer_is_checked_at_the_configured_interval() -> Result<()> {
    const CHECKS: u32 = 40;
    const SHORT: Duration = Duration::from_millis(50);
    let router = Router::with(1, |etcd| {
        let directive =
            format!("etcd_check http uri=/healthz interval={}ms timeout=10s;", SHORT.as_millis());
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", &directive))
    })
    .await?;
    let node = &router.nodes[0];
    let (before, began) = (node.counts().health_checks, Stopwatch::start());
    eventually(SOON, "it is checked on", async || {
        let more = node.counts().health_checks - before;
        ensure!(more >= u64::from(CHECKS), "{more} times");
        Ok(())
    })
    .await?;
    // Each comes a tenth early at most; what comes late is a busy machine's.
    assert!(began.passed() > SHORT * (CHECKS - 1) * 8 / 10, "{:?}", began.passed());
    assert!(began.elapsed() < SHORT * CHECKS * 3, "{:?}", began.elapsed());
    Ok(())
}
