//! nginx's upstream callbacks: a request gets a peer and gives it back.
//!
//! The counterparts in nginx are `ngx_http_upstream_init_round_robin_peer`,
//! `…_get_round_robin_peer` and `…_free_round_robin_peer`.
//!
//! Most upstreams need little: what others need beside a peer stands in one word
//! ([`Extras`](super::upstream::Extras)), and its code is apart.

mod asker;
mod care;
mod kept;
mod names;
#[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
mod sessions;

use core::ptr::NonNull;

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_str_t, ngx_uint_t,
};

use super::{
    hash_key,
    request::RequestPeer,
    sticky, text,
    upstream::{Callbacks, Extras, HttpUpstream},
};
use crate::{
    config::{GroupConf, MAX_GROUP, UpstreamConf},
    nginx::{
        callback::{ERROR, OK, guard},
        text::bytes,
    },
    upstream::{
        OwnMethod,
        asker::TRIES_BEFORE_PICK,
        at_once::{self, GetBy},
        own_method,
    },
};

/// Notes what the requests of an upstream need, once the configuration has been read, and which
/// callbacks are the shortest way that gives them all of it. `shown` is what variables show.
pub(crate) fn settle(upstream: &HttpUpstream, shown: Extras) {
    upstream.settle_extras(shown);
    let (method, extras) = (upstream.method.get(), upstream.extras.get());
    let counts = extras.has(Extras::STATISTICS);
    let (prepares, is_grouped) = (extras.has(WITH_A_PEER), extras.has(Extras::GROUP));
    let at_once = at_once::get_of::<RequestPeer>(method, GetBy { prepares, counts, is_grouped });
    let get = at_once.filter(|_| !extras.has(WITH_CARE)).unwrap_or(care::get_any);
    let free = if !extras.has(WITHOUT_A_PEER) {
        at_once::free_of::<RequestPeer>(counts)
    } else if !extras.has(WITHOUT_A_PEER.without(Extras::KEEPALIVE)) {
        kept::free_of(counts)
    } else {
        care::free
    };
    upstream.callbacks.set(Callbacks { get: Some(get), free: Some(free) });
}

/// Where a request cannot get a peer at once.
const WITH_CARE: Extras = Extras::STICKY.with(Extras::COMPARISON);

/// Where a request that has got a peer has more to do.
const WITH_A_PEER: Extras = Extras::DRAIN.with(Extras::KEEPALIVE).with(Extras::TIMES);

/// Where a request that gives its peer back has more to do.
const WITHOUT_A_PEER: Extras = WITH_A_PEER.with(Extras::CONNECTIONS).with(Extras::FAILURES);

type Init =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_http_upstream_srv_conf_t) -> ngx_int_t;

/// The callback that begins requests to an upstream.
pub(crate) fn init_of(conf: &UpstreamConf) -> Init {
    match &conf.group {
        Some(group) if group.settings.is_none() => init_grouped,
        _ => init,
    }
}

/// Called by nginx when a request comes to the upstream.
unsafe extern "C" fn init(
    request: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, and the configuration of the upstream whose
        // `init_upstream` has set this callback, and has found ours.
        let upstream = unsafe { HttpUpstream::of_ours(&*us) };
        if upstream.extras.get().has(Extras::KEY.with(Extras::STICKY).with(Extras::GROUP)) {
            // SAFETY: nginx passes a valid request, to an upstream of its own cycle.
            unsafe { init_with_care(upstream, request) }
        } else {
            // SAFETY: as above.
            unsafe { begin(upstream, request, None, None) }
        }
    })
}

/// As [`init`], where the request asks for a group, none of which has settings.
unsafe extern "C" fn init_grouped(
    request: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: as in `init`.
        let upstream = unsafe { HttpUpstream::of_ours(&*us) };
        match &upstream.settings().group {
            Some(group) if !upstream.extras.get().has(Extras::KEY.with(Extras::STICKY)) => {
                // SAFETY: as in `init`.
                unsafe {
                    match group_of(request, group) {
                        Some(name) => begin_grouped(upstream, request, (None, name), None),
                        None => ERROR,
                    }
                }
            }
            // SAFETY: as in `init`.
            _ => unsafe { init_with_care(upstream, request) },
        }
    })
}

/// As [`init`], where something of the request's decides which peer it gets.
///
/// It has a guard itself, so that [`init`] can end with the call.
///
/// # Safety
///
/// The request is valid, and comes to the upstream, which is of its cycle.
#[inline(never)]
unsafe extern "C" fn init_with_care(
    upstream: &'static HttpUpstream,
    request: *mut ngx_http_request_t,
) -> ngx_int_t {
    guard(ERROR, || {
        let conf = upstream.settings();
        // SAFETY: the caller's promise.
        let sticky =
            conf.sticky.as_ref().and_then(|sticky| unsafe { sticky::cookie_of(request, sticky) });
        let Some(group) = &conf.group else {
            let own = OwnMethod { method: None, key: None };
            // SAFETY: as above.
            return match unsafe { hash_key_of(upstream, request, &own) } {
                // SAFETY: as above.
                Some(hash_key) => unsafe { begin(upstream, request, hash_key, sticky) },
                None => ERROR,
            };
        };
        // SAFETY: as above.
        unsafe {
            let Some(name) = group_of(request, group) else { return ERROR };
            let own = if group.settings.is_some() {
                own_method(upstream, group, bytes(name), (*request).pool)
            } else {
                Some(OwnMethod { method: None, key: None })
            };
            let Some(own) = own else { return ERROR };
            match hash_key_of(upstream, request, &own) {
                Some(hash_key) => begin_grouped(upstream, request, (hash_key, name), sticky),
                None => ERROR,
            }
        }
    })
}

/// What the request is hashed by, if the method goes by something of it; `None` if nginx cannot
/// evaluate it.
///
/// # Safety
///
/// As for [`init_with_care`].
unsafe fn hash_key_of(
    upstream: &'static HttpUpstream,
    request: *mut ngx_http_request_t,
    own: &OwnMethod,
) -> Option<Option<ngx_str_t>> {
    if !own.method.unwrap_or(upstream.method.get()).goes_by_request() {
        return Some(None);
    }
    // SAFETY: the caller's promise.
    unsafe { hash_key::key_in_group(own, upstream, request) }.map(Some)
}

/// The name of the group that a request asks for, as long as which it lives: a value that is
/// evaluated anew lies in other memory. `None` if nginx cannot evaluate it.
///
/// # Safety
///
/// As for [`init_with_care`].
#[inline(always)]
unsafe fn group_of(request: *mut ngx_http_request_t, group: &GroupConf) -> Option<ngx_str_t> {
    // SAFETY: the caller's promise.
    let name = unsafe { text::evaluate(NonNull::new(request)?, &group.text)? };
    // One that is too long is unknown as well.
    Some(ngx_str_t { len: name.len().min(MAX_GROUP + 1), data: name.as_ptr().cast_mut() })
}

/// Makes what a request keeps, and tells nginx of it.
///
/// # Safety
///
/// As for [`init_with_care`].
#[inline]
unsafe fn begin(
    upstream: &'static HttpUpstream,
    request: *mut ngx_http_request_t,
    hash_key: Option<ngx_str_t>,
    sticky: Option<u64>,
) -> ngx_int_t {
    // SAFETY: the caller's promise.
    let made = unsafe { RequestPeer::make(request, upstream, hash_key, sticky) };
    let peer = match made {
        Ok(peer) => peer,
        Err(code) => return code,
    };
    let tries = match sticky {
        Some(_) => TRIES_BEFORE_PICK,
        None => upstream.zone().map_or(0, |zone| zone.tries()),
    };
    // SAFETY: the caller's promise.
    unsafe { tell(upstream, request, peer, tries) };
    OK
}

/// As [`begin`], for a request that asks for the group of this name.
///
/// # Safety
///
/// As for [`begin`]; the name lives as long as the request.
#[inline]
unsafe fn begin_grouped(
    upstream: &'static HttpUpstream,
    request: *mut ngx_http_request_t,
    hash_key_and_group: (Option<ngx_str_t>, ngx_str_t),
    sticky: Option<u64>,
) -> ngx_int_t {
    // SAFETY: the caller's promise.
    let made = unsafe { RequestPeer::make_grouped(request, upstream, hash_key_and_group, sticky) };
    let peer = match made {
        Ok(peer) => peer,
        Err(code) => return code,
    };
    // SAFETY: it was made just now, and nobody makes a `&mut` to it.
    let made = unsafe { &*peer };
    if upstream.extras.get().has(Extras::GROUP_STATUS) && !made.keep_for_redirects() {
        return ERROR;
    }
    // SAFETY: the caller's promise.
    unsafe { tell(upstream, request, peer, TRIES_BEFORE_PICK) };
    OK
}

/// Tells nginx what a request keeps, and how often it may be tried.
///
/// # Safety
///
/// As for [`begin`].
#[inline(always)]
unsafe fn tell(
    upstream: &'static HttpUpstream,
    request: *mut ngx_http_request_t,
    peer: *mut RequestPeer,
    tries: u32,
) {
    // SAFETY: nginx has made the request's `upstream`, and is not called while this refers to it.
    let nginx = unsafe { &mut *(*request).upstream };
    nginx.peer.data = peer.cast();
    let Callbacks { get, free } = upstream.callbacks.get();
    nginx.peer.get = get;
    nginx.peer.free = free;
    nginx.peer.tries = tries as ngx_uint_t;
    #[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
    {
        nginx.peer.set_session = Some(sessions::set_session);
        nginx.peer.save_session = Some(sessions::save_session);
    }
}
