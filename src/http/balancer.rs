//! nginx's upstream callbacks: a request gets a peer and gives it back.
//!
//! The counterparts in nginx are `ngx_http_upstream_init_round_robin_peer`,
//! `…_get_round_robin_peer` and `…_free_round_robin_peer`.

use core::{
    ffi::c_void,
    ptr::{self, NonNull},
};

use ngx::ffi::{
    NGX_BUSY, NGX_DONE, NGX_LOG_WARN, NGX_PEER_FAILED, NGX_PEER_NEXT, ngx_http_request_t,
    ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_palloc, ngx_peer_connection_t, ngx_pnalloc,
    ngx_pool_t, ngx_str_t, ngx_uint_t, sockaddr, socklen_t,
};
use peer_zone::{KeyProgress, Now, Pick, PickContext, RequestOutcome, Worker};
#[cfg(nginx1_29_6)]
use {
    peer_zone::PickedPeer,
    upstream_peers::{sid, sid_id},
};

#[cfg(ngx_feature = "http_ssl")]
use super::keepalive::tls_sessions;
use super::{
    drain, hash_key,
    keepalive::{self, connection_kind::ConnectionKind},
    request::{COPIES, RequestPeer},
    sticky,
    upstream::HttpUpstream,
    withdrawals,
};
use crate::nginx::{
    callback::{ERROR, OK, guard},
    clock, log,
};

/// Called by nginx when a request comes to the upstream.
pub(crate) unsafe extern "C" fn init(
    request: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, and the upstream's configuration.
        let Some(upstream) = HttpUpstream::of(unsafe { &*us }) else { return ERROR };
        let conf = upstream.settings();
        let method = conf.balance();
        let hash_key = if method.goes_by_request() {
            // SAFETY: nginx passes a valid request, to an upstream of its own cycle.
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
        let made = unsafe { RequestPeer::make(request, upstream, hash_key, sticky) };
        let peer = match made {
            Ok(peer) => peer,
            Err(code) => return code,
        };
        let tries = upstream.zone().map_or(0, |zone| zone.tries());
        // SAFETY: nginx has made the request's `upstream`, and is not called while this refers to
        // it.
        let nginx = unsafe { &mut *(*request).upstream };
        nginx.peer.data = peer.cast();
        nginx.peer.get = Some(get);
        nginx.peer.free = Some(free);
        nginx.peer.tries = tries as ngx_uint_t;
        #[cfg(any(ngx_feature = "http_ssl", ngx_feature = "compat"))]
        {
            nginx.peer.set_session = Some(set_session);
            nginx.peer.save_session = Some(save_session);
        }
        OK
    })
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

        let upstream = peer.upstream;
        #[cfg(nginx1_29_6)]
        if upstream.settings().takes_hints {
            // SAFETY: the caller has set it for this call, or nobody has.
            let hint = unsafe { (*connection).hint.as_ref() };
            peer.set_sticky(hint.map(|hint| sid_id(hint.as_bytes())));
        }
        let now = clock::cached();
        // SAFETY: as above.
        let picked = upstream.with_worker(|worker| unsafe { pick(worker, connection, peer, now) });
        let id = match picked {
            Some(Ok(id)) => id,
            Some(Err(Refused::Failed)) => return ERROR,
            // nginx answers "no live upstreams".
            Some(Err(Refused::Busy)) | None => {
                let name = upstream.name.get().map_or(ptr::null_mut(), NonNull::as_ptr);
                // SAFETY: as above.
                unsafe { (*connection).name = name };
                return NGX_BUSY as ngx_int_t;
            }
        };
        upstream.drains.enter(upstream, &peer.open, id, peer.sticky().is_some());
        peer.picked.set(now.milliseconds as u32);
        let Some(keepalive) = &upstream.settings().keepalive else { return OK };
        withdrawals::read(upstream, now.milliseconds);
        // SAFETY: the request lives, and nginx initialises an upstream before it asks for a peer.
        let kind = unsafe { ConnectionKind::of_connection(peer.open.request, keepalive.is_local) };
        peer.kind.set(kind);
        let Some(kind) = kind else { return ERROR };
        // SAFETY: as above.
        let log = unsafe { (*connection).log };
        let Some(idle) = keepalive::take_idle(upstream, id, kind, log) else { return OK };
        // SAFETY: as above.
        unsafe {
            (*connection).connection = idle.as_ptr();
            (*connection).set_cached(1);
        }
        NGX_DONE as ngx_int_t
    })
}

/// Why a request gets no peer.
enum Refused {
    /// There is none that could be had.
    Busy,
    /// Memory is short.
    Failed,
}

/// Picks a peer, which the request holds then, and tells nginx where it is. Returns its id.
///
/// # Safety
///
/// `connection` is the one that nginx asks for a peer for; no reference to it is in use.
#[inline]
unsafe fn pick(
    worker: &mut Worker,
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
    now: Now,
) -> Result<u64, Refused> {
    let (upstream, pool) = (peer.upstream, peer.pool());
    let conf = upstream.settings();
    let tried = &peer.tried;
    let keyed = peer.keyed();
    let context = PickContext {
        method: conf.balance(),
        key: keyed.map_or(&[], |keyed| keyed.hash_key.as_bytes()),
        sticky: peer.sticky(),
        grace: upstream.drains.grace(upstream),
        leaves_backups: conf.takes_hints,
    };
    let mut progress = keyed.map_or_else(KeyProgress::default, |keyed| keyed.progress.get());
    let picked =
        worker.pick(&context, &mut progress, now, |id| tried.contains(id), !tried.is_empty());
    if let Some(keyed) = keyed {
        keyed.progress.set(progress);
    }
    let held = match picked {
        Pick::Peer(held) => held,
        Pick::Busy => return Err(Refused::Busy),
    };
    let (socket_address, name, key) = worker.address(&held);
    // SAFETY: the caller's promise.
    unsafe {
        (*connection).sockaddr = socket_address.as_ptr().cast_mut().cast::<sockaddr>();
        // A socket address is at most as long as a `sockaddr_un`.
        (*connection).socklen = socket_address.len() as socklen_t;
    }
    let is_first = tried.is_empty();
    let place = if is_first { NonNull::new(peer.name.as_ptr()) } else { further_name(pool) };
    // SAFETY: the room is of this size, and only the first try writes there.
    let copies = unsafe {
        let room = if is_first { (peer.copies.get().cast(), COPIES) } else { (ptr::null_mut(), 0) };
        copy(room, pool, name, key)
    };
    let noted = tried.push(held.id(), pool);
    let named = match (&conf.sticky, held.sticky()) {
        // SAFETY: the request asks for a peer, so that it has no answer yet.
        (Some(sticky), Some(id)) => unsafe { sticky::set_cookie(peer.open.request, sticky, id) },
        _ => Some(()),
    };
    #[cfg(nginx1_29_6)]
    let named = match named {
        Some(()) if conf.takes_hints => {
            // SAFETY: the caller's promise.
            unsafe { name_to_others(connection, worker, (&held, name), pool) }
        }
        named => named,
    };
    let (Some((name, key)), Some(place), Some(()), Some(())) = (copies, place, noted, named) else {
        worker.release(held, RequestOutcome::Answered, None, now);
        return Err(Refused::Failed);
    };
    peer.set_key(key);
    // SAFETY: the place is the request's own, or was given out just now, aligned for any type;
    // nothing refers to it yet. The rest is the caller's promise.
    unsafe {
        place.write(name);
        (*connection).name = place.as_ptr();
    }
    let id = held.id();
    peer.open.hold(held);
    Ok(id)
}

/// Tells the modules before this one the name of the peer that the request has got, as nginx's own
/// methods do: its route, or what is made of its address.
///
/// `None` where the request's pool has no memory.
///
/// # Safety
///
/// As for [`pick`].
#[cfg(nginx1_29_6)]
unsafe fn name_to_others(
    connection: *mut ngx_peer_connection_t,
    worker: &mut Worker,
    (held, address): (&PickedPeer, &[u8]),
    pool: *mut ngx_pool_t,
) -> Option<()> {
    // SAFETY: the pool is the request's, and gives out memory that is aligned for any type.
    let copied = |name: &[u8]| unsafe {
        let place = NonNull::new(ngx_palloc(pool, size_of::<ngx_str_t>()).cast::<ngx_str_t>())?;
        place.write(ngx_str_t::from_bytes(pool, name)?);
        Some(place)
    };
    let name = worker.with_route(held, |route| match route {
        Some(route) => copied(route),
        None => copied(&sid(address)),
    });
    // SAFETY: the caller's promise.
    unsafe { (*connection).sid = name?.as_ptr() };
    Some(())
}

/// A place for the name of a further try: `$upstream_addr` shows those before, each by the pointer
/// that nginx got.
fn further_name(pool: *mut ngx_pool_t) -> Option<NonNull<ngx_str_t>> {
    // SAFETY: the pool is the request's.
    NonNull::new(unsafe { ngx_palloc(pool, size_of::<ngx_str_t>()) }.cast())
}

/// Copies both, one behind the other, into the room where it is enough, else into the pool.
///
/// # Safety
///
/// The room has this size, and nothing refers to it.
unsafe fn copy(
    (room, size): (*mut u8, usize),
    pool: *mut ngx_pool_t,
    name: &[u8],
    key: &[u8],
) -> Option<(ngx_str_t, ngx_str_t)> {
    let length = name.len() + key.len();
    let start = if length <= size {
        room
    } else {
        // SAFETY: the pool is the request's.
        NonNull::new(unsafe { ngx_pnalloc(pool, length) }.cast::<u8>())?.as_ptr()
    };
    // SAFETY: there is room for as many bytes as are written.
    unsafe {
        ptr::copy_nonoverlapping(name.as_ptr(), start, name.len());
        let behind = start.add(name.len());
        ptr::copy_nonoverlapping(key.as_ptr(), behind, key.len());
        Some((
            ngx_str_t { len: name.len(), data: start },
            ngx_str_t { len: key.len(), data: behind },
        ))
    }
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
        let is_drained = peer.open.is_drained.get();
        if is_drained {
            // SAFETY: the request lives, and so does its client's connection.
            unsafe { drain::linger((*peer.open.request).connection) };
        }
        // What a drain closes is no fault of the peer's.
        let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0 && !is_drained;
        let outcome = if failed { RequestOutcome::Failed } else { RequestOutcome::Answered };
        if let Some(held) = peer.open.take() {
            let id = held.id();
            upstream.drains.leave(upstream, &peer.open, id);
            // A peer that has left meanwhile is to have no idle connections.
            if let Some(kind) = peer.kind.get()
                && !failed
                && !is_drained
                && upstream.with_worker(|worker| worker.is_in_service(&held)) == Some(true)
            {
                // SAFETY: nginx passes the connection of the request's upstream, and nothing here
                // refers to either.
                unsafe {
                    keepalive::keep_idle(upstream, id, kind, connection, peer.open.upstream());
                }
            }
            let now = clock::cached();
            let is_passed_on = state & (NGX_PEER_FAILED | NGX_PEER_NEXT) as ngx_uint_t == 0;
            let times = peer.times(outcome, is_passed_on, now);
            let is_disabled = upstream.with_worker(|worker| {
                if upstream.shows_connections.get() {
                    peer.left.set(Some(worker.connections_without(&held)));
                }
                worker.release(held, outcome, times, now)
            });
            match is_disabled {
                Some(false) => {}
                Some(true) => {
                    // SAFETY: nginx passes a valid connection, with its log.
                    let log = unsafe { (*connection).log };
                    log::to(NGX_LOG_WARN, log, "upstream server temporarily disabled");
                    keepalive::close_failed(upstream, id);
                }
                // The zone keeps the peer's memory for as long as it counts the request.
                None => log::error(
                    "etcd: internal error: a request cannot be uncounted; its peer counts it \
                     until this process ends",
                ),
            }
        }
        // SAFETY: as above.
        unsafe {
            (*connection).tries = (*connection).tries.saturating_sub(1);
            if is_drained && (*connection).tries == 0 && peer.may_try_again() {
                (*connection).tries = 1;
            }
        }
    });
}

/// Called by nginx before a connection to the peer shakes hands, where `proxy_ssl_session_reuse` is
/// on.
#[cfg(ngx_feature = "http_ssl")]
unsafe extern "C" fn set_session(
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
            tls_sessions::offer(peer.upstream, id, kind, connection)
        }
    })
}

/// Called by nginx when a connection to the peer has agreed on a session; with TLS 1.3 that is
/// after the handshake, and may be several times.
#[cfg(ngx_feature = "http_ssl")]
unsafe extern "C" fn save_session(connection: *mut ngx_peer_connection_t, data: *mut c_void) {
    guard((), || {
        // SAFETY: as in `set_session`.
        unsafe {
            let (connection, peer) = ((*connection).connection, &*data.cast::<RequestPeer>());
            let Some(id) = peer.open.id() else { return };
            let Some(kind) = ConnectionKind::of_session(peer.open.request) else { return };
            tls_sessions::save(peer.upstream, id, kind, connection);
        }
    });
}

/// An nginx without TLS has places for both, and never calls them.
#[cfg(all(ngx_feature = "compat", not(ngx_feature = "http_ssl")))]
unsafe extern "C" fn set_session(
    _connection: *mut ngx_peer_connection_t,
    _data: *mut c_void,
) -> ngx_int_t {
    OK
}

#[cfg(all(ngx_feature = "compat", not(ngx_feature = "http_ssl")))]
unsafe extern "C" fn save_session(_connection: *mut ngx_peer_connection_t, _data: *mut c_void) {}
