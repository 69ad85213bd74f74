//! In the place of the TLS sessions, for an nginx without TLS.

use ngx::ffi::ngx_cycle_t;
use peer_zone::Withdrawn;

use crate::upstream::Upstream;

/// There is nothing to make room for.
pub(crate) fn start(_cycle: &ngx_cycle_t, _peers: usize) {}

/// There is nothing to free.
pub(crate) fn stop() {}

/// None.
pub(crate) fn count() -> usize {
    0
}

/// There are none.
pub(crate) fn has_any(_upstream: &Upstream) -> bool {
    false
}

/// There is nothing to free.
pub(crate) fn forget(_upstream: &Upstream, _departed: Withdrawn) {}
