//! Ending a session in order: what the peer has sent is delivered, then both sides are closed.

use core::ptr::NonNull;

use ngx::ffi::ngx_connection_t;

use super::session::OpenSession;
use crate::{
    nginx::{connection, stream::ngx_stream_session_t},
    upstream::Closing,
};

/// How sessions are ended.
pub(super) const CLOSING: Closing<ngx_stream_session_t> =
    Closing { has_messages, is_behind, is_silent, close };

/// Not that anybody knew of: a session may be a large result.
unsafe fn has_messages(_session: &OpenSession) -> bool {
    false
}

/// The connection to the peer, and that of the client; `None` over UDP and before there is a
/// connection, where nothing is waited for.
///
/// # Safety
///
/// The session lives and holds a peer.
unsafe fn connections_of(
    session: &OpenSession,
) -> Option<(*const ngx_connection_t, *const ngx_connection_t)> {
    // SAFETY: the caller's promise; a session with a peer has an upstream, and a client's
    // connection. Its own is null while it is being made, and open otherwise.
    unsafe {
        let nginx = session.request;
        let (upstream, client) = ((*nginx).upstream, (*nginx).connection);
        let connection = (*upstream).peer.connection;
        let is_open = !connection.is_null()
            && (*upstream).connected() != 0
            && (*client).type_ != libc::SOCK_DGRAM;
        is_open.then_some((connection.cast_const(), client.cast_const()))
    }
}

/// Whether the client has not got all that the peer has sent, or the peer not all that the client
/// has sent.
///
/// # Safety
///
/// The session lives and holds a peer.
unsafe fn is_behind(session: &OpenSession) -> bool {
    // SAFETY: the caller's promise; open connections have their events.
    unsafe {
        connections_of(session).is_some_and(|(connection, client)| {
            (*client).buffered() != 0
                || (*connection).buffered() != 0
                // OpenSSL may have decrypted what nginx has not read.
                || (*(*connection).read).ready() != 0
        })
    }
}

/// Whether the kernel has nothing of the peer, and has got nothing for so long (ms).
///
/// # Safety
///
/// The session lives and holds a peer.
unsafe fn is_silent(session: &OpenSession, time: u32) -> bool {
    // SAFETY: as in `is_behind`.
    unsafe {
        connections_of(session)
            .is_none_or(|(connection, _)| connection::is_silent(connection, time))
    }
}

/// Ends a session: over TCP as if the peer had closed its connection, over UDP as nginx does at a
/// shutdown (`worker_shutdown_timeout`), since there is nothing that has not been passed on.
/// `is_sending`: as at a shutdown over TCP as well, whatever each side has not taken. nginx would
/// wait for that until `proxy_timeout` if one of them takes nothing.
///
/// # Safety
///
/// The session lives, holds a peer, and is in no list any more. No reference to it or its upstream
/// is in use: nginx may call the module for it, and end it.
unsafe fn close(session: NonNull<OpenSession>, is_sending: bool) {
    // SAFETY: the caller's promise; the references are gone before nginx is called. A session has a
    // client's connection.
    let (connection, client, is_connected): (*mut ngx_connection_t, _, _) = unsafe {
        let open = session.as_ref();
        open.drained();
        let nginx = &*open.request;
        let upstream = &*nginx.upstream;
        (upstream.peer.connection, nginx.connection, upstream.connected() != 0)
    };
    if connection.is_null() {
        // It is just being made, and nothing was received.
        return;
    }
    // SAFETY: both connections of a session are open, with their events, and the caller's promise.
    unsafe {
        if !is_connected {
            // nginx turns to another peer.
            (*(*connection).read).set_timedout(1);
            call_reader(connection);
        } else if is_sending || (*client).type_ == libc::SOCK_DGRAM {
            (*connection).set_close(1);
            call_reader(connection);
        } else {
            // With `proxy_half_close`, nginx ends a session only if both sides have ended.
            libc::shutdown((*client).fd, libc::SHUT_RD);
            connection::end_input(connection);
        }
    }
}

/// Calls the handler of a connection for its event of reading, as `ngx_shutdown_timer_handler`
/// does.
///
/// # Safety
///
/// The connection is open. No reference to it or to what it belongs to is in use.
unsafe fn call_reader(connection: *mut ngx_connection_t) {
    // SAFETY: the caller's promise; a connection has its events.
    unsafe {
        let read = (*connection).read;
        if let Some(handler) = (*read).handler {
            handler(read);
        }
    }
}
