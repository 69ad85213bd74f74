//! Figures take memory only where there is a peer or a process that has some.

use std::fs;

use harness::*;

/// What all shared memory that the process has mapped takes, in bytes, and how much is mapped.
fn shared(process: i32) -> Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps"))?;
    let (mut is_shared, mut taken, mut mapped) = (false, 0, 0);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if !first.ends_with(':') {
            // Shared memory without a file is one of this "file".
            is_shared = line.contains("/dev/zero");
            continue;
        }
        let mut kilobytes = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        match first {
            "Size:" if is_shared => mapped += kilobytes() << 10,
            "Rss:" if is_shared => taken += kilobytes() << 10,
            _ => {}
        }
    }
    Ok((taken, mapped))
}

async fn measured(size: &str) -> Result<(u64, u64)> {
    let etcd = Etcd::start().await?;
    let configuration = Configuration::new()
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream(&format!("zone={size}"), ""));
    let nginx = Nginx::start(configuration).await?;
    let (master, mapped) = shared(nginx.master())?;
    let (worker, _) = shared(nginx.workers()?[0])?;
    Ok((master.max(worker), mapped))
}

#[tokio::test]
async fn a_large_zone_takes_no_memory_for_figures_that_nobody_has() -> Result<()> {
    let (small, _) = measured("1m").await?;
    let (large, mapped) = measured("64m").await?;
    assert!(mapped > 128 << 20, "{mapped} bytes are mapped");
    // nginx lists the pages of each zone: 24 bytes for a page. The ring of withdrawals of the
    // peers' zone takes 8 bytes for each 4096.
    let lists = mapped * 32 / 4096;
    assert!(
        large.saturating_sub(small) < lists + (256 << 10),
        "{small} bytes with 1m, {large} with 64m"
    );
    Ok(())
}

/// Peers whose figures are measured.
const PEERS: usize = 20_000;

#[tokio::test]
async fn figures_of_a_peer_take_half_more_than_the_peer() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("zone=16m", ""))
    })
    .await?;
    let watcher = router.nginx.watcher().await?;
    let before = shared(watcher)?.0;
    let used = router.nginx.upstream().await?.zone.used;
    let address = router.nodes[0].address().to_string();
    let pairs = (0..PEERS).map(|number| (key(&format!("peer-{number:05}")), address.clone()));
    let revision = router.etcd.put_all(pairs).await?;
    // The status of all peers is long.
    let zone = eventually(SOON, "all are applied", async || {
        let answer = router.nginx.get("/etcd?peers=0").await?;
        let mut status: Status = serde_json::from_slice(&answer.body)?;
        let upstream = status.upstreams.remove(UPSTREAM).ok_or("not in the status")?;
        ensure!(upstream.revision >= revision, "{} of {revision}", upstream.revision);
        Ok(upstream.zone)
    })
    .await?;
    let after = shared(watcher)?.0;
    let peers = zone.used - used;
    let figures = (after - before).saturating_sub(peers as u64);
    // There is a slot of 192 bytes for each 128 bytes of the zone where there are peers. Where a
    // table is, which counts as used as well, there are none.
    let ratio = figures as f64 / peers as f64;
    assert!((0.8..=1.7).contains(&ratio), "{figures} bytes beside {peers} of the zone");
    Ok(())
}
