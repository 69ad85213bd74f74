//! Names and figures of an upstream, beside its peers. The script shows the same.

use status_document::{GroupSettings, RESYNC_CAUSES, Upstream};

use crate::{
    escape::push_text,
    numbers::{NOTHING, ago, bytes, count, nonzero, quantiles, several},
    words::words,
};

type Facts = Vec<(&'static str, String)>;

/// Adds names and figures as a list.
pub(crate) fn push_facts(out: &mut Vec<u8>, facts: &Facts) {
    out.extend(b"<dl class=\"facts\">");
    for (name, text) in facts {
        out.extend(format!("<dt>{name}</dt><dd>").as_bytes());
        push_text(out, text);
        out.extend(b"</dd>");
    }
    out.extend(b"</dl>\n");
}

/// Of requests or sessions.
pub(crate) fn traffic(upstream: &Upstream, bounds: &[f64; 7], published: &[f64; 7]) -> Facts {
    let changes = [
        ("Event to published p50 / p90 / p99", quantiles(&upstream.event_to_published, published)),
        ("Event to first worker p50 / p90 / p99", quantiles(&upstream.event_to_seen, published)),
    ];
    let Some(statistics) = &upstream.statistics else {
        let off = ("Statistics", "off (etcd_statistics)".to_owned());
        return [off].into_iter().chain(changes).collect();
    };
    let (peers, words) = (&statistics.peers, words(upstream.kind));
    let responses = if words.has_statuses {
        ("Responses", nonzero(&peers.by_class()))
    } else {
        // The class 2xx: the peer has sent something.
        ("Answered", count(peers.responses[1]))
    };
    let facts = [
        (
            words.heading,
            format!("{}, {} retries", count(statistics.requests), count(peers.retries)),
        ),
        ("No peer", format!("{} found none", several(statistics.no_peer, words.one, words.many))),
        responses,
        ("Failures", nonzero(&peers.failures.by_kind())),
        ("Picks", nonzero(&statistics.picks.by_reason())),
        ("Sent, received", format!("{}, {}", bytes(peers.sent), bytes(peers.received))),
        (words.first, quantiles(&peers.header_time, bounds)),
        (words.whole, quantiles(&peers.response_time, bounds)),
    ];
    facts.into_iter().chain(changes).collect()
}

/// Of etcd.
pub(crate) fn etcd(upstream: &Upstream) -> Facts {
    let mut resyncs = [("", 0); 8];
    for (at, (name, number)) in RESYNC_CAUSES.into_iter().zip(upstream.resyncs).enumerate() {
        resyncs[at] = (name, number);
    }
    let last_word = match upstream.seconds_since_last_word {
        None => "none yet".to_owned(),
        seconds => ago(seconds),
    };
    vec![
        ("Cluster", upstream.cluster.clone()),
        ("Prefix", upstream.prefix.clone()),
        ("Watched", if upstream.connected { "yes" } else { "no" }.to_owned()),
        ("Last word", last_word),
        ("Revision", upstream.revision.to_string()),
        ("Generation", upstream.generation.to_string()),
        ("Lists by cause", nonzero(&resyncs)),
        ("Changes", count(upstream.changes_total)),
    ]
}

/// Of memory and files.
pub(crate) fn memory(upstream: &Upstream) -> Facts {
    let zone = &upstream.zone;
    let percent = (100 * zone.used as u64).checked_div(zone.size as u64).unwrap_or(0);
    let full = if zone.full { ", full" } else { "" };
    let state = upstream.state.as_ref().map_or_else(
        || "none".to_owned(),
        |state| {
            let revision =
                state.revision.map_or_else(|| NOTHING.to_owned(), |number| number.to_string());
            format!("{}, revision {revision}", state.file)
        },
    );
    let mut facts = vec![
        (
            "Zone",
            format!(
                "{} of {} used ({percent} %){full}",
                bytes(zone.used as u64),
                bytes(zone.size as u64)
            ),
        ),
        (
            "Workers",
            format!(
                "{} of {}",
                count(u64::from(zone.processes)),
                count(u64::from(zone.max_processes))
            ),
        ),
        ("State file", state),
        ("Rejected values", format!("{} so far", count(upstream.rejected_total))),
        ("Connections closed by drains", count(upstream.drained)),
        ("Checks not made", count(upstream.checks_not_made)),
    ];
    if let Some(groups) = &upstream.groups {
        facts.push(("Groups", count(groups.count as u64)));
        let [unknown, empty] = [groups.unknown_total, groups.empty_total].map(count);
        facts.push(("Requests without a group", format!("{unknown} unknown, {empty} empty")));
        if let Some(settings) = &groups.settings {
            facts.push(("Groups with settings", settings_of_groups(settings)));
        }
    }
    if upstream.unselected > 0 {
        let number = count(upstream.unselected as u64);
        facts.push(("Not selected", format!("{number} (etcd_select)")));
    }
    facts
}

/// How many groups have settings, and which of these are rejected.
fn settings_of_groups(settings: &GroupSettings) -> String {
    let rejected = settings.rejected.as_ref().map(|rejected| format!("; {rejected}"));
    format!("{}{}", count(settings.count as u64), rejected.unwrap_or_default())
}
