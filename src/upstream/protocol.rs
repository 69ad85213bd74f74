//! A protocol whose upstreams have peers from etcd, as a process knows it.

use core::time::Duration;

use ngx::ffi::ngx_cycle_t;

/// What a process calls for a protocol, but for no request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// A worker starts, and has joined the zones of the cycle's upstreams. Returns the protocol's
    /// part of the cycle, if it has one.
    pub(crate) start: fn(&ngx_cycle_t) -> Option<&'static dyn Serving>,
    /// A process ends, whether it has started a worker's part or not.
    pub(crate) stop: fn(),
    /// The number of idle connections that this process keeps; for the status.
    pub(crate) idle_connections: fn() -> usize,
}

/// A protocol's part of a cycle that a worker serves.
pub(crate) trait Serving {
    /// When another process has told of a change, and when it has asked for it, at `now` (ms): does
    /// what is due. Returns the time after which to look again, if it must.
    fn look_after(&self, now: u64) -> Option<Duration>;
}
