//! Parts of nginx's structures as the C compiler has them: see `accessors.h`, which build.rs has
//! compiled.

use ngx::ffi::ngx_http_request_t;

mod bound {
    use ngx::ffi::{ngx_http_request_t, ngx_uint_t};

    include!(concat!(env!("OUT_DIR"), "/accessors.rs"));
}

/// Whether the answer to the request has no body, as one to a HEAD.
pub(crate) fn is_header_only(request: &ngx_http_request_t) -> bool {
    // SAFETY: the function reads one bit of a request, which is valid.
    unsafe { bound::ngx_etcd_is_header_only(request) != 0 }
}

/// Has nginx send what waits in the client's HTTP/2 connection, once the events of this moment are
/// handled.
///
/// # Safety
///
/// The request lives, and nginx's event loop calls.
pub(crate) unsafe fn flush_client(request: *const ngx_http_request_t) {
    // SAFETY: the caller's promise: a request has its stream, and a stream its connection, for as
    // long as it lives. nginx takes the event back if it closes the connection.
    unsafe { bound::ngx_etcd_flush_client(request) }
}
