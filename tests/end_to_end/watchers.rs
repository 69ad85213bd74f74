//! How much etcd has to do for one nginx.

use harness::*;
use nix::{sys::signal::Signal, unistd::geteuid};

/// Of etcd itself: the watchers that it serves at the moment.
const WATCHERS: &str = "etcd_debugging_mvcc_watcher_total";

#[tokio::test]
async fn four_workers_are_one_watcher_before_and_after_a_reload() -> Result<()> {
    let router = Router::start(4, 2).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    etcd.wait_for_metric(WATCHERS, 1.0).await?;
    for _ in 0..20 {
        let revision = etcd.register(&router.nodes).await?;
        nginx.applied(revision).await?;
        assert_eq!(etcd.metric(WATCHERS).await?, 1.0);
    }

    let mut session = nginx.websocket("/ws").await?;
    let old = nginx.status().await?;
    nginx.reload().await?;
    eventually(SOON, "the session keeps one old worker", async || {
        let old = nginx.old_workers()?;
        ensure!(old == [session.worker()], "{old:?}");
        Ok(())
    })
    .await?;
    // The old watch may still be there, and the new one come after its list.
    nginx.applied(etcd.put(key("after-0"), "127.0.0.1:1 down").await?).await?;
    etcd.wait_for_metric(WATCHERS, 1.0).await?;
    for number in 0..20 {
        let name = key(&format!("after-{}", number % 2));
        let revision =
            etcd.put(name, format!("{} weight={}", router.nodes[0].address(), number + 1)).await?;
        nginx.applied(revision).await?;
        assert_eq!(etcd.metric(WATCHERS).await?, 1.0);
    }
    let new = nginx.status().await?;
    assert_ne!(new.watcher_pid, old.watcher_pid, "a new worker watches");
    assert!(nginx.workers()?.contains(&new.watcher_pid.ok_or("no watcher")?));
    session.echo("the old worker lives").await?;
    nginx.check_log()
}

#[tokio::test]
async fn upstreams_with_the_same_prefix_share_a_watcher() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::firehose(etcd)
            .http(&format!(
                "upstream same {{ etcd main {PREFIX}; }} upstream other {{ etcd main /other/; }}"
            ))
            .http("upstream one_more { etcd main /other; }")
    })
    .await?;
    router.etcd.wait_for_metric(WATCHERS, 2.0).await?;
    let revision = router.etcd.put(key("n1"), "127.0.0.1:1 down").await?;
    router.nginx.applied(revision).await?;
    assert_eq!(router.nginx.applied_to("same", revision).await?.keys(), ["n0", "n1"]);
    assert_eq!(router.etcd.metric(WATCHERS).await?, 2.0);
    router.nginx.check_log()
}

#[tokio::test]
async fn many_reloads_in_a_row_leave_one_watcher() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(router.nginx.websocket("/ws").await?);
        router.nginx.reload().await?;
    }
    router.etcd.wait_for_metric(WATCHERS, 1.0).await?;
    router.nginx.applied(router.etcd.put(key("n9"), "127.0.0.1:1 down").await?).await?;
    router.etcd.wait_for_metric(WATCHERS, 1.0).await?;
    for mut session in sessions {
        session.echo("old, and well").await?;
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn nginx_that_ends_leaves_no_watcher() -> Result<()> {
    let mut router = Router::start(2, 1).await?;
    router.etcd.wait_for_metric(WATCHERS, 1.0).await?;
    router.nginx.end(nix::sys::signal::Signal::SIGQUIT).await?;
    router.nginx.check_log()?;
    router.etcd.wait_for_metric(WATCHERS, 0.0).await
}

/// Sets the soft limit of how many processes and threads the user of this process may have.
fn limit_threads(pid: i32, limit: &str) -> Result<()> {
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--nproc={limit}")])
        .status()?;
    ensure!(limited.success(), "prlimit: {limited}");
    Ok(())
}

#[tokio::test]
async fn watcher_that_cannot_start_is_logged_and_tried_again() -> Result<()> {
    if !geteuid().is_root() {
        println!("skipped: the limit of threads is for workers of another user, which needs root");
        return Ok(());
    }
    let router = Router::start(2, 1).await?;
    let nginx = &router.nginx;
    limit_threads(nginx.master(), "1:")?;
    nginx.reload().await?;
    eventually(SOON, "the status says it", async || {
        let upstream = nginx.upstream().await?;
        let trouble = upstream.trouble.as_deref().unwrap_or_default();
        ensure!(
            !upstream.connected && trouble.contains("could not start the watcher"),
            "{upstream:?}"
        );
        Ok(())
    })
    .await?;
    assert_eq!(nginx.get("/").await?.node(), "n0", "the peers in hand stay");
    // The first pause is at most 750 ms, the third one at least 1 s.
    eventually(SOON, "the pauses grow", async || {
        let lines = nginx.log_lines("next attempt in ");
        let pauses = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once("next attempt in ")?;
            rest.split_once(" ms")?.0.parse::<u64>().ok()
        });
        ensure!(pauses.max().is_some_and(|longest| longest > 750), "{lines:?}");
        Ok(())
    })
    .await?;
    let count = nginx.log_lines("could not start the watcher").len();
    assert!(count <= 2 * 4, "{count} lines for two workers that have tried four times at most");
    // Whoever is started from here on can do it, and need not wait for the others.
    limit_threads(nginx.master(), "1000:")?;
    let worker = nginx.workers()?.first().copied().ok_or("no worker")?;
    signal(worker, Signal::SIGKILL)?;
    let node = Node::start("late").await?;
    router.etcd.put(key("late"), node.address().to_string()).await?;
    let upstream = nginx.wait_for_keys(&["late", "n0"]).await?;
    assert_eq!(upstream.trouble, None);
    Ok(())
}
