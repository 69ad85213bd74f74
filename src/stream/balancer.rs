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
        text::bytes,
    },
    upstream::{
        OwnMethod,
        asker::TRIES_BEFORE_PICK,
        at_once::{self, GetBy},
        own_method,
    },
};

/// Notes which callbacks are the shortest way for the sessions of an upstream, once the
/// configuration has been read; `shows_connections`: variables show how many are open to a peer.
pub(super) fn settle(upstream: &StreamUpstream, shows_connections: bool) {
    let method = upstream.settings().balance();
    let (drains, times) = (upstream.settings().drains(), upstream.settings().goes_by_times());
    let is_grouped = upstream.settings().group.is_some();
    let get_by = GetBy { prepares: drains, counts: upstream.counts(), is_grouped };
    let get = at_once::get_of::<SessionPeer>(method, get_by);
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
            let Some(group) = &upstream.settings().group else {
                let own = OwnMethod { method: None, key: None };
                return match hash_key_of(upstream, session, &own) {
                    Some(hash_key) => begin(upstream, session, hash_key),
                    None => ERROR,
                };
            };
            let Some(name) = group_of(session, group) else { return ERROR };
            let own = if group.settings.is_some() {
                let pool = (*(*session).connection).pool;
                own_method(upstream, group, bytes(name), pool)
            } else {
                Some(OwnMethod { method: None, key: None })
            };
            let Some(own) = own else { return ERROR };
            match hash_key_of(upstream, session, &own) {
                Some(hash_key) => begin_grouped(upstream, session, (hash_key, name)),
                None => ERROR,
            }
        }
    })
}

/// What the session is hashed by, if the method goes by a key; `None` if nginx cannot evaluate it.
///
/// # Safety
///
/// As for [`init_with_care`].
unsafe fn hash_key_of(
    upstream: &'static StreamUpstream,
    session: *mut ngx_stream_session_t,
    own: &OwnMethod,
) -> Option<Option<ngx_str_t>> {
    if !own.method.unwrap_or(upstream.method.get()).needs_key() {
        return Some(None);
    }
    // SAFETY: the caller's promise.
    unsafe { hash_key::key_in_group(own, upstream, session) }.map(Some)
}

/// The name of the group that a session asks for, as long as which it lives: a value that is
/// evaluated anew lies in other memory. `None` if nginx cannot evaluate it.
///
/// # Safety
///
/// As for [`init_with_care`].
unsafe fn group_of(session: *mut ngx_stream_session_t, group: &GroupConf) -> Option<ngx_str_t> {
    // SAFETY: the caller's promise.
    let name = unsafe { text::evaluate(NonNull::new(session)?, &group.text)? };
    // One that is too long is unknown as well.
    Some(ngx_str_t { len: name.len().min(MAX_GROUP + 1), data: name.as_ptr().cast_mut() })
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
/// As for [`begin`]; the name lives as long as the session.
unsafe fn begin_grouped(
    upstream: &'static StreamUpstream,
    session: *mut ngx_stream_session_t,
    hash_key_and_group: (Option<ngx_str_t>, ngx_str_t),
) -> ngx_int_t {
    // SAFETY: the caller's promise.
    let made = unsafe { SessionPeer::make_grouped(session, upstream, hash_key_and_group) };
    let Some(peer) = made else { return ERROR };
    // SAFETY: the caller's promise.
    unsafe { tell(upstream, session, peer, TRIES_BEFORE_PICK) };
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
