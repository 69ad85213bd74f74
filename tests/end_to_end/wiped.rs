//! etcd comes back without what it had: nothing is taken away until it has something to give.

use harness::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The upstream once etcd has been listed again.
async fn listed_again(nginx: &Nginx, lists: u64) -> Result<Upstream> {
    eventually(SOON, "etcd has been listed again", async || {
        let upstream = nginx.upstream().await?;
        let made: u64 = upstream.resyncs.values().sum();
        ensure!(upstream.connected && made > lists, "{upstream:?}");
        Ok(upstream)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_stay_until_the_wiped_etcd_has_a_valid_one() -> Result<()> {
    let mut router = Router::start(2, 3).await?;
    // So that the new etcd's revisions are lower for all that the test does there.
    for _ in 0..50 {
        router.etcd.register(&router.nodes).await?;
    }
    let before = router.settled().await?;
    let load = Load::start(&router.nginx.address(), "/", Clients::Fresh, 1);
    let lists = before.resyncs.values().sum();

    router.etcd.kill().await?;
    router.etcd.wipe()?;
    router.etcd.restart().await?;
    let empty = listed_again(&router.nginx, lists).await?;
    assert_eq!(empty.keys(), ["n0", "n1", "n2"]);
    router.nginx.wait_for_log_lines("wiped or restored from a backup", 1).await?;

    // What is no peer takes nobody's place; a key that is deleted is gone.
    for name in ["n0", "n1"] {
        router.etcd.put(key(name), "?").await?;
        router.nginx.wait_for_log(&format!("{name}\" rejected")).await?;
        assert!(router.nginx.upstream().await?.keys().contains(&name));
        router.etcd.delete(&key(name)).await?;
    }
    router.nginx.wait_for_keys(&["n2"]).await?;

    router.etcd.register(&router.nodes[1..2]).await?;
    let upstream = router.settled().await?;
    assert_eq!(upstream.keys(), ["n1"]);
    assert_eq!(router.nginx.get("/").await?.node(), "n1");
    load.stop().await?.without_failure()?;
    router.nginx.check_log()
}

#[tokio::test]
async fn peers_of_a_wiped_etcd_stay_over_a_takeover() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    for _ in 0..20 {
        router.etcd.register(&router.nodes).await?;
    }
    let before = router.settled().await?;
    router.etcd.kill().await?;
    router.etcd.wipe()?;
    router.etcd.restart().await?;
    let lists = before.resyncs.values().sum();
    let listed = listed_again(&router.nginx, lists).await?;

    let watching = router.nginx.watcher().await?;
    kill(Pid::from_raw(watching), Signal::SIGKILL)?;
    let upstream = listed_again(&router.nginx, listed.resyncs.values().sum()).await?;
    assert_eq!(upstream.keys(), ["n0", "n1"]);
    assert_eq!(router.nginx.get("/").await?.status, 200);

    router.etcd.register(&router.nodes[..1]).await?;
    assert_eq!(router.settled().await?.keys(), ["n0"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_snapshot_is_followed_once_it_has_a_valid_peer() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    router.etcd.save().await?;
    let late = Node::start("late").await?;
    for _ in 0..20 {
        router.etcd.register(std::slice::from_ref(&late)).await?;
    }
    router.etcd.delete(&key("n0")).await?;
    assert_eq!(router.settled().await?.keys(), ["late", "n1"]);
    let load = Load::start(&router.nginx.address(), "/", Clients::Fresh, 1);
    router.etcd.stop().await?;
    router.etcd.restore().await?;
    router.etcd.restart().await?;
    // What it has is valid, so it takes over at once, whole.
    assert_eq!(router.settled().await?.keys(), ["n0", "n1"]);
    router.nginx.wait_for_log_lines("another cluster", 1).await?;
    router.etcd.register(std::slice::from_ref(&late)).await?;
    assert_eq!(router.settled().await?.keys(), ["late", "n0", "n1"]);
    load.stop().await?.without_failure()?;
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_is_followed_once_it_has_a_valid_peer() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    router.settled().await?;
    let load = Load::start(&router.nginx.address(), "/", Clients::Fresh, 1);
    router.etcd.kill().await?;
    router.etcd.wipe()?;
    router.etcd = router.etcd.with_arguments(&["--initial-cluster-token", "another"]);
    router.etcd.restart().await?;
    // Its revisions may be lower or higher: it is another one by its id.
    for count in 0..30 {
        router.etcd.put("/elsewhere", count.to_string()).await?;
    }
    router.nginx.wait_for_log("another cluster").await?;
    assert_eq!(router.nginx.upstream().await?.keys(), ["n0", "n1"]);
    let late = Node::start("late").await?;
    router.etcd.register(std::slice::from_ref(&late)).await?;
    assert_eq!(router.settled().await?.keys(), ["late"]);
    assert_eq!(router.nginx.get("/").await?.node(), "late");
    load.stop().await?.without_failure()?;
    router.nginx.check_log()
}
