//! nginx's upstream callbacks for TLS sessions with peers (`proxy_ssl`).

use core::{ffi::c_void, hash::BuildHasher as _};
use std::{hash::RandomState, sync::LazyLock};

use ngx::ffi::{ngx_int_t, ngx_peer_connection_t};

use super::session::SessionPeer;
use crate::{
    nginx::callback::{ERROR, OK, guard},
    upstream::tls_sessions,
};

/// Keyed, since names that clients choose may go into it.
static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Which sessions a connection may resume: those of the same settings, of which nginx makes one
/// context, that were agreed on for the same name.
///
/// # Safety
///
/// The session lives, and its connection to the peer is one with TLS.
unsafe fn kind_of(peer: &SessionPeer, connection: *mut ngx_peer_connection_t) -> u64 {
    // SAFETY: the caller's promise. nginx sets the name before it makes the handshake.
    unsafe {
        let context = (*(*(*connection).connection).ssl).session_ctx;
        STATE.hash_one((context.addr(), (*peer.nginx()).ssl_name.as_bytes()))
    }
}

/// Called by nginx before a connection to the peer shakes hands, where `proxy_ssl_session_reuse` is
/// on.
pub(super) unsafe extern "C" fn set_session(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes what `init` has set, for a session that lives, and a connection with
        // TLS.
        unsafe {
            let peer = &*data.cast::<SessionPeer>();
            let Some(id) = peer.open.id() else { return OK };
            let kind = kind_of(peer, connection);
            tls_sessions::offer(peer.upstream, id, kind, (*connection).connection)
        }
    })
}

/// Called by nginx when a connection to the peer has agreed on a session; with TLS 1.3 that is
/// after the handshake, and may be several times.
pub(super) unsafe extern "C" fn save_session(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) {
    guard((), || {
        // SAFETY: as in `set_session`.
        unsafe {
            let peer = &*data.cast::<SessionPeer>();
            let Some(id) = peer.open.id() else { return };
            let kind = kind_of(peer, connection);
            tls_sessions::save(peer.upstream, id, kind, (*connection).connection);
        }
    });
}
