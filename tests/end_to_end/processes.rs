//! Every way to run nginx, and every signal that ends it.

use harness::*;
use nix::sys::signal::Signal;

async fn follows(mode: Mode) -> Result<Router> {
    let router = Router::with(1, |etcd| Configuration::firehose(etcd).mode(mode)).await?;
    let node = Node::start("late").await?;
    router.nginx.applied(router.etcd.put(key("late"), node.address().to_string()).await?).await?;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(router.nginx.get("/").await?.node().to_owned());
    }
    nodes.sort();
    assert_eq!(nodes, ["late", "late", "n0", "n0"]);
    Ok(router)
}

#[tokio::test]
async fn daemon_follows_etcd() -> Result<()> {
    let mut router = follows(Mode::Daemon).await?;
    router.nginx.reload().await?;
    router.nginx.applied(router.etcd.delete(&key("late")).await?).await?;
    router.nginx.end(Signal::SIGQUIT).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn single_process_follows_etcd() -> Result<()> {
    let mut router = follows(Mode::Single).await?;
    assert_eq!(router.nginx.status().await?.watcher_pid, Some(router.nginx.master()));
    router.nginx.end(Signal::SIGTERM).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn each_signal_ends_nginx_without_an_error() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut router = Router::start(2, 1).await?;
        assert_eq!(router.nginx.get("/").await?.node(), "n0");
        let workers = router.nginx.workers()?;
        router.nginx.end(signal).await?;
        assert!(workers.iter().all(|pid| !running(*pid)), "{signal}");
        router.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn nginx_ends_quickly_while_etcd_is_silent() -> Result<()> {
    let mut router = Router::start(2, 1).await?;
    router.etcd.pause()?;
    let start = Stopwatch::start();
    router.nginx.end(Signal::SIGTERM).await?;
    // A master sends SIGKILL to workers that do not end within a second: that would be seen in the
    // log.
    assert!(start.elapsed() < SOON / 4, "{:?}", start.elapsed());
    router.nginx.check_log()
}

#[tokio::test]
async fn rotated_log_gets_the_next_lines() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let log = router.nginx.folder().path().join("logs/error.log");
    let rotated = log.with_extension("log.1");
    std::fs::rename(&log, &rotated)?;
    router.nginx.signal(Signal::SIGUSR1)?;
    eventually(SOON, "the log is reopened", async || {
        ensure!(log.exists(), "no log");
        Ok(())
    })
    .await?;
    // Workers reopen it after the master: by what they log, not by its being there, is seen that
    // they have.
    eventually(SOON, "the watcher logs there", async || {
        let revision = router.etcd.put(key("n1"), "127.0.0.1:1 down").await?;
        router.nginx.applied(revision).await?;
        let revision = router.etcd.delete(&key("n1")).await?;
        router.nginx.applied(revision).await?;
        ensure!(!router.nginx.log_lines(" peers (").is_empty(), "{}", router.nginx.log());
        Ok(())
    })
    .await
}
