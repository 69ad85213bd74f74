//! The balancing method of an upstream.

use core::ptr::NonNull;

use ngx::ffi::ngx_http_complex_value_t;
use peer_zone::Method;

/// What `etcd_balance` sets; without it, round robin.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Balance {
    /// The method.
    pub(crate) method: Method,
    /// The key of `hash`, compiled, in the pool of the cycle; `None` for all other methods.
    pub(crate) key: Option<NonNull<ngx_http_complex_value_t>>,
}

impl Balance {
    /// Whether the method picks by a key or by the client's address.
    pub(crate) fn goes_by_request(&self) -> bool {
        matches!(self.method, Method::Hash | Method::HashConsistent | Method::IpHash)
    }
}
