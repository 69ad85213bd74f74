//! What the peers of an upstream get.

/// What the peers of an upstream get, by the name of the block that it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamKind {
    /// `http`: requests.
    #[default]
    Http,
    /// `stream`: sessions, over TCP or UDP. A figure of requests is one of sessions then, the time
    /// to the header that to the first byte, and the time of the response a session's length.
    Stream,
}

impl UpstreamKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Http, Self::Stream];

    /// Its name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
        }
    }
}
