//! What the figures of an upstream are called. The script has the same words.

use status_document::UpstreamKind;

/// What the figures of an upstream are called.
pub(crate) struct Words {
    /// What a peer gets.
    pub(crate) one: &'static str,
    /// Several of them.
    pub(crate) many: &'static str,
    /// The same as a heading.
    pub(crate) heading: &'static str,
    /// The times to what the peer says first.
    pub(crate) first: &'static str,
    /// The times to the end.
    pub(crate) whole: &'static str,
    /// Whether there are statuses of responses.
    pub(crate) has_statuses: bool,
}

const REQUESTS: Words = Words {
    one: "request",
    many: "requests",
    heading: "Requests",
    first: "Header p50 / p90 / p99",
    whole: "Response p50 / p90 / p99",
    has_statuses: true,
};

const SESSIONS: Words = Words {
    one: "session",
    many: "sessions",
    heading: "Sessions",
    first: "First byte p50 / p90 / p99",
    whole: "Length p50 / p90 / p99",
    has_statuses: false,
};

/// The words for an upstream of this kind.
pub(crate) fn words(kind: UpstreamKind) -> &'static Words {
    match kind {
        UpstreamKind::Http => &REQUESTS,
        UpstreamKind::Stream => &SESSIONS,
    }
}
