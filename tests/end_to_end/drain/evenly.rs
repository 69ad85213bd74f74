//! A thousand sessions of a node that is removed: left alone, then closed evenly, and nothing is
//! lost.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use harness::*;
use tokio::time::{interval, sleep};

use super::{CHATTER, SLACK, UNIT, announced, draining, moments, most_within};

const SESSIONS: usize = 1000;
/// With each of the two other nodes.
const OTHERS: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(2);
const SPREAD: Duration = Duration::from_secs(4);
/// The most of the sessions that may end in any quarter of the spread, where a quarter of them
/// would be exact.
const MOST: usize = SESSIONS * 40 / 100;
/// How often the clients' own process looks whether it runs.
const PULSE: Duration = Duration::from_millis(10);
/// From one broadcast to the next.
const BROADCASTS: Duration = Duration::from_millis(250);
/// Of so many sessions one talks.
const TALKERS: usize = 10;

/// Notes the longest time (ms) for which this process did not get to run: what ends meanwhile, its
/// clients see all at once.
async fn feel_the_pulse(longest: &AtomicU64) -> ! {
    loop {
        let before = Instant::now();
        sleep(PULSE).await;
        let late = before.elapsed().saturating_sub(PULSE);
        longest.fetch_max(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Broadcasts again and again, and notes the number of the last that had been sent on every session
/// before `by`.
async fn broadcast(node: &Node, by: Instant, sent: &AtomicU64) -> ! {
    let mut pace = interval(BROADCASTS);
    loop {
        pace.tick().await;
        let open = node.sessions();
        let on_each = open.iter().map(|session| session.sent).min();
        if open.len() == SESSIONS && Instant::now() < by {
            sent.store(on_each.unwrap_or(0), Relaxed);
        }
        node.broadcast(100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_sessions_are_closed_evenly_and_get_all_that_was_sent() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(3).await?;
    etcd.register(&nodes[1..]).await?;
    let weight = SESSIONS / OTHERS;
    let revision = etcd.put(key("n0"), format!("{} weight={weight}", nodes[0].address())).await?;
    let nginx = Nginx::start(draining(&etcd, "timeout=2s spread=4s", "").workers(4)).await?;
    nginx.applied(revision).await?;
    let (own, others) =
        Fleet::open(&nginx.address(), "/ws", SESSIONS + 2 * OTHERS).await?.split("n0");
    assert_eq!((own.sessions().len(), others.sessions().len()), (SESSIONS, 2 * OTHERS));
    let peer = nginx.upstream().await?.peer("n0").ok_or("no n0")?.clone();
    assert_eq!(
        (peer.connections, peer.upgraded, peer.closes_in),
        (SESSIONS as u64, SESSIONS as u64, None)
    );
    own.chatter(TALKERS, CHATTER);
    others.chatter(TALKERS, CHATTER);
    let first = nodes[0].broadcast(100);
    own.received(first).await?;

    let begin = Instant::now();
    let revision = etcd.delete(&key("n0")).await?;
    let watching = async {
        let upstream = nginx.applied(revision).await?;
        let peer = upstream.peers.last().ok_or("no peers")?;
        let closes_in = peer.closes_in.ok_or_else(|| format!("{peer:?}"))?;
        ensure!(peer.state == "removed" && closes_in < (TIMEOUT + UNIT).as_secs_f64(), "{peer:?}");
        ensure!(peer.upgraded == SESSIONS as u64 && upstream.drained == 0, "{upstream:?}");
        own.ended(TIMEOUT + SPREAD + SLACK).await
    };
    let (sent, stopped) = (AtomicU64::new(0), AtomicU64::new(0));
    let ends = tokio::select! {
        // Cancel safe: the others only go on for as long as it is watched.
        ends = watching => ends,
        never = broadcast(&nodes[0], begin + TIMEOUT, &sent) => never,
        never = feel_the_pulse(&stopped) => never,
    };
    let ended = moments(&ends?, begin);

    assert!(ended[0] >= TIMEOUT, "the first after {:?}", ended[0]);
    let most = most_within(&ended, SPREAD / 4);
    // What ended while nobody could look falls to the moment behind it, beside a quarter's own.
    let stopped = Duration::from_millis(stopped.into_inner());
    let late = SESSIONS as f64 * 2.0 * stopped.as_secs_f64() / SPREAD.as_secs_f64();
    println!("{most} of {SESSIONS} within {:?}, stopped for {stopped:?}", SPREAD / 4);
    assert!(
        most < MOST + late as usize,
        "{most} of {SESSIONS} within {:?}, stopped for {stopped:?}",
        SPREAD / 4
    );
    let over = ended[SESSIONS - 1];
    assert!(over >= TIMEOUT + SPREAD / 2, "the last after {over:?}");
    own.in_order()?;
    let sent = sent.into_inner();
    assert!(sent > first, "{sent}");
    for session in own.sessions() {
        let record = session.record();
        assert!(
            record.first == first && record.last >= sent,
            "{sent} were sent in time: {record:?}"
        );
    }

    assert_eq!(others.open_sessions(), 2 * OTHERS);
    others.echo("still here").await?;
    others.in_order()?;
    let upstream = eventually(SOON, "the removed peer is freed, and its node knows", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers.len() == 2, "{upstream:?}");
        ensure!(nodes[0].counts().websockets == 0, "{:?}", nodes[0].counts());
        Ok(upstream)
    })
    .await?;
    assert_eq!(upstream.drained, SESSIONS as u64);
    assert!(upstream.peers.iter().all(|peer| peer.upgraded == OTHERS as u64), "{upstream:?}");
    assert_eq!(announced(&nginx, "n0")?, SESSIONS, "{:?}", nginx.log_lines("closing"));
    others.close().await?;
    nginx.check_log()
}
