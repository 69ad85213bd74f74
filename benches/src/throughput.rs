//! Requests per second, and processor time per request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{park_timeout, scope};
use std::time::{Duration, Instant};

use harness::{Mode, Result, ensure};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::backend::Backend;
use crate::client::Client;
use crate::plan::Plan;
use crate::setup::Setup;
use crate::statistics::median;
use crate::table::Table;

/// Connections that ask at the same time: enough that the one worker never waits for the load.
const CONNECTIONS: usize = 8;

/// What one measurement gave.
struct Figures {
    per_second: f64,
    /// In microseconds.
    time_per_request: f64,
}

fn time_of(worker: i32) -> Result<Duration> {
    // `utime` and `stime` of the whole process, the watcher's thread included, to the nanosecond.
    let clock: ClockId = clock_getcpuclockid(Pid::from_raw(worker))?;
    Ok(Duration::from(clock.now()?))
}

fn load(setup: &Setup, worker: i32, time: Duration) -> Result<Figures> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::open(&setup.address)?);
    }
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let ask = |mut client: Client| -> Result<()> {
        while !is_over.load(Relaxed) {
            client.get("/")?;
            answered.fetch_add(1, Relaxed);
        }
        Ok(())
    };
    let (began, before) = (Instant::now(), time_of(worker)?);
    scope(|scope| -> Result<()> {
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(|| ask(client))).collect();
        while let Some(rest) = time.checked_sub(began.elapsed()) {
            park_timeout(rest);
        }
        is_over.store(true, Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a client panicked")?)
    })?;
    let (took, spent) = (began.elapsed(), time_of(worker)? - before);
    let count = answered.load(Relaxed) as f64;
    ensure!(count > 0.0, "no request was answered");
    Ok(Figures {
        per_second: count / took.as_secs_f64(),
        time_per_request: spent.as_secs_f64() * 1e6 / count,
    })
}

/// The only worker of an nginx.
fn worker(setup: &Setup) -> Result<i32> {
    Ok(setup.nginx.workers()?.first().copied().ok_or("no worker")?)
}

/// Compares static with etcd at each number of peers, by turns, so that what else the machine does hits both.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "Throughput of one worker, {CONNECTIONS} connections, medians of {} rounds (shares the machine with load and peers)",
            plan.throughput_rounds
        ),
        ["static", "etcd", "ratio"],
    );
    let backend = Backend::start("a")?;
    let address = backend.address().to_string();
    for &peers in plan.peers {
        let setups = [
            Setup::fixed(peers, &address, Mode::Foreground).await?,
            Setup::live(peers, &address, Mode::Foreground, 1, "").await?,
        ];
        let workers = [worker(&setups[0])?, worker(&setups[1])?];
        let mut per_second = [Vec::new(), Vec::new()];
        let mut time_per_request = [Vec::new(), Vec::new()];
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..plan.throughput_rounds {
            let fixed = load(&setups[0], workers[0], plan.throughput_time)?;
            let live = load(&setups[1], workers[1], plan.throughput_time)?;
            ratios[0].push(live.per_second / fixed.per_second);
            ratios[1].push(live.time_per_request / fixed.time_per_request);
            for (kind, figures) in [fixed, live].into_iter().enumerate() {
                per_second[kind].push(figures.per_second);
                time_per_request[kind].push(figures.time_per_request);
            }
        }
        for setup in &setups {
            setup.check()?;
        }
        let [mut rates, mut times] = ratios;
        let [fixed, live] = per_second.each_mut().map(|values| format!("{:.0}", median(values)));
        table.row(
            &format!("requests per second, {peers} peers"),
            fixed,
            live,
            format!("{:.3}", median(&mut rates)),
        );
        let [fixed, live] = time_per_request.each_mut().map(|values| format!("{:.1}", median(values)));
        table.row(
            &format!("µs of processor per request, {peers} peers"),
            fixed,
            live,
            format!("{:.3}", median(&mut times)),
        );
    }
    Ok(table)
}
