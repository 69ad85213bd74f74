//! The gate: few counts, each of which may not exceed the baseline.

mod scene;
mod sessions;

use harness::Result;

use self::scene::Figures;
pub use self::scene::{REQUESTS, count};
pub use self::sessions::count as count_sessions;
use crate::baseline::{self, Baseline, Recorded};
use crate::counting::under_callgrind;
use crate::machine::made_with;
use crate::part::Part;
use crate::plan::Plan;
use crate::table::Table;

/// The most that a figure may be, as a multiple of the baseline.
const MOST: f64 = 1.01;
/// The same of a change, whose figure includes the allocator and what the ring has not yet merged.
const MOST_OF_CHANGE: f64 = 1.03;
/// The same of a method that draws: the random numbers begin with where a zone lies, which is
/// elsewhere on each machine, and some draw the same peer twice and draw again. Of 200 sessions,
/// that makes 1 % for each standard deviation.
const MOST_OF_DRAWS: f64 = 1.05;

/// The limit of a figure.
fn most(name: &str) -> f64 {
    if name.ends_with(scene::CHANGE) {
        MOST_OF_CHANGE
    } else if name.contains("random") {
        MOST_OF_DRAWS
    } else {
        MOST
    }
}

/// Whether a figure is above the baseline; one that has none is not.
fn is_above(baseline: &Recorded<f64>, name: &str, figure: f64) -> bool {
    baseline.figures.get(name).is_some_and(|last| figure > last * most(name))
}

/// Counts in a new nginx, and sessions of stream's in another one.
fn counted() -> Result<Figures> {
    let mut figures: Figures = under_callgrind(true, None, |folder| Part::Gate { folder })?;
    let sessions = under_callgrind(true, None, |folder| Part::GateOfSessions { folder })?;
    figures.extend::<Figures>(sessions);
    Ok(figures)
}

/// Counts once, and again if a figure is above the baseline: the lower ones.
fn lowest(baseline: &Recorded<f64>) -> Result<Figures> {
    let mut figures = counted()?;
    if figures.iter().any(|(name, &figure)| is_above(baseline, name, figure)) {
        for (name, figure) in counted()? {
            figures.entry(name).and_modify(|lower| *lower = lower.min(figure));
        }
    }
    Ok(figures)
}

/// Counts twice, for a new baseline. The lower figures of requests are those into which nothing
/// else fell; those of changes differ, and the higher ones can be met again.
fn typical() -> Result<Figures> {
    let mut figures = counted()?;
    for (name, figure) in counted()? {
        let choose = if name.ends_with(scene::CHANGE) { f64::max } else { f64::min };
        figures.entry(name).and_modify(|chosen| *chosen = choose(*chosen, figure));
    }
    Ok(figures)
}

/// Compares with the baseline, or writes it.
///
/// # Errors
///
/// Where something could not be counted.
pub fn measure(plan: &Plan) -> Result<Table> {
    let mut baseline = Baseline::read()?;
    let mut table = Table::new(
        "Gate: the module's own instructions for a request, a session of stream and a change, in \
         the profile demo (callgrind)",
        ["baseline", "now", "ratio"],
    );
    let difference = baseline.gate.difference(&made_with()?);
    let found = if baseline::is_written() {
        if difference.is_some() || (scene::is_whole(plan) && sessions::is_whole(plan)) {
            baseline.gate.figures.clear();
        }
        baseline.gate.made_with = made_with()?;
        baseline.gate.figures.extend(typical()?);
        baseline.write()?;
        baseline.gate.figures.clone()
    } else if let Some(difference) = difference {
        table.title += &format!("\nskipped: the baseline is of other programs: {difference}");
        return Ok(table);
    } else {
        lowest(&baseline.gate)?
    };
    for (name, figure) in found {
        match baseline.gate.figures.get(&name) {
            Some(&last) => {
                let ratio = format!("{:.4}", figure / last);
                table.row(&name, format!("{last:.1}"), format!("{figure:.1}"), ratio);
                table.aim(&format!("<= {}", most(&name)), !is_above(&baseline.gate, &name, figure));
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
        let drawn = "stream, random two, 2 peers: code";
        let baseline =
            Recorded { made_with: [].into(), figures: [(drawn.to_owned(), 1_000.0)].into() };
        assert!(!is_above(&baseline, drawn, 1_049.0));
        assert!(is_above(&baseline, drawn, 1_051.0));
        let name = format!("a: {}", super::scene::CHANGE);
        let baseline = Recorded { made_with: [].into(), figures: [(name.clone(), 1_000.0)].into() };
        assert!(!is_above(&baseline, &name, 1_029.0));
        assert!(is_above(&baseline, &name, 1_031.0));
    }
}
