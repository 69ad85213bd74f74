//! What a worker does for all upstreams of HTTP's, as it starts, from time to time, and as it ends.

use core::time::Duration;

use ngx::ffi::ngx_cycle_t;

use super::{
    drain, keepalive,
    upstream::{HttpConf, HttpUpstream},
    withdrawals,
};
use crate::{
    nginx::alarm::TICK,
    upstream::{Protocol, Serving},
};

/// HTTP, as a process knows it.
pub(crate) const PROTOCOL: Protocol =
    Protocol { start, stop: keepalive::stop, idle_connections: keepalive::count };

/// Makes room for what the worker keeps, if the cycle has an `http` block.
fn start(cycle: &ngx_cycle_t) -> Option<&'static dyn Serving> {
    let conf = HttpConf::of_cycle(cycle)?;
    keepalive::start(cycle, &conf.upstreams, conf.core.peers());
    for upstream in conf.upstreams.iter() {
        upstream.drains.start(upstream, cycle.connection_n, conf.core);
    }
    Some(conf)
}

impl Serving for HttpConf {
    /// Closes what is to be closed of peers that have left. Where more is to be, it looks again.
    fn look_after(&self, now: u64) -> Option<Duration> {
        let look = |upstream: &HttpUpstream| {
            upstream.drains.refresh(upstream, self.core, now);
            let is_unread = withdrawals::read(upstream, now);
            let due = upstream.drains.close_due(upstream, now, &drain::CLOSING);
            due.into_iter().chain(is_unread.then_some(TICK)).min()
        };
        self.upstreams.iter().filter_map(look).min()
    }
}
