//! The table of peers. End tags that the markup does not need are left out, since there may be very
//! many rows.

use status_document::{Peer, State, Upstream};

use crate::{
    escape::push_text,
    numbers::{NOTHING, age, count, duration, quantile_text},
    sentence::unavailable_reason,
    words::{Words, words},
};

/// The headings, each with its class, by which its column has a width. Those of upstreams in
/// `stream` are others where [`heading`] says so.
const HEADINGS: [(&str, &str); 13] = [
    ("Peer", "key"),
    ("Address", "address"),
    ("State", "state"),
    ("For", "since figure"),
    ("Weight", "weight figure"),
    ("Open", "connections figure"),
    ("Requests", "requests figure"),
    ("Failed", "failures figure"),
    ("5xx", "errors figure"),
    ("p50", "p50 figure"),
    ("p99", "p99 figure"),
    ("Picked", "picked figure"),
    ("Remark", "remark"),
];

/// The heading in an upstream with these words; `None` if there is no such column.
fn heading(of_requests: &'static str, words: &Words) -> Option<&'static str> {
    match of_requests {
        "Requests" => Some(words.heading),
        "5xx" if !words.has_statuses => None,
        other => Some(other),
    }
}

/// Begins the table of an upstream's peers.
pub(crate) fn push_head(out: &mut Vec<u8>, upstream: &Upstream) {
    let words = words(upstream.kind);
    let upstream = upstream.name.as_str();
    out.extend(
        b"<div class=\"scroll peers\" tabindex=\"0\" role=\"region\" aria-label=\"Peers of ",
    );
    push_text(out, upstream);
    out.extend(b"\"><table class=\"peers\"><caption class=\"hidden\">Peers of ");
    push_text(out, upstream);
    out.extend(b"</caption><thead><tr>");
    for (of_requests, class) in HEADINGS {
        let Some(heading) = heading(of_requests, words) else { continue };
        out.extend(format!("<th scope=\"col\" class=\"{class}\">{heading}</th>").as_bytes());
    }
    out.extend(b"</tr></thead><tbody>\n");
}

/// Ends it.
pub(crate) fn push_end(out: &mut Vec<u8>) {
    out.extend(b"</tbody></table></div>\n");
}

/// A row of an upstream with these words.
pub(crate) fn push_row(out: &mut Vec<u8>, peer: &Peer<'_>, words: &Words, bounds: &[f64; 7]) {
    let statistics = peer.statistics.as_ref();
    let time = |part| {
        statistics.map_or_else(
            || NOTHING.to_owned(),
            |figures| quantile_text(part, &figures.header_time, bounds),
        )
    };
    let errors = words.has_statuses.then(|| {
        statistics.map_or_else(|| NOTHING.to_owned(), |figures| count(figures.responses[4]))
    });
    let state = peer.state.name();
    out.extend(format!("<tr class={state}><th scope=row class=key>").as_bytes());
    push_text(out, peer.key.as_deref().unwrap_or("(server line)"));
    out.extend(b"<td class=address>");
    push_text(out, &peer.address);
    out.extend(format!("<td class=state><span class=mark></span>{state}").as_bytes());
    let before = [
        age(peer.seconds_in_state),
        count(u64::from(peer.weight)),
        count(u64::from(peer.connections)),
        count(peer.requests),
        count(peer.failures),
    ];
    let behind = [time(0.5), time(0.99), age(peer.seconds_since_last_pick)];
    for figure in before.into_iter().chain(errors).chain(behind) {
        out.extend(b"<td class=figure>");
        push_text(out, &figure);
    }
    out.extend(b"<td class=remark>");
    push_text(out, &remark(peer));
    // A line for each row; without the end of the cell, it would be a part of it.
    out.extend(b"</td>\n");
}

/// Why a peer gets no requests, or what else is worth knowing of it.
fn remark(peer: &Peer<'_>) -> String {
    let mut parts = Vec::new();
    if peer.state == State::Unhealthy
        && let Some(error) = peer.checks.as_ref().and_then(|checks| checks.last_error.as_ref())
    {
        parts.push(error.clone());
    }
    if peer.state == State::Unavailable {
        parts.push(unavailable_reason(peer));
    }
    match peer.closes_in {
        Some(seconds) if peer.connections > 0 && seconds > 0.0 => {
            parts.push(format!("closes in {}", duration(seconds)));
        }
        Some(_) if peer.connections > 0 => parts.push("closing".to_owned()),
        _ => {}
    }
    if peer.state == State::Up && peer.share < 1.0 {
        parts.push(format!("slow start: {:.0} %", peer.share * 100.0));
    }
    if peer.backup {
        parts.push("backup".to_owned());
    }
    if peer.max_conns > 0 && peer.connections >= peer.max_conns {
        parts.push(format!("at max_conns={}", peer.max_conns));
    }
    parts.join(", ")
}
