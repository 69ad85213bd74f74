//! What a change among many peers does to the event loop of a worker: how much longer it takes to
//! answer.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use harness::{Mode, Result, SOON, ensure, eventually};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use tokio::time::{MissedTickBehavior, interval};

use crate::backend::Backend;
use crate::client::Client;
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::setup::{Setup, peer_key};
use crate::statistics::{longest, median, percentile};
use crate::table::Table;

/// Peers, of which one changes at a time.
const PEERS: usize = 10_000;
/// From a change to the next: time enough for all that a change causes, so that the answers up to
/// the next one are its own.
const PACE: Duration = Duration::from_millis(40);
/// Changes in a row, before as many writes that concern no upstream: what else the machine does
/// hits both alike.
const TURN: usize = 10;
/// Aimed at: the longest pause that changes may add, in milliseconds.
const AIM: f64 = 1.0;
/// What a change does every time.
const LONGEST_AROUND: &str = "longest around a write, median";
/// What it did once at worst, or the machine did meanwhile.
const LONGEST_OF_ALL: &str = "longest of all";
/// A key that no upstream looks at: etcd and its clients have the same work with it.
const ELSEWHERE: &str = "/elsewhere/key";

/// The answers of one turn: when each was asked for, and how long it took in milliseconds.
type Answers = Vec<(Instant, f64)>;

/// Response times, in milliseconds.
#[derive(Default)]
struct Times {
    all: Vec<f64>,
    /// The longest between one write and the next.
    longest_of_each: Vec<f64>,
}

impl Times {
    fn add(&mut self, answers: &Answers, writes: &[Instant]) {
        for &began in writes {
            let of_write = answers.iter().filter(|&&(at, took)| {
                // A request that was on its way when the write began waits for what the write
                // causes, too.
                at + Duration::from_secs_f64(took / 1e3) >= began && at < began + PACE
            });
            self.longest_of_each
                .push(longest(&of_write.map(|&(_, took)| took).collect::<Vec<_>>()));
        }
        self.all.extend(answers.iter().map(|&(_, took)| took));
    }
}

fn ask(client: &mut Client, is_over: &AtomicBool) -> Result<Answers> {
    let mut answers = Vec::new();
    while !is_over.load(Relaxed) {
        let began = Instant::now();
        client.get("/worker")?;
        answers.push((began, began.elapsed().as_secs_f64() * 1e3));
    }
    Ok(answers)
}

/// Keeps a thread to one processor, before all others there: what else the machine does is no pause
/// of the event loop's own. The watcher's thread, which is another one of the worker, is left as it
/// is. Says whether that is allowed here.
///
/// # Errors
///
/// Those of the operating system.
pub fn favour(thread: Pid, processor: usize) -> Result<bool> {
    if available_parallelism()?.get() < 2 {
        return Ok(false);
    }
    let mut set = CpuSet::new();
    set.set(processor)?;
    sched_setaffinity(thread, &set)?;
    let output =
        Command::new("chrt").args(["--fifo", "--pid", "1", &thread.to_string()]).output()?;
    Ok(output.status.success())
}

/// What is written in a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    /// A key of no upstream.
    Elsewhere,
    /// Another weight for these peers.
    Peers { first: usize, weight: usize },
}

async fn write(setup: &Setup, backend: &str, what: Write) -> Result<Vec<Instant>> {
    let etcd = setup.etcd()?;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut writes = Vec::new();
    let mut revision = 0;
    for number in 0..TURN {
        pace.tick().await;
        writes.push(Instant::now());
        revision = match what {
            Write::Elsewhere => etcd.put(ELSEWHERE, number.to_string()).await?,
            Write::Peers { first, weight } => {
                etcd.put(peer_key(first + number), format!("{backend} weight={weight}")).await?
            }
        };
    }
    pace.tick().await;
    if what != Write::Elsewhere {
        let line = setup.nginx.wait_for_log(&format!("), revision {revision}")).await?;
        ensure!(line.contains(&format!(": {PEERS} peers ")), "{line}");
    }
    Ok(writes)
}

/// A turn: writes on this thread, requests on another.
async fn turn(
    setup: &Setup,
    backend: &str,
    client: &mut Client,
    what: Write,
    times: &mut Times,
) -> Result<()> {
    let is_over = AtomicBool::new(false);
    let runtime = tokio::runtime::Handle::current();
    let (answers, writes) = tokio::task::block_in_place(|| {
        scope(|scope| {
            let asking = scope.spawn(|| {
                favour(gettid(), 0)?;
                ask(client, &is_over)
            });
            let writes = runtime.block_on(write(setup, backend, what));
            is_over.store(true, Relaxed);
            let answers = asking.join().map_err(|_| "the client panicked")?;
            Ok::<_, harness::Error>((answers?, writes?))
        })
    })?;
    times.add(&answers, &writes);
    Ok(())
}

/// One figure of many response times.
type Figure = fn(&mut Times) -> f64;

fn report(table: &mut Table, who: &str, mut without: Times, mut with: Times) {
    let rows: [(&str, Figure); 4] = [
        ("median answer", |times| median(&mut times.all)),
        ("99.9th percentile", |times| percentile(&mut times.all, 0.999)),
        (LONGEST_AROUND, |times| median(&mut times.longest_of_each)),
        (LONGEST_OF_ALL, |times| longest(&times.all)),
    ];
    for (what, figure) in rows {
        let (before, after) = (figure(&mut without), figure(&mut with));
        let difference = after - before;
        table.row(
            &format!("{who}: {what}"),
            format!("{before:.3}"),
            format!("{after:.3}"),
            format!("{difference:+.3}"),
        );
        let is_of_all = what == LONGEST_OF_ALL;
        if is_of_all && before > AIM {
            table.undecided(&format!("<= {AIM:+}, but this machine pauses longer by itself"));
        } else if is_of_all || what == LONGEST_AROUND {
            table.aim(&format!("<= {AIM:+}"), difference <= AIM);
        }
    }
}

/// Times the answers of the worker with the watcher, and of another.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "Pauses of the event loop: response time in ms on a busy connection while etcd is \
             written to every {} ms, {} writes, {PEERS} peers; client and event loop each before \
             all others on a processor",
            PACE.as_millis(),
            plan.disturbing_changes
        ),
        ["not a peer", "a peer", "difference"],
    );
    let backend = Backend::start("a")?;
    let address = backend.address().to_string();
    let setup =
        Setup::live(&Fleet::plain(PEERS), backend.address().port(), Mode::Foreground, 2, "")
            .await?;
    let watcher = eventually(SOON, "a watcher", async || {
        Ok(setup.nginx.status().await?.watcher_pid.filter(|&pid| pid > 0).ok_or("none")?)
    })
    .await?;
    let mut first = 0;
    for worker in setup.nginx.workers()? {
        if !favour(Pid::from_raw(worker), 1)? {
            table.title.push_str(" (NOT ALLOWED HERE: what else the machine does counts too)");
        }
        let mut client = Client::open_to(worker, &setup.address, "/worker")?;
        let (mut without, mut with) = (Times::default(), Times::default());
        for _ in 0..plan.disturbing_changes.div_ceil(TURN) {
            turn(&setup, &address, &mut client, Write::Elsewhere, &mut without).await?;
            turn(&setup, &address, &mut client, Write::Peers { first, weight: 2 }, &mut with)
                .await?;
            first += TURN;
        }
        let who = if worker == watcher { "worker with the watcher" } else { "other worker" };
        report(&mut table, who, without, with);
    }
    setup.check()?;
    Ok(table)
}
