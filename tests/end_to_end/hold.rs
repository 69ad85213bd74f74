//! For how long peers outlive an etcd that has lost them: `hold=`.

use harness::*;
use nix::sys::signal::Signal;

/// A router with peers in hand, and `hold=` as given, whose etcd has lost its store and is empty.
async fn with_wiped_etcd(hold: &str) -> Result<Router> {
    let mut router = Router::with(2, |etcd| {
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(&format!("hold={hold}"), ""))
    })
    .await?;
    // So that the new etcd's revisions are lower for all that the test does there.
    for _ in 0..20 {
        router.etcd.register(&router.nodes).await?;
    }
    router.settled().await?;
    router.etcd.kill().await?;
    router.etcd.wipe()?;
    router.etcd.restart().await?;
    Ok(router)
}

async fn holding(nginx: &Nginx) -> Result<Holding> {
    eventually(SOON, "peers are held", async || {
        Ok(nginx.upstream().await?.holding.ok_or("none")?)
    })
    .await
}

/// Waits until there are no peers, and it is not said any more that any are held: that is published
/// behind them.
async fn none_left(nginx: &Nginx) -> Result<()> {
    eventually(SOON, "no peers, and none held", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.keys().is_empty() && upstream.holding.is_none(), "{upstream:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn peers_of_a_wiped_etcd_go_when_the_hold_is_over() -> Result<()> {
    let router = with_wiped_etcd("3s").await?;
    let held = holding(&router.nginx).await?;
    assert_eq!((held.reason.as_str(), held.peers), ("older_state", 2));
    assert!(held.seconds_left > 0.0 && held.seconds_left <= 3.0, "{held:?}");
    assert_eq!(router.nginx.get("/").await?.status, 200);

    none_left(&router.nginx).await?;
    router.nginx.wait_for_log_lines("\"hold\" is over", 1).await?;
    assert_eq!(router.nginx.get("/").await?.status, 502);

    router.etcd.register(&router.nodes).await?;
    router.settled().await?;
    assert_eq!(router.nginx.get("/").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn hold_0_lets_the_peers_go_at_once() -> Result<()> {
    let router = with_wiped_etcd("0").await?;
    none_left(&router.nginx).await
}

#[tokio::test]
async fn hold_goes_on_over_a_takeover() -> Result<()> {
    let mut router = with_wiped_etcd("1h").await?;
    let held = holding(&router.nginx).await?;
    let lists = router.nginx.upstream().await?.resyncs.values().sum::<u64>();
    // The hour has begun when etcd was found to be wiped: what a successor says is never more than
    // what is left of it.
    signal(router.nginx.watcher().await?, Signal::SIGKILL)?;
    let upstream = eventually(SOON, "another watcher has listed etcd", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.resyncs.values().sum::<u64>() > lists, "{upstream:?}");
        Ok(upstream)
    })
    .await?;
    assert_eq!(upstream.keys(), ["n0", "n1"]);
    let goes_on = upstream.holding.ok_or("nothing is held")?;
    assert!(goes_on.seconds_left < held.seconds_left, "{held:?} {goes_on:?}");

    router.etcd.register(&router.nodes).await?;
    eventually(SOON, "nothing is held any more", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.holding.is_none(), "{upstream:?}");
        Ok(())
    })
    .await?;
    assert_eq!(router.settled().await?.keys(), ["n0", "n1"]);
    router.etcd.stop().await
}
