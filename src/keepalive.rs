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

use core::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
};

use idle_cache::{IdleCache, Insertion, Slot};
use ngx::ffi::{
    ngx_connection_t, ngx_cycle_t, ngx_event_t, ngx_http_upstream_t, ngx_log_t, ngx_msec_t,
    ngx_peer_connection_t,
};

use peer_zone::Withdrawn;

use crate::{
    conf::{MainConf, UpstreamConf},
    connection_kind::Kind,
    module::guard,
};

/// A worker's idle connections are at most one in as many of its `worker_connections`: the other
/// half is for clients, and for what is in use.
const SHARE_OF_CONNECTIONS: usize = 2;

/// What `etcd_keepalive` says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    /// The most idle connections to a peer, in each worker.
    pub(crate) connections: usize,
    /// After as many requests a connection is closed.
    pub(crate) requests: usize,
    /// At this age, in milliseconds, a connection is closed after its request.
    pub(crate) time: ngx_msec_t,
    /// How long, in milliseconds, a connection stays idle.
    pub(crate) timeout: ngx_msec_t,
    /// A location uses no other's connections.
    pub(crate) is_local: bool,
}

/// The idle connections of this process.
struct Idle {
    /// Where the upstreams are that they belong to.
    cycle: *mut ngx_cycle_t,
    cache: IdleCache<NonNull<ngx_connection_t>>,
}

/// Those of this process, or null. Only the event loop comes here.
static IDLE: AtomicPtr<Idle> = AtomicPtr::new(ptr::null_mut());

/// The cache. The reference is to be gone before any other function of this file is called.
fn idle() -> Option<&'static mut Idle> {
    // SAFETY: `start` made it so, and `stop` takes it out before it frees it; a process has one
    // thread that comes here.
    unsafe { IDLE.load(Ordering::Relaxed).as_mut() }
}

/// As `idle`, for an upstream that keeps connections.
fn idle_of(conf: &UpstreamConf) -> Option<(&'static mut Idle, &Keepalive)> {
    let keepalive = conf.keepalive.as_ref()?;
    // A process that is master and worker at once may still have requests of an earlier cycle,
    // whose upstreams are numbered otherwise.
    let idle = idle().filter(|idle| ptr::eq(idle.cycle, conf.cycle))?;
    Some((idle, keepalive))
}

/// Makes room for idle connections, in a worker process that starts, where an upstream keeps any.
pub(crate) fn start(cycle: &mut ngx_cycle_t, main: &MainConf) {
    stop();
    if !main.upstreams().any(|upstream| upstream.keepalive.is_some()) {
        return;
    }
    let cache = IdleCache::new(cycle.connection_n / SHARE_OF_CONNECTIONS);
    IDLE.store(Box::into_raw(Box::new(Idle { cycle, cache })), Ordering::Relaxed);
}

/// Closes all of them, and keeps none from here on.
pub(crate) fn stop() {
    close_all();
    let idle = IDLE.swap(ptr::null_mut(), Ordering::Relaxed);
    if !idle.is_null() {
        // SAFETY: `start` made it so, and nothing else refers to it any more.
        drop(unsafe { Box::from_raw(idle) });
    }
}

/// How many idle connections this process keeps.
pub(crate) fn count() -> usize {
    idle().map_or(0, |idle| idle.cache.len())
}

/// Closes all idle connections of this process.
pub(crate) fn close_all() {
    while let Some(connection) = idle().and_then(|idle| idle.cache.pop()) {
        // SAFETY: it was in the cache, and so is open and nobody else's.
        unsafe { connection::close(connection.as_ptr()) };
    }
}

/// Closes the idle connections to a peer that is not to have any: it is removed, drains or has
/// failed.
pub(crate) fn close_peer(conf: &UpstreamConf, id: u64) {
    let Some(peer) = idle_of(conf).and_then(|_| conf.key_of(id)) else { return };
    while let Some(connection) = idle().and_then(|idle| idle.cache.pop_peer(peer)) {
        // SAFETY: as in `close_all`.
        unsafe { connection::close(connection.as_ptr()) };
    }
}

/// Closes the idle connections to a peer that has left the service.
pub(crate) fn close_departed(conf: &UpstreamConf, departed: Withdrawn) {
    match departed {
        Withdrawn::Peer(id) => close_peer(conf, id),
        Withdrawn::Many if idle_of(conf).is_some() => close_all(),
        Withdrawn::Many => {}
    }
}

/// An idle connection to the peer of that kind, made ready for a request that logs to `log`: that
/// which was used last, since it is the least likely to be closed by the peer just now.
pub(crate) fn take(
    conf: &UpstreamConf,
    id: u64,
    kind: Kind,
    log: *mut ngx_log_t,
) -> Option<NonNull<ngx_connection_t>> {
    let (idle, _) = idle_of(conf)?;
    let connection = idle.cache.take_newest(conf.key_of(id)?, kind.to_number())?;
    // SAFETY: it was in the cache, and so is open and nobody else's; the log is the request's,
    // which now has the connection.
    unsafe { connection::wake(connection.as_ptr(), log) };
    Some(connection)
}

/// Keeps a request's connection to the peer, which is of that kind, and takes it out of `peer`,
/// where nothing speaks against it. The request has not failed.
pub(crate) fn keep(
    conf: &UpstreamConf,
    id: u64,
    kind: Kind,
    peer: &mut ngx_peer_connection_t,
    upstream: &ngx_http_upstream_t,
) {
    let Some((idle, keepalive)) = idle_of(conf) else { return };
    let Some(of_peer) = conf.key_of(id) else { return };
    let Some(connection) = NonNull::new(peer.connection) else { return };
    // SAFETY: the request's connection is open.
    if !unsafe { connection::may_rest(connection.as_ptr(), keepalive, upstream) } {
        return;
    }
    let Insertion { slot, evicted } =
        idle.cache.insert(of_peer, kind.to_number(), keepalive.connections, connection);
    peer.connection = ptr::null_mut();
    // SAFETY: the one is the cache's alone from here on, the other was until now.
    unsafe {
        if let Some(evicted) = evicted {
            connection::close(evicted.as_ptr());
        }
        connection::rest(connection.as_ptr(), slot, keepalive.timeout, on_word);
        let read = (*connection.as_ptr()).read;
        if (*read).ready() != 0 {
            on_word(read);
        }
    }
}

/// Called by nginx when something comes on an idle connection, when its time is up, and when the
/// worker is to end: whatever a peer says unasked, it is the end.
unsafe extern "C" fn on_word(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: nginx calls this with the read event of an idle connection, whose `data` `rest`
        // has set.
        unsafe {
            let connection = (*event).data.cast::<ngx_connection_t>();
            if connection::is_quiet(connection) {
                return;
            }
            if let Some(idle) = idle() {
                idle.cache.remove(Slot::from_number((*connection).data.addr()));
            }
            connection::close(connection);
        }
    });
}
