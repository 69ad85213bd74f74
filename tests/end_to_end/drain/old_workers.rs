//! Workers that are shutting down drain as the others do, and end as they always did.

use std::time::{Duration, Instant};

use harness::*;

use super::{CHATTER, SLACK, announced, draining, hold, join, moments, start};

const SESSIONS: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(1);
const SPREAD: Duration = Duration::from_secs(2);

#[tokio::test]
async fn sessions_of_an_old_worker_with_a_removed_node_are_closed_and_others_stay() -> Result<()> {
    let router = start("timeout=1s spread=2s", "").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let own = hold(&router, "n0", SESSIONS).await?;
    let _n1 = join(&router, "n1").await?;
    let (more, staying) = Fleet::open(&nginx.address(), "/ws", 40).await?.split("n0");
    more.close().await?;
    let (before, held) = (nginx.workers()?, staying.sessions().len());
    nginx.reload().await?;
    let old = nginx.old_workers()?;
    assert_eq!(old, before, "sessions keep both old workers");
    own.chatter(5, CHATTER);
    own.echo("in an old worker").await?;

    let begin = Instant::now();
    let upstream = nginx.applied(etcd.delete(&key("n0")).await?).await?;
    let peer =
        upstream.peers.iter().find(|peer| peer.state == "removed").ok_or("no removed peer")?;
    assert_eq!((peer.connections, peer.upgraded), (SESSIONS as u64, SESSIONS as u64), "{peer:?}");
    let ended = moments(&own.ended(TIMEOUT + SPREAD + SLACK).await?, begin);
    assert!(ended[0] >= TIMEOUT, "the first after {:?}", ended[0]);
    assert!(
        ended[SESSIONS - 1] >= TIMEOUT + SPREAD / 2,
        "the last after {:?}",
        ended[SESSIONS - 1]
    );
    own.in_order()?;
    assert_eq!(
        (nginx.upstream().await?.drained, announced(nginx, "n0")?),
        (SESSIONS as u64, SESSIONS)
    );

    // Those with a node that stays do so, and their workers with them, for as long as they like.
    assert_eq!((staying.open_sessions(), nginx.old_workers()?), (held, old));
    staying.echo("still here").await?;
    staying.in_order()?;
    staying.close().await?;
    eventually(SOON, "the old workers end", async || {
        ensure!(nginx.old_workers()?.is_empty(), "{:?}", nginx.old_workers()?);
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn old_worker_ends_when_its_last_session_is_drained() -> Result<()> {
    let router = start("timeout=500ms spread=500ms", "").await?;
    let own = hold(&router, "n0", 20).await?;
    let _n1 = join(&router, "n1").await?;
    router.nginx.reload().await?;
    assert!(!router.nginx.old_workers()?.is_empty());
    router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    own.ended(TIMEOUT + SLACK).await?;
    own.in_order()?;
    eventually(SOON, "the old workers end", async || {
        ensure!(router.nginx.old_workers()?.is_empty(), "{:?}", router.nginx.old_workers()?);
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn reload_during_a_drain_changes_none_of_its_times() -> Result<()> {
    let router = start("timeout=2s spread=1s", "").await?;
    let own = hold(&router, "n0", 40).await?;
    let _n1 = join(&router, "n1").await?;
    let begin = Instant::now();
    router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    router.nginx.reload().await?;
    router.nginx.reload().await?;
    let ended = moments(&own.ended(3 * TIMEOUT + SLACK).await?, begin);
    assert!(ended[0] >= 2 * TIMEOUT, "the first after {:?}", ended[0]);
    own.in_order()?;
    router.nginx.check_log()
}

#[tokio::test]
async fn worker_shutdown_timeout_cuts_sessions_as_before() -> Result<()> {
    let router = Router::with(1, |etcd| {
        draining(etcd, "timeout=1h", "").main("worker_shutdown_timeout 1s;")
    })
    .await?;
    let own = hold(&router, "n0", 20).await?;
    let begin = Instant::now();
    router.nginx.reload().await?;
    let ended = moments(&own.ended(TIMEOUT + SLACK).await?, begin);
    assert!(ended[0] >= TIMEOUT, "the first after {:?}", ended[0]);
    eventually(SOON, "the old workers end", async || {
        ensure!(router.nginx.old_workers()?.is_empty(), "{:?}", router.nginx.old_workers()?);
        Ok(())
    })
    .await?;
    // It was not a drain, and the node is as good as before.
    let upstream = router.nginx.upstream().await?;
    assert_eq!(
        (upstream.drained, upstream.peers[0].connections, upstream.peers[0].upgraded),
        (0, 0, 0)
    );
    hold(&router, "n0", 2).await?.close().await
}
