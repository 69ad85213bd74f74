//! The figures of an earlier run, in `benches/baseline.json`.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use harness::Result;
use serde::{Deserialize, Serialize};

use crate::machine::{MadeWith, made_with};
use crate::table::Table;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

/// Figures, and what they were made with.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Recorded<T> {
    /// Programs and their versions.
    pub made_with: MadeWith,
    /// What was found, by what it is about.
    pub figures: BTreeMap<String, T>,
}

impl<T> Recorded<T> {
    /// In which programs this one and another differ; none where the figures can be compared.
    pub fn difference(&self, other: &MadeWith) -> Option<String> {
        let differ: Vec<_> = self
            .made_with
            .iter()
            .filter(|&(name, version)| other.get(name) != Some(version))
            .map(|(name, version)| {
                let found = other.get(name).map_or("none", String::as_str);
                format!("{name} is {found:?}, not {version:?}")
            })
            .collect();
        (!differ.is_empty()).then(|| differ.join("; "))
    }
}

/// All that the file contains.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Baseline {
    /// What [`gate`](crate::gate) compares with.
    #[serde(default)]
    pub gate: Recorded<f64>,
    /// What is printed beside the tables, by the names of the parts.
    #[serde(default)]
    pub tables: BTreeMap<String, Recorded<String>>,
}

/// Whether what is measured becomes the baseline: `WRITE_BASELINE=1`.
pub fn is_written() -> bool {
    std::env::var_os("WRITE_BASELINE").is_some_and(|value| !value.is_empty() && value != "0")
}

impl Baseline {
    /// The one of this tree; an empty one where it has none.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn read() -> Result<Self> {
        match std::fs::read_to_string(FILE) {
            Ok(text) => {
                Ok(serde_json::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{FILE}: {error}").into()),
        }
    }

    /// Writes it to where it was read.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn write(&self) -> Result<()> {
        std::fs::write(FILE, serde_json::to_string_pretty(self)? + "\n")?;
        println!("wrote {FILE}\n");
        Ok(())
    }

    /// Puts what was last measured beside what is measured now.
    pub fn show_in(&self, part: &str, table: &mut Table) {
        let Some(recorded) = self.tables.get(part) else { return };
        for row in &mut table.rows {
            if let Some(last) = recorded.figures.get(&row.what) {
                row.last.clone_from(last);
            }
        }
    }

    /// Takes what is in a table; rows that were not measured stay as they were.
    ///
    /// # Errors
    ///
    /// Those of looking at this machine.
    pub fn take(&mut self, part: &str, table: &Table) -> Result<()> {
        let mut recorded = self.tables.remove(part).unwrap_or_default();
        recorded.made_with = made_with()?;
        recorded
            .figures
            .extend(table.rows.iter().map(|row| (row.what.clone(), row.measured.clone())));
        self.tables.insert(part.to_owned(), recorded);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Baseline, MadeWith, Recorded};
    use crate::table::Table;

    #[test]
    fn other_programs_are_named() {
        let of = |rustc: &str| MadeWith::from([("rustc".to_owned(), rustc.to_owned())]);
        let recorded = Recorded::<f64> { made_with: of("1.95"), figures: [].into() };
        assert_eq!(recorded.difference(&of("1.95")), None);
        let difference = recorded.difference(&of("1.96"));
        assert_eq!(difference.as_deref(), Some("rustc is \"1.96\", not \"1.95\""));
    }

    #[test]
    fn tables_are_kept_row_by_row() {
        let table = |what: &str, figure: &str| {
            let mut table = Table::new("", ["", "", ""]);
            table.row(what, String::new(), figure.to_owned(), String::new());
            table
        };
        let mut baseline = Baseline::default();
        for (what, figure) in [("a", "1"), ("b", "2"), ("a", "3")] {
            baseline.take("part", &table(what, figure)).expect("a machine");
        }
        for (part, what, last) in [("part", "a", "3"), ("part", "b", "2"), ("other", "a", "")] {
            let mut shown = table(what, "4");
            baseline.show_in(part, &mut shown);
            assert_eq!(shown.rows[0].last, last);
        }
    }

    #[test]
    fn the_file_in_the_tree_can_be_read() {
        let baseline = Baseline::read().expect("a baseline");
        assert!(baseline.gate.figures.values().all(|figure| *figure > 0.0));
    }
}
