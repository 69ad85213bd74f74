//! Workers hear of a reload by a channel that takes a file of theirs: one that has none left.

use std::collections::BTreeSet;

use harness::*;
use nix::sys::signal::Signal;

use super::setting;
use super::settings::{has, reloaded};

/// nginx hands each worker the channels of those that begin: one that has no file left hears
/// nothing any more, also not that it is to end.
#[tokio::test]
async fn growing_workers_and_files_lose_no_request() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &["--access-log", "off"]).await?;
    router.wait_for_keys(&["node"]).await?;
    let load = Load::start(&router.address(), "/", Clients::Fresh, 2);
    for (name, value) in [
        ("worker_rlimit_nofile", "64"),
        ("worker_processes", "64"),
        ("worker_rlimit_nofile", "20000"),
    ] {
        etcd.put(setting(name), value).await?;
        let taken = format!("{name} {value}");
        let refused = format!("{}\" rejected: with {value}", setting(name));
        eventually(SOON, &format!("{taken} is taken or refused"), async || {
            let reloads = router.program.log_lines("nginx has reloaded");
            let is_taken = reloads.iter().any(|line| line.contains(&taken));
            ensure!(is_taken || !router.program.log_lines(&refused).is_empty(), "{reloads:?}");
            Ok(())
        })
        .await?;
    }
    let old: BTreeSet<i32> = router.workers()?.into_iter().collect();
    etcd.put(setting("keepalive_timeout"), "30s").await?;
    router.wait_for_line("keepalive_timeout 30s;").await?;
    eventually(SOON, "64 other workers", async || {
        let workers = router.workers()?;
        ensure!(
            workers.len() == 64 && workers.iter().all(|worker| !old.contains(worker)),
            "{workers:?}"
        );
        Ok(())
    })
    .await?;
    load.stop().await?.without_failure()?;
    assert!(!router.program.log().contains("recvmsg()"), "{}", router.program.log());
    Ok(())
}

#[tokio::test]
async fn reload_waits_until_workers_have_files_to_hear_of_it() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &["--nginx-user", "root"]).await?;
    let worker = router.workers()?[0];
    limit_files(worker, open_files(worker)?)?;
    etcd.put(setting("keepalive_timeout"), "30s").await?;
    let line = router.program.wait_for_log("the settings are not applied yet").await?;
    assert!(line.contains(&format!("the worker {worker} would need")), "{line}");
    assert_eq!(router.reloads(), 0);
    limit_files(worker, 1000)?;
    reloaded(&router, 1).await?;
    assert!(has(&router.configuration()?, "keepalive_timeout 30s;"));
    Ok(())
}

/// Whether a worker that has no file left hears nothing any more. If it does, the test that calls
/// this is skipped: nothing else keeps a worker from hearing.
fn may_be_deaf() -> Result<bool> {
    // "A worker process might not exit" in nginx's changes, by the branch.
    let [major, minor, patch] = nginx_version()?;
    if matches!((major, minor, patch), (1, 30 | 31, 6..) | (1, 32.., _) | (2.., _, _)) {
        skip("nginx's workers hear of a reload without a file left from 1.30.6 on")?;
        return Ok(false);
    }
    Ok(true)
}

/// nginx reloads, and one of the workers that are to shut down does not hear of it: no file was
/// left for what came before that.
async fn deaf(etcd: &Etcd, router: &Served, worker: i32) -> Result<()> {
    signal(worker, Signal::SIGSTOP)?;
    let reloads = router.reloads();
    etcd.put(setting("keepalive_timeout"), format!("{}s", 30 + reloads)).await?;
    reloaded(router, reloads + 1).await?;
    router.program.wait_for_log("nginx has reloaded").await?;
    limit_files(worker, 3)?;
    signal(worker, Signal::SIGCONT)?;
    router.program.wait_for_log("recvmsg()").await?;
    limit_files(worker, 1000)
}

#[tokio::test]
async fn old_worker_that_missed_a_reload_is_told_to_shut_down() -> Result<()> {
    if !may_be_deaf()? {
        return Ok(());
    }
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router =
        Served::start(&etcd.url(), &["--nginx-user", "root", "--stop-timeout", "1"]).await?;
    router.wait_for_keys(&["node"]).await?;
    // It has heard nothing, and has sessions, which it keeps.
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(router.websocket("/ws").await?);
    }
    let worker = router.workers()?[0];
    deaf(&etcd, &router, worker).await?;
    let line = router
        .program
        .wait_for_log("still serves with the configuration before the reload")
        .await?;
    assert!(line.contains(&format!("worker {worker} ")), "{line}");
    eventually(SOON, "it shuts down", async || {
        ensure!(!router.workers()?.contains(&worker), "{:?}", router.workers()?);
        Ok(())
    })
    .await?;
    for session in &mut sessions {
        session.echo("still").await?;
    }
    // One that does not do as it is told is ended.
    let stopped = router.workers()?[0];
    signal(stopped, Signal::SIGSTOP)?;
    etcd.put(setting("server_name"), "other.example").await?;
    reloaded(&router, 2).await?;
    for words in ["does not shut down: sending it SIGTERM", "does not exit: sending it SIGKILL"] {
        router.program.wait_for_log(&format!("worker {stopped} {words}")).await?;
    }
    eventually(SOON, "it is gone", async || {
        ensure!(!running(stopped), "{stopped}");
        Ok(())
    })
    .await?;
    assert_eq!(router.get("/").await?.node(), "node");
    assert_eq!(router.workers()?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn sigterm_reaches_a_worker_that_missed_a_reload() -> Result<()> {
    if !may_be_deaf()? {
        return Ok(());
    }
    let etcd = Etcd::start().await?;
    let mut router =
        Served::start(&etcd.url(), &["--nginx-user", "root", "--stop-timeout", "3600"]).await?;
    let worker = router.workers()?[0];
    deaf(&etcd, &router, worker).await?;
    assert_eq!(router.end(Signal::SIGTERM).await?, 0, "{}", router.program.log());
    assert!(!running(worker));
    Ok(())
}
