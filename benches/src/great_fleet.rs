//! What many keys cost: the start, the list, the memory, and nothing to do.

use std::fs::{Permissions, read_to_string, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use harness::{Configuration, Etcd, Folder, Mode, Result, UPSTREAM, ensure, eventually, memory};
use tokio::time::sleep;

use crate::client::Client;
use crate::farm::Farm;
use crate::fleet::Fleet;
use crate::method::Method;
use crate::plan::Plan;
use crate::setup::{LISTED, Setup, filled, peer_key};
use crate::statistics::median;
use crate::table::Table;
use crate::throughput::time_of;

/// The most for which the smallest zone is searched, which takes many starts.
const MOST_SEARCHED: usize = 10_000;
/// Methods whose zones differ.
const METHODS: [Method; 2] = [Method::RoundRobin, Method::HashConsistent];
/// From the end of the list to the beginning of idleness.
const SETTLED: Duration = Duration::from_secs(2);
/// Between two attempts at a first request.
const PAUSE: Duration = Duration::from_millis(1);
/// How closely the smallest zone is found: this part of it.
const CLOSE: usize = 32;

fn foreground(configuration: Configuration) -> Configuration {
    configuration.mode(Mode::Foreground).workers(1)
}

/// Asks until a peer answers, and gives the milliseconds since `began`.
async fn first_request(setup: &Setup, began: Instant) -> Result<f64> {
    while Client::open(&setup.address).and_then(|mut client| client.get("/").map(drop)).is_err() {
        ensure!(began.elapsed() < LISTED, "no peer has answered");
        sleep(PAUSE).await;
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Starts nginx so many times, and gives the last one and the milliseconds from the start to the
/// first request, the median of all.
async fn started(
    mut etcd: Etcd,
    fleet: &Fleet,
    parameters: &str,
    starts: usize,
) -> Result<(Setup, f64)> {
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        let setup = Setup::beginning(etcd, fleet, parameters, "", foreground).await?;
        times.push(first_request(&setup, began).await?);
        if times.len() >= starts {
            return Ok((setup, median(&mut times)));
        }
        etcd = setup.etcd.ok_or("no etcd")?;
    }
}

/// The processor time of a process while something is done, in milliseconds.
async fn spent(process: i32, what: impl Future<Output = Result<()>>) -> Result<f64> {
    let before = time_of(process)?;
    what.await?;
    Ok((time_of(process)? - before).as_secs_f64() * 1e3)
}

/// The memory of a process that is in no file and in no zone, in bytes.
fn heap(process: i32) -> Result<u64> {
    let (mut total, mut is_heap) = (0, false);
    for line in read_to_string(format!("/proc/{process}/smaps"))?.lines() {
        let mut words = line.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        if !first.ends_with(':') {
            // A mapping: addresses, access, offset, device, inode, and what is mapped.
            is_heap = words.nth(2) == Some("0");
        } else if first == "Private_Dirty:" && is_heap {
            total += second.ok_or("no size")?.parse::<u64>()? * 1024;
        }
    }
    Ok(total)
}

/// Measures at each size.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let mut table =
        Table::new("Many keys (one worker, with the watcher)", ["static", "etcd", "ratio"]);
    for &size in &plan.fleets {
        let is_chosen = |method: &Method| {
            let fits = *method == Method::RoundRobin || size <= plan.most_in_ring;
            fits && plan.methods.contains(method)
        };
        for method in METHODS.into_iter().filter(is_chosen) {
            let fleet = Fleet { is_distinct: true, ..Fleet::of(size, method) };
            rows(&mut table, plan, &fleet).await?;
        }
    }
    Ok(table)
}

async fn rows(table: &mut Table, plan: &Plan, fleet: &Fleet) -> Result<()> {
    let farm = Farm::start()?;
    let (port, name) = (farm.port(), format!("{}, {} keys", fleet.method.name(), fleet.peers));
    let what = format!("{name}: ms from the start to the first request");
    // nginx takes minutes to sort the points of 100 000 servers.
    let is_static_too = fleet.peers <= plan.most_static || fleet.method == Method::RoundRobin;
    let mut fixed = Vec::new();
    for _ in 0..if is_static_too { plan.counted_starts } else { 0 } {
        let began = Instant::now();
        let setup = Setup::fixed(fleet, port, Mode::Foreground).await?;
        fixed.push(first_request(&setup, began).await?);
    }
    let etcd = filled(fleet, port).await?;
    let list_before = time_of(etcd.pid()?)?;
    let (setup, time) = started(etcd, fleet, &fleet.zone(), plan.counted_starts).await?;
    let list = (time_of(setup.etcd()?.pid()?)? - list_before) / plan.counted_starts as u32;
    if is_static_too {
        table.compare(&what, median(&mut fixed), time);
    } else {
        table.row(&what, String::new(), format!("{time:.0}"), String::new());
    }
    let mut row = |what: &str, figure: f64, digits: usize| {
        let figure = format!("{figure:.digits$}");
        table.row(&format!("{name}: {what}"), String::new(), figure, String::new());
    };
    row("ms of etcd's processor for the start", list.as_secs_f64() * 1e3, 0);
    sleep(SETTLED).await;
    let worker = *setup.nginx.workers()?.first().ok_or("no worker")?;
    let idle = async || {
        sleep(plan.idle).await;
        Ok(())
    };
    let of_worker = spent(worker, idle()).await? / plan.idle.as_secs_f64();
    row("ms of processor a second of nothing to do", of_worker, 2);
    let mebibytes = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    row("MiB of memory that only the worker has", mebibytes(memory(worker)?), 1);
    row("MiB of its heap, that of the watcher included", mebibytes(heap(worker)?), 1);
    let status = setup.nginx.status().await?;
    let used = status.upstreams.get(UPSTREAM).ok_or("no upstream")?.zone.used;
    row("bytes of zone for a peer", used as f64 / fleet.peers as f64, 0);
    setup.nginx.check_log()?;
    let Setup { nginx, etcd, .. } = setup;
    drop(nginx);

    let etcd = etcd.ok_or("no etcd")?;
    let (etcd, time) = with_state(etcd, fleet, plan.counted_starts).await?;
    row("ms from the start to the first request, with state=", time, 0);
    if fleet.peers <= MOST_SEARCHED {
        let zone = smallest_zone(etcd, fleet, port).await?;
        row("KiB of the smallest zone in which one changes", zone as f64, 0);
    }
    Ok(())
}

/// The same start with a state file, which another nginx has written.
async fn with_state(etcd: Etcd, fleet: &Fleet, starts: usize) -> Result<(Etcd, f64)> {
    let folder = Folder::new("state")?;
    // The watcher, which writes there, runs as another user than the master where that is root.
    set_permissions(folder.path(), Permissions::from_mode(0o777))?;
    let file = folder.path().join("peers");
    let parameters = format!("{} state={}", fleet.zone(), file.display());
    let setup = Setup::beginning(etcd, fleet, &parameters, "", foreground).await?;
    eventually(LISTED, "the state file", async || {
        ensure!(std::fs::metadata(&file)?.len() > 0, "it is empty");
        Ok(())
    })
    .await?;
    let Setup { nginx, etcd, .. } = setup;
    drop(nginx);
    let etcd = etcd.ok_or("no etcd")?;
    let (setup, time) = started(etcd, fleet, &parameters, starts).await?;
    Ok((setup.etcd.ok_or("no etcd")?, time))
}

/// The smallest zone in which all are listed and one of them changes, in KiB.
async fn smallest_zone(mut etcd: Etcd, fleet: &Fleet, port: u16) -> Result<usize> {
    let (mut too_small, mut enough) = (0, 4 << 10);
    let mut is_bounded = false;
    while !is_bounded || enough - too_small > enough / CLOSE {
        let zone = if is_bounded { too_small.midpoint(enough) } else { enough };
        let fits;
        (etcd, fits) = fits_in(etcd, zone, fleet, port).await?;
        match (fits, is_bounded) {
            (true, _) => (enough, is_bounded) = (zone, true),
            (false, true) => too_small = zone,
            (false, false) => (too_small, enough) = (zone, 2 * zone),
        }
    }
    Ok(enough)
}

async fn fits_in(etcd: Etcd, zone: usize, fleet: &Fleet, port: u16) -> Result<(Etcd, bool)> {
    let setup = Setup::beginning(etcd, fleet, &format!("zone={zone}k"), "", foreground).await?;
    let says = async |text: &str| -> Result<bool> {
        eventually(LISTED, text, async || {
            let lines = [" is too small", text].map(|text| setup.nginx.log_lines(text));
            let [is_too_small, is_done] = lines.map(|lines| !lines.is_empty());
            ensure!(is_too_small || is_done, "{}", setup.nginx.log());
            Ok(!is_too_small)
        })
        .await
    };
    let mut fits = says(" peers (+").await?;
    if fits {
        let value = format!("{} weight={}", fleet.address(0, port), 2 + zone % 50);
        let revision = setup.etcd()?.put(peer_key(0), value).await?;
        fits = says(&format!("), revision {revision}")).await?;
    }
    Ok((setup.etcd.ok_or("no etcd")?, fits))
}
