//! Of which protocol an upstream is.

/// Of which protocol an upstream is, by the name of the block that it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `http`: its peers get requests.
    #[default]
    Http,
    /// `stream`: its peers get sessions, over TCP or UDP.
    Stream,
}

impl Kind {
    /// The name of the block.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
        }
    }
}
