//! What is written in a line.

use super::indented::{Inline, Value, Written, inline, items};
use crate::{
    Change, Checks, Counts, Endpoint, GroupSettings, Groups, Histogram, Holding, PeerFigures,
    Rejection, State, StateFile, Unresolved, UpstreamFigures, Zone,
};

/// An object in a line, as a value.
fn object(write: impl Fn(&mut Inline<'_>)) -> impl Value {
    Written(move |out: &mut Vec<u8>| inline(out, &write))
}

fn texts(texts: &[String]) -> impl Value {
    Written(items(texts.iter().map(String::as_str)))
}

pub(super) fn rejection(rejection: &Rejection, out: &mut Vec<u8>) {
    inline(out, |line| {
        line.field("key", rejection.key.as_str()).field("reason", rejection.reason.as_str());
    });
}

pub(super) fn unresolved(unresolved: &Unresolved, out: &mut Vec<u8>) {
    let Unresolved { key, name, addresses, seconds, reason } = unresolved;
    inline(out, |line| {
        line.field("key", key.as_str())
            .field("name", name.as_str())
            .field("addresses", *addresses)
            .field("seconds", *seconds)
            .field("reason", reason.as_deref());
    });
}

pub(super) fn endpoint(endpoint: &Endpoint, out: &mut Vec<u8>) {
    inline(out, |line| {
        line.field("url", endpoint.url.as_str())
            .field("state", &*endpoint.state)
            .field("trouble", endpoint.trouble.as_deref());
    });
}

pub(super) fn change(change: &Change, out: &mut Vec<u8>) {
    inline(out, |line| {
        line.field("number", change.number)
            .field("time", change.time)
            .field("revision", change.revision)
            .field("cause", &*change.cause)
            .field("added", texts(&change.added))
            .field("removed", texts(&change.removed))
            .field("changed", texts(&change.changed))
            .field("omitted", change.omitted)
            .field("detail", change.detail.as_deref());
    });
}

pub(super) fn groups(groups: &Groups) -> impl Value {
    object(|line| {
        line.field("count", groups.count)
            .field("unknown_total", groups.unknown_total)
            .field("empty_total", groups.empty_total)
            .field("settings", groups.settings.as_ref().map(settings));
    })
}

fn settings(settings: &GroupSettings) -> impl Value {
    object(|line| {
        line.field("prefix", settings.prefix.as_str())
            .field("count", settings.count)
            .field("revision", settings.revision)
            .field("rejected_total", settings.rejected_total)
            .field("rejected", settings.rejected.as_deref())
            .field("held", settings.held)
            .field("bytes_used", settings.bytes_used)
            .field("bytes_total", settings.bytes_total);
    })
}

pub(super) fn holding(holding: &Holding) -> impl Value {
    object(|line| {
        line.field("reason", holding.reason.name())
            .field("seconds_left", holding.seconds_left)
            .field("peers", holding.peers);
    })
}

pub(super) fn state_file(state: &StateFile) -> impl Value {
    object(|line| {
        line.field("file", state.file.as_str())
            .field("revision", state.revision)
            .field("trouble", state.trouble.as_deref());
    })
}

pub(super) fn zone(zone: &Zone) -> impl Value {
    object(|line| {
        line.field("size", zone.size)
            .field("used", zone.used)
            .field("full", zone.full)
            .field("left_out", zone.left_out)
            .field("processes", zone.processes)
            .field("max_processes", zone.max_processes)
            .field("sharing", zone.sharing);
    })
}

pub(super) fn histogram(histogram: &Histogram) -> impl Value {
    object(|line| {
        line.field("counts", Written(items(histogram.counts))).field("sum", histogram.sum);
    })
}

fn by_name<const N: usize>(counts: [(&'static str, u64); N]) -> impl Value {
    object(move |line| {
        for (name, count) in counts {
            line.field(name, count);
        }
    })
}

/// The fields that the figures of a peer and of an upstream have in common.
pub(super) fn figures(figures: &PeerFigures, line: &mut Inline<'_>) {
    line.field("responses", by_name(figures.by_class()))
        .field("failures", by_name(figures.failures.by_kind()))
        .field("retries", figures.retries)
        .field("sent", figures.sent)
        .field("received", figures.received)
        .field("header_time", histogram(&figures.header_time))
        .field("response_time", histogram(&figures.response_time));
}

pub(super) fn requests(requests: &UpstreamFigures, out: &mut Vec<u8>) {
    inline(out, |line| {
        line.field("requests", requests.requests);
        figures(&requests.peers, line);
        line.field("no_peer", requests.no_peer);
        line.field("picks", by_name(requests.picks.by_reason()));
    });
}

pub(super) fn checks(checks: &Checks) -> impl Value {
    object(|line| {
        line.field("made", checks.made)
            .field("failed", checks.failed)
            .field("seconds_since_last", checks.seconds_since_last)
            .field("last_error", checks.last_error.as_deref())
            .field("seconds_since_last_error", checks.seconds_since_last_error);
    })
}

pub(super) fn counts(counts: &Counts) -> impl Value {
    object(|line| {
        for state in State::ALL {
            line.field(state.name(), counts.of(state));
        }
    })
}
