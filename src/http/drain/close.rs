//! Closing a connection in order: what the kernel has received is delivered, then both sides are
//! closed.
//!
//! Not by calling nginx's functions for the end of a request, of which each has its own idea of the
//! state that the request must be in, but by the one way that nginx is prepared for at any moment:
//! the peer closes. The reading side of the socket is shut down, so that nginx reads what has come
//! until now and then finds the end of file.

use core::ptr::NonNull;

use ngx::ffi::{ngx_connection_t, ngx_event_t};

use crate::http::{accessors, open_request::OpenRequest};

/// Makes nginx believe that the peer of a request has closed its connection.
///
/// # Safety
///
/// The request lives, holds a peer, and is in no list any more. No reference to it or its upstream
/// is in use: nginx may call the module for it, and end it.
pub(super) unsafe fn close(request: NonNull<OpenRequest>) {
    // SAFETY: the caller's promise; the reference is gone before nginx is called.
    let connection: *mut ngx_connection_t = unsafe {
        let request = request.as_ref();
        request.drained();
        // The other streams of a client may be silent for long.
        accessors::flush_client(request.request);
        (*request.upstream()).peer.connection
    };
    if connection.is_null() {
        // It is just being made, and nothing was received.
        return;
    }
    // SAFETY: a request's connection is open, with its two events. nginx's own handler is called as
    // its event loop does when the kernel says that the peer has closed.
    unsafe {
        // Only reading: what a client says meanwhile to a peer whose answers it is slow to read
        // would otherwise be an error, and the end of them.
        libc::shutdown((*connection).fd, libc::SHUT_RD);
        let read: *mut ngx_event_t = (*connection).read;
        (*read).set_ready(1);
        // As ngx_epoll_module.c: not known how much there is.
        (*read).available = -1;
        (*read).set_pending_eof(1);
        if let Some(handler) = (*read).handler {
            handler(read);
        }
    }
}

/// Sees to it that nginx closes the client's connection slowly: what the client says meanwhile must
/// not make the kernel reset it, which would take from it what it has not read yet. To be called
/// before nginx ends the request.
///
/// # Safety
///
/// `client` is the connection of a request that lives.
pub(crate) unsafe fn linger(client: *mut ngx_connection_t) {
    // `ngx_http_finalize_connection` lingers (with `lingering_close on`, its default) where there
    // seems to be something to read. SAFETY: the caller's promise; a connection has its events.
    unsafe { (*(*client).read).set_ready(1) };
}
