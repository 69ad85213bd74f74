//! Figures of requests, times and checks, as the document shows them.

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How often, for each bound the times up to it that are above the bound before; then those
    /// above all bounds.
    pub counts: [u64; 8],
    /// The sum of all times, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// How often in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Failed attempts, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// No connection could be established.
    pub connect: u64,
    /// A time limit passed.
    pub timeout: u64,
    /// The peer closed or reset the connection.
    pub reset: u64,
    /// The peer sent an invalid response.
    pub invalid_header: u64,
    /// The peer answered with a status that `proxy_next_upstream` names.
    pub status: u64,
    /// Any other failure.
    pub other: u64,
}

impl Failures {
    /// The kinds with their names, in the order of the document.
    pub fn by_kind(&self) -> [(&'static str, u64); 6] {
        [
            ("connect", self.connect),
            ("timeout", self.timeout),
            ("reset", self.reset),
            ("invalid_header", self.invalid_header),
            ("status", self.status),
            ("other", self.other),
        ]
    }
}

/// The figures of a peer's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerFigures {
    /// Responses by class, `1xx` to `5xx`.
    pub responses: [u64; 5],
    /// Failed attempts by kind.
    pub failures: Failures,
    /// Attempts beyond the first one of a request.
    pub retries: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// Times to the header of the response.
    pub header_time: Histogram,
    /// Times to the last byte of the response.
    pub response_time: Histogram,
}

impl PeerFigures {
    /// The classes of responses with their names.
    pub fn by_class(&self) -> [(&'static str, u64); 5] {
        let [first, second, third, fourth, fifth] = self.responses;
        [("1xx", first), ("2xx", second), ("3xx", third), ("4xx", fourth), ("5xx", fifth)]
    }
}

/// How peers were chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picks {
    /// By the balancing method.
    pub balance: u64,
    /// By a cookie.
    pub sticky: u64,
    /// Although the peer fails its checks, because all do.
    pub panic: u64,
}

impl Picks {
    /// The reasons with their names, in the order of the document.
    pub fn by_reason(&self) -> [(&'static str, u64); 3] {
        [("balance", self.balance), ("sticky", self.sticky), ("panic", self.panic)]
    }
}

/// The figures of an upstream's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpstreamFigures {
    /// Attempts to send a request to a peer.
    pub requests: u64,
    /// The figures of all peers that the upstream has or had.
    pub peers: PeerFigures,
    /// Requests that found no peer.
    pub no_peer: u64,
    /// How peers were chosen.
    pub picks: Picks,
}

/// The figures of a peer's active checks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checks {
    /// Checks that were made.
    pub made: u64,
    /// How many of these failed.
    pub failed: u64,
    /// The seconds since the last one.
    pub seconds_since_last: Option<f64>,
    /// Why the last one that failed did.
    pub last_error: Option<String>,
    /// The seconds since then.
    pub seconds_since_last_error: Option<f64>,
}
