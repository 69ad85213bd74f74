//! The table of an upstream's peers.

use std::collections::HashMap;

use super::{
    figures::{duration, quantile, quantile_text, since},
    options::{PeersShown, StatusView},
    words::Words,
};
use crate::{
    routers::{Peer, Upstream},
    terminal::{Cell, Column, Paint, Table},
};

/// Rows where not all are wanted.
const SOME: usize = 20;

/// Columns of a terminal that a key or an address takes at most.
const LONGEST: usize = 60;

/// What was read a while ago: the upstream, and how many seconds have passed.
pub(super) type Before<'b> = Option<(&'b Upstream, f64)>;

/// The lines of the table, and one that says what is left out. `bounds` are those of the
/// histograms.
pub(super) fn lines(
    upstream: &Upstream,
    bounds: &[f64],
    before: Before<'_>,
    view: &StatusView,
    indent: &str,
) -> Vec<String> {
    let (shown, omitted) = chosen(&upstream.peers, view.peers);
    let words = Words::of(upstream);
    let columns = vec![
        Column::of_text("peer"),
        Column::of_text("address"),
        Column::of_text("state"),
        Column::of_numbers("for"),
        Column::of_numbers("weight"),
        Column::of_numbers("open"),
        Column::of_numbers("upgraded"),
        Column::of_numbers(words.heading(before.is_some())),
        Column::of_numbers("failed"),
        Column::of_numbers("5xx"),
        Column::of_numbers("p50"),
        Column::of_numbers("p99"),
        Column::of_numbers("last pick"),
        Column::of_text("note"),
    ];
    let earlier: HashMap<_, _> = before
        .iter()
        .flat_map(|(upstream, _)| &upstream.peers)
        .map(|peer| ((peer.key.as_deref(), &*peer.address), peer))
        .collect();
    let mut table = Table::new(columns).with_cells_of(LONGEST);
    for peer in shown {
        let earlier = earlier.get(&(peer.key.as_deref(), &*peer.address)).copied();
        let rate = match (earlier, before) {
            (Some(earlier), Some((_, seconds))) => {
                let requests = peer.requests.saturating_sub(earlier.requests);
                format!("{:.1}", requests as f64 / seconds.max(0.001))
            }
            (None, Some(_)) => String::new(),
            (_, None) => peer.requests.to_string(),
        };
        let counts = peer.statistics.as_ref().map(|now| {
            let earlier = earlier.and_then(|earlier| earlier.statistics.as_ref());
            since(words.of_peer(now), earlier.map(|earlier| words.of_peer(earlier)))
        });
        let time = |share| {
            let counts = counts.as_deref().unwrap_or_default();
            Cell::new(quantile_text(quantile(bounds, counts, share)))
        };
        let errors = peer.statistics.as_ref().and_then(|now| now.responses.get("5xx"));
        table.push(vec![
            Cell::new(peer.key.as_deref().unwrap_or("(server)")),
            Cell::new(&peer.address),
            state(peer),
            Cell::new(peer.seconds_in_state.map_or_else(String::new, duration)),
            Cell::new(peer.weight.to_string()),
            Cell::new(peer.connections.to_string()),
            // A session of stream is never upgraded, and a column without values is left out.
            if upstream.is_stream() {
                number(peer.upgraded)
            } else {
                Cell::new(peer.upgraded.to_string())
            },
            Cell::new(rate),
            number(peer.failures),
            number(errors.copied().unwrap_or(0)),
            time(0.5),
            time(0.99),
            Cell::new(peer.seconds_since_last_pick.map_or_else(String::new, duration)),
            Cell::new(note(peer)),
        ]);
    }
    let mut lines = table.lines(view.palette, indent);
    if omitted > 0 {
        let text = format!("{indent}and {omitted} more (--peers all)");
        lines.push(view.palette.paint(Paint::Faint, &text));
    }
    lines
}

/// A number, unless it is 0.
fn number(number: u64) -> Cell {
    Cell::new(if number == 0 { String::new() } else { number.to_string() })
}

/// Those that are shown, and how many are not.
pub(super) fn chosen(peers: &[Peer], which: PeersShown) -> (Vec<&Peer>, usize) {
    match which {
        PeersShown::None => (Vec::new(), 0),
        PeersShown::All => (peers.iter().collect(), 0),
        PeersShown::Some => {
            let is_up = |peer: &&Peer| peer.state == "up";
            let others = peers.iter().filter(|peer| !is_up(peer));
            let shown: Vec<_> = others.chain(peers.iter().filter(is_up)).take(SOME).collect();
            let omitted = peers.len() - shown.len();
            (shown, omitted)
        }
    }
}

/// The state, painted.
pub(super) fn state(peer: &Peer) -> Cell {
    let paint = match peer.state.as_str() {
        "up" => Paint::Good,
        "unhealthy" | "unavailable" => Paint::Bad,
        _ => Paint::Notable,
    };
    Cell::new(&peer.state).painted(paint)
}

/// What else is to be said of a peer.
pub(super) fn note(peer: &Peer) -> String {
    let mut notes = Vec::new();
    if peer.backup {
        notes.push("backup".to_owned());
    }
    let is_failing = matches!(peer.health.as_str(), "failing" | "pending");
    let error = peer.checks.as_ref().and_then(|checks| checks.last_error.as_ref());
    match (is_failing, error) {
        (true, Some(error)) => notes.push(error.clone()),
        (true, None) if peer.state != "unhealthy" && peer.state != "checking" => {
            notes.push(format!("checks: {}", peer.health));
        }
        _ => {}
    }
    match peer.closes_in.filter(|_| peer.connections > 0) {
        Some(seconds) if seconds > 0.0 => {
            notes.push(format!("closing begins in {}", duration(seconds)));
        }
        Some(_) => notes.push("connections are being closed".to_owned()),
        None => {}
    }
    notes.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PeersShown, SOME, chosen, note};
    use crate::routers::Peer;

    fn peer(value: serde_json::Value) -> Peer {
        serde_json::from_value(value).expect("a peer")
    }

    #[test]
    fn peers_that_do_not_serve_come_first() {
        let mut peers: Vec<_> = (0..30)
            .map(|number| peer(json!({"key": format!("n{number}"), "state": "up"})))
            .collect();
        peers[27].state = "drain".to_owned();
        let (shown, omitted) = chosen(&peers, PeersShown::Some);
        assert_eq!((shown.len(), omitted), (SOME, 10));
        assert_eq!(shown[0].key.as_deref(), Some("n27"));
        assert_eq!(shown[1].key.as_deref(), Some("n0"));
        assert_eq!(chosen(&peers, PeersShown::All).0.len(), 30);
        assert_eq!(chosen(&peers, PeersShown::None).0.len(), 0);
    }

    #[test]
    fn notes_say_what_the_columns_do_not() {
        let checks = json!({"last_error": "timeout"});
        for (value, expected) in [
            (json!({"state": "up", "health": "passing", "checks": checks}), ""),
            (json!({"state": "unhealthy", "health": "failing", "checks": checks}), "timeout"),
            (
                json!({"state": "drain", "health": "failing", "backup": true}),
                "backup, checks: failing",
            ),
            (json!({"connections": 1, "closes_in": 17.4}), "closing begins in 17 s"),
            (json!({"connections": 1, "closes_in": 0.0}), "connections are being closed"),
            (json!({"connections": 0, "closes_in": 0.0}), ""),
        ] {
            assert_eq!(note(&peer(value)), expected);
        }
    }
}
