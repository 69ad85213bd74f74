//! `etcd_drain` of sessions: when they are closed, and that nothing is lost on the way.

use std::time::{Duration, Instant};

use harness::*;

/// How much later than promised something may be seen.
const SLACK: Duration = Duration::from_secs(3);
/// From the first to the last of sessions that end at the same time, for clients on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// When each ended, counted from `begin`, in order.
fn moments(ends: &[(End, Vec<u8>)], begin: Instant) -> Vec<Duration> {
    let mut moments: Vec<_> =
        ends.iter().map(|(end, _)| end.at.saturating_duration_since(begin)).collect();
    moments.sort_unstable();
    moments
}

/// The most of these moments within any window of this length.
fn most_within(moments: &[Duration], window: Duration) -> usize {
    let count = |(index, from): (usize, &Duration)| {
        moments[index..].partition_point(|moment| *moment < *from + window)
    };
    moments.iter().enumerate().map(count).max().unwrap_or(0)
}

/// nginx before `n0`, with `n1` beside it since the sessions are open.
async fn start(drain: &str, sessions: usize) -> Result<(StreamRouter, Vec<TcpSession>, TcpNode)> {
    let router = StreamRouter::start(2, 1, &format!("etcd_drain {drain};")).await?;
    let mut open = open_tcp(&router.address(), sessions).await?;
    echo_each(&mut open, "hello").await?;
    let other = TcpNode::start("n1").await?;
    router.applied(router.etcd.put(key("n1"), other.address()).await?).await?;
    Ok((router, open, other))
}

/// The removed one is freed, and as many sessions were drained.
async fn drained(router: &StreamRouter, count: usize) -> Result<()> {
    let upstream = eventually(SOON, "the removed peer is freed", async || {
        let upstream = router.nginx.upstream_of(SESSIONS).await?;
        ensure!(upstream.peers.len() == 1, "{upstream:?}");
        Ok(upstream)
    })
    .await?;
    assert_eq!(upstream.drained, count as u64, "{upstream:?}");
    let lines = router.nginx.log_lines(&format!("upstream \"{SESSIONS}\": peer \"n0\": closing "));
    assert!(!lines.is_empty(), "{}", router.nginx.log());
    Ok(())
}

/// Every end is in order on both sides, and what one side sent the other has.
async fn in_order(
    router: &StreamRouter,
    ends: &[(End, Vec<u8>)],
    said: &str,
    heard: u64,
) -> Result<()> {
    for (end, rest) in ends {
        assert_eq!(end.how, Ending::Eof);
        assert_eq!(String::from_utf8_lossy(rest), said);
    }
    let node = &router.nodes[0];
    eventually(SOON, "the node sees the ends", async || {
        ensure!(node.open_sessions() == 0, "{} are open", node.open_sessions());
        Ok(())
    })
    .await?;
    for session in node.sessions() {
        assert_eq!((session.received, &session.end), (heard, &Some(Ending::Eof)), "{session:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_removed_node_are_closed_evenly_and_in_order() -> Result<()> {
    const COUNT: usize = 200;
    let (timeout, spread) = (Duration::from_secs(1), Duration::from_secs(3));
    let (router, mut open, _other) = start("timeout=1s spread=3s", COUNT).await?;
    let begin = Instant::now();
    let upstream = router.applied(router.etcd.delete(&key("n0")).await?).await?;
    let peer = upstream.peers.iter().find(|peer| peer.state == "removed").ok_or("none")?;
    assert_eq!(peer.connections, COUNT as u64, "{peer:?}");
    assert!(peer.closes_in.is_some_and(|seconds| seconds <= 1.02), "{peer:?}");
    // What the node says before that, all have.
    let said = "word\n".repeat(100);
    router.nodes[0].say(&said);
    let ends = ended_each(&mut open, timeout + spread + SLACK).await?;
    let moments = moments(&ends, begin);
    assert!(moments[0] >= timeout, "the first after {:?}", moments[0]);
    assert!(moments[COUNT - 1] >= timeout + spread / 2, "the last after {:?}", moments[COUNT - 1]);
    let most = most_within(&moments, spread / 4);
    assert!(most <= COUNT / 2, "{most} of {COUNT} within {:?}", spread / 4);
    in_order(&router, &ends, &said, 5).await?;
    drained(&router, COUNT).await?;
    // Who comes now goes to the other.
    assert_eq!(TcpSession::open(&router.address()).await?.node(), "n1");
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_of_closed_sessions_holds_over_all_workers() -> Result<()> {
    const COUNT: usize = 90;
    let (router, mut open, _other) = start("timeout=0 rate=30/s", COUNT).await?;
    let begin = Instant::now();
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    let ends = ended_each(&mut open, Duration::from_secs(4) + SLACK).await?;
    let moments = moments(&ends, begin);
    // By the clients' clock, to which a busy machine adds what it likes to each.
    let most = most_within(&moments, Duration::from_secs(1));
    assert!(most <= 50, "{most} in a second");
    let last = moments[COUNT - 1];
    assert!(last >= Duration::from_millis(1_900), "the last after {last:?}");
    in_order(&router, &ends, "", 5).await?;
    drained(&router, COUNT).await?;
    router.nginx.check_log()
}

/// What is on its way in both directions when the time is over arrives, and then the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_both_directions_arrives_before_the_end() -> Result<()> {
    const COUNT: usize = 40;
    /// More than the sockets' buffers at both ends take from who does not read.
    const LONG: usize = 400_000;
    let (router, mut open, _other) = start("timeout=300ms spread=0", COUNT).await?;
    let begin = Instant::now();
    let said = "0123456789".repeat(LONG / 10);
    router.nodes[0].say(&said);
    for session in &mut open {
        assert!(!session.is_quiet(SOON).await, "the node has begun");
    }
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    let ends = ended_each(&mut open, SLACK + SLACK).await?;
    let moments = moments(&ends, begin);
    assert!(moments[0] >= Duration::from_millis(300), "the first after {:?}", moments[0]);
    for (end, rest) in &ends {
        assert_eq!(end.how, Ending::Eof);
        assert!(said[1..].starts_with(std::str::from_utf8(rest)?), "{} bytes came", rest.len());
        assert_eq!(rest.len(), LONG - 1);
    }
    drained(&router, COUNT).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn drained_and_unhealthy_peers_lose_their_sessions_too() -> Result<()> {
    let (router, mut open, _other) = start("timeout=0 spread=0 on=drain", 20).await?;
    let value = format!("{} drain", router.nodes[0].address());
    let begin = Instant::now();
    router.applied(router.etcd.put(key("n0"), value).await?).await?;
    let ends = ended_each(&mut open, SLACK).await?;
    assert!(moments(&ends, begin)[19] < AT_ONCE + SLACK);
    in_order(&router, &ends, "", 5).await?;
    assert_eq!(router.nginx.upstream_of(SESSIONS).await?.drained, 20);

    // One that returns in time keeps its sessions.
    router.applied(router.etcd.put(key("n0"), router.nodes[0].address()).await?).await?;
    let mut open = open_tcp(&router.address(), 4).await?;
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    assert!(open[0].is_quiet(Duration::from_millis(300)).await, "on=drain alone");
    echo_each(&mut open, "still here").await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn times_of_a_drain_may_come_from_etcd() -> Result<()> {
    let router = StreamRouter::with(1, |etcd, port| {
        StreamRouter::configuration(etcd, port, "etcd_drain timeout=$wait spread=0;")
            .stream("etcd_variable $wait main /wait type=time;")
    })
    .await?;
    let mut open = open_tcp(&router.address(), 10).await?;
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    assert!(open[0].is_quiet(Duration::from_millis(500)).await, "no value, no end");
    router.etcd.put("/wait", "0s").await?;
    for (end, _) in ended_each(&mut open, SLACK).await? {
        assert_eq!(end.how, Ending::Eof);
    }
    router.nginx.check_log()
}
