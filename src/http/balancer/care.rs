//! nginx's upstream callbacks for requests and upstreams that need more than a peer, and for all
//! that can go wrong.

use core::{
    ffi::c_void,
    ptr::{self, NonNull},
};

use ngx::ffi::{
    NGX_BUSY, NGX_DONE, NGX_LOG_WARN, NGX_PEER_FAILED, NGX_PEER_NEXT, ngx_int_t,
    ngx_peer_connection_t, ngx_uint_t,
};
use peer_zone::{PickContext, RequestOutcome, Worker};
#[cfg(nginx1_29_6)]
use upstream_peers::sid_id;

use super::names;
use crate::{
    http::{
        drain,
        keepalive::{self, connection_kind::ConnectionKind},
        request::RequestPeer,
        statistics,
        upstream::Extras,
        withdrawals,
    },
    nginx::{
        callback::{ERROR, OK, guard},
        clock, log,
    },
    upstream::{
        asker::{self, First, Refused, reset, without_this_try},
        report_uncounted,
    },
};

/// Called by nginx when a request needs a peer, whatever the upstream is like.
pub(super) unsafe extern "C" fn get_any(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    // SAFETY: nginx passes what `init` has set, for a request that lives, and nobody makes a `&mut`
    // to it. It passes a valid connection.
    unsafe {
        reset(connection);
        get(connection, &*data.cast::<RequestPeer>(), First::from(None))
    }
}

/// Gives a request a peer, whatever the upstream and the request are like. `first` is a position of
/// the method that the request has got already.
///
/// This and the other functions that `upstream::at_once` calls have a guard themselves: its
/// callbacks end with the call.
///
/// # Safety
///
/// As nginx calls `get`; `peer` is its data.
#[inline(never)]
pub(super) unsafe extern "C" fn get(
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
    first: First,
) -> ngx_int_t {
    guard(ERROR, || {
        let upstream = peer.upstream;
        #[cfg(nginx1_29_6)]
        if upstream.settings().takes_hints {
            // SAFETY: the caller has set it for this call, or nobody has.
            let hint = unsafe { (*connection).hint.as_ref() };
            peer.set_sticky(hint.map(|hint| sid_id(hint.as_bytes())));
        }
        let first = first.into();
        // SAFETY: the caller's promise.
        let picked =
            upstream.with_worker(|worker| unsafe { pick_for(worker, connection, peer, first) });
        match picked {
            // SAFETY: as above.
            Some(Ok(())) => unsafe { prepare(connection, peer) },
            Some(Err(Refused::Failed)) => ERROR,
            // SAFETY: as above.
            Some(Err(Refused::NoGroup)) => unsafe { asker::refuse_group(connection, peer) },
            // nginx answers "no live upstreams".
            Some(Err(Refused::Busy)) | None => {
                asker::count_no_peer(peer);
                let name = upstream.name.get().map_or(ptr::null_mut(), NonNull::as_ptr);
                // SAFETY: as above.
                unsafe { (*connection).name = name };
                NGX_BUSY as ngx_int_t
            }
        }
    })
}

/// Picks a peer, which the request holds then, and tells nginx where it is.
///
/// # Safety
///
/// As for [`asker::pick`].
#[inline]
unsafe fn pick_for(
    worker: &mut Worker,
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
    first: Option<u64>,
) -> Result<(), Refused> {
    let upstream = peer.upstream;
    let context = PickContext {
        sticky: peer.sticky(),
        grace: upstream.drains.grace(upstream),
        leaves_backups: upstream.settings().takes_hints,
        ..PickContext::default()
    };
    let is_sticky = upstream.extras.get().has(Extras::STICKY);
    // SAFETY: the caller's promise; the request asks for a peer, so that it has no answer yet.
    unsafe {
        asker::pick(worker, connection, peer, context, first, |worker, held| {
            !is_sticky || names::name_to_others(connection, worker, peer, held).is_some()
        })
    }
}

/// What an upstream needs of a request that has got its peer: an idle connection to it, if there is
/// one.
///
/// # Safety
///
/// As for [`get`].
#[inline(never)]
pub(super) unsafe extern "C" fn prepare(
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
) -> ngx_int_t {
    guard(ERROR, || {
        let upstream = peer.upstream;
        let (extras, now) = (upstream.extras.get(), clock::cached().milliseconds);
        let place = peer.open.place();
        let Some(of_peer) = place.and_then(|place| upstream.peer_of(place)) else { return ERROR };
        if extras.has(Extras::DRAIN)
            && let Some(id) = peer.open.id()
        {
            upstream.drains.enter(upstream, &peer.open, id, peer.sticky().is_some());
        }
        if extras.has(Extras::TIMES) {
            peer.picked.set(now as u32);
        }
        let Some(keepalive) = &upstream.settings().keepalive else { return OK };
        withdrawals::read(upstream, now);
        // SAFETY: the request lives, and nginx initialises an upstream before it asks for a peer.
        let kind = unsafe { ConnectionKind::of_connection(peer.open.request, keepalive.is_local) };
        peer.kind.set(kind);
        let Some(kind) = kind else { return ERROR };
        // SAFETY: the caller's promise.
        let log = unsafe { (*connection).log };
        let Some(idle) = keepalive::take_idle(upstream, of_peer, kind, log) else { return OK };
        // SAFETY: as above.
        unsafe {
            (*connection).connection = idle.as_ptr();
            (*connection).set_cached(1);
        }
        NGX_DONE as ngx_int_t
    })
}

/// Called by nginx when a request gives its peer back, whatever the upstream is like and however
/// the request has gone.
#[inline(never)]
pub(super) unsafe extern "C" fn free(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: nginx passes what `init` has set, for a request that lives, and nobody makes a
        // `&mut` to it.
        let peer = unsafe { &*data.cast::<RequestPeer>() };
        let upstream = peer.upstream;
        let is_drained = peer.open.is_drained();
        if is_drained {
            // SAFETY: the request lives, and so does its client's connection.
            unsafe { drain::linger((*peer.open.request).connection) };
        }
        // What a drain closes is no fault of the peer's.
        let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0 && !is_drained;
        let outcome = if failed { RequestOutcome::Failed } else { RequestOutcome::Answered };
        // SAFETY: nginx calls this for a request that lives, and has its peer.
        unsafe { statistics::count_any(peer, connection, state) };
        if let Some(held) = peer.open.take() {
            let (id, of_peer) = (held.id(), upstream.peer_of((held.index(), held.id())));
            upstream.drains.leave(upstream, &peer.open, id);
            // A peer that has left meanwhile is to have no idle connections.
            if let (Some(kind), Some(of_peer)) = (peer.kind.get(), of_peer)
                && !failed
                && !is_drained
                && upstream.with_worker(|worker| worker.is_in_service(&held)) == Some(true)
            {
                // SAFETY: nginx passes the connection of the request's upstream, and nothing here
                // refers to either.
                unsafe {
                    keepalive::keep_idle(upstream, of_peer, kind, connection, peer.nginx());
                }
            }
            let now = clock::cached();
            let extras = upstream.extras.get();
            let times = if extras.has(Extras::TIMES) {
                let is_passed_on = state & (NGX_PEER_FAILED | NGX_PEER_NEXT) as ngx_uint_t == 0;
                peer.times(&held, outcome, is_passed_on, now)
            } else {
                None
            };
            let is_disabled = upstream.with_worker(|worker| {
                if extras.has(Extras::CONNECTIONS)
                    && let Some(shown) = peer.shown()
                {
                    shown.left.set(Some(worker.connections_without(&held)));
                }
                worker.release_in(asker::picked_group(peer), held, outcome, times, now)
            });
            match is_disabled {
                Some(false) => {}
                Some(true) => {
                    // SAFETY: nginx passes a valid connection, with its log.
                    let log = unsafe { (*connection).log };
                    log::to(NGX_LOG_WARN, log, "upstream server temporarily disabled");
                    keepalive::close_failed(upstream, id);
                }
                None => report_uncounted(),
            }
        }
        // SAFETY: as above.
        unsafe {
            without_this_try(connection);
            if is_drained && (*connection).tries == 0 && peer.may_try_again() {
                (*connection).tries = 1;
            }
        }
    });
}
