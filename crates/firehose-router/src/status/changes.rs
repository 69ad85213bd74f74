//! The last changes of an upstream's list.

use super::{figures::duration, options::StatusView};
use crate::{
    routers::{Change, Upstream},
    terminal::{Cell, Column, Paint, Table},
};

/// Keys of a change that are named.
const NAMED: usize = 6;

/// The lines of the last changes; `now` is the time of the document, in seconds since 1970.
pub(super) fn lines(
    upstream: &Upstream,
    now: Option<f64>,
    view: &StatusView,
    indent: &str,
) -> Vec<String> {
    let columns = vec![
        Column::of_numbers("change"),
        Column::of_numbers("age"),
        Column::of_numbers("revision"),
        Column::of_text("cause"),
        Column::of_text("what"),
    ];
    let mut table = Table::new(columns).with_cells_of(100);
    for change in upstream.changes.iter().take(view.changes) {
        let age = now.map_or_else(String::new, |now| duration(now - change.time));
        let cause = Cell::new(change.cause.replace('_', " "));
        table.push(vec![
            Cell::new(change.number.to_string()),
            Cell::new(age),
            Cell::new(change.revision.to_string()),
            if change.cause == "event" { cause } else { cause.painted(Paint::Notable) },
            Cell::new(what(change)),
        ]);
    }
    table.lines(view.palette, indent)
}

/// `+node-1 -node-2 ~node-3 and 5 more: fails its checks`.
fn what(change: &Change) -> String {
    let signed = |sign: char, keys: &[String]| -> Vec<String> {
        keys.iter().map(|key| format!("{sign}{key}")).collect()
    };
    let mut words = signed('+', &change.added);
    words.extend(signed('-', &change.removed));
    words.extend(signed('~', &change.changed));
    let more = words.len().saturating_sub(NAMED) as u64 + change.omitted;
    words.truncate(NAMED);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    let words = words.join(" ");
    match &change.detail {
        Some(detail) if words.is_empty() => detail.clone(),
        Some(detail) => format!("{words}: {detail}"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::what;
    use crate::routers::Change;

    #[test]
    fn keys_have_signs_and_the_rest_is_counted() {
        let keys = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();
        let change = Change { added: keys(1), removed: keys(1), ..Change::default() };
        assert_eq!(what(&change), "+n0 -n0");
        let detail = Some("fails its checks: timeout".to_owned());
        let change = Change { changed: keys(1), detail, ..Change::default() };
        assert_eq!(what(&change), "~n0: fails its checks: timeout");
        let change = Change { added: keys(8), omitted: 3, ..Change::default() };
        assert_eq!(what(&change), "+n0 +n1 +n2 +n3 +n4 +n5 and 5 more");
    }
}
