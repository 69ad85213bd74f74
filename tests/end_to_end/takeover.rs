//! The worker that runs the watcher dies, and another one takes over.

use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;

const KILLS: usize = 10;
/// The promise: within a second of the kill, changes arrive again.
const TAKEOVER: Duration = Duration::from_secs(1);
/// What the load and etcd may add to it, which share the processors.
const SLACK: Duration = Duration::from_millis(500);

/// Asks without pause on a connection to a worker that lives on: there no request may ever fail.
async fn ask(mut connection: Connection, stop: CancellationToken) -> Result<u64> {
    let mut answered = 0;
    while !stop.is_cancelled() {
        let answer = connection.get("/").await?;
        ensure!(answer.status == 200, "status {} from worker {}", answer.status, answer.worker());
        answered += 1;
    }
    Ok(answered)
}

/// The worker that watches; it is another one than `before`, and follows.
async fn watcher(nginx: &Nginx, before: i32) -> Result<i32> {
    eventually(SOON, "somebody watches", async || {
        let status = nginx.status().await?;
        let pid = status.watcher_pid.filter(|pid| *pid > 0 && *pid != before).ok_or("nobody")?;
        ensure!(running(pid) && status.upstreams[UPSTREAM].connected, "{status:?}");
        Ok(pid)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_worker_killed_ten_times_is_replaced_within_a_second() -> Result<()> {
    let router = Router::start(3, 4).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let mut before = 0;
    for kill in 0..KILLS {
        let victim = watcher(nginx, before).await?;
        let stop = CancellationToken::new();
        let mut others = Vec::new();
        let mut seers = Vec::new();
        for worker in nginx.workers()?.into_iter().filter(|worker| *worker != victim) {
            others.push(tokio::spawn(ask(nginx.connect_to(worker).await?, stop.clone())));
            seers.push(nginx.connect_to(worker).await?);
        }
        let load = Load::start(&nginx.address(), "/", Clients::Fresh, 4);

        let killed = Stopwatch::start();
        signal(victim, Signal::SIGKILL)?;
        let revision =
            etcd.put(key("after-kill"), router.nodes[kill % 4].address().to_string()).await?;
        for seer in &mut seers {
            eventually(SOON, &format!("kill {kill}: revision {revision}"), async || {
                let now = seer.get("/").await?.revision();
                ensure!(now >= revision, "{now}");
                Ok(())
            })
            .await?;
        }
        let took = killed.elapsed();
        println!("kill {kill}: changes arrive after {took:?} of {:?}", killed.passed());
        assert!(took < TAKEOVER + SLACK, "kill {kill}: changes arrive after {took:?}");
        let dead = eventually(SOON, "the killed worker is dead", async || {
            ensure!(!running(victim), "it runs");
            Ok(Instant::now())
        })
        .await?;

        let report = load.stop().await?;
        // What the dead worker had accepted ends with it: of each client, the one request that was
        // under way.
        for failure in &report.failures {
            assert!(failure.began <= dead, "kill {kill}: {failure:?} began after the death");
        }
        assert!(report.failures.len() <= 4, "kill {kill}: {:?}", report.failures);
        stop.cancel();
        for other in others {
            let answered =
                other.await?.map_err(|error| format!("kill {kill}, another worker: {error}"))?;
            assert!(answered > 0);
        }
        before = victim;
    }
    // The reaped worker's counts went with it.
    router.settled().await?;
    eventually(SOON, "no connection is counted any more", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers.iter().all(|peer| peer.connections == 0), "{:?}", upstream.peers);
        Ok(())
    })
    .await?;
    nginx.wait_for_log_lines("exited on signal 9", KILLS).await?;
    etcd.wait_for_metric("etcd_debugging_mvcc_watcher_total", 1.0).await
}

#[tokio::test]
async fn killed_worker_without_the_watcher_has_its_connections_counted_out() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let watching = watcher(nginx, 0).await?;
    let victim =
        nginx.workers()?.into_iter().find(|worker| *worker != watching).ok_or("no other worker")?;
    let mut sessions = Vec::new();
    while !sessions.iter().any(|session: &WebSocket| session.worker() == victim)
        || sessions.len() < 6
    {
        sessions.push(nginx.websocket("/ws").await?);
    }
    let stay = sessions.iter().filter(|session| session.worker() == watching).count();
    assert_eq!(nginx.upstream().await?.peers[0].connections, sessions.len() as u64);
    signal(victim, Signal::SIGKILL)?;
    eventually(SOON, "the dead worker's sessions are counted out", async || {
        let connections = nginx.upstream().await?.peers[0].connections;
        ensure!(connections == stay as u64, "{connections}, not {stay}");
        Ok(())
    })
    .await?;
    for session in sessions.iter_mut().filter(|session| session.worker() == watching) {
        session.echo("not mine").await?;
    }
    assert_eq!(nginx.status().await?.watcher_pid, Some(watching));
    nginx.applied(etcd.put(key("n1"), "127.0.0.1:1 down").await?).await?;
    Ok(())
}

#[tokio::test]
async fn all_workers_killed_at_once_leave_one_watcher() -> Result<()> {
    let router = Router::start(2, 2).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for worker in nginx.workers()? {
        signal(worker, Signal::SIGKILL)?;
    }
    let revision = etcd.delete(&key("n1")).await?;
    nginx.applied(revision).await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    router.settled().await?;
    Ok(())
}

/// No new worker takes over here: the others must notice by themselves that the watcher is dead.
#[tokio::test]
async fn dead_watcher_is_replaced_while_the_master_is_halted() -> Result<()> {
    let router = Router::start(3, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let victim = watcher(nginx, 0).await?;
    let other =
        nginx.workers()?.into_iter().find(|worker| *worker != victim).ok_or("no other worker")?;
    let mut connection = nginx.connect_to(other).await?;
    nginx.signal(Signal::SIGSTOP)?;
    let killed = Stopwatch::start();
    signal(victim, Signal::SIGKILL)?;
    let revision = etcd.put(key("after-kill"), "127.0.0.1:1 down").await?;
    eventually(SOON, "the successor publishes", async || {
        let now = connection.get("/").await?.revision();
        ensure!(now >= revision, "{now}");
        Ok(())
    })
    .await?;
    let took = killed.elapsed();
    nginx.signal(Signal::SIGCONT)?;
    assert!(took < TAKEOVER + SLACK, "changes arrive after {took:?}");
    Ok(())
}

/// How often a process has gone to sleep, in its main thread.
fn sleeps(pid: i32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    Ok(count.ok_or("no count")?.trim().parse()?)
}

#[tokio::test]
async fn workers_sleep_while_nothing_happens() -> Result<()> {
    const SECONDS: u32 = 6;
    let router = Router::start(3, 1).await?;
    let nginx = &router.nginx;
    watcher(nginx, 0).await?;
    router.settled().await?;
    let workers = nginx.workers()?;
    // What was begun at the start ends.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = workers.iter().map(|worker| sleeps(*worker)).collect::<Result<Vec<_>>>()?;
    tokio::time::sleep(Duration::from_secs(SECONDS.into())).await;
    for (worker, before) in workers.into_iter().zip(before) {
        let count = sleeps(worker)? - before;
        println!("worker {worker}: {count} times in {SECONDS} s");
        assert!(count <= u64::from(SECONDS), "worker {worker} woke up {count} times");
    }
    Ok(())
}

#[tokio::test]
async fn watcher_that_is_halted_for_a_moment_goes_on() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let halted = watcher(nginx, 0).await?;
    let mut longest = Duration::ZERO;
    for _ in 0..4 {
        let began = Instant::now();
        signal(halted, Signal::SIGSTOP)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        signal(halted, Signal::SIGCONT)?;
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    nginx.applied(etcd.put(key("n1"), "127.0.0.1:1 down").await?).await?;
    // If the machine stood still meanwhile, the halt was no moment.
    if longest < Duration::from_secs(1) {
        assert_eq!(nginx.status().await?.watcher_pid, Some(halted));
    }
    Ok(())
}

#[tokio::test]
async fn halted_watcher_does_not_publish_beside_its_successor() -> Result<()> {
    let router = Router::start(2, 2).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let halted = watcher(nginx, 0).await?;
    let other =
        nginx.workers()?.into_iter().find(|worker| *worker != halted).ok_or("no other worker")?;
    let mut connection = nginx.connect_to(other).await?;
    signal(halted, Signal::SIGSTOP)?;
    let revision = etcd.put(key("n2"), router.nodes[1].address().to_string()).await?;
    eventually(SOON, "the successor publishes", async || {
        let now = connection.get("/").await?.revision();
        ensure!(now >= revision, "{now}");
        Ok(())
    })
    .await?;
    etcd.delete(&key("n1")).await?;
    signal(halted, Signal::SIGCONT)?;
    for round in 0..20 {
        let address = router.nodes[round % 2].address();
        nginx.applied(etcd.put(key("n2"), address.to_string()).await?).await?;
    }
    let upstream = router.settled().await?;
    assert_eq!(upstream.keys(), ["n0", "n2"]);
    assert_eq!(nginx.status().await?.watcher_pid, Some(other));
    etcd.wait_for_metric("etcd_debugging_mvcc_watcher_total", 1.0).await?;
    nginx.check_log()
}
