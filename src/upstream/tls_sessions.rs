//! TLS sessions with peers: a new connection resumes what an earlier one has agreed on
//! (`proxy_ssl_session_reuse`), which spares both sides the most expensive part of the handshake.
//!
//! The counterparts in nginx are `ngx_http_upstream_set_round_robin_peer_session` and `…_save_…`,
//! which keep the last session of each peer, and their like in stream. Here it is the last of each
//! peer and kind: a session that was agreed on for one server name, or with one client certificate,
//! must not stand for another. Each worker has its own, in a bounded cache (`crates/idle-cache`);
//! those of a peer go when it leaves.

use core::ptr::{self, NonNull};

use idle_cache::IdleCache;
use ngx::ffi::{
    SSL_SESSION, SSL_SESSION_free, ngx_connection_t, ngx_cycle_t, ngx_int_t, ngx_ssl_get_session,
    ngx_ssl_set_session,
};
use peer_zone::Withdrawn;

use super::state::Upstream;
use crate::nginx::exclusive::OfProcess;

/// Sessions that a worker keeps. One takes some 5 kB, most of it the node's certificates: 80 MB
/// where so many peers have one.
const SESSIONS: usize = 16_384;

/// Sessions of a peer. More than one where locations speak to it with different settings, or server
/// names come from variables: with more names by turns than this none would ever be resumed.
const PER_PEER: usize = 256;

/// The sessions of this process.
struct Sessions {
    /// Where the upstreams are that they belong to.
    cycle: *const ngx_cycle_t,
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

/// Those of this process.
// SAFETY: only callbacks of the event loop come here.
static OWN: OfProcess<Sessions> = unsafe { OfProcess::new() };

/// Calls `call` with them, for an upstream of this process's cycle.
fn with_own<R>(upstream: &Upstream, call: impl FnOnce(&mut IdleCache<Session>) -> R) -> Option<R> {
    // A process that is master and worker at once may still have requests of an earlier cycle,
    // whose upstreams are numbered otherwise.
    OWN.with(|own| upstream.is_of(own.cycle).then(|| call(&mut own.cache))).flatten()
}

/// Makes room for sessions, in a worker process that starts. All upstreams of the cycle together
/// can have so many `peers`.
pub(crate) fn start(cycle: &ngx_cycle_t, peers: usize) {
    replace(Some(Sessions { cycle, cache: IdleCache::new(SESSIONS, peers) }));
}

/// Frees all of them, and keeps none from here on.
pub(crate) fn stop() {
    replace(None);
}

fn replace(sessions: Option<Sessions>) {
    OWN.replace(sessions).map(drop).unwrap_or_else(|lent| lent.report("the cache of TLS sessions"));
}

/// How many this process has.
pub(crate) fn count() -> usize {
    OWN.with(|own| own.cache.len()).unwrap_or_default()
}

/// Whether there are any, of upstreams of this one's cycle.
pub(crate) fn has_any(upstream: &Upstream) -> bool {
    with_own(upstream, |cache| !cache.is_empty()).unwrap_or(false)
}

/// Offers the session of the peer and kind, if there is one, in a connection that is about to shake
/// hands. The kind is a number that tells apart what sessions must not be shared between.
///
/// # Safety
///
/// The connection is open, and TLS has been made ready for it.
pub(crate) unsafe fn offer(
    upstream: &Upstream,
    id: u64,
    kind: u64,
    connection: *mut ngx_connection_t,
) -> ngx_int_t {
    let session = upstream.peer(id).and_then(|peer| {
        with_own(upstream, |cache| cache.peek(peer, kind).map(|session| session.0.as_ptr()))?
    });
    // SAFETY: the caller's promise. OpenSSL takes a reference of its own; null is no session.
    unsafe { ngx_ssl_set_session(connection, session.unwrap_or(ptr::null_mut())) }
}

/// Keeps the session that a connection has agreed on, in the place of the one before.
///
/// # Safety
///
/// The connection is open, with TLS.
pub(crate) unsafe fn save(
    upstream: &Upstream,
    id: u64,
    kind: u64,
    connection: *mut ngx_connection_t,
) {
    let Some(peer) = upstream.peer(id) else { return };
    with_own(upstream, |cache| {
        // SAFETY: the caller's promise; what is returned is a reference of its own.
        let Some(session) = NonNull::new(unsafe { ngx_ssl_get_session(connection) }) else {
            return;
        };
        drop(cache.take_newest(peer, kind));
        drop(cache.insert(peer, kind, PER_PEER, Session(session)));
    });
}

/// Frees the sessions with a peer that has left the service.
pub(crate) fn forget(upstream: &Upstream, departed: Withdrawn) {
    with_own(upstream, |cache| match departed {
        Withdrawn::Peer(id) => {
            let Some(peer) = upstream.peer(id) else { return };
            while cache.pop_peer(peer).is_some() {}
        }
        Withdrawn::Many => while cache.pop().is_some() {},
    });
}
