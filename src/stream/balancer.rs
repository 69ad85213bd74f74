//! nginx's upstream callbacks: a session gets a peer and gives it back.
//!
//! The counterparts in nginx are `ngx_stream_upstream_init_round_robin_peer`,
//! `…_get_round_robin_peer`, `…_notify_round_robin_peer` and `…_free_round_robin_peer`.
//!
//! As for requests of HTTP's, most sessions need little, and what others need is apart.

mod asker;
mod care;

use core::ptr::NonNull;

use ngx::ffi::{ngx_int_t, ngx_str_t, ngx_uint_t};

#[cfg(ngx_feature = "ssl")]
use super::tls;
use super::{
    hash_key,
    session::SessionPeer,
    text,
    upstream::{Callbacks, StreamUpstream},
};
use crate::{
    config::{GroupConf, MAX_GROUP},
    nginx::{
        callback::{ERROR, OK, guard},
        stream::{ngx_stream_session_t, ngx_stream_upstream_srv_conf_t},
    },
    upstream::{asker::tries, at_once},
};

/// Notes which callbacks are the shortest way for the sessions of an upstream, once the
/// configuration has been read; `shows_connections`: variables show how many are open to a peer.
pub(super) fn settle(upstream: &StreamUpstream, shows_connections: bool) {
    let method = upstream.settings().balance();
    let (drains, times) = (upstream.settings().drain.is_some(), method.goes_by_times());
    let is_grouped = upstream.settings().group.is_some();
    let get = at_once::get_of::<SessionPeer>(method, drains, upstream.counts());
    let get = get.filter(|_| !is_grouped);
    let is_plain = !drains && !times && !shows_connections;
    let free = is_plain.then(|| at_once::free_of::<SessionPeer>(upstream.counts()));
    upstream.method.set(method);
    upstream.needs_care.set(method.needs_key() || is_grouped);
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
        if upstream.needs_care.get() {
            // SAFETY: nginx passes a valid session, to an upstream of its own cycle.
            unsafe { init_with_care(upstream, session) }
        } else {
            // SAFETY: as above.
            unsafe { begin(upstream, session, None) }
        }
    })
}

/// As [`init`], where a key or a group decides which peer the session gets.
///
/// It has a guard itself, so that [`init`] can end with the call.
///
/// # Safety
///
/// The session is valid, and comes to the upstream, which is of its cycle.
#[inline(never)]
unsafe extern "C" fn init_with_care(
    upstream: &'static StreamUpstream,
    session: *mut ngx_stream_session_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: the caller's promise.
        unsafe {
            let hash_key = if upstream.method.get().needs_key() {
                match hash_key::key_of(upstream, session) {
                    Some(key) => Some(key),
                    None => return ERROR,
                }
            } else {
                None
            };
            let Some(group) = &upstream.settings().group else {
                return begin(upstream, session, hash_key);
            };
            match group_of(session, group) {
                Some(name) => begin_grouped(upstream, session, (hash_key, name)),
                None => ERROR,
            }
        }
    })
}

/// The name of the group that a session asks for, in its pool; `None` if nginx cannot evaluate it,
/// or has no memory.
///
/// # Safety
///
/// As for [`init_with_care`].
unsafe fn group_of(session: *mut ngx_stream_session_t, group: &GroupConf) -> Option<ngx_str_t> {
    // SAFETY: the caller's promise. The value is copied at once, since variables may be evaluated
    // anew.
    unsafe {
        let name = text::evaluate(NonNull::new(session)?, &group.text)?;
        // One that is too long is unknown as well.
        let name = &name[..name.len().min(MAX_GROUP + 1)];
        ngx_str_t::from_bytes((*(*session).connection).pool, name)
    }
}

/// Makes what a session keeps, and tells nginx of it.
///
/// # Safety
///
/// As for [`init_with_care`].
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
    // SAFETY: as above.
    unsafe { tell(upstream, session, peer, tries) };
    OK
}

/// As [`begin`], for a session that asks for the group of this name.
///
/// # Safety
///
/// As for [`begin`]; the name lies in the session's pool.
unsafe fn begin_grouped(
    upstream: &'static StreamUpstream,
    session: *mut ngx_stream_session_t,
    hash_key_and_group: (Option<ngx_str_t>, ngx_str_t),
) -> ngx_int_t {
    // SAFETY: the caller's promise.
    let made = unsafe { SessionPeer::make_grouped(session, upstream, hash_key_and_group) };
    let Some(peer) = made else { return ERROR };
    // SAFETY: it was made just now, and nobody makes a `&mut` to it.
    let tries = tries(unsafe { &*peer }, None);
    // SAFETY: the caller's promise.
    unsafe { tell(upstream, session, peer, tries) };
    OK
}

/// Tells nginx what a session keeps, and how often it may be tried.
///
/// # Safety
///
/// As for [`begin`].
#[inline(always)]
unsafe fn tell(
    upstream: &'static StreamUpstream,
    session: *mut ngx_stream_session_t,
    peer: *mut SessionPeer,
    tries: u32,
) {
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
}
