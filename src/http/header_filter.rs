//! Notices which requests are upgraded, as they become it, and when a peer has answered: a filter
//! of response headers.
//!
//! nginx tells its balancers of a request's beginning and end, and of nothing in between.

use ngx::ffi::{
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_header_filter, ngx_int_t,
};

use super::{request::RequestPeer, session_buffers};
use crate::nginx::callback::{OK, guard};

/// The filters that were there before.
static mut NEXT: ngx_http_output_header_filter_pt = None;

/// Puts the filter before all others. nginx makes a new chain for each configuration.
pub(crate) fn install() {
    // SAFETY: while a configuration is read there is no request in this process, or nginx, which is
    // single-threaded, serves none just now.
    unsafe {
        NEXT = ngx_http_top_header_filter;
        ngx_http_top_header_filter = Some(filter);
    }
}

unsafe extern "C" fn filter(request: *mut ngx_http_request_t) -> ngx_int_t {
    guard((), || {
        let pointer = request;
        // SAFETY: nginx passes a valid request, with an upstream or null.
        let (request, upstream) = unsafe { (&*request, (*request).upstream.as_ref()) };
        if let Some(upstream) = upstream
            && let Some(peer) = RequestPeer::of(request)
        {
            if upstream.upgrade() != 0 {
                peer.upgraded();
                // SAFETY: nginx has just called with this request, and sends its header next.
                unsafe { session_buffers::expect_upgrade(pointer) };
            }
            peer.note_header();
        }
    });
    // SAFETY: written before the filter was put in; there is always one that sends.
    match unsafe { NEXT } {
        // SAFETY: nginx's own, called as it calls them.
        Some(next) => unsafe { next(request) },
        None => OK,
    }
}
