//! TLS sessions with peers: a new connection resumes what an earlier one has agreed on
//! (`proxy_ssl_session_reuse`), which spares both sides the most expensive part of the handshake.
//!
//! The counterparts in nginx are `ngx_http_upstream_set_round_robin_peer_session` and `…_save_…`,
//! which keep the last session of each peer. Here it is the last of each peer and kind: a session
//! that was agreed on for one server name, or with one client certificate, must not stand for
//! another. Each worker has its own, in a bounded cache (`crates/idle-cache`); those of a peer go
//! when it leaves.

use core::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
};

use idle_cache::{IdleCache, Insertion};
use ngx::ffi::{
    SSL_SESSION, SSL_SESSION_free, ngx_connection_t, ngx_cycle_t, ngx_int_t, ngx_ssl_get_session,
    ngx_ssl_set_session,
};
use peer_zone::Withdrawn;

use crate::{
    conf::{MainConf, UpstreamConf},
    connection_kind::Kind,
};

/// Sessions that a worker keeps. One takes some 5 kB, most of it the node's certificates: 80 MB
/// where so many peers have one.
const SESSIONS: usize = 16_384;

/// Sessions of a peer. More than one where locations speak to it with different settings, or server
/// names come from variables: with more names by turns than this none would ever be resumed.
const PER_PEER: usize = 256;

/// The sessions of this process.
struct Sessions {
    /// Where the upstreams are that they belong to.
    cycle: *mut ngx_cycle_t,
    cache: IdleCache<Session>,
}

/// OpenSSL's session, of which this is one reference.
struct Session(NonNull<SSL_SESSION>);

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: `save` got the reference, and nobody else gives it back.
        unsafe { SSL_SESSION_free(self.0.as_ptr()) };
    }
}

/// Those of this process, or null. Only the event loop comes here.
static OWN: AtomicPtr<Sessions> = AtomicPtr::new(ptr::null_mut());

fn own(cycle: *const ngx_cycle_t) -> Option<&'static mut Sessions> {
    // SAFETY: `start` made it so, and `stop` takes it out before it frees it; a process has one
    // thread that comes here, and no function here calls another with the reference.
    let sessions = unsafe { OWN.load(Ordering::Relaxed).as_mut() }?;
    // A process that is master and worker at once may still have requests of an earlier cycle,
    // whose upstreams are numbered otherwise.
    ptr::eq(sessions.cycle, cycle).then_some(sessions)
}

/// Makes room for sessions, in a worker process that starts, where there are upstreams.
pub(crate) fn start(cycle: &mut ngx_cycle_t, main: &MainConf) {
    stop();
    if main.upstreams.is_empty() {
        return;
    }
    let cache = IdleCache::new(SESSIONS);
    OWN.store(Box::into_raw(Box::new(Sessions { cycle, cache })), Ordering::Relaxed);
}

/// Frees all of them, and keeps none from here on.
pub(crate) fn stop() {
    let sessions = OWN.swap(ptr::null_mut(), Ordering::Relaxed);
    if !sessions.is_null() {
        // SAFETY: `start` made it so, and nothing else refers to it any more.
        drop(unsafe { Box::from_raw(sessions) });
    }
}

/// How many this process has.
pub(crate) fn count() -> usize {
    // SAFETY: as in `own`.
    unsafe { OWN.load(Ordering::Relaxed).as_ref() }.map_or(0, |sessions| sessions.cache.len())
}

/// Whether there are any, of upstreams of this cycle.
pub(crate) fn has_any(cycle: *const ngx_cycle_t) -> bool {
    own(cycle).is_some_and(|sessions| !sessions.cache.is_empty())
}

/// Offers the session of the peer and kind, if there is one, in a connection that is about to shake
/// hands.
///
/// # Safety
///
/// The connection is open, and TLS has been made ready for it.
pub(crate) unsafe fn offer(
    conf: &UpstreamConf,
    id: u64,
    kind: Kind,
    connection: *mut ngx_connection_t,
) -> ngx_int_t {
    let session = own(conf.cycle)
        .zip(conf.key_of(id))
        .and_then(|(sessions, peer)| sessions.cache.peek(peer, kind.to_number()))
        .map_or(ptr::null_mut(), |session| session.0.as_ptr());
    // SAFETY: the caller's promise. OpenSSL takes a reference of its own; null is no session.
    unsafe { ngx_ssl_set_session(connection, session) }
}

/// Keeps the session that a connection has agreed on, in the place of the one before.
///
/// # Safety
///
/// The connection is open, with TLS.
pub(crate) unsafe fn save(
    conf: &UpstreamConf,
    id: u64,
    kind: Kind,
    connection: *mut ngx_connection_t,
) {
    let Some((sessions, peer)) = own(conf.cycle).zip(conf.key_of(id)) else { return };
    // SAFETY: the caller's promise; what is returned is a reference of its own.
    let Some(session) = NonNull::new(unsafe { ngx_ssl_get_session(connection) }) else { return };
    drop(sessions.cache.take_newest(peer, kind.to_number()));
    let Insertion { evicted, .. } =
        sessions.cache.insert(peer, kind.to_number(), PER_PEER, Session(session));
    drop(evicted);
}

/// Frees the sessions with a peer that has left the service.
pub(crate) fn forget(conf: &UpstreamConf, departed: Withdrawn) {
    let Some(sessions) = own(conf.cycle) else { return };
    match departed {
        Withdrawn::Peer(id) => {
            let Some(peer) = conf.key_of(id) else { return };
            while sessions.cache.pop_peer(peer).is_some() {}
        }
        Withdrawn::Many => while sessions.cache.pop().is_some() {},
    }
}
