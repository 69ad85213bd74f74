//! Memory returns when changes are over.

mod sessions;

use harness::*;

const PEERS: usize = 10_000;
const CHANGES: usize = 1_000;
/// Changes after which it is waited until all are applied: with so many peers several make one
/// table, but not more than these.
const TOGETHER: usize = 10;
/// Changes before the first measurement: by then the allocators have taken what they keep.
const WARM_UP: usize = 200;
/// How much more of its own a worker may hold at the end: an allocator's fragments, mostly of the
/// status of so many peers. A hundred tables that were not given back would be 30 MB at least, at
/// 32 bytes for each peer.
const WORKER_TOLERANCE: u64 = 8 << 20;

fn name(number: usize) -> String {
    key(&format!("peer-{number:05}"))
}

/// Changes weights, removes and adds, at places all over the list, which is the same before and
/// after.
async fn change(router: &Router, count: usize) -> Result<()> {
    let (etcd, address) = (&router.etcd, router.nodes[0].address().to_string());
    let mut connection = router.nginx.connect().await?;
    for step in 0..count {
        let name = name(step / 4 * 7919 % PEERS);
        let revision = match step % 4 {
            0 => etcd.put(name, format!("{address} weight=2")).await?,
            1 => etcd.put(name, &address).await?,
            2 => etcd.delete(&name).await?,
            _ => etcd.put(name, &address).await?,
        };
        if step % TOGETHER + 1 < TOGETHER {
            continue;
        }
        eventually(SOON, &format!("revision {revision} is applied"), async || {
            let now = connection.get("/").await?.revision();
            ensure!(now >= revision, "{now}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// What the zone holds, and what each worker has of its own after it has told its status.
async fn measure(nginx: &Nginx) -> Result<(u64, Vec<u64>)> {
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..3 {
            connection.get("/etcd").await?;
        }
    }
    let used = nginx.upstream().await?.zone.used;
    let workers = nginx.workers()?.into_iter().map(memory).collect::<Result<_>>()?;
    Ok((used, workers))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_by_ten_thousand_peers_and_a_thousand_changes() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=32m", ""))
    })
    .await?;
    let (nginx, etcd, node) = (&router.nginx, &router.etcd, &router.nodes[0]);
    let empty = nginx.upstream().await?.zone.used;
    let all = (0..PEERS).map(|number| (name(number), node.address().to_string()));
    let full = nginx.applied(etcd.put_all(all).await?).await?;
    assert_eq!(full.keys().len(), PEERS + 1);
    assert!(!full.zone.full, "{:?}", full.zone);

    let load = Load::start(&nginx.address(), "/", Clients::KeepAlive, 1);
    change(&router, WARM_UP).await?;
    let (zone, workers) = measure(nginx).await?;
    change(&router, CHANGES).await?;
    load.stop().await?.without_failure()?;
    let now = eventually(SOON, "zone and workers hold what they held", async || {
        let (used, now) = measure(nginx).await?;
        // A table more, if that, waits for the next change to be freed.
        ensure!(used <= zone + zone / 100, "{used} bytes in the zone, {zone} before the changes");
        let grown = now.iter().zip(&workers).any(|(now, before)| *now > before + WORKER_TOLERANCE);
        ensure!(!grown, "workers hold {now:?} bytes, {workers:?} before the changes");
        Ok(now)
    })
    .await?;
    println!("zone {zone} bytes; workers before {workers:?}, after {now:?}");

    let keys = (0..PEERS).map(name);
    nginx.applied(etcd.delete_each(keys).await?).await?;
    eventually(SOON, "the zone is as empty as at the start", async || {
        let (now, _) = measure(nginx).await?;
        ensure!(now <= empty + (64 << 10), "{now} bytes, {empty} at the start");
        Ok(())
    })
    .await?;
    nginx.check_log()
}
