//! The last changes of an upstream's peers in the status document.

use change_history::{History, Record};
use status_document::Change;

use crate::upstream::Upstream;

/// The number of all changes, and the last ones if `are_wanted`, the newest first.
pub(super) fn of(upstream: &Upstream, are_wanted: bool) -> (u64, Vec<Change>) {
    let statistics = upstream.statistics();
    let history = statistics.and_then(|statistics| History::new(statistics.history()));
    let Some(history) = history else { return (0, Vec::new()) };
    let newest = are_wanted.then(|| history.newest().map(change));
    (history.total(), newest.into_iter().flatten().collect())
}

/// What differs if there is another change: the number of changes, and when the last one was.
pub(super) fn version(upstream: &Upstream) -> (u64, u64) {
    let statistics = upstream.statistics();
    let history = statistics.and_then(|statistics| History::new(statistics.history()));
    let Some(history) = history else { return (0, 0) };
    let total = history.total();
    (total, history.read(total).map_or(0, |last| last.time))
}

fn change(record: Record) -> Change {
    let Record { number, time, revision, cause, added, removed, changed, omitted, detail } = record;
    Change {
        number,
        // Milliseconds, of which an `f64` holds all there will be exactly.
        time: time as f64 / 1_000.0,
        revision,
        cause: cause.as_str().into(),
        added,
        removed,
        changed,
        omitted,
        detail,
    }
}
