//! What an upstream needs of its tables beside the peers.

use crate::method::Method;

/// What an upstream needs of its tables beside the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// Its balancing method.
    pub method: Method,
    /// Whether cookies name peers.
    pub is_sticky: bool,
    /// How its peers are checked, if they are.
    pub checking: Option<CheckPolicy>,
}

impl TableOptions {
    /// Without what takes room beside the peers: requests go by round robin then.
    pub(super) fn plain(self) -> Self {
        Self { method: Method::RoundRobin, is_sticky: false, ..self }
    }
}

/// How an upstream is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckPolicy {
    /// A new peer gets no requests before it has passed.
    pub mandatory: bool,
    /// Where every peer fails, all are used but those that have not passed their first check yet
    /// (`mandatory`).
    pub panic: bool,
}
