//! Two builds of the module side by side: `OLD` names the file of the other one.

use std::path::{Path, PathBuf};

use harness::{Result, ensure};

use crate::changes;
use crate::count::{Count, Steps};
use crate::counting::counted_with;
use crate::fleet::Fleet;
use crate::method::Method;
use crate::part::{self, Part, Programs};
use crate::plan::Plan;
use crate::table::Table;

/// The figures of the other build, and of this one.
const COLUMNS: [&str; 3] = ["today", "now", "ratio"];

/// The other build, if one is named.
///
/// # Errors
///
/// Where it is not there.
pub fn other_module() -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os("OLD").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = std::path::absolute(&path)?;
    ensure!(path.is_file(), "OLD: no module at {}", path.display());
    Ok(Some(path))
}

/// Compares the two in one of the parts.
///
/// # Errors
///
/// Where something could not be measured, and where the part does not compare.
pub fn measure(part: &str, old: &Path, plan: &Plan) -> Result<Table> {
    match part {
        "instructions" => instructions(old, plan),
        "changes" => changes(old, plan),
        _ => Err(format!("OLD is for the parts instructions and changes, not {part:?}").into()),
    }
}

fn instructions(old: &Path, plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        "Two builds: user-space instructions of the event loop (callgrind; without nginx's clock \
         and the allocator)",
        COLUMNS,
    );
    let steps = Steps::Requests(plan.counted_requests);
    let both = |what: Count, starts| -> Result<_> {
        Ok([counted_with(Some(old), what, starts)?, counted_with(None, what, starts)?])
    };
    for &method in &plan.methods {
        for &peers in &plan.peers {
            let what = Count { fleet: Fleet::of(peers, method), live: true, drains: false, steps };
            let [before, after] = both(what, plan.counted_starts)?;
            let (before, after) = (before.worker()?, after.worker()?);
            let name = format!("{}, {peers} peers", method.name());
            table.compare(&name, before.instructions, after.instructions);
            table.compare(&format!("{name}, the module's own"), before.module, after.module);
            table.compare(&format!("{name}, allocations"), before.allocations, after.allocations);
        }
    }
    if plan.methods.contains(&Method::RoundRobin) {
        let (peers, fleet) = (plan.changing, Fleet::plain(plan.changing));
        let count = |steps| both(Count { fleet, live: true, drains: false, steps }, 1);
        let name = format!("per change among {peers} peers");
        let [before, after] = count(Steps::Weights)?;
        let (before, after) = (before.worker()?.instructions, after.worker()?.instructions);
        table.compare(&format!("{name}, a worker"), before, after);
        let [before, after] = count(Steps::WatchedWeights)?;
        let (before, after) = (before.of_thread()?, after.of_thread()?);
        table.compare(&format!("{name}, the watcher's thread"), before, after);
    }
    Ok(table)
}

/// One method after the other, so that both builds find the machine in the same state.
fn changes(old: &Path, plan: &Plan) -> Result<Table> {
    let mut table = Table::new("Two builds: one change, and memory", COLUMNS);
    for &method in changes::METHODS.iter().filter(|method| plan.methods.contains(method)) {
        let run = |module| -> Result<Table> {
            let programs = Programs { module, method: Some(method), ..Programs::default() };
            part::run(&Part::Changes, &programs)
        };
        let (before, after) = (run(Some(old))?, run(None)?);
        for (before, after) in before.rows.into_iter().zip(after.rows) {
            let ratio = match (before.measured.parse::<f64>(), after.measured.parse::<f64>()) {
                (Ok(before), Ok(after)) => format!("{:.4}", after / before),
                _ => String::new(),
            };
            table.row(&after.what, before.measured, after.measured, ratio);
            if let Some(is_met) = after.is_met {
                table.aim(&after.aim, is_met);
            }
        }
    }
    Ok(table)
}
