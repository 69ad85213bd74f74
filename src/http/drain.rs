//! Closing a connection in order: what the kernel has received is delivered, then both sides are
//! closed.
//!
//! Not by calling nginx's functions for the end of a request, of which each has its own idea of the
//! state that the request must be in, but by the one way that nginx is prepared for at any moment:
//! the peer closes. The reading side of the socket is shut down, so that nginx reads what has come
//! until now and then finds the end of file.

use core::ptr::NonNull;

use ngx::ffi::{ngx_connection_t, ngx_http_request_t};

use super::{accessors, request::OpenRequest};
use crate::{nginx::connection, upstream::Closing};

/// How the connection of a request to its peer is closed.
pub(super) const CLOSING: Closing<ngx_http_request_t> =
    Closing { has_messages, is_behind, is_silent, close };

/// The connection to the peer; `None` while it is being made, and nothing has come.
///
/// # Safety
///
/// The request lives and holds a peer.
unsafe fn connection_of(request: &OpenRequest) -> Option<*const ngx_connection_t> {
    // SAFETY: the caller's promise; a request with a peer has an upstream.
    let connection = unsafe { (*(*request.request).upstream).peer.connection };
    (!connection.is_null()).then_some(connection.cast_const())
}

/// Whether the connection is no longer one of HTTP: a WebSocket.
///
/// # Safety
///
/// The request lives and holds a peer.
unsafe fn has_messages(request: &OpenRequest) -> bool {
    // SAFETY: the caller's promise.
    unsafe { accessors::is_joined(request.request) }
}

/// Whether nginx has not read what it was told of. Not whether the client has all of it: nginx goes
/// on with what it has read. For WebSockets, also whether the peer has not taken all
/// that nginx has read of the client.
///
/// # Safety
///
/// The request lives and holds a peer.
unsafe fn is_behind(request: &OpenRequest) -> bool {
    // SAFETY: the caller's promise.
    unsafe { connection_of(request).is_some() && accessors::is_behind(request.request) }
}

/// Whether the kernel has nothing of the peer, and has got nothing for so long (ms).
///
/// # Safety
///
/// The request lives and holds a peer.
unsafe fn is_silent(request: &OpenRequest, time: u32) -> bool {
    // SAFETY: the caller's promise; a connection that is there is open.
    unsafe {
        connection_of(request).is_none_or(|connection| connection::is_silent(connection, time))
    }
}

/// Makes nginx believe that the peer of a request has closed its connection. `is_sending`: whatever
/// the peer is still sending.
///
/// # Safety
///
/// The request lives, holds a peer, and is in no list any more. No reference to it or its upstream
/// is in use: nginx may call the module for it, and end it.
unsafe fn close(request: NonNull<OpenRequest>, is_sending: bool) {
    // SAFETY: the caller's promise; the reference is gone before nginx is called.
    let connection: *mut ngx_connection_t = unsafe {
        let request = request.as_ref();
        request.drained();
        // The other streams of a client may be silent for long.
        accessors::flush_client(request.request);
        (*(*request.request).upstream).peer.connection
    };
    if connection.is_null() {
        // It is just being made, and nothing was received.
        return;
    }
    // SAFETY: a request's connection is open, and the caller's promise.
    unsafe {
        if is_sending {
            connection::take_no_more(connection);
        }
        connection::end_input(connection);
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
