//! What workers and the watcher do while nothing happens.

use std::fs::{read_dir, read_to_string};
use std::time::Duration;

use harness::{Mode, Result};
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::setup::Setup;
use crate::table::Table;

/// Peers.
const PEERS: usize = 10_000;
/// Workers, one of which has the watcher.
const WORKERS: usize = 2;
/// From the end of the list to the beginning of idleness.
const SETTLED: Duration = Duration::from_secs(2);
/// Any port: no request is made.
const PORT: u16 = 80;

/// Nanoseconds of processor so far: of the first threads of processes, and of all others.
fn spent(processes: &[i32]) -> Result<[f64; 2]> {
    let mut spent = [0.0; 2];
    for process in processes {
        for thread in read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?;
            let text = read_to_string(thread.path().join("schedstat"))?;
            let time: f64 = text.split(' ').next().unwrap_or_default().parse()?;
            spent[usize::from(thread.file_name() != *process.to_string())] += time;
        }
    }
    Ok(spent)
}

/// Measures the processor time of event loops and of the watcher.
///
/// # Errors
///
/// Where something could not be measured.
pub async fn measure(plan: &Plan) -> Result<Table> {
    let title = format!("{PEERS} peers, {WORKERS} workers, and nothing to do");
    let mut table = Table::new(&title, ["", "etcd", ""]);
    let setup = Setup::live(&Fleet::plain(PEERS), PORT, Mode::Foreground, WORKERS, "").await?;
    sleep(SETTLED).await;
    let workers = setup.nginx.workers()?;
    let before = spent(&workers)?;
    sleep(plan.idle).await;
    let after = spent(&workers)?;
    for (number, who) in [(0, "the workers' event loops"), (1, "the watcher")] {
        let each = (after[number] - before[number]) / 1e6 / plan.idle.as_secs_f64();
        let what = format!("idle, {PEERS} peers: ms of processor a second, {who}");
        table.row(&what, String::new(), format!("{each:.3}"), String::new());
    }
    setup.check()?;
    Ok(table)
}
