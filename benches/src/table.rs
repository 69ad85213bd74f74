//! What is printed.

use serde::{Deserialize, Serialize};

/// One figure and what it is held against.
#[derive(Debug, Deserialize, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Without the module, or without what the module does.
    pub baseline: String,
    /// With it.
    pub measured: String,
    /// Their ratio or difference.
    pub compared: String,
    /// What [`Row::measured`] was when the baseline was written; empty where that is not known.
    #[serde(default)]
    pub last: String,
    /// What is aimed at; empty where nothing is.
    pub aim: String,
    /// Whether that was reached.
    pub is_met: Option<bool>,
}

/// Rows with the same columns.
#[derive(Debug, Deserialize, Serialize)]
pub struct Table {
    /// What it is about, and how it was measured.
    pub title: String,
    /// The headings of [`Row::baseline`], [`Row::measured`] and [`Row::compared`].
    pub columns: [String; 3],
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// One without rows.
    pub fn new(title: &str, columns: [&str; 3]) -> Self {
        Self { title: title.to_owned(), columns: columns.map(str::to_owned), rows: Vec::new() }
    }

    /// Adds a row without an aim.
    pub fn row(&mut self, what: &str, baseline: String, measured: String, compared: String) {
        let what = what.to_owned();
        let (last, aim, is_met) = (String::new(), String::new(), None);
        self.rows.push(Row { what, baseline, measured, compared, last, aim, is_met });
    }

    /// Adds a row for two counts and their ratio.
    pub fn compare(&mut self, what: &str, baseline: f64, measured: f64) {
        let ratio = format!("{:.4}", measured / baseline);
        self.row(what, format!("{baseline:.0}"), format!("{measured:.0}"), ratio);
    }

    /// Gives the last row an aim.
    pub fn aim(&mut self, aim: &str, is_met: bool) {
        if let Some(row) = self.rows.last_mut() {
            row.aim = aim.to_owned();
            row.is_met = Some(is_met);
        }
    }

    /// Gives the last row an aim of which the measurement cannot tell whether it was reached.
    pub fn undecided(&mut self, aim: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.aim = aim.to_owned();
        }
    }

    /// Whether an aim was missed.
    pub fn is_missed(&self) -> bool {
        self.rows.iter().any(|row| row.is_met == Some(false))
    }

    /// As text, in columns.
    pub fn render(&self) -> String {
        let [baseline, measured, compared] = self.columns.each_ref().map(String::as_str);
        let last = if self.rows.iter().all(|row| row.last.is_empty()) { "" } else { "last" };
        let mut lines = vec![["", baseline, measured, compared, last, "aim", ""]];
        lines.extend(self.rows.iter().map(|row| {
            let verdict = match row.is_met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            let [what, last, aim] = [&row.what, &row.last, &row.aim].map(String::as_str);
            [what, &*row.baseline, &*row.measured, &*row.compared, last, aim, verdict]
        }));
        let widths: [usize; 7] = std::array::from_fn(|column| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
        });
        let mut text = format!("{}\n", self.title);
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                // Without anything in it, the column of what was last is none.
                if column == 4 && last.is_empty() {
                    continue;
                }
                let fill = " ".repeat(widths[column] - cell.chars().count());
                // Numbers stand below each other by their last digit, words by their first letter.
                let is_number = (1..5).contains(&column);
                let (before, after) = if is_number { (&*fill, "") } else { ("", &*fill) };
                text.push_str(&format!("  {before}{cell}{after}"));
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("Title", ["static", "etcd", "ratio"]);
        table.row("at 2 peers", "20000".into(), "20400".into(), "1.020".into());
        table.aim("<= 1.02", true);
        table.row("at 10000", "1".into(), "2".into(), "2.000".into());
        let text = table.render();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "Title");
        assert_eq!(lines[2], "  at 2 peers   20000  20400  1.020  <= 1.02  met");
        assert_eq!(lines[3], "  at 10000         1      2  2.000");
        assert!(!table.is_missed());
        table.rows[1].last = "3".into();
        let text = table.render();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "              static   etcd  ratio  last  aim");
        assert_eq!(lines[2], "  at 2 peers   20000  20400  1.020        <= 1.02  met");
        assert_eq!(lines[3], "  at 10000         1      2  2.000     3");
    }
}
