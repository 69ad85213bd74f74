//! Figures of the shared memory, as the document has them.

use peer_statistics::{CheckFigures, PeerFigures, Totals};
use status_document::{Checks, Failures, Histogram, Picks, UpstreamFigures};

pub(super) fn histogram(histogram: &peer_statistics::Histogram) -> Histogram {
    Histogram { counts: histogram.counts, sum: histogram.sum_seconds() }
}

fn failures(failures: peer_statistics::Failures) -> Failures {
    let peer_statistics::Failures { connect, timeout, reset, invalid_header, status, other } =
        failures;
    Failures { connect, timeout, reset, invalid_header, status, other }
}

pub(super) fn of_upstream(totals: &Totals) -> UpstreamFigures {
    UpstreamFigures {
        requests: totals.requests,
        peers: status_document::PeerFigures {
            responses: totals.responses,
            failures: failures(totals.failures),
            retries: totals.retries,
            sent: totals.sent,
            received: totals.received,
            header_time: histogram(&totals.header_time),
            response_time: histogram(&totals.response_time),
        },
        no_peer: totals.no_peer,
        picks: Picks {
            balance: totals.picks.balance,
            sticky: totals.picks.sticky,
            panic: totals.picks.panic,
        },
    }
}

pub(super) fn of_peer(figures: &PeerFigures) -> status_document::PeerFigures {
    status_document::PeerFigures {
        responses: figures.responses,
        failures: failures(figures.failures),
        retries: figures.retries,
        sent: figures.sent,
        received: figures.received,
        header_time: histogram(&figures.header_time),
        response_time: histogram(&figures.response_time),
    }
}

/// The seconds from a moment (ms) to another.
pub(super) fn seconds_since(moment: u64, now: u64) -> f64 {
    // Milliseconds, of which an `f64` holds more than a machine's life exactly.
    now.saturating_sub(moment) as f64 / 1_000.0
}

pub(super) fn checks(figures: &CheckFigures, now: u64) -> Checks {
    Checks {
        made: figures.made,
        failed: figures.failed,
        seconds_since_last: figures.last.map(|last| seconds_since(last, now)),
        last_error: figures.last_failure.map(|(_, fault)| fault.to_string()),
        seconds_since_last_error: figures.last_failure.map(|(last, _)| seconds_since(last, now)),
    }
}
