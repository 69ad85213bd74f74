//! What several routers say, side by side.

use std::collections::{BTreeSet, HashMap};

use super::{
    options::StatusView,
    page::{title, versions},
    peers::{chosen, state},
    reading::Reading,
    sentence::sentence,
    words::Words,
};
use crate::{
    routers::{Document, Peer},
    terminal::{Cell, Column, Paint, Table, shown},
};

/// Columns of a terminal that a cell takes at most.
const LONGEST: usize = 60;

/// The lines: the routers with their numbers, and each upstream with a column for each router.
/// `before` is what was read the time before, so that requests are those by the second since then.
pub(super) fn lines(
    readings: &[Reading],
    before: Option<&[Reading]>,
    view: &StatusView,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, reading) in numbered(readings) {
        let text = match &reading.document {
            Ok(document) => versions(document),
            Err(error) => view.palette.paint(Paint::Bad, &shown(&error.to_string())),
        };
        lines.push(format!("[{number}] {}: {text}", shown(&reading.name)));
        let of_none = reading.problems.iter().filter(|problem| problem.upstream.is_none());
        lines.extend(of_none.map(|problem| bad(view, "    ", &problem.text)));
    }
    let documents: Vec<_> = numbered(readings)
        .filter_map(|(number, one)| Some((number, one, one.document.as_ref().ok()?)))
        .collect();
    let names: BTreeSet<_> =
        documents.iter().flat_map(|(.., document)| document.upstreams.keys()).collect();
    for name in names {
        lines.push(String::new());
        let first = documents.iter().find_map(|(.., document)| document.upstreams.get(name));
        lines.extend(first.map(|upstream| title(name, upstream, view)));
        for (number, reading, document) in &documents {
            let Some(upstream) = document.upstreams.get(name) else {
                lines.push(bad(view, "  ", &format!("[{number}] there is no such upstream")));
                continue;
            };
            lines.push(format!("  [{number}] {}", sentence(upstream, view.is_partial)));
            let of_this = reading.problems.iter().filter(|one| one.upstream.as_ref() == Some(name));
            lines.extend(of_this.map(|problem| bad(view, "      ", &problem.text)));
        }
        let table = peers(name, &documents, before, view);
        if !table.is_empty() {
            lines.push(String::new());
            lines.extend(table);
        }
    }
    lines
}

fn numbered(readings: &[Reading]) -> impl Iterator<Item = (usize, &Reading)> {
    readings.iter().enumerate().map(|(index, reading)| (index + 1, reading))
}

fn bad(view: &StatusView, indent: &str, text: &str) -> String {
    format!("{indent}{}", view.palette.paint(Paint::Bad, &format!("! {}", shown(text))))
}

/// A peer's name.
type Name<'d> = (Option<&'d str>, &'d str);

fn name_of(peer: &Peer) -> Name<'_> {
    (peer.key.as_deref(), &peer.address)
}

/// What one router's figures are compared with.
struct Rates<'d> {
    has_before: bool,
    /// The peers' requests, and the seconds since then.
    earlier: Option<(HashMap<Name<'d>, u64>, f64)>,
}

impl<'d> Rates<'d> {
    fn new(
        upstream: &str,
        &(number, _, document): &(usize, &Reading, &Document),
        before: Option<&'d [Reading]>,
    ) -> Self {
        let earlier = before.and_then(|before| {
            let before = before.get(number - 1)?.document.as_ref().ok()?;
            let seconds = document.time? - before.time?;
            let peers = before.upstreams.get(upstream)?.peers.iter();
            let requests = peers.map(|peer| (name_of(peer), peer.requests)).collect();
            (seconds > 0.0).then_some((requests, seconds))
        });
        Self { has_before: before.is_some(), earlier }
    }

    /// The requests by the second, or all of them if there was nothing before.
    fn requests(&self, peer: &Peer) -> String {
        if !self.has_before {
            return peer.requests.to_string();
        }
        let rate = self.earlier.as_ref().and_then(|(requests, seconds)| {
            let earlier = requests.get(&name_of(peer))?;
            Some(peer.requests.saturating_sub(*earlier) as f64 / seconds)
        });
        rate.map_or_else(String::new, |rate| format!("{rate:.1}"))
    }
}

/// A row for each peer that one of the routers shows, in their order.
fn peers(
    name: &str,
    documents: &[(usize, &Reading, &Document)],
    before: Option<&[Reading]>,
    view: &StatusView,
) -> Vec<String> {
    let lists: Vec<(usize, &[Peer])> = documents
        .iter()
        .map(|&(number, _, document)| {
            let upstream = document.upstreams.get(name);
            (number, upstream.map_or(&[][..], |upstream| &upstream.peers))
        })
        .collect();
    let mut shown_names: Vec<Name<'_>> = Vec::new();
    let mut known = BTreeSet::new();
    let mut omitted = 0;
    for (_, peers) in &lists {
        let (chosen, left_out) = chosen(peers, view.peers);
        omitted = omitted.max(left_out);
        for peer in chosen {
            if known.insert(name_of(peer)) {
                shown_names.push(name_of(peer));
            }
        }
    }
    let mut columns = vec![Column::of_text("peer"), Column::of_text("address")];
    for ((number, _), (.., document)) in lists.iter().zip(documents) {
        // A router that does not have the upstream has no figures either.
        let words = document.upstreams.get(name).map_or(Words::Requests, Words::of);
        columns.push(Column::of_text(format!("[{number}] state")));
        columns.push(Column::of_numbers("open"));
        columns.push(Column::of_numbers(words.heading(before.is_some())));
    }
    let by_name: Vec<HashMap<_, _>> = lists
        .iter()
        .map(|(_, peers)| peers.iter().map(|peer| (name_of(peer), peer)).collect())
        .collect();
    let rates: Vec<_> = documents.iter().map(|one| Rates::new(name, one, before)).collect();
    let mut table = Table::new(columns).with_cells_of(LONGEST);
    for name in shown_names {
        let mut row = vec![Cell::new(name.0.unwrap_or("(server)")), Cell::new(name.1)];
        for (peers, rates) in by_name.iter().zip(&rates) {
            match peers.get(&name) {
                Some(peer) => row.extend([
                    state(peer),
                    Cell::new(peer.connections.to_string()),
                    Cell::new(rates.requests(peer)),
                ]),
                None => row.extend([
                    Cell::new("missing").painted(Paint::Bad),
                    Cell::default(),
                    Cell::default(),
                ]),
            }
        }
        table.push(row);
    }
    let mut lines = table.lines(view.palette, "  ");
    if omitted > 0 {
        let text = format!("  and at least {omitted} more (--peers all)");
        lines.push(view.palette.paint(Paint::Faint, &text));
    }
    lines
}
