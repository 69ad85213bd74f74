//! What a worker does for all upstreams of HTTP's, as it starts, from time to time, and as it ends.

use ngx::ffi::ngx_cycle_t;

pub(crate) use super::drain::DRAIN_TICK;
use super::{
    keepalive::{self, tls_sessions},
    upstream::HttpConf,
    withdrawals,
};

/// Makes room for what the worker keeps. It has joined the upstreams' zones.
pub(crate) fn start(cycle: &ngx_cycle_t, conf: &HttpConf) {
    keepalive::start(cycle, &conf.upstreams);
    tls_sessions::start(cycle, &conf.upstreams);
    for upstream in conf.upstreams.iter() {
        upstream.drains.start(upstream, cycle.connection_n, conf.core);
    }
}

/// Gives up what the worker keeps.
pub(crate) fn stop() {
    keepalive::stop();
    tls_sessions::stop();
}

/// At each tick, at `now` (ms): closes what is to be closed of peers that have left. Returns
/// whether more is about to be, for which to look again after [`DRAIN_TICK`].
pub(crate) fn look_after(conf: &HttpConf, now: u64) -> bool {
    let mut is_draining = false;
    for upstream in conf.upstreams.iter() {
        upstream.drains.refresh(upstream, conf.core, now);
        withdrawals::read(upstream, now);
        is_draining |= upstream.drains.close_due(upstream, now);
    }
    is_draining
}
