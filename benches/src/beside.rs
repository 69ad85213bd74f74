//! Two builds of the module side by side: `OLD` names the file of the other one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use harness::Result;

use crate::changes;
use crate::count::{Cost, Count, FEW, Steps};
use crate::counting::counted_with;
use crate::fleet::Fleet;
use crate::method::Method;
use crate::part::{self, Part, Programs};
use crate::plan::{PARTS_BESIDE, Plan};
use crate::stream;
use crate::stream::count::{Servers, SessionCount};
use crate::table::{Row, Table};

/// The figures of the other build, and of this one.
const COLUMNS: [&str; 3] = ["before", "now", "ratio"];
/// The methods of a quick look.
const FEW_METHODS: [Method; 3] = [Method::RoundRobin, Method::LeastConn, Method::HashConsistent];
/// Of figures with such a name more is better, of all others less.
const MORE_IS_BETTER: &str = "requests per second";
/// A figure that is worse by less is as good: two runs of one build differ by as much.
const NOISE: f64 = 1.01;

/// Compares the two in all parts of the plan, and prints one table. Says whether all could be
/// measured.
pub fn show(old: &Path, plan: &Plan) -> bool {
    let (mut table, mut is_complete) = (Table::new("", COLUMNS), true);
    for name in &plan.parts {
        let began = Instant::now();
        match measure(name, old, plan, &mut table) {
            Ok(()) => eprintln!("== {name} took {} s", began.elapsed().as_secs()),
            Err(error) => {
                is_complete = false;
                eprintln!("== {name}: NOT MEASURED: {error}");
            }
        }
    }
    println!("{}", markdown(&table));
    is_complete
}

/// Adds the rows of a part.
fn measure(name: &str, old: &Path, plan: &Plan, table: &mut Table) -> Result<()> {
    match name {
        "instructions" => instructions(old, plan, table),
        // One method after the other, so that both builds find the machine in the same state.
        "changes" => changes::METHODS
            .into_iter()
            .filter(|method| plan.methods.contains(method))
            .try_for_each(|method| both(&Part::Changes, Some(method), old, table)),
        "fleet" => both(&Part::GreatFleet, None, old, table),
        "churn" => both(&Part::Churn, None, old, table),
        "idle" => both(&Part::Idle, None, old, table),
        "sessions" => both(&Part::Echoes, None, old, table),
        "status" => both(&Part::Status, None, old, table),
        "stream" => sessions(old, plan, table),
        _ => Err(format!("OLD is for the parts {}, not {name:?}", PARTS_BESIDE.join(", ")).into()),
    }
}

/// Runs a part with each build. What one of them cannot do, such as an older one with a newer
/// configuration, does not keep the figures of the other one from being shown.
fn both(part: &Part, method: Option<Method>, old: &Path, table: &mut Table) -> Result<()> {
    let run = |module| -> Result<Table> {
        part::run(part, &Programs { module, method, ..Programs::default() })
    };
    let (before, after) = (run(Some(old)), run(None)?);
    let before = before.map(|table| table.rows).unwrap_or_else(|error| {
        eprintln!("== the other build: {error}");
        Vec::new()
    });
    for row in after.rows {
        let before = before.iter().find(|one| one.what == row.what);
        table.rows.push(compared(before, row));
    }
    Ok(())
}

/// A row of both builds, with the figure of static servers in its name.
fn compared(before: Option<&Row>, now: Row) -> Row {
    let figure = |row: &Row| row.measured.parse::<f64>().ok();
    let ratio = before.and_then(figure).zip(figure(&now)).map(|(before, after)| after / before);
    let mut what = now.what;
    if !now.baseline.is_empty() {
        let _ = write!(what, " (static servers: {})", now.baseline);
    }
    Row {
        what,
        baseline: before.map_or_else(|| "not measured".to_owned(), |row| row.measured.clone()),
        compared: ratio.map(|ratio| format!("{ratio:.4}")).unwrap_or_default(),
        ..now
    }
}

/// Whether the other build is better.
fn is_loss(row: &Row) -> bool {
    row.compared.parse::<f64>().is_ok_and(|ratio| {
        let is_more = row.what.contains(MORE_IS_BETTER);
        if is_more { ratio < 1.0 / NOISE } else { ratio > NOISE }
    })
}

/// The table in Markdown; losses are bold.
fn markdown(table: &Table) -> String {
    let [before, now, ratio] = &table.columns;
    let mut text = format!("| what | {before} | {now} | {ratio} | aim |\n|---|---|---|---|---|\n");
    for row in &table.rows {
        let bold = if is_loss(row) { "**" } else { "" };
        let aim = match row.is_met {
            Some(true) => format!("{}: met", row.aim),
            Some(false) => format!("{}: missed", row.aim),
            None => row.aim.clone(),
        };
        let (what, before, after, ratio) = (&row.what, &row.baseline, &row.measured, &row.compared);
        let _ = writeln!(text, "| {what} | {before} | {bold}{after}{bold} | {ratio} | {aim} |");
    }
    text
}

/// Adds rows for a session of stream. An older build may have none.
fn sessions(old: &Path, plan: &Plan, table: &mut Table) -> Result<()> {
    let is_chosen = |method: &Method| plan.methods.contains(method);
    for method in stream::METHODS.into_iter().filter(is_chosen) {
        let what = SessionCount {
            fleet: Fleet::of(FEW, method),
            servers: Servers::Live,
            sessions: plan.counted_requests,
        };
        let count = |module| stream::counting::counted(module, what, plan.counted_starts);
        let [_, now] = count(None)?;
        let before = count(Some(old)).map(|[_, before]| before).inspect_err(|error| {
            eprintln!("== the other build: {error}");
        });
        for (what, is_own) in [
            ("instructions of a session of stream", false),
            ("instructions of the module's own, a session of stream", true),
        ] {
            let row = |cost: &Cost| {
                let mut table = Table::new("", COLUMNS);
                let name = format!("{}, {FEW} peers: {what}", method.name());
                let figure = if is_own { cost.module } else { cost.instructions };
                table.row(&name, String::new(), format!("{figure:.0}"), String::new());
                table.rows.remove(0)
            };
            table.rows.push(compared(before.as_ref().ok().map(row).as_ref(), row(&now)));
        }
    }
    Ok(())
}

fn instructions(old: &Path, plan: &Plan, table: &mut Table) -> Result<()> {
    let steps = Steps::Requests(plan.counted_requests);
    let both = |what: Count, starts| -> Result<_> {
        Ok([counted_with(Some(old), what, starts)?, counted_with(None, what, starts)?])
    };
    let is_chosen = |method: &Method| !plan.is_quick || FEW_METHODS.contains(method);
    let peers = if plan.is_quick { &[FEW][..] } else { &plan.peers };
    let mut own_by_turns = BTreeMap::new();
    for &method in plan.methods.iter().filter(|method| is_chosen(method)) {
        for &peers in peers {
            // Distinct for all, so that what is subtracted below differs by the method alone.
            let fleet = Fleet { is_distinct: true, ..Fleet::of(peers, method) };
            let [before, after] =
                both(Count { fleet, live: true, drains: false, steps }, plan.counted_starts)?;
            let (before, after) = (before.worker()?, after.worker()?);
            let name = format!("{}, {peers} peers: instructions of", method.name());
            table.compare(&format!("{name} a request"), before.instructions, after.instructions);
            table.compare(&format!("{name} the module's own code"), before.module, after.module);
            let (before_it, now) = (before.allocations, after.allocations);
            table.row(
                &format!("{}, {peers} peers: allocations of a request", method.name()),
                format!("{before_it:.2}"),
                format!("{now:.2}"),
                format!("{:.4}", now / before_it),
            );
            let own = [before.module, after.module];
            if method == Method::RoundRobin {
                own_by_turns.insert(peers, own);
            } else if let (Method::HashConsistent, Some(less)) = (method, own_by_turns.get(&peers))
            {
                let name = format!(
                    "ring lookup, {peers} peers: instructions (own code, less that of round_robin)"
                );
                table.compare(&name, own[0] - less[0], own[1] - less[1]);
            }
        }
    }
    if plan.methods.contains(&Method::RoundRobin) && !plan.is_quick {
        let (peers, fleet) = (plan.changing, Fleet::plain(plan.changing));
        let count = |steps| both(Count { fleet, live: true, drains: false, steps }, 1);
        let name = format!("change among {peers} peers: instructions of");
        let [before, after] = count(Steps::Weights)?;
        let (before, after) = (before.worker()?.instructions, after.worker()?.instructions);
        table.compare(&format!("{name} a worker"), before, after);
        let [before, after] = count(Steps::WatchedWeights)?;
        let (before, after) = (before.of_thread()?, after.of_thread()?);
        table.compare(&format!("{name} the watcher's thread"), before, after);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, Row, Table, compared, markdown};

    fn row(what: &str, measured: &str) -> Row {
        let mut table = Table::new("", COLUMNS);
        table.row(what, String::new(), measured.to_owned(), String::new());
        table.rows.remove(0)
    }

    #[test]
    fn losses_are_bold_in_either_direction() {
        let mut table = Table::new("", COLUMNS);
        for (what, before, now) in [
            ("ms", "100", "102"),
            ("bytes", "100", "100.5"),
            ("requests per second", "100", "98"),
            ("requests per second, more", "100", "102"),
        ] {
            table.rows.push(compared(Some(&row(what, before)), row(what, now)));
        }
        table.rows.push(compared(None, row("new", "1")));
        let text = markdown(&table);
        let lines: Vec<_> = text.lines().skip(2).collect();
        let expected = [
            "| ms | 100 | **102** | 1.0200 |  |",
            "| bytes | 100 | 100.5 | 1.0050 |  |",
            "| requests per second | 100 | **98** | 0.9800 |  |",
            "| requests per second, more | 100 | 102 | 1.0200 |  |",
            "| new | not measured | 1 |  |  |",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn static_servers_are_in_the_name() {
        let mut now = row("start", "2");
        now.baseline = "3".into();
        assert_eq!(compared(Some(&row("start", "1")), now).what, "start (static servers: 3)");
    }
}
