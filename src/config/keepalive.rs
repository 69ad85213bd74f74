//! Idle connections to peers.

use ngx::ffi::ngx_msec_t;

/// What `etcd_keepalive` sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    /// The most idle connections to a peer in each worker, above 0.
    pub(crate) connections: usize,
    /// `requests=`: the number of requests after which a connection is closed.
    pub(crate) requests: usize,
    /// `time=`: the age, in milliseconds, from which on a connection is closed after its request.
    pub(crate) time: ngx_msec_t,
    /// `timeout=`: how long a connection stays idle, in milliseconds.
    pub(crate) timeout: ngx_msec_t,
    /// Locations share no connections: as nginx does where no directive asks for keepalive.
    pub(crate) is_local: bool,
}
