//! What a worker does for all upstreams of stream's, as it starts, from time to time, and as it
//! ends.

use core::time::Duration;

use ngx::ffi::ngx_cycle_t;

use super::{
    drain, pools,
    upstream::{StreamConf, StreamUpstream},
};
use crate::{
    nginx::alarm::TICK,
    upstream::{Protocol, Serving, tls_sessions},
};

/// Stream, as a process knows it.
pub(crate) const PROTOCOL: Protocol = Protocol { start, stop, idle_connections: || 0 };

/// Makes room for the sessions of the worker, if the cycle has a `stream` block.
fn start(cycle: &ngx_cycle_t) -> Option<&'static dyn Serving> {
    let conf = StreamConf::of_cycle(cycle)?;
    for upstream in conf.upstreams.iter() {
        upstream.drains.start(upstream, cycle.connection_n, conf.core);
    }
    if !conf.upstreams.is_empty() {
        // SAFETY: this process starts with the cycle, and accepts no connection yet.
        unsafe { pools::enlarge(cycle) };
    }
    Some(conf)
}

/// A worker keeps nothing but its sessions.
fn stop() {}

impl Serving for StreamConf {
    /// Ends sessions at peers that have left. Where more are to be ended, it looks again.
    fn look_after(&self, now: u64) -> Option<Duration> {
        let look = |upstream: &StreamUpstream| {
            if !upstream.settings().drains() && !tls_sessions::has_any(upstream) {
                return None;
            }
            upstream.drains.refresh(upstream, self.core, now);
            let is_unread = upstream.read_withdrawals(now, |zone, departed| {
                tls_sessions::forget(upstream, departed);
                upstream.drains.note_withdrawal(zone, departed);
            });
            let due = upstream.drains.close_due(upstream, now, &drain::CLOSING);
            due.into_iter().chain(is_unread.then_some(TICK)).min()
        };
        self.upstreams.iter().filter_map(look).min()
    }
}
