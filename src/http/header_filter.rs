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

/// Whether an upstream needs to know when headers come. A process that has read a configuration
/// with such an upstream may still have requests to it when it has read another.
static mut NEEDS_TIMES: bool = false;

/// Puts the filter before all others. nginx makes a new chain for each configuration.
/// `needs_times`: an upstream needs to know when headers come.
pub(crate) fn install(needs_times: bool) {
    // SAFETY: while a configuration is read there is no request in this process, or nginx, which is
    // single-threaded, serves none just now.
    unsafe {
        NEXT = ngx_http_top_header_filter;
        ngx_http_top_header_filter = Some(filter);
        NEEDS_TIMES |= needs_times;
    }
}

/// Runs for each response of nginx's, whatever it comes from: so it asks first whether there is
/// anything to note.
unsafe extern "C" fn filter(request: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx passes a valid request, with an upstream or null; the flag is written while a
    // configuration is read.
    unsafe {
        let upstream = (*request).upstream;
        if !upstream.is_null() && (NEEDS_TIMES || (*upstream).upgrade() != 0) {
            return note_and_pass_on(request);
        }
        pass_on(request)
    }
}

/// Calls the filters that were there before.
///
/// # Safety
///
/// The request is valid.
#[inline]
unsafe fn pass_on(request: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: written before the filter was put in; there is always one that sends.
    match unsafe { NEXT } {
        // SAFETY: nginx's own, called as it calls them.
        Some(next) => unsafe { next(request) },
        None => OK,
    }
}

/// Notes that the header of a response from a peer has come, and whether it upgrades the
/// connection; then calls the other filters.
///
/// Apart, so that other responses need not save registers for it.
///
/// # Safety
///
/// The request is valid, with an upstream.
#[inline(never)]
unsafe extern "C" fn note_and_pass_on(request: *mut ngx_http_request_t) -> ngx_int_t {
    guard((), || {
        let pointer = request;
        // SAFETY: the caller's promise.
        let (request, upstream) = unsafe { (&*request, &*(*request).upstream) };
        let Some(peer) = RequestPeer::of(request) else { return };
        if upstream.upgrade() != 0 {
            peer.upgraded();
            // SAFETY: nginx has just called with this request, and sends its header next.
            unsafe { session_buffers::expect_upgrade(pointer) };
        }
        peer.note_header();
    });
    // SAFETY: the caller's promise.
    unsafe { pass_on(request) }
}
