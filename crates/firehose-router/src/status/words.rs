//! What the figures of an upstream are called.

use crate::routers::{Histogram, PeerStatistics, Upstream, UpstreamStatistics};

/// What the figures of an upstream are called, and which times are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// Its peers get requests.
    Requests,
    /// Its peers get sessions: how long one lasts is up to the client, so that the times are those
    /// to the first byte.
    Sessions,
}

impl Words {
    pub(super) fn of(upstream: &Upstream) -> Self {
        if upstream.is_stream() { Self::Sessions } else { Self::Requests }
    }

    /// What a peer gets.
    pub(super) fn one(self) -> &'static str {
        match self {
            Self::Requests => "request",
            Self::Sessions => "session",
        }
    }

    /// Several of them.
    pub(super) fn many(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Sessions => "sessions",
        }
    }

    /// The heading of their column, by the second or not.
    pub(super) fn heading(self, is_by_second: bool) -> &'static str {
        match (self, is_by_second) {
            (Self::Requests, false) => "requests",
            (Self::Requests, true) => "requests/s",
            (Self::Sessions, false) => "sessions",
            (Self::Sessions, true) => "sessions/s",
        }
    }

    /// The number of responses of a class. A session has no status: the class 2xx are those whose
    /// peer has sent something.
    pub(super) fn class(self, name: &str) -> String {
        match self {
            Self::Sessions if name == "2xx" => "answered".to_owned(),
            _ => name.to_owned(),
        }
    }

    /// What the times are, before the first of them.
    pub(super) fn times(self) -> &'static str {
        match self {
            Self::Requests => "",
            Self::Sessions => "first byte ",
        }
    }

    /// The times of an upstream.
    pub(super) fn of_upstream(self, statistics: &UpstreamStatistics) -> &Histogram {
        match self {
            Self::Requests => &statistics.response_time,
            Self::Sessions => &statistics.header_time,
        }
    }

    /// The times of a peer.
    pub(super) fn of_peer(self, statistics: &PeerStatistics) -> &Histogram {
        match self {
            Self::Requests => &statistics.response_time,
            Self::Sessions => &statistics.header_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Words;
    use crate::routers::Upstream;

    #[test]
    fn modules_that_name_no_kind_know_requests_alone() {
        for (upstream, words) in [
            (json!({}), Words::Requests),
            (json!({"kind": "http"}), Words::Requests),
            (json!({"kind": "stream"}), Words::Sessions),
        ] {
            let upstream: Upstream = serde_json::from_value(upstream).expect("an upstream");
            assert_eq!(Words::of(&upstream), words);
        }
    }
}
