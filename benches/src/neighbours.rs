//! The module beside other proxies: nginx with reloads, HAProxy, Envoy and Caddy.
//!
//! Each is measured in a process of its own, with the same endpoints and the same load. Where there
//! are two processors or more, the proxy has the first one and all others have the rest.

mod configuration;
mod limits;
mod load;
pub mod process;
mod program;
mod proxy;
mod table;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use harness::{Folder, Node, OpenSockets, Result, ensure};
use tokio::time::{MissedTickBehavior, interval, sleep};

pub use self::configuration::envoy_address;
use self::limits::{is_divided, most_sessions};
pub use self::load::load;
pub use self::program::Program;
use self::proxy::Proxy;
pub use self::table::{Figures, Row, render};
use crate::backend::Backend;
use crate::client::Client;
use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::method::Method;
use crate::part::{self, Part, Programs};
use crate::plan::Plan;
use crate::sessions;
use crate::statistics::median;

/// Endpoints.
const SIZES: [usize; 3] = [2, 1_000, 10_000];
/// Endpoints of which some change while requests are made.
const DISTURBED: usize = 1_000;
/// From one change to the next while requests are made: 50 a second.
const PACE: Duration = Duration::from_millis(20);
/// From one change to the next while its cost is measured: nothing is summed up.
const APART: Duration = Duration::from_millis(100);
/// For how long changes are made at most: some take seconds each.
const LONGEST: Duration = Duration::from_secs(8);
/// After changes, until all of their work is done.
const SETTLED: Duration = Duration::from_secs(1);
/// How long a new endpoint may take until it has a request.
const ARRIVED: Duration = Duration::from_secs(10);
/// Sessions that are opened and closed before memory is looked at.
const WARM_UP: usize = 50;

/// Measures all programs, and gives the table in Markdown.
///
/// # Errors
///
/// Where not even a process can be started.
pub fn measure(plan: &Plan) -> Result<String> {
    let columns = Program::ALL.map(|program| {
        (program, program.way(), measure_apart(program, &Part::Neighbour { program }))
    });
    Ok(render(&rows(plan), &columns))
}

/// Measures a program in a process of its own, or says why that is not possible.
///
/// # Errors
///
/// In the words of what failed.
pub fn measure_apart(program: Program, part: &Part) -> Result<Figures, String> {
    let figures = || -> Result<Figures> {
        let path = program.path()?;
        let folder = Folder::new("pinned")?;
        let script = folder.write("nginx", &pinned_script(&path.display().to_string()))?;
        set_permissions(&script, Permissions::from_mode(0o755))?;
        let programs = Programs {
            nginx: (program == Program::Ours).then_some(&*script),
            ..Programs::default()
        };
        part::run(part, &programs)
    };
    figures().map_err(|error| error.to_string())
}

/// A script that runs nginx on the first processor.
fn pinned_script(nginx: &str) -> String {
    let pinned = if is_divided() { "taskset -c 0 " } else { "" };
    format!("#!/bin/sh\nunset NGINX\nPATH=$PATH:/usr/sbin\nexec {pinned}{nginx} \"$@\"\n")
}

/// The rows, in their order.
fn rows(plan: &Plan) -> Vec<Row> {
    let row = |name: String, is_more_better, digits| Row { name, is_more_better, digits };
    let less = |name: fn(usize) -> String, digits| {
        SIZES.into_iter().map(move |size| row(name(size), false, digits))
    };
    let mut rows: Vec<_> = less(per_request, 1).collect();
    rows.extend(less(per_change, 2));
    rows.push(row(DELAY.to_owned(), false, 2));
    rows.extend(less(memory_with, 1));
    rows.push(row(per_session(plan), false, 1));
    rows.push(row(UNDISTURBED.to_owned(), true, 0));
    rows.push(row(AT_CHANGES.to_owned(), true, 0));
    rows.push(row(FAILED.to_owned(), false, 0));
    rows
}

const DELAY: &str = "ms from a change to its first request (median; 2 endpoints)";
const UNDISTURBED: &str = "requests a second, 1000 endpoints";
const AT_CHANGES: &str = "requests a second at 50 changes a second";
const FAILED: &str = "requests that failed meanwhile, of 100 000";

fn per_request(size: usize) -> String {
    format!("µs of processor a request, {size} endpoints")
}

fn per_change(size: usize) -> String {
    format!("ms of processor a change, {size} endpoints")
}

fn memory_with(size: usize) -> String {
    format!("MiB of memory, {size} endpoints")
}

fn per_session(plan: &Plan) -> String {
    let count = session_count(plan).unwrap_or_default();
    format!("KiB of memory for an open WebSocket (of {count})")
}

/// As many WebSockets as the plan has, or as descriptors allow: two in each process.
fn session_count(plan: &Plan) -> Result<usize> {
    Ok(plan.neighbour_sessions.min(most_sessions()?))
}

/// Measures one program.
///
/// # Errors
///
/// Where the machine cannot be prepared.
pub async fn measure_one(program: Program, plan: &Plan) -> Result<Figures> {
    allow_descriptors()?;
    leave_first_processor()?;
    let mut figures = Figures::new();
    let mut take = |name: String, figure: Result<f64>| {
        figures.insert(name, figure.map_err(|error| first_line(&error.to_string())));
    };
    for size in SIZES {
        match of_size(program, plan, size).await {
            Ok(found) => {
                for (name, figure) in
                    [per_request(size), per_change(size), memory_with(size)].into_iter().zip(found)
                {
                    take(name, figure);
                }
            }
            Err(error) => take(per_request(size), Err(error)),
        }
    }
    take(DELAY.to_owned(), delay(program, plan).await);
    take(per_session(plan), sessions_memory(program, plan).await);
    match disturbed(program, plan).await {
        Ok([without, with, failed]) => {
            take(UNDISTURBED.to_owned(), Ok(without));
            take(AT_CHANGES.to_owned(), Ok(with));
            take(FAILED.to_owned(), Ok(failed));
        }
        Err(error) => take(UNDISTURBED.to_owned(), Err(error)),
    }
    Ok(figures)
}

/// Leaves the first processor to the proxy, if there are others.
///
/// # Errors
///
/// Those of `taskset`.
pub fn leave_first_processor() -> Result<()> {
    if is_divided() {
        let (pid, last) = (std::process::id().to_string(), available_parallelism()?.get() - 1);
        let set = Command::new("taskset").args(["-apc", &format!("1-{last}"), &pid]).output()?;
        ensure!(set.status.success(), "taskset: {}", String::from_utf8_lossy(&set.stderr));
    }
    Ok(())
}

/// What stands before the first line's end.
pub fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn fleet(size: usize) -> Fleet {
    Fleet::kept(size, Method::RoundRobin)
}

/// What replaces an endpoint: another one of the same farm's.
fn other(fleet: &Fleet, number: usize, port: u16) -> String {
    fleet.address(fleet.peers + number, port)
}

/// A request, a change, and memory.
async fn of_size(program: Program, plan: &Plan, size: usize) -> Result<[Result<f64>; 3]> {
    let (farm, fleet) = (Farm::start()?, fleet(size));
    let mut proxy = Proxy::start(program, &fleet, farm.port()).await?;
    // Each endpoint has a connection then, as far as that is the program's way.
    load(proxy.address(), &[], Duration::ZERO, 2 * size as u64)?;
    let before = proxy.spent()?;
    let loaded = load(proxy.address(), &[], plan.neighbour_time, 1)?;
    let per_request = (proxy.spent()? - before).as_secs_f64() * 1e6 / loaded.answered;
    let memory = proxy.memory()? as f64 / f64::from(1 << 20);
    Ok([Ok(per_request), change_time(&mut proxy, plan, &fleet, farm.port()).await, Ok(memory)])
}

/// The processor time of a change in all processes of the proxy, in milliseconds.
async fn change_time(proxy: &mut Proxy, plan: &Plan, fleet: &Fleet, port: u16) -> Result<f64> {
    sleep(2 * SETTLED).await;
    let before = proxy.spent()?;
    sleep(SETTLED).await;
    let idle = (proxy.spent()? - before).as_secs_f64() / SETTLED.as_secs_f64();
    let (before, began) = (proxy.spent()?, Instant::now());
    let mut changes = 0;
    while changes < plan.neighbour_changes && began.elapsed() < LONGEST {
        proxy.change(changes % fleet.peers, &other(fleet, changes, port)).await?;
        changes += 1;
        sleep(APART).await;
    }
    sleep(SETTLED).await;
    let spent = (proxy.spent()? - before).as_secs_f64() - idle * began.elapsed().as_secs_f64();
    Ok(spent.max(0.0) * 1e3 / changes as f64)
}

/// From a change (in etcd: its acknowledgment; elsewhere the call) to the first request that the
/// new endpoint gets.
async fn delay(program: Program, plan: &Plan) -> Result<f64> {
    let (farm, fleet) = (Farm::start()?, fleet(2));
    let new = [Backend::start("x")?, Backend::start("y")?];
    let mut proxy = Proxy::start(program, &fleet, farm.port()).await?;
    load(proxy.address(), &[], Duration::ZERO, 10)?;
    let mut times = Vec::new();
    let mut client = None;
    for change in 0..plan.neighbour_changes {
        sleep(APART).await;
        let backend = &new[change % new.len()];
        let name = ["x", "y"][change % new.len()];
        let began = proxy.change(1, &backend.address().to_string()).await?;
        loop {
            ensure!(began.elapsed() < ARRIVED, "no request after {ARRIVED:?}");
            // A reload closes connections that are kept.
            let Some(open) = client.as_mut() else {
                client = Client::open(proxy.address()).ok();
                continue;
            };
            match open.get("/") {
                Ok(body) if body == name => break,
                Ok(_) => {}
                Err(_) => client = None,
            }
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&mut times))
}

/// The memory of an open WebSocket in all processes of the proxy, in KiB.
async fn sessions_memory(program: Program, plan: &Plan) -> Result<f64> {
    let count = session_count(plan)?;
    let node = Node::start("a").await?;
    let fleet = Fleet { sessions: count, ..Fleet::plain(1) };
    let proxy = Proxy::start(program, &fleet, sessions::port(&node)?).await?;
    drop(OpenSockets::open(proxy.address(), sessions::PATH, WARM_UP).await?);
    sleep(SETTLED).await;
    let before = proxy.memory()?;
    let open = OpenSockets::open(proxy.address(), sessions::PATH, count).await?;
    let taken = proxy.memory()?.saturating_sub(before);
    ensure!(open.count_open() == count, "some have ended");
    Ok(taken as f64 / 1024.0 / count as f64)
}

/// Requests a second without changes and with 50 a second, and how many of 100 000 fail then.
async fn disturbed(program: Program, plan: &Plan) -> Result<[f64; 3]> {
    let (farm, fleet) = (Farm::start()?, fleet(DISTURBED));
    let mut proxy = Proxy::start(program, &fleet, farm.port()).await?;
    load(proxy.address(), &[], Duration::ZERO, 2 * DISTURBED as u64)?;
    let without = load(proxy.address(), &[], 2 * plan.neighbour_time, 1)?;
    let (address, time) = (proxy.address().to_owned(), 2 * plan.neighbour_time);
    let loading = tokio::task::spawn_blocking(move || load(&address, &[], time, 1));
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut change = 0;
    while !loading.is_finished() {
        pace.tick().await;
        proxy.change(change % fleet.peers, &other(&fleet, change, farm.port())).await?;
        change += 1;
    }
    let with = loading.await??;
    Ok([without.per_second(), with.per_second(), with.failed * 1e5 / with.answered])
}
