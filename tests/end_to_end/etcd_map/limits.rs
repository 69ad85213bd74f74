//! More than the zone has room for.

use harness::*;
use nix::sys::signal::Signal;

use super::{all_say, configuration, route, shown, start};

/// Puts keys with values of 100 bytes: more than the smallest zone has room for.
async fn put_many(etcd: &Etcd) -> Result<i64> {
    let pairs = (0..2_000).map(|number| (many(number), "x".repeat(100)));
    etcd.put_all(pairs).await
}

fn many(number: usize) -> String {
    route(&format!("many-{number:04}"))
}

/// The size that a line of the log asks for.
fn advice(line: &str) -> Result<String> {
    let size = line.split("increase \"zone\" of the \"etcd_map\" directive to ").nth(1);
    let size = size.and_then(|rest| rest.split(';').next());
    Ok(size.ok_or_else(|| format!("no size in {line}"))?.to_owned())
}

#[tokio::test]
async fn what_has_no_room_costs_itself_alone_and_the_log_says_which_zone_has() -> Result<()> {
    let (mut nginx, etcd) = start("zone=64k").await?;
    etcd.put(route("one"), "first").await?;
    all_say(&nginx, &[("one", "first")]).await?;
    put_many(&etcd).await?;
    nginx.wait_for_log("no space for the value").await?;
    all_say(&nginx, &[("one", "first"), ("many-0000", &"x".repeat(100)), ("many-1999", "")])
        .await?;
    // What is there can change, if it takes no more, and goes when its key does.
    etcd.put(many(0), "y".repeat(99)).await?;
    etcd.delete(&many(1)).await?;
    all_say(&nginx, &[("many-0000", &"y".repeat(99)), ("many-0001", "")]).await?;
    let map = shown(&nginx).await?;
    assert!(map.rejected.is_some_and(|said| said.contains("increase \"zone\"")));
    assert!(map.entries > 100 && map.entries < 1_000, "{}", map.entries);

    // A fresh list knows all that has no room, and so does its advice.
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    let line = nginx.wait_for_log("more keys rejected").await?;
    println!("{line}");
    let size = advice(nginx.log_lines("to ").last().ok_or("no advice")?)?;
    nginx.configure(configuration(&etcd, &format!("zone={size}")))?;
    nginx.reload().await?;
    all_say(&nginx, &[("one", "first"), ("many-1999", &"x".repeat(100)), ("many-0001", "")])
        .await?;
    let map = eventually(SOON, "all have room", async || {
        let map = shown(&nginx).await?;
        ensure!(map.entries == 2_000 && map.rejected.is_none(), "{map:?}");
        Ok(map)
    })
    .await?;
    println!("zone={size}: {} of {} bytes", map.bytes_used, map.bytes_total);
    assert!(map.bytes_used * 2 > map.bytes_total, "{size} is far more than it takes");
    Ok(())
}

#[tokio::test]
async fn what_was_left_out_comes_once_there_is_room() -> Result<()> {
    let (nginx, etcd) = start("zone=64k").await?;
    put_many(&etcd).await?;
    nginx.wait_for_log("no space for the value").await?;
    etcd.delete_each((0..1_900).map(many)).await?;
    all_say(&nginx, &[("many-1899", ""), ("many-1999", &"x".repeat(100))]).await?;
    eventually(SOON, "nothing is rejected", async || {
        let map = shown(&nginx).await?;
        ensure!(map.entries == 100 && map.rejected.is_none(), "{map:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_zone_size_costs_no_value() -> Result<()> {
    let (mut nginx, etcd) = start("zone=1m").await?;
    put_many(&etcd).await?;
    all_say(&nginx, &[("many-1999", &"x".repeat(100))]).await?;
    // Nobody can be asked for them.
    etcd.pause()?;
    for zone in ["zone=2m", "zone=1m", "zone=512k", "zone=1m max_length=99"] {
        nginx.configure(configuration(&etcd, zone))?;
        nginx.reload().await?;
        let mut connection = nginx.connect().await?;
        for number in [0, 1_000, 1_999] {
            let said = super::said(&mut connection, &format!("many-{number:04}")).await?;
            assert_eq!(said, "x".repeat(100), "{zone}: {number}");
        }
        assert_eq!(shown(&nginx).await?.entries, 2_000, "{zone}");
    }
    etcd.resume()?;
    // They are too long for the last one: the last good ones stay.
    nginx.wait_for_log("100 bytes, the maximum is 99").await?;
    all_say(&nginx, &[("many-1999", &"x".repeat(100))]).await
}

#[tokio::test]
async fn reload_that_fails_leaves_all_as_it_was() -> Result<()> {
    let (mut nginx, etcd) = start("default=none").await?;
    etcd.put(route("one"), "first").await?;
    all_say(&nginx, &[("one", "first"), ("two", "none")]).await?;
    let workers = nginx.workers()?;
    nginx.configure(configuration(&etcd, "zone=1k"))?;
    nginx.signal(Signal::SIGHUP)?;
    nginx.wait_for_log("invalid value \"1k\" of \"zone\" in \"etcd_map\" directive").await?;
    etcd.put(route("two"), "second").await?;
    all_say(&nginx, &[("one", "first"), ("two", "second")]).await?;
    assert_eq!(nginx.workers()?, workers);
    Ok(())
}
