//! What checks have found outlives the worker that checked, and the configuration.

use harness::*;
use nix::sys::signal::Signal;

use super::*;

#[tokio::test]
async fn failed_check_stays_over_a_takeover() -> Result<()> {
    let router = Router::with(2, |etcd| checking(etcd, HEALTHZ)).await?;
    let (nginx, ill) = (&router.nginx, &router.nodes[0]);
    ill.set_health(500);
    becomes(nginx, "n0", "unhealthy").await?;
    // A watcher that is killed before says nothing of it.
    nginx.wait_for_log("is unhealthy").await?;
    let requests = nginx.upstream().await?.peer("n0").ok_or("no n0")?.requests;
    for _ in 0..2 {
        let victim = nginx.watcher().await?;
        let other =
            nginx.workers()?.into_iter().find(|worker| *worker != victim).ok_or("no other")?;
        let mut connection = nginx.connect_to(other).await?;
        signal(victim, Signal::SIGKILL)?;
        eventually(SOON, "another one watches", async || {
            // What is asked meanwhile never meets the peer that fails.
            let answer = connection.get("/").await?;
            ensure!(answer.status == 200 && answer.node() == "n1", "{answer:?}");
            let status: Status = serde_json::from_slice(&connection.get("/etcd").await?.body)?;
            let peer = status.upstreams[UPSTREAM].peer("n0").ok_or("no n0")?;
            assert_eq!((peer.state.as_str(), peer.requests), ("unhealthy", requests));
            ensure!(status.watcher_pid.is_some_and(|pid| pid != victim && running(pid)), "not yet");
            Ok(())
        })
        .await?;
        checked(ill).await?;
        assert_eq!(
            becomes(nginx, "n0", "unhealthy").await?.peer("n0").ok_or("no n0")?.requests,
            requests
        );
        eventually(SOON, "there are two workers", async || {
            ensure!(nginx.workers()?.len() == 2, "{:?}", nginx.workers()?);
            Ok(())
        })
        .await?;
    }
    ill.set_health(200);
    becomes(nginx, "n0", "up").await?;
    nginx.wait_for_log("is healthy again").await?;
    nginx.wait_for_log_lines("is unhealthy", 1).await?;
    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n1", 12)]));
    Ok(())
}

#[tokio::test]
async fn failed_check_stays_over_a_reload_with_other_parameters() -> Result<()> {
    // So many that it cannot have passed them all before the reload.
    let slow_to_rise = format!("{HEALTHZ} rise=1000");
    let mut router = Router::with(2, |etcd| checking(etcd, &slow_to_rise)).await?;
    let nginx = &mut router.nginx;
    router.nodes[0].set_health(500);
    becomes(nginx, "n0", "unhealthy").await?;
    // As many passes as are needed then are hours away.
    router.nodes[0].set_health(200);
    let before = router.nodes[0].counts().health_checks;
    nginx.configure(checking(
        &router.etcd,
        "http uri=/healthz interval=1h timeout=10s rise=100 mandatory",
    ))?;
    nginx.reload().await?;
    for _ in 0..2 {
        let nodes = served(nginx).await?;
        assert!(nodes == shares([("n1", 24)]), "{nodes:?}");
        eventually(SOON, "it was checked", async || {
            ensure!(router.nodes[0].counts().health_checks > before, "not yet");
            Ok(())
        })
        .await?;
    }
    assert_eq!(nginx.upstream().await?.peers[0].state, "unhealthy");
    // The other way round: who was well is not.
    router.nodes[0].set_health(500);
    nginx.configure(checking(&router.etcd, &format!("{HEALTHZ} status=500")))?;
    nginx.reload().await?;
    becomes(nginx, "n0", "up").await?;
    becomes(nginx, "n1", "unhealthy").await?;
    assert_eq!(served(nginx).await?, shares([("n0", 24)]));
    nginx.check_log()
}

#[tokio::test]
async fn reload_without_checks_lets_all_peers_serve() -> Result<()> {
    let mut router = Router::with(2, |etcd| checking(etcd, HEALTHZ)).await?;
    let nginx = &mut router.nginx;
    router.nodes[0].set_health(500);
    becomes(nginx, "n0", "unhealthy").await?;
    nginx.configure(Configuration::firehose(&router.etcd))?;
    nginx.reload().await?;
    let upstream = becomes(nginx, "n0", "up").await?;
    assert!(upstream.peers.iter().all(|peer| peer.health == "unchecked"), "{upstream:?}");
    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n1", 12)]));
    let before = router.nodes[0].counts().health_checks;
    // And again with them: what was found once is forgotten.
    nginx.configure(checking(
        &router.etcd,
        "http uri=/healthz interval=50ms timeout=10s fall=1000",
    ))?;
    nginx.reload().await?;
    eventually(SOON, "it is checked again", async || {
        ensure!(router.nodes[0].counts().health_checks >= before + ENOUGH, "not yet");
        Ok(())
    })
    .await?;
    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n1", 12)]));
    nginx.check_log()
}
