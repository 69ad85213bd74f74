//! More keys than fit into the zone, and into memory.

use std::time::Duration;

use harness::*;
use nix::sys::signal::Signal;

/// Twice as many as are taken with the zone of 1m that is the default.
const TOO_MANY: usize = 32_000;
/// Those of a list that is too much for a worker, and the bytes of each value, which is no peer.
const LARGE: (usize, usize) = (10_000, 4_000);
/// How much address space a worker has beyond what it begins with, in bytes: less than that list.
const ROOM: u64 = 24 << 20;
/// How much a worker may grow by what it follows: a few thousand keys, and what comes of a message
/// of etcd's.
const GROWTH: u64 = 48 << 20;
/// What a list of this size may take on a busy machine.
const LONG: Duration = Duration::from_secs(120);
fn name(number: usize) -> String {
    key(&format!("peer-{number:06}"))
}

async fn put_large(etcd: &Etcd) -> Result<i64> {
    let padding = "x".repeat(LARGE.1);
    etcd.put_all((0..LARGE.0).map(|number| (name(number), format!("? {padding}")))).await
}

/// Waits until there is trouble with this in its words, and gives it.
async fn trouble(nginx: &Nginx, words: &str) -> Result<String> {
    eventually(LONG, &format!("trouble: {words}"), async || {
        let trouble = nginx.upstream().await?.trouble.unwrap_or_default();
        ensure!(trouble.contains(words), "{trouble:?}");
        Ok(trouble)
    })
    .await
}

async fn recovers(nginx: &Nginx, keys: &[&str]) -> Result<Upstream> {
    eventually(LONG, &format!("the keys are {keys:?}"), async || {
        let upstream = nginx.upstream().await?;
        ensure!(
            upstream.keys() == keys && upstream.connected && upstream.trouble.is_none(),
            "{upstream:?}"
        );
        Ok(upstream)
    })
    .await
}

/// They come by the watch: what is in hand is followed, the rest is not kept, and is there when it
/// fits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_beyond_the_limit_in_a_watch_are_left_out() -> Result<()> {
    let router = Router::start(1, 2).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let worker = nginx.watcher().await?;
    let before = memory(worker)?;
    let address = router.nodes[0].address().to_string();
    etcd.put_all((0..TOO_MANY).map(|number| (name(number), address.clone()))).await?;
    let said = trouble(nginx, "more than 16384 keys").await?;
    assert!(said.contains("increase \"zone\""), "{said}");
    // A key that is known is obeyed all the same.
    etcd.delete(&key("n1")).await?;
    let upstream = eventually(LONG, "the deletion is obeyed", async || {
        let upstream = nginx.upstream().await?;
        ensure!(!upstream.keys().contains(&"n1"), "{} keys", upstream.keys().len());
        Ok(upstream)
    })
    .await?;
    assert!(upstream.connected && upstream.keys().contains(&"n0"), "{:?}", upstream.keys());
    let grown = memory(worker)?.saturating_sub(before);
    println!("grown by {grown} bytes");
    assert!(grown < GROWTH, "grown by {grown} bytes");
    assert_eq!(nginx.get("/").await?.status, 200);
    nginx.wait_for_log_lines("new ones are ignored", 1).await?;

    etcd.delete_all(&key("peer-")).await?;
    let upstream = recovers(nginx, &["n0"]).await?;
    let listed: u64 = ["start", "too_large"].iter().map(|cause| upstream.resyncs[*cause]).sum();
    assert_eq!(listed, upstream.resyncs.values().sum::<u64>(), "{:?}", upstream.resyncs);
    etcd.put(key("n1"), router.nodes[1].address().to_string()).await?;
    recovers(nginx, &["n0", "n1"]).await?;
    assert_eq!(nginx.watcher().await?, worker);
    nginx.check_log()
}

/// A list is refused before it is read; it is there when it fits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_beyond_the_limit_is_not_read() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(1).await?;
    etcd.put_all((0..TOO_MANY).map(|number| (name(number), "?".to_owned()))).await?;
    let configuration = Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("", &format!("server {};", nodes[0].address())));
    let nginx = Nginx::start(configuration).await?;
    let workers = nginx.workers()?;
    let said = trouble(&nginx, "32000 keys, more than 16384").await?;
    assert!(said.contains("increase \"zone\""), "{said}");
    assert_eq!(nginx.get("/").await?.node(), "n0");
    etcd.put(key("n1"), nodes[0].address().to_string()).await?;
    etcd.delete_all(&key("peer-")).await?;
    eventually(LONG, "the peer is there", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peer("n1").is_some() && upstream.trouble.is_none(), "{upstream:?}");
        Ok(())
    })
    .await?;
    assert_eq!(nginx.workers()?, workers, "no worker has ended");
    // None was looked at.
    assert_eq!(nginx.upstream().await?.rejected_total, 0);
    nginx.check_log()
}

/// The zone allows them, and the memory of a worker does not: few workers die, the peers in hand
/// serve, and it ends when there are fewer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_are_killed_by_a_list_wait_for_longer_each_time() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=4m", ""))
    })
    .await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    put_large(etcd).await?;
    let watcher = nginx.watcher().await?;
    let other =
        nginx.workers()?.into_iter().find(|worker| *worker != watcher).ok_or("no other worker")?;
    // Workers that start from now on have no more than this.
    limit_address_space(nginx.master(), address_space(other)? + ROOM)?;
    nginx.signal(Signal::SIGHUP)?;
    let died = || {
        nginx
            .log_lines("worker process")
            .iter()
            .filter(|line| line.contains("exited on signal"))
            .count()
    };
    let mut answers = 0;
    let line = eventually(LONG, "the fifth in a row waits", async || {
        // Whoever is connected to a worker that dies is cut off with it.
        if let Ok(answer) = nginx.get("/").await {
            ensure!(answer.status == 200 && answer.node() == "n0", "{}", answer.status);
            answers += 1;
        }
        let line = nginx.log_lines("5 watchers in a row exited").into_iter().next();
        line.ok_or_else(|| format!("{} have died", died()).into())
    })
    .await?;
    assert!(line.contains("[alert]"), "{line}");
    // The next watcher may notice the end of the last one before the master logs it.
    let died_by_now = eventually(LONG, "the master logs the end of five", async || {
        let died = died();
        ensure!(died >= 5, "{died} have died");
        Ok(died)
    })
    .await?;
    println!("{died_by_now} workers have died, {answers} answers");
    // The five, and those that were good watchers until they were ended.
    assert!(died_by_now <= 8, "{died_by_now} workers have died: {}", nginx.log());
    assert!(answers > 0);
    trouble(nginx, "watchers in a row exited").await?;
    assert!(!nginx.upstream().await?.connected);

    etcd.delete_all(&key("peer-")).await?;
    recovers(nginx, &["n0"]).await?;
    Ok(())
}
