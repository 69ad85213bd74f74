//! More networks than the zone has room for, and more keys than are taken.

use harness::*;
use nix::sys::signal::Signal;

use super::{INSIDE, NETWORKS, OUTSIDE, all_say, configuration, network, shown, start};

/// Puts keys with networks of 10.0.0.0/8: more than the smallest zone has room for.
async fn put_many(etcd: &Etcd) -> Result<()> {
    for thousand in 0..3 {
        let pairs = (0..1_000).map(|number| {
            let number = thousand * 1_000 + number;
            (
                network(&format!("many-{number:04}")),
                format!("10.{}.{}.0/24", number / 256, number % 256),
            )
        });
        etcd.put_all(pairs).await?;
    }
    Ok(())
}

#[tokio::test]
async fn networks_without_room_are_logged_and_cost_themselves_alone() -> Result<()> {
    let router = start("zone=64k").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    etcd.put(network("one"), INSIDE).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, false)]).await?;
    put_many(etcd).await?;
    let said = nginx.wait_for_log("no space for its networks").await?;
    assert!(said.contains(NETWORKS), "{said}");
    // Those that came first are there, the last are not; and what was there still goes when its key
    // does.
    all_say(nginx, &[(INSIDE, true), ("10.0.0.1", true), ("10.11.183.1", false)]).await?;
    etcd.delete(&network("many-0000")).await?;
    all_say(nginx, &[(INSIDE, true), ("10.0.0.1", false), ("10.0.1.1", true)]).await?;
    // Where there is room again, those that were left out come by themselves.
    etcd.delete_each((0..2_900).map(|number| network(&format!("many-{number:04}")))).await?;
    all_say(nginx, &[(INSIDE, true), ("10.0.1.1", false), ("10.11.183.1", true)]).await
}

#[tokio::test]
async fn too_many_networks_at_the_start_do_not_pass_for_none() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put(network("a-first"), INSIDE).await?;
    put_many(&etcd).await?;
    let nginx = Nginx::start(configuration(&etcd, "empty=1 zone=64k")).await?;
    nginx.wait_for_log("no space for its networks").await?;
    all_say(&nginx, &[(INSIDE, true), (OUTSIDE, false)]).await
}

#[tokio::test]
async fn another_zone_size_costs_no_network() -> Result<()> {
    let mut router = start("zone=64k").await?;
    router.etcd.put(network("a-first"), INSIDE).await?;
    put_many(&router.etcd).await?;
    router.nginx.wait_for_log("no space for its networks").await?;
    router.nginx.configure(configuration(&router.etcd, "zone=1m"))?;
    router.nginx.reload().await?;
    all_say(&router.nginx, &[(INSIDE, true), (OUTSIDE, false), ("10.11.183.1", true)]).await?;
    assert_eq!(shown(&router.nginx).await?.networks, 3_001);
    // Nobody can be asked for them.
    router.etcd.pause()?;
    for zone in ["zone=2m", "zone=1m", "zone=64k"] {
        router.nginx.configure(configuration(&router.etcd, zone))?;
        router.nginx.reload().await?;
        for mut connection in router.nginx.connect_to_each().await? {
            for (client, expected) in [(INSIDE, "<1>"), ("10.0.1.1", "<1>"), (OUTSIDE, "<0>")] {
                let answer = connection.get_with("/", &[("X-Real-IP", client)]).await?;
                assert_eq!(answer.header("x-inside"), expected, "{zone}: {client}");
            }
        }
    }
    router.etcd.resume()?;
    router.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_keys_than_the_limit_are_in_the_status() -> Result<()> {
    /// As many are taken.
    const MOST: usize = 200_000;
    let router = start("").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    etcd.put(network("a-first"), INSIDE).await?;
    all_say(nginx, &[(INSIDE, true)]).await?;
    let many = |number: usize| network(&format!("many/{number:06}"));
    etcd.put_all((0..MOST).map(|number| (many(number), "192.0.2.9".to_owned()))).await?;
    let refused = eventually(3 * SOON, "the status tells of it", async || {
        Ok(shown(nginx).await?.rejected.ok_or("nothing is rejected")?)
    })
    .await?;
    assert!(refused.contains("200000") && refused.contains(NETWORKS), "{refused}");
    // Not for the next watcher either.
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, false)]).await?;
    assert!(shown(nginx).await?.rejected.is_some());
    // One request for all of them: a busy etcd may not answer it in time, and does it all the same.
    eventually(3 * SOON, "all of these keys are deleted", async || {
        etcd.delete_all(&network("many/")).await
    })
    .await?;
    eventually(3 * SOON, "all keys are taken again", async || {
        let geo = shown(nginx).await?;
        ensure!(geo.networks == 1 && geo.rejected.is_none(), "{geo:?}");
        Ok(())
    })
    .await
}
