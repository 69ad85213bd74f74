//! In the place of the TLS sessions, for an nginx without TLS.

use ngx::ffi::ngx_cycle_t;
use peer_zone::Withdrawn;

use crate::conf::{MainConf, UpstreamConf};

/// There is nothing to make room for.
pub(crate) fn start(_cycle: &mut ngx_cycle_t, _main: &MainConf) {}

/// There is nothing to free.
pub(crate) fn stop() {}

/// None.
pub(crate) fn count() -> usize {
    0
}

/// There are none.
pub(crate) fn has_any(_cycle: *const ngx_cycle_t) -> bool {
    false
}

/// There is nothing to free.
pub(crate) fn forget(_conf: &UpstreamConf, _departed: Withdrawn) {}
