//! What changes of the peers cost the requests of a worker.

use std::fs::read_dir;
use std::thread::available_parallelism;
use std::time::Duration;

use harness::{Etcd, Mode, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tokio::time::{MissedTickBehavior, interval};

use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::method::Method;
use crate::plan::Plan;
use crate::setup::{Setup, peer_key};
use crate::statistics::median;
use crate::table::Table;
use crate::throughput::{Figures, load};

/// Peers, each of which is changed by turns.
const PEERS: usize = 10_000;
/// Changes a second.
const RATE: u32 = 50;
/// Those whose tables differ.
const METHODS: [Method; 2] = [Method::RoundRobin, Method::HashConsistent];

/// Keeps all threads of a process to one processor. The clients and the peers use any.
fn keep_to(process: i32, processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    for thread in read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?.file_name().into_string().map_err(|_| "not a number")?;
        sched_setaffinity(Pid::from_raw(thread.parse()?), &set)?;
    }
    Ok(())
}

/// Changes weights until it is dropped, and counts the changes.
async fn change(etcd: &Etcd, fleet: &Fleet, port: u16, count: &mut usize) -> Result<()> {
    let mut pace = interval(Duration::from_secs(1) / RATE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        pace.tick().await;
        let (number, weight) = (*count % PEERS, 2 + *count / PEERS % 2);
        let value = format!("{} weight={weight}", fleet.address(number, port));
        etcd.put(peer_key(number), value).await?;
        *count += 1;
    }
}

/// Requests for a time, while peers change or do not. Gives the changes, too.
async fn round(
    setup: &Setup,
    fleet: &Fleet,
    port: u16,
    time: Duration,
    count: Option<&mut usize>,
) -> Result<Figures> {
    let worker = *setup.nginx.workers()?.first().ok_or("no worker")?;
    let asking = || tokio::task::block_in_place(|| load(setup, worker, time, 1));
    let Some(count) = count else { return asking() };
    let runtime = tokio::runtime::Handle::current();
    let (etcd, fleet) = (setup.etcd()?, *fleet);
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let loading = scope.spawn(|| load(setup, worker, time, 1));
            runtime.block_on(async {
                tokio::select! {
                    // Cancel safe: a change that etcd has not yet confirmed is made or not.
                    biased;
                    () = async {
                        while !loading.is_finished() {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    } => Ok(()),
                    failed = change(etcd, &fleet, port, count) => failed,
                }
            })?;
            loading.join().map_err(|_| "the load panicked")?
        })
    })
}

/// Measures requests without changes and with them, by turns.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "One worker with the watcher, {PEERS} peers: requests without changes and under {RATE} \
             changes a second, etcd on another processor"
        ),
        ["", "etcd", ""],
    );
    allow_descriptors()?;
    for method in METHODS.into_iter().filter(|method| plan.methods.contains(method)) {
        let fleet = Fleet { is_distinct: true, ..Fleet::of(PEERS, method) };
        let farm = Farm::start()?;
        let setup = Setup::live(&fleet, farm.port(), Mode::Foreground, 1, "").await?;
        if available_parallelism()?.get() > 1 {
            keep_to(setup.etcd()?.pid()?, 0)?;
            setup.nginx.workers()?.into_iter().try_for_each(|worker| keep_to(worker, 1))?;
        } else {
            table.title.push_str(" (ONE PROCESSOR HERE: they share it)");
        }
        let (mut plain, mut changing, mut changes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..plan.throughput_rounds {
            let time = plan.throughput_time;
            plain.push(round(&setup, &fleet, farm.port(), time, None).await?);
            changing.push(round(&setup, &fleet, farm.port(), time, Some(&mut changes)).await?);
        }
        ensure!(changes > 0, "no change was made");
        let middle = |figures: &[Figures], of: fn(&Figures) -> f64| {
            median(&mut figures.iter().map(of).collect::<Vec<_>>())
        };
        let mut row = |what: &str, figure: f64, digits: usize| {
            let name = format!("{}: {what}", method.name());
            table.row(&name, String::new(), format!("{figure:.digits$}"), String::new());
        };
        let [without, with] =
            [&plain, &changing].map(|figures| middle(figures, |one| one.per_second));
        row("requests per second, no changes", without, 0);
        row(&format!("requests per second, {RATE} changes a second"), with, 0);
        row("requests per second, their ratio", with / without, 3);
        let [without, with] =
            [&plain, &changing].map(|figures| middle(figures, |one| one.time_per_request));
        row("µs of processor a request, no changes", without, 1);
        row(&format!("µs of processor a request, {RATE} changes a second"), with, 1);
        setup.check()?;
    }
    Ok(table)
}
