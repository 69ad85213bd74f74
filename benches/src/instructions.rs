//! User-space instructions of the event loop, counted by callgrind: repeatable on the busiest
//! machine.
//!
//! nginx runs under valgrind with two workers, of which one has the watcher. That one is a process
//! with threads, for which the C library makes every system call that may block a little dearer;
//! both are counted. Callgrind keeps a count per thread (`--separate-threads`), of which the first
//! is the event loop's: what the watcher's thread does is not a request's. It writes and clears its
//! counts whenever nginx enters the function that answers a `return` ([`MARK`]); the counts between
//! two such answers are those of the requests between them.

use std::ffi::OsStr;
use std::fs::{Permissions, read_dir, read_to_string, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness::{Folder, Mode, Nginx, Node, Result, ensure};

use crate::client::Client;
use crate::count::{AIM, Count, Counted, FEW, Steps};
use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::method::{Method, path};
use crate::part::{self, Part};
use crate::plan::Plan;
use crate::sessions;
use crate::setup::{Setup, peer_key};
use crate::statistics::median;
use crate::table::Table;

/// A function of nginx's that is entered once for each `return`, never for a proxied request, and
/// whose name every nginx that can load modules exports.
const MARK: &str = "ngx_http_send_response";
/// Requests before counting: the first ones fill caches and grow pools.
const WARM_UP: usize = 20;
/// How much the figure may differ between the fewest and the most peers and still be called the
/// same: beyond it something walks.
const SAME: f64 = 1.02;
/// Changes whose instructions are counted.
const CHANGES: usize = 20;
/// Instructions in a millisecond, at one per nanosecond: a slow machine's pace.
const PER_MILLISECOND: f64 = 1e6;

/// How many connections are opened until both workers have taken one.
const ATTEMPTS: usize = 200;

/// The instructions of the first thread in a callgrind output.
fn total(text: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("no totals")?;
    Ok(line.trim().parse::<u64>()? as f64)
}

/// What callgrind has counted in the first thread of a process, by the number of the output.
fn outputs(folder: &Path, process: i32) -> Result<Vec<(u32, f64)>> {
    let mut outputs = Vec::new();
    for entry in read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let number =
            name.strip_prefix(&format!("out.{process}.")).and_then(|rest| rest.strip_suffix("-01"));
        if let Some(number) = number {
            outputs.push((number.parse()?, total(&read_to_string(&path)?)?));
        }
    }
    outputs.sort_unstable_by_key(|&(number, _)| number);
    Ok(outputs)
}

/// What lies between the last two marks, less what a mark itself takes: that is between the two
/// before.
fn between_marks(folder: &Path, process: i32) -> Result<f64> {
    match outputs(folder, process)?[..] {
        [.., (_, of_mark), (_, counted)] => Ok(counted - of_mark),
        _ => Err(format!("callgrind wrote too little of process {process}").into()),
    }
}

/// A script that runs nginx under valgrind.
fn script(folder: &Folder) -> Result<PathBuf> {
    let nginx = std::env::var("NGINX").unwrap_or_else(|_| "nginx".to_owned());
    let out = folder.path().join("out.%p");
    // The harness knows workers by their titles, which processes under valgrind do not have: it is
    // to expect a single process. To nginx itself the variable NGINX means sockets to inherit.
    let text = format!(
        "#!/bin/sh\nset -e\nunset NGINX\nPATH=$PATH:/usr/sbin\n\
         sed -i 's/^master_process off;/master_process on;/; s/^worker_processes \
         1;/worker_processes 2;/' \"$2/$4\"\n\
         exec valgrind -q --tool=callgrind --separate-threads=yes --dump-before={MARK} \
         --callgrind-out-file='{}' {nginx} \"$@\"\n",
        out.display()
    );
    let path = folder.write("nginx", &text)?;
    set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Counts, with `NGINX` being the script in `folder`: instructions per request or per change.
///
/// # Errors
///
/// Those of starting, of asking, and where callgrind writes nothing.
pub async fn count(what: Count, folder: &Path) -> Result<Counted> {
    allow_descriptors()?;
    let (farm, node) = (Farm::start()?, Node::start("a").await?);
    // The farm knows no WebSockets, and the node's answers are long.
    let port = match what.steps {
        Steps::Drains(_) => sessions::port(&node)?,
        Steps::Requests(_) | Steps::Weights => farm.port(),
    };
    let setup = if what.live {
        let directives = if what.drains { sessions::DRAIN } else { "" };
        Setup::live(&what.fleet, port, Mode::Single, 1, directives).await?
    } else {
        Setup::fixed(&what.fleet, port, Mode::Single).await?
    };
    // Where connections are kept, those of the first round are new.
    let warm_up = if what.fleet.keeps { WARM_UP + what.fleet.peers } else { WARM_UP };
    let watcher = if what.live { setup.nginx.status().await?.watcher_pid } else { None };
    let mut workers: Vec<(i32, Client)> = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut client = Client::open(&setup.address)?;
        let pid = client.get("/worker")?.parse()?;
        if workers.iter().all(|&(other, _)| other != pid) {
            workers.push((pid, client));
        }
        if workers.len() == 2 {
            break;
        }
    }
    ensure!(workers.len() == 2, "only one worker answered in {ATTEMPTS} attempts");
    let _open = match what.steps {
        Steps::Drains(others) => Some(sessions::open(&setup, &what.fleet, port, others).await?),
        Steps::Requests(_) | Steps::Weights => None,
    };
    let mut counted = Counted { watcher: None, other: None };
    let mut others = Vec::new();
    if what.fleet.keeps {
        // Connections of one worker to each peer are as many as descriptors may allow.
        workers.retain(|&(pid, _)| Some(pid) != watcher);
        workers.truncate(1);
    }
    for (pid, client) in &mut workers {
        for number in 0..warm_up {
            client.get(&path(number))?;
        }
        client.get("/worker")?;
        // Between this one and the one before there is nothing but the answer to the mark itself.
        client.get("/worker")?;
        let steps = match what.steps {
            Steps::Requests(count) => {
                for number in 0..count {
                    client.get(&path(number))?;
                }
                count
            }
            Steps::Weights => {
                change(&setup, &what.fleet, port, if Some(*pid) == watcher { 2 } else { 3 }).await?
            }
            Steps::Drains(_) => sessions::drain(&setup, &what.fleet, port).await?,
        };
        client.get("/worker")?;
        let each = between_marks(folder, *pid)? / steps as f64;
        if Some(*pid) == watcher { counted.watcher = Some(each) } else { others.push(each) }
    }
    // Whether a peer's answer and the end of its connection come as one event or as two is chance,
    // and a third of a percent.
    if !others.is_empty() {
        counted.other = Some(others.iter().sum::<f64>() / others.len() as f64);
    }
    setup.check()?;
    Ok(counted)
}

/// Changes the peers, and gives how many changes there were.
async fn change(setup: &Setup, fleet: &Fleet, port: u16, weight: usize) -> Result<usize> {
    let etcd = setup.etcd()?;
    for number in 0..CHANGES {
        let address = fleet.address(number, port);
        let revision = etcd.put(peer_key(number), format!("{address} weight={weight}")).await?;
        wait_for_change(&setup.nginx, revision).await?;
    }
    Ok(CHANGES)
}

async fn wait_for_change(nginx: &Nginx, revision: i64) -> Result<()> {
    let line = nginx.wait_for_log(&format!("~1), revision {revision}")).await?;
    ensure!(line.contains("[notice]"), "{line}");
    Ok(())
}

/// Counts in as many nginx as `starts` says, each new, and gives the medians.
///
/// # Errors
///
/// Where something could not be counted.
pub fn counted(what: Count, starts: usize) -> Result<Counted> {
    let (mut watcher, mut other) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let folder = Folder::new("callgrind")?;
        // The workers, which write there, run as another user than their master where that is root.
        set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        let script = script(&folder)?;
        let part = Part::Count { what, folder: folder.path().to_owned() };
        let counted: Counted = part::run(&part, Some(&script))?;
        watcher.extend(counted.watcher);
        other.extend(counted.other);
    }
    let of_all = |mut values: Vec<f64>| (values.len() == starts).then(|| median(&mut values));
    Ok(Counted { watcher: of_all(watcher), other: of_all(other) })
}

/// Instructions per request at each number of peers, for each method, and per change.
///
/// # Errors
///
/// Where something could not be measured.
pub fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "User-space instructions of the event loop (callgrind; the watcher's thread not \
             counted), medians of {} starts; peak_ewma beside nginx's random two, \
             least_time beside its least_conn",
            plan.counted_starts
        ),
        ["static", "etcd", "ratio"],
    );
    for &method in &plan.methods {
        let fleets: Vec<_> = plan.peers.iter().map(|&peers| Fleet::of(peers, method)).collect();
        requests(&mut table, plan, method.name(), &fleets)?;
    }
    if plan.methods.contains(&Method::RoundRobin) {
        let fleets = plan.kept.map(|peers| Fleet::kept(peers, Method::RoundRobin));
        requests(&mut table, plan, "kept connections", &fleets)?;
        changes(&mut table, plan)?;
    }
    Ok(table)
}

/// Rows for one method, with more and more peers.
fn requests(table: &mut Table, plan: &Plan, name: &str, fleets: &[Fleet]) -> Result<()> {
    let (steps, starts) = (Steps::Requests(plan.counted_requests), plan.counted_starts);
    let mut of_etcd = Vec::new();
    for &fleet in fleets {
        let peers = fleet.peers;
        let live = counted(Count { fleet, live: true, drains: false, steps }, starts)?;
        let found = live.other.ok_or("no worker without the watcher was found")?;
        of_etcd.push((peers, found));
        let what = format!("{name}, {peers} peers");
        // nginx walks all that it keeps: under valgrind that takes too long to wait for.
        if peers > plan.most_static || (fleet.keeps && peers > FEW) {
            table.row(&what, String::new(), format!("{found:.0}"), String::new());
            continue;
        }
        let fixed = counted(Count { fleet, live: false, drains: false, steps }, starts)?;
        let fixed = fixed.other.ok_or("no static worker")?;
        table.compare(&what, fixed, found);
        if peers == FEW && !fleet.keeps {
            table.aim(&format!("<= {AIM}"), found / fixed <= AIM);
            let found = live.watcher.ok_or("the worker with the watcher was not found")?;
            table.compare(&format!("{what}, the worker with the watcher"), fixed, found);
            table.aim(&format!("<= {AIM}"), found / fixed <= AIM);
        }
    }
    if let [(few, at_few), .., (many, at_many)] = of_etcd[..] {
        table.compare(&format!("{name}, etcd with {few} (left) and {many} peers"), at_few, at_many);
        table.aim(&format!("the same (<= {SAME})"), at_many / at_few <= SAME);
    }
    Ok(())
}

/// Rows for a change.
fn changes(table: &mut Table, plan: &Plan) -> Result<()> {
    let peers = plan.changing;
    let fleet = Fleet::plain(peers);
    let per_change = counted(Count { fleet, live: true, drains: false, steps: Steps::Weights }, 1)?;
    for (worker, figure) in
        [("a worker", per_change.other), ("the worker with the watcher", per_change.watcher)]
    {
        let figure = figure.ok_or_else(|| format!("{worker} was not found"))?;
        let what = format!("per change among {peers} peers, {worker}");
        table.row(&what, String::new(), format!("{figure:.0}"), String::new());
        table.aim(&format!("1 ms (<= {PER_MILLISECOND:.0})"), figure <= PER_MILLISECOND);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn totals_are_read() {
        assert_eq!(
            total("version: 1\nthread: 1\n\nsummary: 12\n\ntotals: 12\n").expect("a number"),
            12.0
        );
        assert!(total("version: 1\n").is_err());
    }
}
