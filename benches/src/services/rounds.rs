//! Memory while all services go and come again.

use std::time::{Duration, Instant};

use harness::{Etcd, Nginx, PREFIX, Result, Status, UPSTREAM, ensure, eventually, free_port};

use tokio::time::sleep;

use super::configuration;
use super::platform::{NODES, Platform, ROUTES};
use crate::farm::allow_descriptors;
use crate::neighbours::process::dirty_memory;
use crate::plan::Plan;
use crate::table::Table;

/// How long it may take until all are there, or none.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// How long memory is waited for, and between two looks.
const GIVEN_BACK: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
/// Rounds of which the most memory is the one that must not grow: by then the allocator has taken
/// what it keeps. One of as many.
const FIRST: usize = 4;
/// Aimed at: memory at the end, as a multiple of that.
const FLAT: f64 = 1.02;
/// Where nobody listens; no request is made.
const PORT: u16 = 1;

/// What nginx has of services.
struct Found {
    zone: u64,
    map: usize,
}

/// Waits until there are as many services, each with a host.
///
/// # Errors
///
/// Where that does not come.
pub async fn ready(nginx: &Nginx, services: usize) -> Result<()> {
    found(nginx, services).await.map(drop)
}

async fn found(nginx: &Nginx, services: usize) -> Result<Found> {
    eventually(DEADLINE, "the services", async || {
        let answer = nginx.get("/etcd?peers=0").await?;
        let status: Status = serde_json::from_slice(&answer.body)?;
        let upstream = status.upstreams.get(UPSTREAM).ok_or("no upstream")?;
        let map = status.maps.get("$service").ok_or("no map")?;
        let groups = upstream.groups.as_ref().map(|groups| groups.count).unwrap_or_default();
        ensure!(map.entries == services, "{} hosts", map.entries);
        ensure!(groups == services, "{groups} groups");
        ensure!(!upstream.zone.full, "the zone is too small");
        Ok(Found { zone: upstream.zone.used, map: map.bytes_used })
    })
    .await
}

/// What nginx has without services, once it has given back what it gives back: requests may still
/// use what was replaced last.
async fn given_back(nginx: &Nginx, empty: &Found) -> Result<Found> {
    let began = Instant::now();
    loop {
        let left = found(nginx, 0).await?;
        if left.zone <= empty.zone || began.elapsed() > GIVEN_BACK {
            return Ok(left);
        }
        sleep(PAUSE).await;
    }
}

/// Removes all services and writes them again, many times.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    allow_descriptors()?;
    let services = plan.services.last().copied().unwrap_or_default();
    let platform = Platform::of(services, NODES, PORT);
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(configuration::ours(&etcd, services * NODES, free_port()?)).await?;
    let empty = found(&nginx, 0).await?;
    let (mut first, mut last) = (0, 0);
    for round in 0..plan.rounds {
        etcd.put_all(platform.all_pairs(PREFIX)).await?;
        found(&nginx, services).await?;
        last = dirty_memory(nginx.master())?;
        if round < plan.rounds.div_ceil(FIRST) {
            first = first.max(last);
        }
        etcd.delete_all(ROUTES).await?;
        etcd.delete_all(PREFIX).await?;
        found(&nginx, 0).await?;
        // Otherwise etcd runs out of space.
        etcd.compact().await?;
    }
    let left = given_back(&nginx, &empty).await?;
    nginx.check_log()?;
    let title = format!("{services} services of {NODES} nodes, removed and added again");
    let mut table = Table::new(&title, ["at first", "at the end", "ratio"]);
    let name = |what: &str| format!("{what}, after {} rounds", plan.rounds);
    let kibibytes = |bytes: u64| bytes as f64 / 1024.0;
    table.compare(&name("KiB of memory with all"), kibibytes(first), kibibytes(last));
    table.aim(&format!("<= {FLAT}"), last as f64 <= first as f64 * FLAT);
    table.compare(&name("bytes of the peers' zone with none"), empty.zone as f64, left.zone as f64);
    table.aim("the same", left.zone <= empty.zone);
    let [before, after] = [empty.map, left.map].map(|bytes| bytes.to_string());
    table.row(&name("bytes of the map's entries with none"), before, after, String::new());
    table.aim("the same", left.map <= empty.map);
    Ok(table)
}
