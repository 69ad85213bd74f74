//! Requests per second, and processor time per request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{park_timeout, scope};
use std::time::{Duration, Instant};

use harness::{Mode, Result, ensure};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::client::Client;
use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::method::{Method, path};
use crate::plan::Plan;
use crate::setup::Setup;
use crate::statistics::median;
use crate::table::Table;
use crate::tls_node::TlsNode;

/// Connections that ask at the same time: enough that the one worker never waits for the load.
pub const CONNECTIONS: usize = 8;

/// Peers with TLS: few, so that each has a session soon.
const TLS_PEERS: usize = 10;

/// Aimed at: the least throughput with many peers that are kept connections to, as a share of that
/// with few.
const KEPT: f64 = 0.9;

/// What one measurement gave.
pub struct Figures {
    /// Requests.
    pub per_second: f64,
    /// In microseconds of processor.
    pub time_per_request: f64,
}

/// The processor time of a process so far.
///
/// # Errors
///
/// Where it is not there.
pub fn time_of(worker: i32) -> Result<Duration> {
    // `utime` and `stime` of the whole process, the watcher's thread included, to the nanosecond.
    let clock: ClockId = clock_getcpuclockid(Pid::from_raw(worker))?;
    Ok(Duration::from(clock.now()?))
}

/// A figure: its name, where it is, and the digits behind the point that it is shown with.
pub type Column = (&'static str, fn(&Figures) -> f64, usize);

/// Requests until `time` is over and there were at least `least`.
///
/// # Errors
///
/// Those of asking.
pub fn load(setup: &Setup, worker: i32, time: Duration, least: u64) -> Result<Figures> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::open(&setup.address)?;
        clients.push(move |number: u64| client.get(&path(number as usize)).map(drop));
    }
    load_by(clients, worker, time, least)
}

/// Whatever these clients do with a number, at the same time, until `time` is over and it was done
/// at least `least` times.
///
/// # Errors
///
/// The clients'.
pub fn load_by<C: FnMut(u64) -> Result<()> + Send>(
    clients: Vec<C>,
    worker: i32,
    time: Duration,
    least: u64,
) -> Result<Figures> {
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let ask = |mut client: C| -> Result<()> {
        while !is_over.load(Relaxed) || answered.load(Relaxed) < least {
            client(answered.fetch_add(1, Relaxed))?;
        }
        Ok(())
    };
    let (began, before) = (Instant::now(), time_of(worker)?);
    scope(|scope| -> Result<()> {
        let threads: Vec<_> =
            clients.into_iter().map(|client| scope.spawn(|| ask(client))).collect();
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
///
/// # Errors
///
/// Where there is none.
pub fn worker(setup: &Setup) -> Result<i32> {
    Ok(setup.nginx.workers()?.first().copied().ok_or("no worker")?)
}

/// Compares static with etcd for each method at each number of peers, and where connections are
/// kept.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "Throughput of one worker, {CONNECTIONS} connections, medians of {} rounds (shares the \
             machine with load and peers); peak_ewma beside nginx's random two, \
             least_time beside its least_conn",
            plan.throughput_rounds
        ),
        ["static", "etcd", "ratio"],
    );
    allow_descriptors()?;
    for &method in &plan.methods {
        for &peers in &plan.peers {
            compare(&mut table, plan, &Fleet::of(peers, method)).await?;
        }
    }
    if plan.methods.contains(&Method::RoundRobin) {
        compare(&mut table, plan, &Fleet::with_tls(TLS_PEERS, Method::RoundRobin)).await?;
        let mut rates = Vec::new();
        for peers in plan.kept {
            rates.push(compare(&mut table, plan, &Fleet::kept(peers, Method::RoundRobin)).await?);
        }
        if let [few, .., many] = rates[..] {
            let ratio = many / few;
            let what = format!(
                "etcd, kept connections: {} (left) and {} peers",
                plan.kept[0], plan.kept[1]
            );
            table.row(&what, format!("{few:.0}/s"), format!("{many:.0}/s"), format!("{ratio:.3}"));
            table.aim(&format!(">= {KEPT}"), ratio >= KEPT);
        }
    }
    Ok(table)
}

/// Rounds of load on these, by turns, so that what else the machine does hits all of them.
fn rounds(plan: &Plan, fleet: &Fleet, setups: &[Setup]) -> Result<Vec<Vec<Figures>>> {
    // Connections that are kept are there after the first round.
    let warm_up = if fleet.keeps { fleet.peers as u64 } else { 0 };
    for setup in setups {
        load(setup, worker(setup)?, Duration::ZERO, warm_up + 1)?;
    }
    let mut kinds: Vec<Vec<Figures>> = setups.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.throughput_rounds {
        for (setup, figures) in setups.iter().zip(&mut kinds) {
            figures.push(load(setup, worker(setup)?, plan.throughput_time, 1)?);
        }
    }
    setups.iter().try_for_each(Setup::check)?;
    Ok(kinds)
}

/// Compares static with etcd. Gives the requests per second with etcd.
async fn compare(table: &mut Table, plan: &Plan, fleet: &Fleet) -> Result<f64> {
    let is_static_too = fleet.peers <= plan.most_static;
    let farm = Farm::start()?;
    let node = if fleet.tls { Some(TlsNode::start().await?) } else { None };
    let port = node.as_ref().map_or(farm.port(), TlsNode::port);
    let live = Setup::live(fleet, port, Mode::Foreground, 1, "").await?;
    let kinds = if fleet.keeps && is_static_too {
        // One after the other: descriptors may not allow a connection from both to each peer.
        let mut kinds = rounds(plan, fleet, &[live])?;
        let farm = Farm::start()?;
        kinds.extend(rounds(
            plan,
            fleet,
            &[Setup::fixed(fleet, farm.port(), Mode::Foreground).await?],
        )?);
        kinds
    } else if is_static_too {
        rounds(plan, fleet, &[live, Setup::fixed(fleet, port, Mode::Foreground).await?])?
    } else {
        rounds(plan, fleet, &[live])?
    };
    let kept = match fleet {
        Fleet { keeps: true, .. } => ", kept connections",
        Fleet { tls: true, .. } => ", TLS",
        _ => "",
    };
    let name = format!("{}{kept}, {} peers", fleet.method.name(), fleet.peers);
    let figures: [Column; 2] = [
        ("requests per second", |figures| figures.per_second, 0),
        ("µs of processor per request", |figures| figures.time_per_request, 1),
    ];
    let mut per_second = 0.0;
    for (what, figure, digits) in figures {
        let of = |kind: usize| -> Vec<f64> {
            kinds.get(kind).into_iter().flatten().map(figure).collect()
        };
        let (mut live, mut fixed) = (of(0), of(1));
        let mut ratios: Vec<f64> =
            live.iter().zip(&fixed).map(|(live, fixed)| live / fixed).collect();
        let [live, fixed, ratio] =
            [&mut live, &mut fixed, &mut ratios].map(|values| median(values));
        let (fixed, ratio) = if is_static_too {
            (format!("{fixed:.digits$}"), format!("{ratio:.3}"))
        } else {
            (String::new(), String::new())
        };
        table.row(&format!("{what}, {name}"), fixed, format!("{live:.digits$}"), ratio);
        if digits == 0 {
            per_second = live;
        }
    }
    Ok(per_second)
}
