//! What is read of the memory.

use crate::{check_fault::CheckFault, outcome::Failure, times::BUCKETS};

/// Failed attempts by kind; see [`Failure`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// See [`Failure::Connect`].
    pub connect: u64,
    /// See [`Failure::Timeout`].
    pub timeout: u64,
    /// See [`Failure::Reset`].
    pub reset: u64,
    /// See [`Failure::InvalidHeader`].
    pub invalid_header: u64,
    /// See [`Failure::Status`].
    pub status: u64,
    /// See [`Failure::Other`].
    pub other: u64,
}

impl Failures {
    pub(crate) fn of_counts(counts: [u64; Failure::ALL.len()]) -> Self {
        let [connect, timeout, reset, invalid_header, status, other] = counts;
        Self { connect, timeout, reset, invalid_header, status, other }
    }

    /// Of all kinds.
    #[must_use]
    pub fn all(self) -> u64 {
        let Self { connect, timeout, reset, invalid_header, status, other } = self;
        connect + timeout + reset + invalid_header + status + other
    }
}

/// Times, counted in buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many times are in each bucket alone; the last one is of what is above all bounds.
    pub counts: [u64; BUCKETS],
    /// The sum of all times, in microseconds.
    pub sum_microseconds: u64,
}

impl Histogram {
    /// How many times there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all times, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_microseconds as f64 / 1e6
    }
}

/// The figures of a peer. They begin with the peer, and survive every change that leaves it in
/// place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerFigures {
    /// Responses by the first digit of their status, from 1xx to 5xx.
    pub responses: [u64; 5],
    /// Attempts that failed.
    pub failures: Failures,
    /// Attempts of requests that had tried another peer before.
    pub retries: u64,
    /// Bytes sent to the peer.
    pub sent: u64,
    /// Bytes received from the peer.
    pub received: u64,
    /// Times until the header of a response.
    pub header_time: Histogram,
    /// Times until the last byte of a response.
    pub response_time: Histogram,
    /// When a request picked it last, in milliseconds of the monotonic clock; `None` before the
    /// first.
    pub last_picked: Option<u64>,
    /// Since when it is in its state, in milliseconds of the monotonic clock.
    pub state_since: Option<u64>,
    /// Of its active checks.
    pub checks: CheckFigures,
}

/// The figures of a peer's active checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckFigures {
    /// Checks that were made.
    pub made: u64,
    /// Those of them that did not pass.
    pub failed: u64,
    /// When the last one ended, in milliseconds of the monotonic clock.
    pub last: Option<u64>,
    /// When the last one that failed ended, and why it failed.
    pub last_failure: Option<(u64, CheckFault)>,
}

/// Why requests got the peers that they got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picks {
    /// The balancing method chose.
    pub balance: u64,
    /// The client's session chose.
    pub sticky: u64,
    /// The balancing method chose among peers that all fail their checks.
    pub panic: u64,
}

/// The figures of an upstream: those of all peers that it has ever had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Attempts at peers: one for each peer that a request gets.
    pub requests: u64,
    /// See [`PeerFigures::responses`].
    pub responses: [u64; 5],
    /// See [`PeerFigures::failures`].
    pub failures: Failures,
    /// See [`PeerFigures::retries`].
    pub retries: u64,
    /// See [`PeerFigures::sent`].
    pub sent: u64,
    /// See [`PeerFigures::received`].
    pub received: u64,
    /// See [`PeerFigures::header_time`].
    pub header_time: Histogram,
    /// See [`PeerFigures::response_time`].
    pub response_time: Histogram,
    /// Requests that found no peer.
    pub no_peer: u64,
    /// Why peers were picked; their sum is `requests`.
    pub picks: Picks,
}
