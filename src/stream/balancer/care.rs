//! nginx's upstream callbacks for sessions and upstreams that need more than a peer, and for all
//! that can go wrong.

use core::{
    ffi::c_void,
    ptr::{self, NonNull},
};

use ngx::ffi::{
    NGX_BUSY, NGX_LOG_WARN, NGX_PEER_FAILED, ngx_int_t, ngx_peer_connection_t, ngx_uint_t,
};
use peer_zone::{Connections, PickContext, RequestOutcome};

use crate::{
    nginx::{
        callback::{ERROR, OK, guard},
        clock, log,
        stream::NGX_STREAM_UPSTREAM_NOTIFY_CONNECT,
    },
    stream::{session::SessionPeer, statistics, upstream::StreamConf},
    upstream::{
        asker::{self, First, Refused, reset, without_this_try},
        report_uncounted,
    },
};

/// Called by nginx when a session needs a peer, whatever the upstream is like.
pub(super) unsafe extern "C" fn get_any(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    // SAFETY: nginx passes what `init` has set, for a session that lives, and nobody makes a `&mut`
    // to it. It passes a valid connection.
    unsafe {
        reset(connection);
        get(connection, &*data.cast::<SessionPeer>(), First::from(None))
    }
}

/// Gives a session a peer, whatever the upstream and the session are like. `first` is a position of
/// the method that the session has got already.
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
    peer: &SessionPeer,
    first: First,
) -> ngx_int_t {
    guard(ERROR, || {
        let (upstream, first) = (peer.upstream, first.into());
        // SAFETY: the caller's promise.
        unsafe { (*connection).notify = Some(notify) };
        // SAFETY: the caller's promise.
        let picked = upstream.with_worker(|worker| unsafe {
            asker::pick(worker, connection, peer, PickContext::default(), first, |_, _| true)
        });
        match picked {
            // SAFETY: as above.
            Some(Ok(())) => unsafe { enter(peer) },
            Some(Err(Refused::Failed)) => ERROR,
            // SAFETY: as above.
            Some(Err(Refused::NoGroup)) => unsafe { asker::refuse_group(connection, peer) },
            // nginx logs "no live upstreams".
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

/// Lists a session that has got its peer, if that may be drained.
///
/// # Safety
///
/// As for [`get`].
#[inline(never)]
pub(super) unsafe extern "C" fn enter(peer: &SessionPeer) -> ngx_int_t {
    guard(ERROR, || {
        if let Some(id) = peer.open.id() {
            peer.upstream.drains.enter(peer.upstream, &peer.open, id, false);
        }
        OK
    })
}

/// Called by nginx when a session is connected to its peer: that has answered, whenever the session
/// ends.
///
/// A session that got its peer at once has no need of it: the peer had no failures then, and those
/// that come later are not forgiven by an answer.
unsafe extern "C" fn notify(
    _connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    kind: ngx_uint_t,
) {
    guard((), || {
        if kind != NGX_STREAM_UPSTREAM_NOTIFY_CONNECT as ngx_uint_t {
            return;
        }
        // SAFETY: as in `get`.
        let peer = unsafe { &*data.cast::<SessionPeer>() };
        let now = clock::cached();
        peer.open.with_held(|held| {
            peer.upstream.with_worker(|worker| worker.note_answer(held, now));
        });
        peer.note_connect();
    });
}

/// Called by nginx when a session gives its peer back.
pub(super) unsafe extern "C" fn free(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: as in `get`.
        let peer = unsafe { &*data.cast::<SessionPeer>() };
        let upstream = peer.upstream;
        let is_drained = peer.open.is_drained();
        // What a drain ends is no fault of the peer's.
        let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0 && !is_drained;
        let outcome = if failed { RequestOutcome::Failed } else { RequestOutcome::Answered };
        // SAFETY: nginx calls this for a session that lives, and has its peer.
        unsafe { statistics::count(peer, failed) };
        if let Some(held) = peer.open.take() {
            upstream.drains.leave(upstream, &peer.open, held.id());
            let now = clock::cached();
            let goes_by_times = upstream.settings().goes_by_times();
            let times = if goes_by_times { peer.times(&held, outcome) } else { None };
            // SAFETY: the session lives.
            let conf = StreamConf::of_session(unsafe { &*peer.open.request });
            let is_disabled = upstream.with_worker(|worker| {
                if conf.is_some_and(|conf| conf.shows_connections.get()) {
                    let others = Connections::all(worker.connections_without(&held));
                    peer.left.set(Some(others));
                }
                worker.release_in(asker::picked_group(peer), held, outcome, times, now)
            });
            match is_disabled {
                Some(false) => {}
                Some(true) => {
                    // SAFETY: nginx passes a valid connection, with its log.
                    let log = unsafe { (*connection).log };
                    log::to(NGX_LOG_WARN, log, "upstream server temporarily disabled");
                }
                None => report_uncounted(),
            }
        }
        // What a drain has ended is no attempt.
        if !is_drained {
            // SAFETY: nginx passes a valid connection.
            unsafe { without_this_try(connection) };
        }
    });
}
