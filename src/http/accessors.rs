//! Parts of nginx's structures as the C compiler has them: see `accessors.h`, which build.rs has
//! compiled.

use core::ptr::NonNull;

use ngx::ffi::{ngx_connection_t, ngx_http_request_t, ngx_http_upstream_t, ngx_int_t};

mod bound {
    use ngx::ffi::{
        ngx_connection_t, ngx_http_event_handler_pt, ngx_http_request_t, ngx_http_upstream_t,
        ngx_int_t, ngx_str_t, ngx_uint_t,
    };

    include!(concat!(env!("OUT_DIR"), "/accessors.rs"));
}

/// Whether nothing of the response to a request is sent but its header, if at all: as to a HEAD,
/// and to a subrequest whose output nobody waits for.
pub(crate) fn has_no_body(request: &ngx_http_request_t) -> bool {
    // SAFETY: the function reads bits of a request, which is valid.
    unsafe { bound::ngx_etcd_has_no_body(request) != 0 }
}

/// Whether the whole response to a subrequest goes to memory, whose size is bounded. No event of
/// the client's connection is for it.
pub(crate) fn is_in_memory(request: &ngx_http_request_t) -> bool {
    // SAFETY: as above.
    unsafe { bound::ngx_etcd_is_in_memory(request) != 0 }
}

/// Whether the client has gone or has kept nginx waiting for too long.
///
/// # Safety
///
/// The request is one of an upstream.
pub(crate) unsafe fn has_left(request: *const ngx_http_request_t) -> bool {
    // SAFETY: the caller's promise; a request has a connection, and that its events.
    unsafe { bound::ngx_etcd_has_left(request) != 0 }
}

/// Whether the client has not sent all of its request's body, or not as it ought to.
///
/// # Safety
///
/// The request is valid.
pub(crate) unsafe fn reads_body(request: *const ngx_http_request_t) -> bool {
    // SAFETY: the caller's promise.
    unsafe { bound::ngx_etcd_reads_body(request) != 0 }
}

/// Whether the client gets the body of the peer's response, and its end has not come yet.
///
/// # Safety
///
/// As for [`has_left`].
pub(crate) unsafe fn lacks_end(request: *const ngx_http_request_t) -> bool {
    // SAFETY: the caller's promise.
    unsafe { bound::ngx_etcd_lacks_end(request) != 0 }
}

/// Whether it is the turn of a request among those of its connection. nginx calls its handler when
/// it is.
pub(crate) fn has_its_turn(request: &ngx_http_request_t) -> bool {
    // SAFETY: as above; a request has a connection.
    unsafe { bound::ngx_etcd_has_its_turn(request) != 0 }
}

/// A handler of events of a request.
pub(crate) type EventHandler = unsafe extern "C" fn(*mut ngx_http_request_t);

/// Leaves a request to a handler of its write events, after the content handler has returned: it
/// has to be ended by `ngx_http_finalize_request`.
pub(crate) fn go_on_later(request: &mut ngx_http_request_t, handler: EventHandler) {
    // SAFETY: the request is valid, and has a main one.
    unsafe { bound::ngx_etcd_go_on_later(request, Some(handler)) }
}

/// Whether the client has not taken anything for too long.
pub(crate) fn has_timed_out(request: &ngx_http_request_t) -> bool {
    // SAFETY: a connection has a write event.
    unsafe { bound::ngx_etcd_has_timed_out(request) != 0 }
}

/// Ends a request whose client has not taken anything for too long.
///
/// # Safety
///
/// The request is not used afterwards.
pub(crate) unsafe fn time_out(request: *mut ngx_http_request_t) {
    // SAFETY: the caller's promise.
    unsafe { bound::ngx_etcd_time_out(request) }
}

/// Whether `limit_rate` holds the response back now.
pub(crate) fn is_delayed(request: &ngx_http_request_t) -> bool {
    // SAFETY: a connection has a write event.
    unsafe { bound::ngx_etcd_is_delayed(request) != 0 }
}

/// Whether nginx has something of the response that it could not send yet.
pub(crate) fn is_blocked(request: &ngx_http_request_t) -> bool {
    // SAFETY: the function reads a request, which is valid, and its connection.
    unsafe { bound::ngx_etcd_is_blocked(request) != 0 }
}

/// Has the handler called when the client takes more, or does not for too long. What nginx returns
/// is not `OK` if the connection is of no use any more.
pub(crate) fn wait_for_client(request: &mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: the request is valid, and its connection is open.
    unsafe { bound::ngx_etcd_wait_for_client(request) }
}

/// Has the handler called again once the event loop has seen to all other events.
pub(crate) fn go_on_next(request: &mut ngx_http_request_t) {
    // SAFETY: as above; nginx takes the event back if it closes the connection.
    unsafe { bound::ngx_etcd_go_on_next(request) }
}

/// The values of the headers of this name, in lower case, that the client has sent.
pub(crate) fn headers_in<'r>(
    request: &'r ngx_http_request_t,
    name: &'r str,
) -> impl Iterator<Item = &'r [u8]> {
    (0..).map_while(move |before| {
        // SAFETY: the name has as many bytes as are said; nginx returns a header of the request or
        // null, and a header has as many bytes as it says.
        unsafe {
            let (start, length) = (name.as_ptr().cast(), name.len());
            let value = bound::ngx_etcd_header_in(request, start, length, before);
            value.as_ref().map(|value| value.as_bytes())
        }
    })
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

/// Whether nginx has not read all that has come of the response that it passes on, or the peer of
/// an upgraded connection has not taken all that nginx has read of the client.
///
/// # Safety
///
/// The request lives, and has a connection to its peer.
pub(crate) unsafe fn is_behind(request: *const ngx_http_request_t) -> bool {
    // SAFETY: the function reads a request, which is valid, its upstream and that one's connection.
    unsafe { bound::ngx_etcd_is_behind(request) != 0 }
}

/// Whether nginx joins the two connections of a request.
///
/// # Safety
///
/// The request lives, and has an upstream.
pub(crate) unsafe fn is_joined(request: *const ngx_http_request_t) -> bool {
    // SAFETY: the function reads a request, which is valid, and its upstream.
    unsafe { bound::ngx_etcd_is_joined(request) != 0 }
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
