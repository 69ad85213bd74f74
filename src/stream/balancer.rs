//! nginx's upstream callbacks: a session gets a peer and gives it back.
//!
//! The counterparts in nginx are `ngx_stream_upstream_init_round_robin_peer`,
//! `…_get_round_robin_peer`, `…_notify_round_robin_peer` and `…_free_round_robin_peer`.
//!
//! As for requests of HTTP's, most sessions need little, and what others need is apart.

mod asker;
mod care;

use ngx::ffi::{ngx_int_t, ngx_str_t, ngx_uint_t};

#[cfg(ngx_feature = "ssl")]
use super::tls;
use super::{
    hash_key,
    session::SessionPeer,
    upstream::{Callbacks, StreamUpstream},
};
use crate::{
    nginx::{
        callback::{ERROR, OK, guard},
        stream::{ngx_stream_session_t, ngx_stream_upstream_srv_conf_t},
    },
    upstream::at_once,
};

/// Notes which callbacks are the shortest way for the sessions of an upstream, once the
/// configuration has been read; `shows_connections`: variables show how many are open to a peer.
pub(super) fn settle(upstream: &StreamUpstream, shows_connections: bool) {
    let method = upstream.settings().balance();
    let (drains, times) = (upstream.settings().drain.is_some(), method.goes_by_times());
    let (get, free) = (at_once::get_of::<SessionPeer>(method, drains, upstream.counts()), {
        let is_plain = !drains && !times && !shows_connections;
        is_plain.then(|| at_once::free_of::<SessionPeer>(upstream.counts()))
    });
    upstream.method.set(method);
    upstream.callbacks.set(Callbacks {
        get: Some(get.unwrap_or(care::get_any)),
        free: Some(free.unwrap_or(care::free)),
    });
}

/// Called by nginx when a session comes to the upstream.
pub(crate) unsafe extern "C" fn init(
    session: *mut ngx_stream_session_t,
    us: *mut ngx_stream_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid session, and the configuration of the upstream whose
        // `init_upstream` has set this callback, and has found ours.
        let upstream = unsafe { StreamUpstream::of_ours(&*us) };
        if upstream.method.get().needs_key() {
            // SAFETY: nginx passes a valid session, to an upstream of its own cycle.
            unsafe { init_by_key(upstream, session) }
        } else {
            // SAFETY: as above.
            unsafe { begin(upstream, session, None) }
        }
    })
}

/// As [`init`], where a key decides which peer the session gets.
///
/// It has a guard itself, so that [`init`] can end with the call.
///
/// # Safety
///
/// The session is valid, and comes to the upstream, which is of its cycle.
#[inline(never)]
unsafe extern "C" fn init_by_key(
    upstream: &'static StreamUpstream,
    session: *mut ngx_stream_session_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: the caller's promise.
        unsafe {
            match hash_key::key_of(upstream, session) {
                Some(key) => begin(upstream, session, Some(key)),
                None => ERROR,
            }
        }
    })
}

/// Makes what a session keeps, and tells nginx of it.
///
/// # Safety
///
/// As for [`init_by_key`].
#[inline]
unsafe fn begin(
    upstream: &'static StreamUpstream,
    session: *mut ngx_stream_session_t,
    hash_key: Option<ngx_str_t>,
) -> ngx_int_t {
    // SAFETY: the caller's promise.
    let Some(peer) = (unsafe { SessionPeer::make(session, upstream, hash_key) }) else {
        return ERROR;
    };
    let tries = upstream.zone().map_or(0, |zone| zone.tries());
    // SAFETY: nginx has made the session's `upstream`, and is not called while this refers to it.
    let nginx = unsafe { &mut *(*session).upstream };
    nginx.peer.data = peer.cast();
    let Callbacks { get, free } = upstream.callbacks.get();
    nginx.peer.get = get;
    nginx.peer.free = free;
    // `get` sets it, if it is needed.
    nginx.peer.notify = None;
    nginx.peer.tries = tries as ngx_uint_t;
    #[cfg(ngx_feature = "ssl")]
    {
        nginx.peer.set_session = Some(tls::set_session);
        nginx.peer.save_session = Some(tls::save_session);
    }
    OK
}
