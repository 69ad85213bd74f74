//! What a worker does for all upstreams of HTTP's, as it starts, from time to time, and as it ends.

use core::time::Duration;

use ngx::ffi::ngx_cycle_t;

use super::{
    keepalive::{self, tls_sessions},
    upstream::{HttpConf, HttpUpstream},
    withdrawals,
};
use crate::{
    nginx::alarm::TICK,
    upstream::{Kept, Protocol, Serving},
};

/// HTTP, as a process knows it.
pub(crate) const PROTOCOL: Protocol = Protocol { start, stop, kept };

/// Makes room for what the worker keeps, if the cycle has an `http` block.
fn start(cycle: &ngx_cycle_t) -> Option<&'static dyn Serving> {
    let conf = HttpConf::of_cycle(cycle)?;
    let mut peers = 0;
    for upstream in conf.upstreams.iter() {
        upstream.first_peer.set(peers);
        peers += upstream.zone().map_or(0, |zone| zone.index_limit());
    }
    keepalive::start(cycle, &conf.upstreams, peers);
    tls_sessions::start(cycle, &conf.upstreams, peers);
    for upstream in conf.upstreams.iter() {
        upstream.drains.start(upstream, cycle.connection_n, conf.core);
    }
    Some(conf)
}

/// Gives up what the worker keeps.
fn stop() {
    keepalive::stop();
    tls_sessions::stop();
}

fn kept() -> Kept {
    Kept { idle_connections: keepalive::count(), tls_sessions: tls_sessions::count() }
}

impl Serving for HttpConf {
    /// Closes what is to be closed of peers that have left. Where more is to be, it looks again.
    fn look_after(&self, now: u64) -> Option<Duration> {
        let look = |upstream: &HttpUpstream| {
            upstream.drains.refresh(upstream, self.core, now);
            let is_unread = withdrawals::read(upstream, now);
            let due = upstream.drains.close_due(upstream, now);
            due.into_iter().chain(is_unread.then_some(TICK)).min()
        };
        self.upstreams.iter().filter_map(look).min()
    }
}
