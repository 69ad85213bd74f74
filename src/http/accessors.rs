//! Parts of nginx's structures as the C compiler has them: see `accessors.h`, which build.rs has
//! compiled.

use core::ptr::NonNull;

use ngx::ffi::{ngx_connection_t, ngx_http_request_t, ngx_http_upstream_t};

mod bound {
    use ngx::ffi::{ngx_connection_t, ngx_http_request_t, ngx_http_upstream_t, ngx_uint_t};

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

/// The upstream of a request whose two connections nginx joins, while it does; `None` for others,
/// and for a request that uses the cache.
///
/// # Safety
///
/// The request lives.
pub(crate) unsafe fn upgraded_upstream(
    request: *const ngx_http_request_t,
) -> Option<NonNull<ngx_http_upstream_t>> {
    // SAFETY: the function reads a request, which is valid, and its upstream.
    NonNull::new(unsafe { bound::ngx_etcd_upgraded_upstream(request) })
}

/// Frees the buffer of a client's TLS, if there is one and it is empty.
///
/// # Safety
///
/// The client's connection is open, and is not written to by a chain of buffers just now.
pub(crate) unsafe fn free_tls_buffer(client: *mut ngx_connection_t) {
    // SAFETY: the caller's promise. nginx allocates another buffer when it needs one.
    unsafe { bound::ngx_etcd_free_tls_buffer(client) }
}
