//! The watcher panics, wherever it is, and is back: nobody but the log is any the wiser. With a
//! module that panics where a key says.

use std::time::Duration;

use harness::*;

/// The promise: within a second changes arrive again.
const BACK: Duration = Duration::from_secs(1);
/// What the load and etcd may add to it, which share the processors.
const SLACK: Duration = Duration::from_millis(500);
/// Where it can panic.
const PLACES: [&str; 4] = ["update", "before publication", "in publication", "follower"];
/// What the worker says of it.
const SAID: &str = "etcd: the watcher failed and is being restarted: injected: ";

async fn start(workers: usize) -> Result<Router> {
    Router::with(3, |etcd| Configuration::firehose(etcd).workers(workers).with_faults()).await
}

/// Descriptors that a process has open.
fn descriptors(pid: i32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Has the watcher panic for the `number`th time, and waits until changes arrive again. Returns how
/// long that took.
async fn panics(router: &Router, number: usize) -> Result<Duration> {
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let began = Stopwatch::start();
    etcd.put(key("panic!"), format!("? {}, time {number}", PLACES[number % PLACES.len()])).await?;
    // Written after what it panics at: the last of the old watcher's, or the first of its
    // successor's.
    etcd.put(key("beside"), router.nodes[(number + 1) % router.nodes.len()].address().to_string())
        .await?;
    eventually(SOON, &format!("panic {number} is logged"), async || {
        let said = nginx.log_lines(SAID).len();
        ensure!(said == number + 1, "{said} times, not {}", number + 1);
        Ok(())
    })
    .await?;
    // The thread that panicked is gone by now: only its successor can see this one. The successor
    // sees the next call for a panic as a change, too; what it finds in its list calls for none.
    let revision = etcd
        .put(key("after"), router.nodes[number % router.nodes.len()].address().to_string())
        .await?;
    eventually(SOON, &format!("revision {revision} after panic {number}"), async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.revision >= revision && upstream.connected, "{upstream:?}");
        Ok(())
    })
    .await?;
    let took = began.elapsed();
    println!("panic {number}: changes arrive after {took:?} of {:?}", began.passed());
    ensure!(took < BACK + SLACK, "panic {number}: changes arrive after {took:?}");
    Ok(took)
}

/// Whether it has left no trace but what was said of the panics.
async fn is_sound(router: &Router, workers: &[i32]) -> Result<()> {
    let nginx = &router.nginx;
    let upstream = nginx.applied(router.etcd.delete(&key("panic!")).await?).await?;
    router.settled().await?;
    assert_eq!(upstream.rejected.len(), 0, "{upstream:?}");
    assert_eq!(nginx.workers()?, workers, "no worker has ended");
    for trouble in ["[alert]", "[crit]", "[emerg]", "exited on signal"] {
        assert_eq!(nginx.log_lines(trouble), [""; 0]);
    }
    router.etcd.wait_for_metric("etcd_debugging_mvcc_watcher_total", 1.0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watcher_that_panics_is_restarted_and_no_request_fails() -> Result<()> {
    let router = start(1).await?;
    let nginx = &router.nginx;
    let workers = nginx.workers()?;
    let loads =
        [Clients::Fresh, Clients::KeepAlive].map(|how| Load::start(&nginx.address(), "/", how, 2));
    let mut session = nginx.websocket("/ws").await?;
    for number in 0..PLACES.len() {
        panics(&router, number).await?;
        session.echo(&format!("after panic {number}")).await?;
    }
    for load in loads {
        load.stop().await?.without_failure()?;
    }
    assert!(PLACES.len() == nginx.log_lines("the watcher failed").len(), "{}", nginx.log());
    for place in ["Update", "BeforePublication", "InPublication", "Follower"] {
        nginx.wait_for_log_lines(&format!("{SAID}{place}"), 1).await?;
        // Where it was is said by the panic itself, in one line as well.
        let panicked = "etcd: thread \"etcd-watcher\" panicked at src/watcher/faults.rs:";
        let lines = nginx.log_lines(panicked);
        assert!(
            lines.iter().any(|line| line.ends_with(&format!("injected: {place}"))),
            "{lines:?}"
        );
    }
    is_sound(&router, &workers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_panics_leak_nothing() -> Result<()> {
    let router = start(2).await?;
    let nginx = &router.nginx;
    let workers = nginx.workers()?;
    let load = Load::start(&nginx.address(), "/", Clients::Fresh, 2);
    for number in 0..2 {
        panics(&router, number).await?;
    }
    let upstream = nginx.upstream().await?;
    let (used, open) = (upstream.zone.used, workers.iter().map(|worker| descriptors(*worker)));
    let open = open.sum::<Result<usize>>()?;
    for number in 2..20 {
        panics(&router, number).await?;
    }
    load.stop().await?.without_failure()?;
    is_sound(&router, &workers).await?;
    eventually(SOON, "no descriptor and no memory of the zone is left behind", async || {
        let now = nginx.upstream().await?.zone.used;
        let open_now = workers.iter().map(|worker| descriptors(*worker)).sum::<Result<usize>>()?;
        ensure!(now <= used && open_now <= open, "{now} and {open_now}, were {used} and {open}");
        Ok(())
    })
    .await
}
