//! The table of instructions: for each method at each number of peers, and for a change.

use harness::Result;

use crate::count::{AIM, Count, FEW, Steps};
use crate::counting::counted;
use crate::fleet::Fleet;
use crate::method::Method;
use crate::plan::Plan;
use crate::table::Table;

/// How much the figure may differ between the fewest and the most peers and still be called the
/// same: beyond it something walks.
const SAME: f64 = 1.02;
/// Instructions in a millisecond, at one per nanosecond: a slow machine's pace.
const PER_MILLISECOND: f64 = 1e6;

/// Instructions per request at each number of peers, for each method, and per change.
///
/// # Errors
///
/// Where something could not be measured.
pub fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "User-space instructions of the event loop (callgrind; without the watcher's thread, \
             nginx's clock and the allocator), medians of {} starts; peak_ewma beside nginx's \
             random two, least_time beside its least_conn",
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

/// A row without static servers to compare with.
fn alone(table: &mut Table, what: &str, figure: f64) {
    table.row(what, String::new(), format!("{figure:.0}"), String::new());
}

/// Rows for one method, with more and more peers.
fn requests(table: &mut Table, plan: &Plan, name: &str, fleets: &[Fleet]) -> Result<()> {
    let (steps, starts) = (Steps::Requests(plan.counted_requests), plan.counted_starts);
    let mut of_etcd = Vec::new();
    for &fleet in fleets {
        let peers = fleet.peers;
        let live = counted(Count { fleet, live: true, drains: false, steps }, starts)?;
        let found = live.worker()?;
        of_etcd.push((peers, found.instructions));
        let what = format!("{name}, {peers} peers");
        // nginx walks all that it keeps: under valgrind that takes too long to wait for.
        if peers > plan.most_static || (fleet.keeps && peers > FEW) {
            alone(table, &what, found.instructions);
            alone(table, &format!("{what}, the module's own"), found.module);
            continue;
        }
        let fixed =
            counted(Count { fleet, live: false, drains: false, steps }, starts)?.worker()?;
        table.compare(&what, fixed.instructions, found.instructions);
        if peers == FEW && !fleet.keeps {
            table.aim(&format!("<= {AIM}"), found.instructions / fixed.instructions <= AIM);
            let found = live.watcher.ok_or("the worker with the watcher was not found")?;
            let what = format!("{what}, the worker with the watcher");
            table.compare(&what, fixed.instructions, found.instructions);
            table.aim(&format!("<= {AIM}"), found.instructions / fixed.instructions <= AIM);
        }
        alone(table, &format!("{what}, the module's own"), found.module);
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
    let count = |steps| counted(Count { fleet, live: true, drains: false, steps }, 1);
    let per_change = count(Steps::Weights)?;
    for (worker, cost) in
        [("a worker", per_change.other), ("the worker with the watcher", per_change.watcher)]
    {
        let figure = cost.ok_or_else(|| format!("{worker} was not found"))?.instructions;
        alone(table, &format!("per change among {peers} peers, {worker}"), figure);
        table.aim(&format!("1 ms (<= {PER_MILLISECOND:.0})"), figure <= PER_MILLISECOND);
    }
    let of_thread = count(Steps::WatchedWeights)?.of_thread()?;
    alone(table, &format!("per change among {peers} peers, the watcher's thread"), of_thread);
    Ok(())
}
