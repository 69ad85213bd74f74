//! More processes than a zone was made for: old workers that do not end, and more workers.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use harness::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BACKED: &str = "/backed";

/// Requests, or sessions that are being opened, at a time.
const TOGETHER: usize = 32;

/// The usual upstream, and one whose only peer is a `backup` of the configuration's own.
fn configuration(etcd: &Etcd, backup: &Node, workers: usize) -> Configuration {
    Configuration::firehose(etcd)
        .workers(workers)
        .http(&format!(
            "upstream backed {{ etcd main /none/; server {} backup; }}",
            backup.address()
        ))
        // Sessions say nothing for as long as the test takes.
        .location("proxy_read_timeout 1h;")
        .server(&format!("location {BACKED} {{ proxy_pass http://backed; }}"))
}

/// Each of these requests, on connections of their own, is answered. Returns the workers that were
/// met.
async fn all_answered(nginx: &Nginx, count: usize) -> Result<BTreeSet<i32>> {
    let asked = (0..count).map(|number| async move {
        let path = if number % 2 == 0 { "/" } else { BACKED };
        let answer = nginx.get(path).await?;
        ensure!(answer.status == 200, "{path}: {} by worker {}", answer.status, answer.worker());
        Ok::<_, Error>(answer.worker())
    });
    stream::iter(asked).buffer_unordered(TOGETHER).try_collect().await
}

async fn open_sessions(nginx: &Nginx, count: usize) -> Result<Vec<WebSocket>> {
    let opened = (0..count).map(|_| nginx.websocket("/ws"));
    stream::iter(opened).buffer_unordered(TOGETHER).try_collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_hundred_old_workers_cost_no_request_and_are_logged() -> Result<()> {
    const OLD_WORKERS: usize = 720;
    const WORKERS: usize = 90;
    let backup = Node::start("backup").await?;
    let mut router = Router::with(1, |etcd| configuration(etcd, &backup, 1)).await?;
    let mut sessions = Vec::new();
    router.nginx.configure(configuration(&router.etcd, &backup, WORKERS))?;
    for generation in 0.. {
        assert!(generation < 20, "too few old workers");
        router.nginx.reload().await?;
        all_answered(&router.nginx, 2 * WORKERS).await?;
        if router.nginx.old_workers()?.len() >= OLD_WORKERS {
            break;
        }
        // So many that most workers have one, and do not end.
        sessions.extend(open_sessions(&router.nginx, 2 * WORKERS).await?);
    }
    let upstream = router.nginx.upstream().await?;
    assert!(upstream.zone.processes as usize > OLD_WORKERS, "{:?}", upstream.zone);
    assert!(upstream.zone.processes <= upstream.zone.max_processes, "{:?}", upstream.zone);
    // Those of three quarters of all that there can be say so.
    assert!(upstream.zone.processes * 4 > upstream.zone.max_processes * 3, "{:?}", upstream.zone);
    let said = router.nginx.wait_for_log("processes use the zone of upstream").await?;
    assert!(said.contains("worker_shutdown_timeout"), "{said}");
    // What etcd says gets to all of them, and what they count is counted.
    let node = Node::start("late").await?;
    router.etcd.register(std::slice::from_ref(&node)).await?;
    router.settled().await?;
    all_answered(&router.nginx, 2 * WORKERS).await?;
    let open = sessions.len() as u64;
    eventually(SOON, "all sessions are counted", async || {
        let upstream = router.nginx.upstream().await?;
        let connections = upstream.peer("n0").ok_or("no n0")?.connections;
        ensure!(connections == open, "{connections} of {open}");
        Ok(())
    })
    .await?;
    drop(sessions);
    eventually(SOON, "the old workers end, and leave nothing", async || {
        let (upstream, old) = (router.nginx.upstream().await?, router.nginx.old_workers()?.len());
        let connections = upstream.peer("n0").ok_or("no n0")?.connections;
        ensure!(old == 0 && connections == 0, "{old} old workers, {connections} connections");
        ensure!(upstream.zone.processes as usize == WORKERS, "{:?}", upstream.zone);
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reload_from_1_to_256_workers_serves_by_each() -> Result<()> {
    const WORKERS: usize = 256;
    let backup = Node::start("backup").await?;
    let mut router = Router::with(1, |etcd| configuration(etcd, &backup, 1)).await?;
    router.nginx.configure(configuration(&router.etcd, &backup, WORKERS))?;
    router.nginx.reload().await?;
    let mut met = BTreeSet::new();
    // Until each worker has answered; by chance that takes some six requests for each.
    for _ in 0..40 {
        met.extend(all_answered(&router.nginx, WORKERS).await?);
        if router.nginx.workers()?.iter().all(|worker| met.contains(worker)) {
            break;
        }
    }
    let missed: Vec<i32> =
        router.nginx.workers()?.into_iter().filter(|worker| !met.contains(worker)).collect();
    assert!(missed.is_empty(), "not met: {missed:?}");
    let upstream = router.nginx.upstream().await?;
    let zone = upstream.zone;
    assert!(zone.processes as usize >= WORKERS && zone.sharing > 0, "{zone:?}");
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_killed_workers_are_counted_out_where_columns_are_shared() -> Result<()> {
    const WORKERS: usize = 40;
    const SESSIONS: usize = 120;
    let mut router = Router::start(1, 1).await?;
    let address = router.nodes[0].address();
    let limited = format!("{address} max_conns={SESSIONS}");
    router.nginx.applied(router.etcd.put(key("n0"), limited).await?).await?;
    router.nginx.configure(Configuration::firehose(&router.etcd).workers(WORKERS))?;
    router.nginx.reload().await?;
    let mut sessions: BTreeMap<i32, Vec<WebSocket>> = BTreeMap::new();
    for session in open_sessions(&router.nginx, SESSIONS).await? {
        sessions.entry(session.worker()).or_default().push(session);
    }
    assert_eq!(router.nginx.get("/").await?.status, 502, "the peer is full");
    // More than there are with columns of their own, so that some of them share one.
    assert!(sessions.len() > 20, "{} workers", sessions.len());
    for _ in 0..20 {
        let Some((worker, cut)) = sessions.pop_first() else { break };
        kill(Pid::from_raw(worker), Signal::SIGKILL)?;
        drop(cut);
    }
    let open = sessions.values().map(Vec::len).sum::<usize>() as u64;
    eventually(SOON, "what the dead have held counts no more", async || {
        let connections = router.nginx.upstream().await?.peer("n0").ok_or("no n0")?.connections;
        ensure!(connections == open, "{connections}, {open} open");
        Ok(())
    })
    .await?;
    assert_eq!(router.nginx.get("/").await?.status, 200);
    for session in sessions.values_mut().flatten() {
        session.echo("still there").await?;
    }
    Ok(())
}
