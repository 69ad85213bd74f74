//! User-space instructions of the event loop, counted by callgrind: repeatable on the busiest
//! machine.
//!
//! nginx runs under valgrind with two workers, of which one has the watcher. That one is a process
//! with threads, for which the C library makes every system call that may block a little dearer;
//! both are counted. Callgrind keeps a count per thread (`--separate-threads`), of which the first
//! is the event loop's: what the watcher's thread does is not a request's. It writes and clears its
//! counts whenever nginx enters the function that answers a `return` ([`MARK`]); the counts between
//! two such answers are those of the requests between them.
//!
//! What depends on the pace of the machine or on the luck of a start is subtracted, here as with
//! static servers: see [`callgrind`](crate::callgrind).

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Folder, Mode, Nginx, Node, Result, ensure};
use serde::de::DeserializeOwned;

use crate::callgrind::{between_marks, has_had_threads, of_other_threads};
use crate::client::Client;
use crate::count::{Cost, Count, Counted, Steps};
use crate::farm::{Farm, allow_descriptors};
use crate::fleet::Fleet;
use crate::method::path;
use crate::part::{self, Part, Programs};
use crate::sessions;
use crate::setup::{Setup, TakenOver, peer_key};
use crate::statistics::median;

/// A function of nginx's that is entered once for each `return`, never for a proxied request, and
/// whose name every nginx that can load modules exports.
const MARK: &str = "ngx_http_send_response";
/// Requests before counting: the first ones fill caches and grow pools.
pub const WARM_UP: usize = 20;
/// Changes whose instructions are counted.
const CHANGES: usize = 20;
/// In how many starts a figure is tried for before the watcher has stayed where it began.
pub const STARTS: usize = 5;
/// After as long there are no further starts: the machine is too busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How many connections are opened until both workers have taken one.
const ATTEMPTS: usize = 200;

/// Where valgrind has its pipes for `vgdb`.
fn prefix(folder: &Path) -> String {
    folder.join("vgdb").display().to_string()
}

/// A script that runs nginx under valgrind: as one process where that is what it was configured for
/// because of its threads, and with two workers otherwise.
fn script(folder: &Folder, is_single: bool) -> Result<PathBuf> {
    let nginx = std::env::var("NGINX").unwrap_or_else(|_| "nginx".to_owned());
    let out = folder.path().join("out.%p");
    // The harness knows workers by their titles, which processes under valgrind do not have: it is
    // to expect a single process. To nginx itself the variable NGINX means sockets to inherit.
    let (change, vgdb) = if is_single {
        ("", format!("--vgdb=yes --vgdb-prefix={}", prefix(folder.path())))
    } else {
        let change = "s/^master_process off;/master_process on;/; \
                      s/^worker_processes 1;/worker_processes 2;/";
        (change, "--vgdb=no".to_owned())
    };
    let text = format!(
        "#!/bin/sh\nset -e\nunset NGINX\nPATH=$PATH:/usr/sbin\n\
         [ \"$1\" != -V ] || exec {nginx} -V\nsed -i '{change}' \"$2/$4\"\n\
         exec valgrind -q --tool=callgrind --separate-threads=yes --dump-before={MARK} {vgdb} \
         --callgrind-out-file='{}' {nginx} \"$@\"\n",
        out.display()
    );
    let path = folder.write("nginx", &text)?;
    set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Counts, with `NGINX` being the script in `folder`: instructions per request or per change. None
/// if another worker took over the watcher: it has had two threads then, for which the C library
/// executes some 400 more instructions a request as long as it lives.
///
/// # Errors
///
/// Those of starting, of asking, and where callgrind writes nothing.
pub async fn count(what: Count, folder: &Path) -> Result<Option<Counted>> {
    allow_descriptors()?;
    let (farm, node) = (Farm::waiting()?, Node::start("a").await?);
    // The farm knows no WebSockets, and the node's answers are long.
    let port = match what.steps {
        Steps::Drains(_) => sessions::port(&node)?,
        Steps::Requests(_) | Steps::Weights | Steps::WatchedWeights => farm.port(),
    };
    let setup = if what.live {
        let directives = if what.drains { sessions::DRAIN } else { "" };
        match Setup::live(&what.fleet, port, Mode::Single, 1, directives).await {
            Err(error) if error.is::<TakenOver>() => return Ok(None),
            setup => setup?,
        }
    } else {
        Setup::fixed(&what.fleet, port, Mode::Single).await?
    };
    if matches!(what.steps, Steps::WatchedWeights) {
        return in_thread(&setup, &what.fleet, port, folder).await.map(Some);
    }
    // Where connections are kept, those of the first round are new.
    let warm_up = if what.fleet.keeps { WARM_UP + what.fleet.peers } else { WARM_UP };
    let watcher = if what.live { setup.nginx.status().await?.watcher_pid } else { None };
    let mut workers = clients(&setup.address)?;
    let _open = match what.steps {
        Steps::Drains(others) => Some(sessions::open(&setup, &what.fleet, port, others).await?),
        Steps::Requests(_) | Steps::Weights | Steps::WatchedWeights => None,
    };
    let mut counted = Counted { watcher: None, other: None, thread: None };
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
            Steps::Weights | Steps::WatchedWeights => {
                change(&setup, &what.fleet, port, if Some(*pid) == watcher { 2 } else { 3 }).await?
            }
            Steps::Drains(_) => sessions::drain(&setup, &what.fleet, port).await?,
        };
        client.get("/worker")?;
        let profile = between_marks(folder, *pid)?;
        ensure!(
            profile.clock > 0.0 && (profile.heap > 0.0 || matches!(what.steps, Steps::Weights)),
            "callgrind does not know ngx_time_update or malloc by name"
        );
        let steps = steps as f64;
        let each = Cost {
            instructions: profile.steady() / steps,
            module: profile.module / steps,
            allocations: profile.heap_calls / steps,
        };
        if Some(*pid) != watcher && has_had_threads(folder, *pid)? {
            return Ok(None);
        }
        if Some(*pid) == watcher {
            counted.watcher = Some(each);
        } else {
            others.push(each);
        }
    }
    counted.other = middle(&others);
    setup.check()?;
    // The status is asked for last, since the request would be counted.
    let is_undisturbed = !what.live || setup.nginx.status().await?.watcher_pid == watcher;
    Ok(is_undisturbed.then_some(counted))
}

/// A connection to each of the two workers, with the worker's number.
///
/// # Errors
///
/// Those of asking, and when chance does not lead to both.
pub fn clients(address: &str) -> Result<Vec<(i32, Client)>> {
    let mut clients: Vec<(i32, Client)> = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut client = Client::open(address)?;
        let pid = client.get("/worker")?.parse()?;
        if clients.iter().all(|&(other, _)| other != pid) {
            clients.push((pid, client));
        }
        if clients.len() == 2 {
            return Ok(clients);
        }
    }
    Err(format!("only one worker answered in {ATTEMPTS} attempts").into())
}

/// Counts in the threads of a single process besides the first one: instructions per change.
async fn in_thread(setup: &Setup, fleet: &Fleet, port: u16, folder: &Path) -> Result<Counted> {
    let process = setup.nginx.master();
    // A mark writes what was counted in its own thread alone.
    for weight in [2, 3] {
        dump(process, folder)?;
        change(setup, fleet, port, weight).await?;
    }
    dump(process, folder)?;
    setup.check()?;
    let thread = of_other_threads(folder, process)? / CHANGES as f64;
    Ok(Counted { watcher: None, other: None, thread: Some(thread) })
}

/// Makes callgrind write what it has counted in each thread, and begin again.
///
/// # Errors
///
/// Those of `vgdb`.
pub fn dump(process: i32, folder: &Path) -> Result<()> {
    let output = Command::new("vgdb")
        .arg(format!("--pid={process}"))
        .arg(format!("--vgdb-prefix={}", prefix(folder)))
        .arg("dump")
        .output()?;
    ensure!(output.status.success(), "vgdb: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The medians of costs; none of none.
pub fn middle(costs: &[Cost]) -> Option<Cost> {
    let of = |figure: fn(&Cost) -> f64| median(&mut costs.iter().map(figure).collect::<Vec<_>>());
    (!costs.is_empty()).then(|| Cost {
        instructions: of(|cost| cost.instructions),
        module: of(|cost| cost.module),
        allocations: of(|cost| cost.allocations),
    })
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

/// Runs a part with an nginx under callgrind, as a single process or with two workers, and with
/// another module than the usual where one is given.
///
/// # Errors
///
/// The part's own.
pub fn under_callgrind<T: DeserializeOwned>(
    is_single: bool,
    module: Option<&Path>,
    part: impl FnOnce(PathBuf) -> Part,
) -> Result<T> {
    let folder = Folder::new("callgrind")?;
    // The workers, which write there, run as another user than their master where that is root.
    set_permissions(folder.path(), Permissions::from_mode(0o777))?;
    let script = script(&folder, is_single)?;
    let programs = Programs { nginx: Some(&script), module, ..Programs::default() };
    part::run(&part(folder.path().to_owned()), &programs)
}

/// Counts in a new nginx, and in others while the watcher is taken over: fails with [`TakenOver`]
/// where it is in each of them.
fn counted_once(what: Count, module: Option<&Path>) -> Result<Counted> {
    let began = Instant::now();
    for start in 0..STARTS {
        if start > 0 && began.elapsed() > PATIENCE {
            break;
        }
        let is_single = matches!(what.steps, Steps::WatchedWeights);
        let part = |folder| Part::Count { what, folder };
        if let Some(counted) = under_callgrind::<Option<Counted>>(is_single, module, part)? {
            return Ok(counted);
        }
    }
    Err(TakenOver.into())
}

/// Counts in as many nginx as `starts` says, each new, with another module than the usual where one
/// is given, and gives the medians.
///
/// # Errors
///
/// Where something could not be counted.
pub fn counted_with(module: Option<&Path>, what: Count, starts: usize) -> Result<Counted> {
    let (mut watcher, mut other, mut thread) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..starts {
        let counted = counted_once(what, module)?;
        watcher.extend(counted.watcher);
        other.extend(counted.other);
        thread.extend(counted.thread);
    }
    let of_all = |costs: Vec<Cost>| (costs.len() == starts).then(|| middle(&costs)).flatten();
    let thread = (thread.len() == starts).then(|| median(&mut thread));
    Ok(Counted { watcher: of_all(watcher), other: of_all(other), thread })
}

/// Counts in as many nginx as `starts` says, each new, and gives the medians.
///
/// # Errors
///
/// Where something could not be counted.
pub fn counted(what: Count, starts: usize) -> Result<Counted> {
    counted_with(None, what, starts)
}
