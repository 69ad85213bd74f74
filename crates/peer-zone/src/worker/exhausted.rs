//! When there is no need to look for a peer again.

use crate::memory::Offset;

/// That nothing could be picked, and all that could change it: until one of these has, nothing can
/// be picked again, and there is no need to look at each peer to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted {
    pub(super) place: Offset,
    pub(super) generation: u64,
    /// Failures are forgiven as seconds pass.
    pub(super) now: u32,
    /// Connections closed where `max_conns` counts, failures forgiven because a peer answered,
    /// checks passed.
    pub(super) recoveries: u32,
}
