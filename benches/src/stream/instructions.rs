//! The table of a session's instructions: for each method at each number of peers.

use harness::Result;

use super::METHODS;
use super::count::{Servers, SessionCount};
use super::counting::counted;
use crate::count::{Cost, FEW};
use crate::fleet::Fleet;
use crate::method::Method;
use crate::plan::Plan;
use crate::table::Table;

/// Aimed at: the most instructions of a session with [`FEW`] peers, as a multiple of what it takes
/// with static ones.
const AIM: f64 = 1.0;
/// How much the figure may differ between the fewest and the most peers and still be called the
/// same.
const SAME: f64 = 1.02;
/// The numbers of peers that are measured.
const PEERS: [usize; 3] = [FEW, 1_000, 10_000];

/// Instructions of a session for each method at each number of peers.
///
/// # Errors
///
/// Where something could not be counted.
pub fn measure(plan: &Plan) -> Result<Table> {
    let mut table = Table::new(
        &format!(
            "Sessions of stream: user-space instructions of the event loop for one, with a message \
             in each direction (callgrind; without the watcher's thread, nginx's clock and the \
             allocator), medians of {} starts",
            plan.counted_starts
        ),
        ["static", "etcd", "ratio"],
    );
    for method in METHODS.into_iter().filter(|method| plan.methods.contains(method)) {
        of_method(&mut table, plan, method)?;
    }
    Ok(table)
}

/// A row without static servers to compare with.
fn alone(table: &mut Table, what: &str, figure: f64) {
    table.row(what, String::new(), format!("{figure:.0}"), String::new());
}

/// Rows for one method, with more and more peers.
fn of_method(table: &mut Table, plan: &Plan, method: Method) -> Result<()> {
    let mut of_etcd = Vec::new();
    for peers in PEERS.into_iter().filter(|peers| plan.peers.contains(peers)) {
        let count = |servers| -> Result<[Cost; 2]> {
            let (fleet, sessions) = (Fleet::of(peers, method), plan.counted_requests);
            counted(None, SessionCount { fleet, servers, sessions }, plan.counted_starts)
        };
        let name = format!("{}, {peers} peers", method.name());
        let [_, fixed] = count(Servers::Fixed)?;
        let [watcher, other] = count(Servers::Live)?;
        let mut compare = |what: &str, static_one: f64, ours: f64, has_aim: bool| {
            table.compare(&format!("{name}{what}"), static_one, ours);
            if has_aim {
                table.aim(&format!("<= {AIM:.2}"), ours / static_one <= AIM);
            }
        };
        let is_few = peers == FEW;
        compare("", fixed.instructions, other.instructions, true);
        compare(", allocations", fixed.allocations, other.allocations, false);
        if is_few {
            compare(
                ", the worker with the watcher",
                fixed.instructions,
                watcher.instructions,
                false,
            );
            let [_, in_zone] = count(Servers::InZone)?;
            compare(", beside zone", in_zone.instructions, other.instructions, false);
            let [_, uncounted] = count(Servers::Uncounted)?;
            compare(", etcd_statistics off", fixed.instructions, uncounted.instructions, true);
            alone(
                table,
                &format!("{name}, etcd_statistics off, the module's own"),
                uncounted.module,
            );
        }
        alone(table, &format!("{name}, the module's own"), other.module);
        of_etcd.push((peers, other.instructions));
    }
    if let [(few, at_few), .., (many, at_many)] = of_etcd[..] {
        let what = format!("{}, etcd with {few} (left) and {many} peers", method.name());
        table.compare(&what, at_few, at_many);
        table.aim(&format!("the same (<= {SAME})"), at_many / at_few <= SAME);
    }
    Ok(())
}
