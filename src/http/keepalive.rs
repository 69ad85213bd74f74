//! Idle connections to peers, kept for requests to come: what nginx's `keepalive` is, but found by
//! peer.
//!
//! The counterpart in nginx is ngx_http_upstream_keepalive_module.c, whose rules hold here: which
//! connection may be kept, for how long, and how its end is noticed. nginx has one list for each
//! upstream, which is walked at each request. Here one cache serves all upstreams of a worker
//! process, so that there is a total, and a connection is found in constant time
//! (`crates/idle-cache`).
//!
//! A connection goes only to a request that would have made the same one (`connection_kind.rs`).
//! Where connections are kept by default, which nobody has asked for, each location has its own, as
//! with nginx's.

mod connection;
pub(crate) mod connection_kind;

use core::ptr::{self, NonNull};

use idle_cache::{IdleCache, Insertion, Peer, Slot};
use ngx::ffi::{
    ngx_connection_t, ngx_cycle_t, ngx_event_t, ngx_http_upstream_t, ngx_log_t,
    ngx_peer_connection_t,
};
use peer_zone::Withdrawn;

use self::connection_kind::ConnectionKind;
use super::upstream::HttpUpstream;
use crate::{
    config::Keepalive,
    nginx::{bell, callback::guard, exclusive::OfProcess, list::List},
    upstream::Upstream,
};

/// A worker's idle connections are at most one in as many of its `worker_connections`: the other
/// half is for clients, and for what is in use.
const SHARE_OF_CONNECTIONS: usize = 2;

/// The idle connections of this process.
struct Idle {
    /// Where the upstreams are that they belong to.
    cycle: *const ngx_cycle_t,
    cache: IdleCache<NonNull<ngx_connection_t>>,
}

/// Those of this process.
// SAFETY: only callbacks of the event loop come here.
static IDLE: OfProcess<Idle> = unsafe { OfProcess::new() };

/// Calls `call` with them, for an upstream that keeps connections.
#[inline]
fn with_idle<R>(upstream: &Upstream, call: impl FnOnce(&mut Idle, &Keepalive) -> R) -> Option<R> {
    let keepalive = upstream.settings().keepalive.as_ref()?;
    // A process that is master and worker at once may still have requests of an earlier cycle,
    // whose upstreams are numbered otherwise.
    IDLE.with(|idle| upstream.is_of(idle.cycle).then(|| call(idle, keepalive))).flatten()
}

/// Makes room for idle connections, in a worker process that starts, where an upstream keeps any.
/// All upstreams together can have so many `peers`.
pub(crate) fn start(cycle: &ngx_cycle_t, upstreams: &List<HttpUpstream>, peers: usize) {
    stop();
    if !upstreams.iter().any(|upstream| upstream.settings().keepalive.is_some()) {
        return;
    }
    let cache = IdleCache::new(cycle.connection_n / SHARE_OF_CONNECTIONS, peers);
    replace(Some(Idle { cycle, cache }));
}

/// Closes all of them, and keeps none from here on.
pub(crate) fn stop() {
    close_all();
    replace(None);
}

fn replace(idle: Option<Idle>) {
    IDLE.replace(idle).map(drop).unwrap_or_else(|lent| lent.report("the cache of connections"));
}

/// How many idle connections this process keeps.
pub(crate) fn count() -> usize {
    IDLE.with(|idle| idle.cache.len()).unwrap_or_default()
}

/// Closes all idle connections of this process.
pub(crate) fn close_all() {
    while let Some(connection) = IDLE.with(|idle| idle.cache.pop()).flatten() {
        // SAFETY: it was in the cache, and so is open and nobody else's.
        unsafe { connection::close(connection.as_ptr()) };
    }
}

/// Closes the idle connections to a peer that is not to have any: it is removed, drains or has
/// failed.
pub(crate) fn close_peer(upstream: &HttpUpstream, id: u64) {
    let Some(peer) = upstream.peer(id) else { return };
    let next = || with_idle(upstream, |idle, _| idle.cache.pop_peer(peer)).flatten();
    while let Some(connection) = next() {
        // SAFETY: as in `close_all`.
        unsafe { connection::close(connection.as_ptr()) };
    }
}

/// Closes the idle connections to a peer that has failed just now, in all workers.
pub(crate) fn close_failed(upstream: &HttpUpstream, id: u64) {
    close_peer(upstream, id);
    bell::ring();
}

/// Closes the idle connections to a peer that has left the service.
pub(crate) fn close_departed(upstream: &HttpUpstream, departed: Withdrawn) {
    match departed {
        Withdrawn::Peer(id) => close_peer(upstream, id),
        Withdrawn::Many if with_idle(upstream, |_, _| ()).is_some() => close_all(),
        Withdrawn::Many => {}
    }
}

/// An idle connection to the peer of that kind, made ready for a request that logs to `log`: that
/// which was used last, since it is the least likely to be closed by the peer just now.
#[inline]
pub(crate) fn take_idle(
    upstream: &HttpUpstream,
    peer: Peer,
    kind: ConnectionKind,
    log: *mut ngx_log_t,
) -> Option<NonNull<ngx_connection_t>> {
    let connection =
        with_idle(upstream, |idle, _| idle.cache.take_newest(peer, kind.to_number()))??;
    // SAFETY: it was in the cache, and so is open and nobody else's; the log is the request's,
    // which now has the connection.
    unsafe { connection::make_active(connection.as_ptr(), log) };
    Some(connection)
}

/// Keeps a request's connection to the peer, which is of that kind, and takes it out of `peer`,
/// where nothing speaks against it. The request has not failed.
///
/// # Safety
///
/// `request` is what nginx keeps of a request's way through an upstream, and `peer` is a part of
/// it. No reference to either is in use.
pub(crate) unsafe fn keep_idle(
    upstream: &HttpUpstream,
    of_peer: Peer,
    kind: ConnectionKind,
    peer: *mut ngx_peer_connection_t,
    request: *const ngx_http_upstream_t,
) {
    let Some(keepalive) = &upstream.settings().keepalive else { return };
    // SAFETY: the caller's promise.
    let Some(connection) = NonNull::new(unsafe { (*peer).connection }) else { return };
    // SAFETY: the caller's promise; the request's connection is open.
    if !unsafe { connection::may_rest(connection.as_ptr(), keepalive, request) } {
        return;
    }
    let kept = with_idle(upstream, |idle, keepalive| {
        idle.cache.insert(of_peer, kind.to_number(), keepalive.connections, connection)
    });
    let Some(Some(Insertion { slot, evicted })) = kept else { return };
    // SAFETY: the caller's promise. The one connection is the cache's alone from here on, the other
    // was until now.
    unsafe {
        (*peer).connection = ptr::null_mut();
        if let Some(evicted) = evicted {
            connection::close(evicted.as_ptr());
        }
        connection::make_idle(connection.as_ptr(), slot, keepalive.timeout, on_idle_event);
        let read = (*connection.as_ptr()).read;
        if (*read).ready() != 0 {
            on_idle_event(read);
        }
    }
}

/// Called by nginx when something comes on an idle connection, when its time is up, and when the
/// worker is to end: whatever a peer says unasked, it is the end.
unsafe extern "C" fn on_idle_event(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: nginx calls this with the read event of an idle connection, whose `data` `rest`
        // has set.
        unsafe {
            let connection = (*event).data.cast::<ngx_connection_t>();
            if connection::is_quiet(connection) {
                return;
            }
            let slot = Slot::from_number((*connection).data.addr());
            IDLE.with(|idle| idle.cache.remove(slot));
            connection::close(connection);
        }
    });
}
