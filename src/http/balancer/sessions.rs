//! nginx's upstream callbacks for TLS sessions with peers.

use core::ffi::c_void;

use ngx::ffi::{ngx_int_t, ngx_peer_connection_t};

use crate::nginx::callback::OK;
#[cfg(ngx_feature = "http_ssl")]
use crate::{
    http::{keepalive::connection_kind::ConnectionKind, request::RequestPeer},
    nginx::callback::{ERROR, guard},
    upstream::tls_sessions,
};

/// Called by nginx before a connection to the peer shakes hands, where `proxy_ssl_session_reuse` is
/// on.
#[cfg(ngx_feature = "http_ssl")]
pub(super) unsafe extern "C" fn set_session(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes what `init` has set, for a request that lives, and a connection with
        // TLS.
        unsafe {
            let (connection, peer) = ((*connection).connection, &*data.cast::<RequestPeer>());
            let Some(id) = peer.open.id() else { return OK };
            let Some(kind) = ConnectionKind::of_session(peer.open.request) else { return ERROR };
            tls_sessions::offer(peer.upstream, id, kind.to_number(), connection)
        }
    })
}

/// Called by nginx when a connection to the peer has agreed on a session; with TLS 1.3 that is
/// after the handshake, and may be several times.
#[cfg(ngx_feature = "http_ssl")]
pub(super) unsafe extern "C" fn save_session(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) {
    guard((), || {
        // SAFETY: as in `set_session`.
        unsafe {
            let (connection, peer) = ((*connection).connection, &*data.cast::<RequestPeer>());
            let Some(id) = peer.open.id() else { return };
            let Some(kind) = ConnectionKind::of_session(peer.open.request) else { return };
            tls_sessions::save(peer.upstream, id, kind.to_number(), connection);
        }
    });
}

/// An nginx without TLS has places for both, and never calls them.
#[cfg(all(ngx_feature = "compat", not(ngx_feature = "http_ssl")))]
pub(super) unsafe extern "C" fn set_session(
    _connection: *mut ngx_peer_connection_t,
    _data: *mut c_void,
) -> ngx_int_t {
    OK
}

#[cfg(all(ngx_feature = "compat", not(ngx_feature = "http_ssl")))]
pub(super) unsafe extern "C" fn save_session(
    _connection: *mut ngx_peer_connection_t,
    _data: *mut c_void,
) {
}
