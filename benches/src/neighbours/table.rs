//! The table in Markdown.

use std::collections::BTreeMap;

use super::program::Program;

/// What was found, or why it was not, by the names of rows.
pub type Figures = BTreeMap<String, Result<f64, String>>;

/// A row: its name, whether more is better, and the digits behind the point.
pub struct Row {
    /// In the first column.
    pub name: String,
    /// Whether the greater figure is the better one.
    pub is_more_better: bool,
    /// How exactly figures are shown.
    pub digits: usize,
}

/// A column: a program, how it is changed, and what was found or why nothing was.
pub type Column = (Program, &'static str, Result<Figures, String>);

/// The reason is that of a row above.
const NOT_MEASURED: &str = "not measured";

/// One row for each figure; a figure of the first column is bold if another column's is better.
pub fn render(rows: &[Row], columns: &[Column]) -> String {
    let mut text = String::from("|");
    let mut line = String::from("\n|---|");
    for &(program, way, _) in columns {
        let name = format!("{} {}", program.name(), program.version());
        text += &format!(" | {}, {way}", name.trim_end());
        line += "---|";
    }
    text += &format!(" |{line}\n");
    let mut reasons = Vec::new();
    for row in rows {
        let found: Vec<_> = columns.iter().map(|column| figure(row, column)).collect();
        let is_lost = is_lost(row, &found);
        text += &format!("| {} |", row.name);
        for (column, (figure, &(program, ..))) in found.iter().zip(columns).enumerate() {
            text += &match figure {
                Ok(figure) if column == 0 && is_lost => format!(" **{figure:.*}** |", row.digits),
                Ok(figure) => format!(" {figure:.*} |", row.digits),
                Err(reason) => {
                    let is_known =
                        reasons.iter().any(|&(of, _, known)| (of, known) == (program, *reason));
                    if *reason != NOT_MEASURED && !is_known {
                        reasons.push((program, &row.name, *reason));
                    }
                    " skipped |".to_owned()
                }
            };
        }
        text.push('\n');
    }
    for (program, row, reason) in reasons {
        text += &format!("\nskipped: {}: {row}: {reason}\n", program.name());
    }
    text
}

fn figure<'a>(row: &Row, column: &'a Column) -> Result<f64, &'a str> {
    match &column.2 {
        Ok(figures) => match figures.get(&row.name) {
            Some(Ok(figure)) => Ok(*figure),
            Some(Err(reason)) => Err(reason),
            None => Err(NOT_MEASURED),
        },
        Err(reason) => Err(reason),
    }
}

/// Whether another column has a better figure than the first, as it is shown.
fn is_lost(row: &Row, found: &[Result<f64, &str>]) -> bool {
    let scale = 10_f64.powi(row.digits as i32);
    let shown = |figure: &f64| (figure * scale).round();
    let mut figures = found.iter();
    let Some(Ok(ours)) = figures.next() else { return false };
    figures.flatten().any(|theirs| {
        if row.is_more_better { shown(theirs) > shown(ours) } else { shown(theirs) < shown(ours) }
    })
}

#[cfg(test)]
mod tests {
    use super::{Program, Row, render};

    #[test]
    fn losses_are_bold_and_gaps_have_reasons() {
        let row = |name: &str, is_more_better| Row { name: name.into(), is_more_better, digits: 1 };
        let rows = [row("time", false), row("rate", true), row("equal", true)];
        let figures = |time, rate, equal| {
            [("time", time), ("rate", rate), ("equal", equal)]
                .map(|(name, figure)| (name.to_owned(), Ok(figure)))
                .into()
        };
        let columns = [
            (Program::Ours, "keys", Ok(figures(2.0, 2.0, 1.01))),
            (Program::Haproxy, "its API", Ok(figures(1.0, 1.0, 1.04))),
            (Program::Caddy, "its API", Err("CADDY names no program".to_owned())),
        ];
        let text = render(&rows, &columns);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "|---|---|---|---|");
        assert_eq!(lines[2], "| time | **2.0** | 1.0 | skipped |");
        assert_eq!(lines[3], "| rate | 2.0 | 1.0 | skipped |");
        assert_eq!(lines[4], "| equal | 1.0 | 1.0 | skipped |");
        assert_eq!(lines[6], "skipped: Caddy: time: CADDY names no program");
    }
}
