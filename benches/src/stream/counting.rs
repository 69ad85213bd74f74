//! User-space instructions of a session, counted by callgrind as those of a request are: see
//! [`counting`](crate::counting).
//!
//! Two workers take the sessions by chance; each counts its own ones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Mode, Result, ensure};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::count::{Servers, SessionCount};
use super::session::session;
use super::setup::{Start, StreamSetup};
use crate::callgrind::{between_marks_without_alarms, has_had_threads};
use crate::count::{Cost, Counted};
use crate::counting::{PATIENCE, STARTS, WARM_UP, clients, middle, under_callgrind};
use crate::farm::allow_descriptors;
use crate::part::Part;
use crate::setup::{TakenOver, filled};

/// How long nothing happens, for what the module's timers take.
pub const IDLE: Duration = Duration::from_secs(2);

/// Starts nginx, with peers on this port.
async fn started(what: &SessionCount, port: u16) -> Result<StreamSetup> {
    let fleet = &what.fleet;
    let start = Start {
        directives: if what.servers == Servers::Uncounted { "etcd_statistics off;" } else { "" },
        has_zone: what.servers == Servers::InZone,
        ..Start::plain(Mode::Single)
    };
    if what.servers.is_live() {
        StreamSetup::live(fleet, filled(fleet, port).await?, &start).await
    } else {
        StreamSetup::fixed(fleet, port, &start).await
    }
}

/// Makes sessions until each of these processes has had as many. Gives how many each had.
async fn sessions(
    address: &str,
    peers: &TcpListener,
    processes: &[i32],
    count: usize,
) -> Result<BTreeMap<i32, usize>> {
    let mut had: BTreeMap<i32, usize> = processes.iter().map(|&process| (process, 0)).collect();
    for number in 0.. {
        let process = session(address, peers, processes, number).await?;
        *had.entry(process).or_default() += 1;
        if had.values().all(|&had| had >= count) {
            break;
        }
    }
    Ok(had)
}

/// Counts, with `NGINX` being the script in `folder`. None if another worker took over the watcher.
///
/// # Errors
///
/// Those of starting, of the sessions, and where callgrind writes nothing.
pub async fn count(what: &SessionCount, folder: &Path) -> Result<Option<Counted>> {
    allow_descriptors()?;
    // There is no way to listen on the whole of 127/8 alone.
    let peers = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let started = match started(what, peers.local_addr()?.port()).await {
        Err(error) if error.is::<TakenOver>() => return Ok(None),
        started => started?,
    };
    let (setup, address) = (&started.setup, &started.sessions);
    let is_live = what.servers.is_live();
    let watcher = if is_live { setup.nginx.status().await?.watcher_pid } else { None };
    let mut clients = clients(&setup.address)?;
    let processes: Vec<i32> = clients.iter().map(|&(process, _)| process).collect();
    sessions(address, &peers, &processes, WARM_UP).await?;
    for (_, client) in &mut clients {
        client.get("/worker")?;
        // Between this one and the one before there is nothing but the answer to the mark itself.
        client.get("/worker")?;
    }
    sleep(IDLE).await;
    for (_, client) in &mut clients {
        client.get("/worker")?;
    }
    let had = sessions(address, &peers, &processes, what.sessions).await?;
    let mut counted = Counted { watcher: None, other: None, thread: None };
    let mut others = Vec::new();
    for (process, client) in &mut clients {
        client.get("/worker")?;
        let profile = between_marks_without_alarms(folder, *process)?;
        ensure!(profile.clock > 0.0 && profile.heap > 0.0, "callgrind does not know functions");
        let had = had.get(process).copied().unwrap_or_default() as f64;
        let each = Cost {
            instructions: profile.steady() / had,
            module: profile.module / had,
            allocations: profile.heap_calls / had,
        };
        if Some(*process) == watcher {
            counted.watcher = Some(each);
        } else if has_had_threads(folder, *process)? {
            return Ok(None);
        } else {
            others.push(each);
        }
    }
    counted.other = middle(&others);
    setup.check()?;
    let is_undisturbed = !is_live || setup.nginx.status().await?.watcher_pid == watcher;
    Ok(is_undisturbed.then_some(counted))
}

/// Counts in a new nginx, and in others while the watcher is taken over.
fn counted_once(what: SessionCount, module: Option<&Path>) -> Result<Counted> {
    let began = Instant::now();
    for start in 0..STARTS {
        if start > 0 && began.elapsed() > PATIENCE {
            break;
        }
        let part = |folder| Part::CountSessions { what, folder };
        if let Some(counted) = under_callgrind::<Option<Counted>>(false, module, part)? {
            return Ok(counted);
        }
    }
    Err(TakenOver.into())
}

/// The medians of as many starts, each of a new nginx, with another module than the usual where one
/// is given: of the worker with the watcher, where there is one, and of the other one.
///
/// # Errors
///
/// Where something could not be counted.
pub fn counted(module: Option<&Path>, what: SessionCount, starts: usize) -> Result<[Cost; 2]> {
    let (mut watcher, mut other) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let counted = counted_once(what, module)?;
        let plain = counted.worker()?;
        watcher.push(counted.watcher.unwrap_or(plain));
        other.push(plain);
    }
    let middle = |costs| middle(costs).ok_or("nothing was counted");
    Ok([middle(&watcher)?, middle(&other)?])
}
