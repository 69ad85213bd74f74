//! Columns that stand one below the other.

use super::{
    color::{Paint, Palette},
    shown::{cut, shown, width},
};

/// Between two columns.
const GAP: &str = "  ";

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    title: String,
    is_right: bool,
}

impl Column {
    /// One of texts.
    pub(crate) fn of_text(title: impl Into<String>) -> Self {
        Self { title: title.into(), is_right: false }
    }

    /// One of numbers.
    pub(crate) fn of_numbers(title: impl Into<String>) -> Self {
        Self { title: title.into(), is_right: true }
    }
}

/// A text in a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A text, which may come from outside.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self { text: shown(text.as_ref()), paint: Paint::Plain }
    }

    /// The same, painted.
    pub(crate) fn painted(self, paint: Paint) -> Self {
        Self { paint, ..self }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// A table: a line of titles, and its rows.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// The most columns of the terminal that a cell takes.
    most: usize,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new(), most: usize::MAX }
    }

    /// The same, with cells that are cut.
    pub(crate) fn with_cells_of(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Adds a row, which has a cell for each column.
    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Its lines, each after an indent. A column without any text is left out.
    pub(crate) fn lines(&self, palette: Palette, indent: &str) -> Vec<String> {
        let cell = |row: &[Cell], at: usize| {
            let cell = row.get(at).cloned().unwrap_or_default();
            Cell { text: cut(&cell.text, self.most), ..cell }
        };
        let title = |column: &Column| Cell::new(&column.title).painted(Paint::Faint);
        let columns: Vec<_> = (self.columns.iter().enumerate())
            .filter_map(|(at, column)| {
                let widths = self.rows.iter().map(|row| width(&cell(row, at).text));
                let most = widths.max().filter(|&most| most > 0)?;
                Some((at, column, most.max(width(&column.title))))
            })
            .collect();
        let line = |cells: Vec<Cell>| {
            let mut line = indent.to_owned();
            for (cell, (_, column, columns)) in cells.iter().zip(&columns) {
                let space = " ".repeat(columns.saturating_sub(width(&cell.text)));
                let text = palette.paint(cell.paint, &cell.text);
                let (before, behind) = if column.is_right { (&*space, "") } else { ("", &*space) };
                line.extend([before, &text, behind, GAP]);
            }
            line.truncate(line.trim_end().len());
            line
        };
        if columns.is_empty() {
            return Vec::new();
        }
        let titles = columns.iter().map(|(_, column, _)| title(column)).collect();
        let rows = self
            .rows
            .iter()
            .map(|row| columns.iter().map(|&(at, ..)| cell(row, at)).collect::<Vec<_>>());
        std::iter::once(titles).chain(rows).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, Table};
    use crate::terminal::{ColorWhen, Paint, Palette};

    fn table() -> Table {
        let columns = [Column::of_text("peer"), Column::of_text("none"), Column::of_numbers("n")];
        let mut table = Table::new(columns.to_vec());
        table.push(vec!["節点".into(), Cell::default(), "7".into()]);
        let second = Cell::new("a\nb").painted(Paint::Bad);
        table.push(vec![second, Cell::default(), "1234".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let lines = table().lines(Palette::new(ColorWhen::Never), " ");
        assert_eq!(lines, [" peer     n", " 節点     7", " a\\nb  1234"]);
        let painted = table().lines(Palette::new(ColorWhen::Always), "");
        assert_eq!(painted[2], "\x1b[1;31ma\\nb\x1b[0m  1234");
    }

    #[test]
    fn long_cells_are_cut_and_no_rows_are_no_lines() {
        let lines = table().with_cells_of(3).lines(Palette::new(ColorWhen::Never), "");
        assert_eq!(lines, ["peer    n", "節…     7", "a\\…   12…"]);
        let empty = Table::new(vec![Column::of_text("peer")]);
        assert!(empty.lines(Palette::new(ColorWhen::Never), "").is_empty());
    }
}
