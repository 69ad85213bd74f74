//! The gate: few instruction counts, each of which may not exceed the baseline.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread::scope;

use harness::{Result, ensure};

use crate::baseline::{self, Baseline, Recorded};
use crate::count::{Count, Counted, FEW, Steps};
use crate::counting::counted;
use crate::fleet::Fleet;
use crate::machine::made_with;
use crate::method::Method;
use crate::plan::Plan;
use crate::setup::TakenOver;
use crate::table::Table;

/// The most that a figure may be, as a multiple of the baseline.
const MOST: f64 = 1.01;
/// Peers where there are many.
const MANY: usize = 10_000;
/// Requests over which instructions are counted.
const REQUESTS: usize = 200;
/// How often a figure above the baseline is counted before it is believed.
const TIMES: usize = 3;
/// Counts at the same time.
const TOGETHER: usize = 2;

/// What is counted: those that take longest first.
fn counts() -> Vec<(&'static str, Count)> {
    let request =
        |fleet| Count { fleet, live: true, drains: false, steps: Steps::Requests(REQUESTS) };
    let of = |peers, method| request(Fleet::of(peers, method));
    let change = Count { steps: Steps::WatchedWeights, ..of(MANY, Method::RoundRobin) };
    vec![
        ("hash consistent, 10000 peers", of(MANY, Method::HashConsistent)),
        ("change among 10000 peers", change),
        ("round_robin, 10000 peers", of(MANY, Method::RoundRobin)),
        ("round_robin, 2 peers", of(FEW, Method::RoundRobin)),
        ("least_conn, 2 peers", of(FEW, Method::LeastConn)),
        ("hash consistent, 2 peers", of(FEW, Method::HashConsistent)),
    ]
}

/// The figures of a count.
fn figures(name: &str, what: &Count, counted: &Counted) -> Result<BTreeMap<String, f64>> {
    let figures = match what.steps {
        Steps::WatchedWeights => vec![("the watcher's thread", counted.of_thread()?)],
        Steps::Requests(_) | Steps::Weights | Steps::Drains(_) => {
            let worker = counted.worker()?;
            vec![
                ("instructions", worker.instructions),
                ("the module's own", worker.module),
                ("allocations", worker.allocations),
            ]
        }
    };
    Ok(figures.into_iter().map(|(what, figure)| (format!("{name}: {what}"), figure)).collect())
}

/// Whether a figure is above the baseline; one that has none is not.
fn is_above(baseline: &Recorded<f64>, name: &str, figure: f64) -> bool {
    baseline.figures.get(name).is_some_and(|last| figure > last * MOST)
}

/// Counts once, and again while a figure is above the baseline: the lowest ones.
fn lowest(name: &str, what: Count, baseline: &Recorded<f64>) -> Result<BTreeMap<String, f64>> {
    let mut lowest = figures(name, &what, &counted(what, 1)?)?;
    for _ in 1..TIMES {
        if !lowest.iter().any(|(name, &figure)| is_above(baseline, name, figure)) {
            break;
        }
        for (name, figure) in figures(name, &what, &counted(what, 1)?)? {
            lowest.entry(name).and_modify(|lowest| *lowest = lowest.min(figure));
        }
    }
    Ok(lowest)
}

/// Counts all, several at a time. Gives the figures, and the names of what could not be counted
/// because the watcher was taken over each time.
fn count_all(
    plan: &Plan,
    baseline: &Recorded<f64>,
) -> Result<(BTreeMap<String, f64>, Vec<&'static str>)> {
    let is_chosen =
        |Fleet { peers, method, .. }| plan.peers.contains(&peers) && plan.methods.contains(&method);
    let chosen: Vec<_> = counts().into_iter().filter(|(_, what)| is_chosen(what.fleet)).collect();
    let waiting = Mutex::new(chosen.into_iter());
    let found = Mutex::new((BTreeMap::new(), Vec::new()));
    let next = || waiting.lock().map_err(|_| "a count panicked").map(|mut left| left.next());
    let work = || -> Result<()> {
        while let Some((name, what)) = next()? {
            let figures = lowest(name, what, baseline);
            let mut found = found.lock().map_err(|_| "a count panicked")?;
            match figures {
                Err(error) if error.is::<TakenOver>() => found.1.push(name),
                figures => found.0.extend(figures?),
            }
        }
        Ok(())
    };
    scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a count panicked")?)
    })?;
    Ok(found.into_inner().map_err(|_| "a count panicked")?)
}

/// Compares with the baseline, or writes it.
///
/// # Errors
///
/// Where something could not be counted.
pub fn measure(plan: &Plan) -> Result<Table> {
    let mut baseline = Baseline::read()?;
    let mut table = Table::new(
        "Gate: instructions of a request and of a change, in the profile demo (callgrind; without \
         nginx's clock and the allocator)",
        ["baseline", "now", "ratio"],
    );
    let found = if baseline::is_written() {
        let (figures, skipped) = count_all(plan, &Recorded::default())?;
        ensure!(skipped.is_empty(), "{}: {TakenOver} each time", skipped.join("; "));
        if baseline.gate.difference(&made_with()?).is_some() {
            baseline.gate.figures.clear();
        }
        baseline.gate.made_with = made_with()?;
        baseline.gate.figures.extend(figures);
        baseline.write()?;
        baseline.gate.figures.clone()
    } else if let Some(difference) = baseline.gate.difference(&made_with()?) {
        table.title += &format!("\nskipped: the baseline is of other programs: {difference}");
        return Ok(table);
    } else {
        let (figures, skipped) = count_all(plan, &baseline.gate)?;
        for name in skipped {
            table.title += &format!("\nskipped: {name}: {TakenOver} each time");
        }
        figures
    };
    for (name, figure) in found {
        match baseline.gate.figures.get(&name) {
            Some(&last) => {
                let ratio = format!("{:.4}", figure / last);
                table.row(&name, format!("{last:.1}"), format!("{figure:.1}"), ratio);
                table.aim(&format!("<= {MOST}"), !is_above(&baseline.gate, &name, figure));
            }
            None => table.row(&name, String::new(), format!("{figure:.1}"), String::new()),
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::{Recorded, is_above};

    #[test]
    fn one_in_a_hundred_is_the_limit() {
        let baseline =
            Recorded { made_with: [].into(), figures: [("a".to_owned(), 1_000.0)].into() };
        assert!(!is_above(&baseline, "a", 1_009.0));
        assert!(is_above(&baseline, "a", 1_011.0));
        assert!(!is_above(&baseline, "b", 1_011.0));
    }
}
