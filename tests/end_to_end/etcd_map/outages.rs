//! etcd away, wiped and compacted; watchers that end; reloads.

use std::sync::Arc;

use harness::*;
use nix::sys::signal::Signal;

use super::{ROUTES, all_say, configuration, route, shown, start};

#[tokio::test]
async fn values_stay_without_etcd_and_over_reloads_takeovers_and_a_wiped_etcd() -> Result<()> {
    let (nginx, mut etcd) = start("default=none").await?;
    for number in 0..10 {
        etcd.put(route(&format!("other-{number}")), "x").await?;
    }
    etcd.put(route("one"), "first").await?;
    let kept = [("one", "first"), ("other-9", "x"), ("two", "none")];
    all_say(&nginx, &kept).await?;
    etcd.kill().await?;
    nginx.reload().await?;
    all_say(&nginx, &kept).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    all_say(&nginx, &kept).await?;

    etcd.wipe()?;
    etcd.restart().await?;
    let map = eventually(SOON, "they are held", async || {
        let map = shown(&nginx).await?;
        ensure!(map.held.is_some(), "{map:?}");
        Ok(map)
    })
    .await?;
    assert!(
        map.entries == 11 && map.held.is_some_and(|left| left > 30.0 && left <= 60.0),
        "{map:?}"
    );
    // What is not valid does not take their place, for the next watcher as well.
    etcd.put(route("new"), b"\xff").await?;
    nginx.wait_for_log("not valid UTF-8").await?;
    all_say(&nginx, &kept).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    all_say(&nginx, &kept).await?;
    nginx.reload().await?;
    all_say(&nginx, &kept).await?;
    // A key that is deleted is meant to be gone.
    etcd.put(route("other-9"), b"\xff").await?;
    etcd.delete(&route("other-9")).await?;
    all_say(&nginx, &[("other-9", "none"), ("one", "first")]).await?;
    // What is valid does so as a whole.
    etcd.put(route("two"), "second").await?;
    all_say(&nginx, &[("one", "none"), ("other-1", "none"), ("two", "second")]).await?;
    eventually(SOON, "nothing is held", async || {
        let map = shown(&nginx).await?;
        ensure!(map.held.is_none() && map.entries == 1, "{map:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_is_lost_by_a_compaction() -> Result<()> {
    let etcd = Etcd::start().await?;
    let link = Link::to(&etcd.address()).await?;
    let nginx = Nginx::start(
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &link.url()))
            .http("etcd_map $http_x_name $service main /routes/ default=none;")
            .http(&upstream("", ""))
            .server("location = /map { return 200 '<$service>'; }"),
    )
    .await?;
    etcd.put(route("one"), "1").await?;
    etcd.put(route("two"), "1").await?;
    etcd.put(route("bad"), b"\xff").await?;
    etcd.put(route("worse"), b"\xfe").await?;
    all_say(&nginx, &[("one", "1"), ("two", "1")]).await?;
    nginx.wait_for_log_lines("rejected", 2).await?;
    link.cut();
    etcd.put(route("one"), "2").await?;
    etcd.delete(&route("two")).await?;
    etcd.put(route("three"), "3").await?;
    etcd.compact().await?;
    link.mend();
    all_say(&nginx, &[("one", "2"), ("two", "none"), ("three", "3"), ("bad", "none")]).await?;
    // What was said of values that are as they were is not said again.
    assert_eq!(nginx.log_lines("rejected").len(), 2);
    assert_eq!(shown(&nginx).await?.entries, 2);
    Ok(())
}

/// Reloads and watchers that are killed, while keys change without pause: in the end all is as in
/// etcd.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_and_killed_watchers_lose_no_change() -> Result<()> {
    const KEYS: usize = 200;
    const ROUNDS: usize = 6;
    let (mut nginx, etcd) = start("default=none").await?;
    let etcd = Arc::new(etcd);
    let written = Arc::clone(&etcd);
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    let writer = tokio::spawn(async move {
        let mut change = 0;
        while !stopped.is_cancelled() {
            let key = route(&format!("key-{}", change * 7 % KEYS));
            match change % 5 {
                4 => written.delete_each([key]).await?,
                _ => {
                    written.put(key, format!("value-{change}-{}", "x".repeat(change % 300))).await?
                }
            };
            change += 1;
        }
        Ok::<_, Error>(change)
    });
    for round in 0..ROUNDS {
        match round % 3 {
            0 => nginx.reload().await?,
            1 => {
                let watcher = eventually(SOON, "a new worker watches", async || {
                    let watcher = nginx.watcher().await?;
                    ensure!(nginx.workers()?.contains(&watcher), "{watcher} is an old one");
                    Ok(watcher)
                })
                .await?;
                signal(watcher, Signal::SIGKILL)?;
                nginx.watcher().await?;
            }
            _ => {
                let size = format!("default=none zone={round}m");
                nginx.configure(configuration(&etcd, &size))?;
                nginx.reload().await?;
            }
        }
    }
    stop.cancel();
    let changes = writer.await??;
    println!("{changes} changes");
    let expected = etcd.all_below(ROUTES).await?;
    let name = |key: &'_ str| key.strip_prefix(ROUTES).map(str::to_owned);
    let expected: Vec<(String, String)> =
        expected.into_iter().filter_map(|(key, value)| Some((name(&key)?, value))).collect();
    let told: Vec<(&str, &str)> =
        expected.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all_say(&nginx, &told).await?;
    eventually(SOON, "as many as in etcd", async || {
        let map = shown(&nginx).await?;
        ensure!(map.entries == expected.len(), "{map:?}, {} in etcd", expected.len());
        Ok(())
    })
    .await
}
