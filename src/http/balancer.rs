//! nginx's upstream callbacks: a request gets a peer and gives it back.
//!
//! The counterparts in nginx are `ngx_http_upstream_init_round_robin_peer`,
//! `…_get_round_robin_peer` and `…_free_round_robin_peer`.
//!
//! Most upstreams need little: what others need beside a peer stands in one word
//! ([`Extras`](super::upstream::Extras)), and its code is apart.

mod care;
mod copies;
mod names;
#[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
mod sessions;

use core::{
    ffi::c_void,
    ptr::{self, NonNull},
};

use ngx::ffi::{
    NGX_PEER_FAILED, ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t,
    ngx_peer_connection_t, ngx_str_t, ngx_uint_t,
};
use peer_zone::{KeyProgress, PickedPeer, RequestOutcome, Worker};

use super::{
    hash_key,
    request::RequestPeer,
    sticky,
    upstream::{Extras, HttpUpstream},
};
use crate::nginx::{
    callback::{ERROR, OK, guard},
    clock,
};

/// Called by nginx when a request comes to the upstream.
pub(crate) unsafe extern "C" fn init(
    request: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, and the upstream's configuration.
        let Some(upstream) = HttpUpstream::of(unsafe { &*us }) else { return ERROR };
        if upstream.extras.get().has(Extras::KEY.with(Extras::STICKY)) {
            // SAFETY: nginx passes a valid request, to an upstream of its own cycle.
            unsafe { init_with_care(upstream, request) }
        } else {
            // SAFETY: as above.
            unsafe { begin(upstream, request, None, None) }
        }
    })
}

/// As [`init`], where something of the request's decides which peer it gets.
///
/// # Safety
///
/// The request is valid, and comes to the upstream, which is of its cycle.
#[inline(never)]
unsafe fn init_with_care(
    upstream: &'static HttpUpstream,
    request: *mut ngx_http_request_t,
) -> ngx_int_t {
    let conf = upstream.settings();
    let method = upstream.method.get();
    let hash_key = if method.goes_by_request() {
        // SAFETY: the caller's promise.
        match unsafe { hash_key::key_of(method, upstream, request) } {
            Some(key) => Some(key),
            None => return ERROR,
        }
    } else {
        None
    };
    // SAFETY: as above.
    let sticky =
        conf.sticky.as_ref().and_then(|sticky| unsafe { sticky::cookie_of(request, sticky) });
    // SAFETY: as above.
    unsafe { begin(upstream, request, hash_key, sticky) }
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
    let tries = upstream.zone().map_or(0, |zone| zone.tries());
    // SAFETY: nginx has made the request's `upstream`, and is not called while this refers to it.
    let nginx = unsafe { &mut *(*request).upstream };
    nginx.peer.data = peer.cast();
    nginx.peer.get = Some(get);
    nginx.peer.free = Some(free);
    nginx.peer.tries = tries as ngx_uint_t;
    #[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
    {
        nginx.peer.set_session = Some(sessions::set_session);
        nginx.peer.save_session = Some(sessions::save_session);
    }
    OK
}

unsafe extern "C" fn get(connection: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes what `init` has set, for a request that lives, and nobody makes a
        // `&mut` to it.
        let peer = unsafe { &*data.cast::<RequestPeer>() };
        // SAFETY: nginx passes a valid connection. It stays a pointer: nginx has it too, and is
        // called below.
        unsafe {
            (*connection).set_cached(0);
            (*connection).connection = ptr::null_mut();
        }
        let extras = peer.upstream.extras.get();
        let mut first = None;
        if !extras.has(WITH_CARE) && peer.tried.is_empty() {
            // SAFETY: as above.
            let got = peer.upstream.with_worker(|worker| unsafe {
                if extras.has(Extras::KEY) {
                    pick_own_at_once(worker, connection, peer)
                } else {
                    let held = worker.pick_at_once(peer.upstream.method.get())?;
                    take(worker, connection, peer, held)
                }
            });
            match got {
                Some(Ok(())) if !extras.has(WITH_A_PEER) => return OK,
                // SAFETY: as above.
                Some(Ok(())) => return unsafe { care::prepare(connection, peer) },
                Some(Err(position)) => first = position,
                None => {}
            }
        }
        // SAFETY: as above.
        unsafe { care::get(connection, peer, first) }
    })
}

/// Where a request cannot get a peer at once.
const WITH_CARE: Extras = Extras::STICKY.with(Extras::SEARCH);

/// Where a request that has got a peer has more to do.
const WITH_A_PEER: Extras = Extras::DRAIN.with(Extras::KEEPALIVE).with(Extras::TIMES);

/// Where a request that gives its peer back has more to do.
const WITHOUT_A_PEER: Extras = WITH_A_PEER.with(Extras::CONNECTIONS);

/// A request gets the peer that something of its own is hashed to, if nothing special holds for
/// that one. The error is for [`care::get`].
///
/// # Safety
///
/// As for [`take`].
#[inline(never)]
unsafe fn pick_own_at_once(
    worker: &mut Worker,
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
) -> Result<(), Option<u64>> {
    let keyed = peer.keyed().ok_or(None)?;
    let mut progress = KeyProgress::default();
    let (method, own) = (peer.upstream.method.get(), keyed.hash_key.as_bytes());
    let held = worker.pick_own_at_once(method, own, &mut progress).ok_or(None)?;
    keyed.progress.set(progress);
    // SAFETY: the caller's promise.
    unsafe { take(worker, connection, peer, held) }
}

/// The request holds the peer from here on; nginx is told where it is. The error, if the request's
/// pool has no memory, is for [`care::get`].
///
/// # Safety
///
/// As for [`care::get`]. The request has tried no peer.
#[inline(always)]
unsafe fn take(
    worker: &mut Worker,
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
    held: PickedPeer,
) -> Result<(), Option<u64>> {
    let address = worker.request_address(&held);
    let Some(text) = copies::copy(peer, true, address.name_and_key) else {
        worker.release(held, RequestOutcome::Answered, None, clock::cached());
        return Err(None);
    };
    // SAFETY: the caller's promise; the place is the request's own.
    unsafe { copies::show(connection, peer, &address, (text, NonNull::from(&peer.name).cast())) };
    peer.tried.begin(held.id());
    peer.open.hold(held);
    Ok(())
}

unsafe extern "C" fn free(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: as in `get`.
        let peer = unsafe { &*data.cast::<RequestPeer>() };
        let upstream = peer.upstream;
        let is_special =
            state & NGX_PEER_FAILED as ngx_uint_t != 0 || upstream.extras.get().has(WITHOUT_A_PEER);
        if is_special
            || upstream.with_worker(|worker| peer.open.release_at_once(worker)) != Some(true)
        {
            // SAFETY: as nginx calls this.
            return unsafe { care::free(connection, peer, state) };
        }
        // SAFETY: nginx passes a valid connection.
        unsafe { (*connection).tries = (*connection).tries.saturating_sub(1) };
    });
}
