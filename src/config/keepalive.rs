//! How many idle connections are kept, and for how long.

use ngx::ffi::ngx_msec_t;

/// What `etcd_keepalive` says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    /// The most idle connections to a peer, in each worker.
    pub(crate) connections: usize,
    /// After as many requests a connection is closed.
    pub(crate) requests: usize,
    /// At this age, in milliseconds, a connection is closed after its request.
    pub(crate) time: ngx_msec_t,
    /// How long, in milliseconds, a connection stays idle.
    pub(crate) timeout: ngx_msec_t,
    /// A location uses no other's connections.
    pub(crate) is_local: bool,
}
