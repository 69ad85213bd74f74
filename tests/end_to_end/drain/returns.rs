//! A node that comes back is not left any more.

use std::time::Duration;

use harness::*;

use super::{SLACK, hold, join, peer_is, start};

const SESSIONS: usize = 80;

/// Takes another node, which has sessions, out, and waits until they are closed. A drain that began
/// before with the same times is over by then.
async fn another_drain(router: &Router, other: &Fleet, longest: Duration) -> Result<()> {
    router.nginx.applied(router.etcd.delete(&key("n1")).await?).await?;
    other.ended(longest + SLACK).await?;
    other.in_order()
}

/// `n0` with its sessions, and `n1` with some.
async fn two_nodes(drain: &str) -> Result<(Router, Fleet, Fleet, Node)> {
    let router = start(drain, "").await?;
    let fleet = hold(&router, "n0", SESSIONS).await?;
    let node = join(&router, "n1").await?;
    let (at_n0, other) = Fleet::open(&router.nginx.address(), "/ws", SESSIONS).await?.split("n0");
    at_n0.close().await?;
    eventually(SOON, "those are counted out", async || {
        let upstream = router.nginx.upstream().await?;
        let peer = upstream.peer("n0").ok_or("no n0")?;
        ensure!(peer.upgraded == SESSIONS as u64, "{peer:?}");
        Ok(())
    })
    .await?;
    Ok((router, fleet, other, node))
}

#[tokio::test]
async fn peer_that_returns_within_the_timeout_keeps_all_sessions() -> Result<()> {
    let (router, fleet, other, _node) = two_nodes("timeout=6s spread=1s").await?;
    let upstream = router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    assert!(upstream.peers.iter().any(|peer| peer.state == "removed" && peer.closes_in.is_some()));
    router.nginx.applied(router.etcd.register(&router.nodes).await?).await?;
    let returned = |peer: &Peer| peer.state == "up" && peer.closes_in.is_none();
    let peer = peer_is(&router.nginx, "n0", "back", returned).await?;
    assert_eq!(peer.upgraded, SESSIONS as u64);
    another_drain(&router, &other, Duration::from_secs(7)).await?;
    assert_eq!(fleet.open_sessions(), SESSIONS);
    fleet.echo("never left").await?;
    fleet.in_order()?;
    let upstream = router.nginx.upstream().await?;
    assert_eq!(upstream.drained, other.sessions().len() as u64);

    // It has its whole time again when it is removed again.
    let begin = std::time::Instant::now();
    router.etcd.delete(&key("n0")).await?;
    let ends = fleet.ended(Duration::from_secs(7) + SLACK).await?;
    assert!(ends[0].at.duration_since(begin) >= Duration::from_secs(6));
    router.nginx.check_log()
}

#[tokio::test]
async fn peer_that_returns_during_the_closing_keeps_the_rest() -> Result<()> {
    let (router, fleet, other, _node) = two_nodes("timeout=0 spread=4s").await?;
    router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    eventually(SOON, "some are closed", async || {
        ensure!(fleet.open_sessions() <= SESSIONS * 9 / 10, "{}", fleet.open_sessions());
        Ok(())
    })
    .await?;
    router.nginx.applied(router.etcd.register(&router.nodes).await?).await?;
    peer_is(&router.nginx, "n0", "back", |peer| peer.closes_in.is_none()).await?;
    // Once each worker has looked again, which one of another peer's that is closed shows, no more
    // are.
    router.nginx.applied(router.etcd.delete(&key("n1")).await?).await?;
    eventually(SOON, "others are closed", async || {
        ensure!(other.open_sessions() <= other.sessions().len() / 2, "{}", other.open_sessions());
        Ok(())
    })
    .await?;
    let left = fleet.open_sessions();
    assert!(left > 0 && left < SESSIONS, "{left}");
    other.ended(Duration::from_secs(4) + SLACK).await?;
    assert_eq!(fleet.open_sessions(), left);
    fleet.in_order()?;
    for session in fleet.sessions().iter().filter(|session| session.is_open()) {
        session.echo("came back").await?;
    }
    let peer = peer_is(&router.nginx, "n0", "counted", |peer| peer.upgraded == left as u64).await?;
    assert_eq!((peer.state.as_str(), peer.closes_in), ("up", None));
    router.nginx.check_log()
}
