//! Peers that have left the service, in whichever worker that was seen.

use super::{keepalive, upstream::HttpUpstream};
use crate::upstream::tls_sessions;

/// Closes the idle connections to those that have left since the last call, forgets the TLS
/// sessions with them, and takes note of them for drains; `now` in milliseconds. Costs a load where
/// none has. Returns whether one could not be read yet.
#[inline]
pub(crate) fn read(upstream: &HttpUpstream, now: u64) -> bool {
    let conf = upstream.settings();
    if conf.keepalive.is_none() && !conf.drains() && !tls_sessions::has_any(upstream) {
        return false;
    }
    upstream.read_withdrawals(now, |zone, departed| {
        keepalive::close_departed(upstream, departed);
        tls_sessions::forget(upstream, departed);
        upstream.drains.note_withdrawal(zone, departed);
    })
}
