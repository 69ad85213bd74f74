//! What is done to a connection of nginx's that comes to rest, is used again, or is closed.

use core::ptr;

use idle_cache::Slot;
#[cfg(ngx_feature = "http_ssl")]
use ngx::ffi::{NGX_AGAIN, ngx_int_t, ngx_ssl_shutdown};
use ngx::{
    ffi::{
        ngx_add_timer, ngx_close_connection, ngx_connection_t, ngx_current_msec, ngx_del_timer,
        ngx_destroy_pool, ngx_event_t, ngx_exiting, ngx_handle_read_event, ngx_http_upstream_t,
        ngx_log_t, ngx_msec_t, ngx_terminate,
    },
    log::ngx_cycle_log,
};

use crate::{
    config::Keepalive,
    nginx::{callback::OK, event_source::Handler},
};

/// Whether a connection can serve another request: the conditions of
/// `ngx_http_upstream_free_keepalive_peer`, and their order.
///
/// # Safety
///
/// The connection is open, and `upstream` is that of its request.
pub(super) unsafe fn may_rest(
    connection: *mut ngx_connection_t,
    keepalive: &Keepalive,
    upstream: *const ngx_http_upstream_t,
) -> bool {
    // SAFETY: the caller's promise; an open connection has both events. nginx sets the clock and
    // the flags from the event loop.
    unsafe {
        let (connection, read, write) =
            (&*connection, &mut *(*connection).read, &*(*connection).write);
        let ended = read.eof() != 0
            || read.error() != 0
            || read.timedout() != 0
            || write.error() != 0
            || write.timedout() != 0;
        !ended
            && connection.requests < keepalive.requests
            && ngx_current_msec.wrapping_sub(connection.start_time) <= keepalive.time
            && (*upstream).keepalive() != 0
            && (*upstream).request_body_sent() != 0
            && ngx_terminate == 0
            && ngx_exiting == 0
            && ngx_handle_read_event(read, 0) == OK
    }
}

/// Lays a connection to rest in a slot of the cache: `handler` is called when anything happens to
/// it.
///
/// # Safety
///
/// The connection is open, and belongs to no request any more.
pub(super) unsafe fn make_idle(
    connection: *mut ngx_connection_t,
    slot: Slot,
    timeout: ngx_msec_t,
    handler: Handler,
) {
    // SAFETY: the caller's promise; an open connection has both events.
    unsafe {
        let (read, write) = ((*connection).read, (*connection).write);
        (*read).set_delayed(0);
        ngx_add_timer(read, timeout);
        if (*write).timer_set() != 0 {
            ngx_del_timer(write);
        }
        (*write).handler = Some(ignore);
        (*read).handler = Some(handler);
        (*connection).data = ptr::without_provenance_mut(slot.to_number());
        // A worker that is to end closes what is idle.
        (*connection).set_idle(1);
        set_log(connection, ngx_cycle_log().as_ptr());
    }
}

/// Makes a connection ready for a request that logs to `log`.
///
/// # Safety
///
/// The connection is at rest, and `log` lives for as long as the request has the connection.
pub(super) unsafe fn make_active(connection: *mut ngx_connection_t, log: *mut ngx_log_t) {
    // SAFETY: the caller's promise; an open connection has both events.
    unsafe {
        (*connection).set_idle(0);
        (*connection).sent = 0;
        (*connection).data = ptr::null_mut();
        set_log(connection, log);
        let read = (*connection).read;
        if (*read).timer_set() != 0 {
            ngx_del_timer(read);
        }
    }
}

unsafe fn set_log(connection: *mut ngx_connection_t, log: *mut ngx_log_t) {
    // SAFETY: called for open connections to peers, which have both events and a pool of their own.
    unsafe {
        (*connection).log = log;
        (*(*connection).read).log = log;
        (*(*connection).write).log = log;
        (*(*connection).pool).log = log;
    }
}

/// Whether there is still nothing to be heard of a connection at rest, so that it stays.
///
/// # Safety
///
/// The connection is at rest.
pub(super) unsafe fn is_quiet(connection: *mut ngx_connection_t) -> bool {
    let mut byte = [0_u8; 1];
    // SAFETY: the caller's promise; an open connection has both events. The buffer is as long as
    // the call is told.
    unsafe {
        let read = (*connection).read;
        if (*connection).close() != 0 || (*read).timedout() != 0 {
            return false;
        }
        let length =
            libc::recv((*connection).fd, byte.as_mut_ptr().cast(), byte.len(), libc::MSG_PEEK);
        if length != -1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EAGAIN) {
            return false;
        }
        (*read).set_ready(0);
        ngx_handle_read_event(read, 0) == OK
    }
}

/// Closes a connection.
///
/// # Safety
///
/// The connection is open, and nothing refers to it any more.
pub(super) unsafe extern "C" fn close(connection: *mut ngx_connection_t) {
    // SAFETY: the caller's promise; what a connection has by way of TLS lives as long as it does.
    unsafe {
        #[cfg(ngx_feature = "http_ssl")]
        if let Some(ssl) = (*connection).ssl.as_mut() {
            ssl.set_no_wait_shutdown(1);
            ssl.set_no_send_shutdown(1);
            if ngx_ssl_shutdown(connection) == NGX_AGAIN as ngx_int_t {
                (*(*connection).ssl).handler = Some(close);
                return;
            }
        }
        // The pool goes first: what cleans up with it may look at the connection.
        ngx_destroy_pool((*connection).pool);
        ngx_close_connection(connection);
    }
}

/// Nothing is written to a connection at rest.
unsafe extern "C" fn ignore(_event: *mut ngx_event_t) {}
