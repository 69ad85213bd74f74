//! nginx's upstream callbacks where nothing special holds for the request and its peer.
//!
//! Each is the code of one method, which nothing has to ask for. Those of the most frequent methods
//! call a function in their last step only, so that they save few registers. Everything that is not
//! handled here is a call of another callback, with the position of the method that the request has
//! got already.

use core::{ffi::c_void, marker::PhantomData};

use ngx::ffi::{NGX_PEER_FAILED, ngx_int_t, ngx_peer_connection_t, ngx_uint_t};
use peer_zone::{KeyProgress, Method, Missed, PickedPeer, RequestAddress, Take, Worker};

use super::{
    care::{self, First},
    copies,
};
use crate::{
    http::{keepalive, request::RequestPeer},
    nginx::{
        callback::{ERROR, OK, guard},
        clock,
    },
};

/// A method that looks at few peers.
trait AtOnce {
    /// Whether the pick calls other functions in any case.
    const CALLS: bool;

    /// See [`Worker::pick_at_once`].
    fn pick<const IS_WIDE: bool>(
        worker: &mut Worker,
        peer: &RequestPeer,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed>;
}

/// Declares a method whose order is that of all requests.
macro_rules! by_order {
    ($method:ident) => {
        struct $method;

        impl AtOnce for $method {
            const CALLS: bool = false;

            #[inline(always)]
            fn pick<const IS_WIDE: bool>(
                worker: &mut Worker,
                _peer: &RequestPeer,
                first: Option<u64>,
                take: impl Take,
            ) -> Result<(), Missed> {
                worker.pick_at_once::<IS_WIDE>(Method::$method, first, take)
            }
        }
    };
}

by_order!(RoundRobin);
by_order!(LeastConn);
by_order!(Random);

/// A method that goes by something of the request's.
struct ByKey;

impl AtOnce for ByKey {
    const CALLS: bool = true;

    #[inline(always)]
    fn pick<const IS_WIDE: bool>(
        worker: &mut Worker,
        peer: &RequestPeer,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        let keyed = peer.keyed().ok_or(Missed::Careful(first))?;
        let mut progress = KeyProgress::default();
        let (method, own) = (peer.upstream.method.get(), keyed.hash_key.as_bytes());
        worker.pick_own_at_once(method, own, &mut progress, take)?;
        keyed.progress.set(progress);
        Ok(())
    }
}

/// A method that compares two peers.
struct OfTwo;

impl AtOnce for OfTwo {
    const CALLS: bool = true;

    #[inline(always)]
    fn pick<const IS_WIDE: bool>(
        worker: &mut Worker,
        peer: &RequestPeer,
        _first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        worker.pick_of_two_at_once(peer.upstream.method.get(), clock::cached(), take)
    }
}

type Get = unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void) -> ngx_int_t;

/// The callback `get` of a method; `prepares`: for an upstream whose requests need more than a
/// peer. `None` if the method compares all peers.
pub(super) fn get_of(method: Method, prepares: bool) -> Option<Get> {
    fn get_by<M: AtOnce>(prepares: bool) -> Get {
        if prepares { get::<M, true> } else { get::<M, false> }
    }
    match method {
        Method::RoundRobin => Some(get_by::<RoundRobin>(prepares)),
        Method::LeastConn => Some(get_by::<LeastConn>(prepares)),
        Method::Random => Some(get_by::<Random>(prepares)),
        Method::Hash | Method::HashConsistent | Method::IpHash => Some(get_by::<ByKey>(prepares)),
        Method::RandomTwo | Method::PeakEwma => Some(get_by::<OfTwo>(prepares)),
        Method::LeastTime(_) => None,
    }
}

unsafe extern "C" fn get<M: AtOnce, const PREPARES: bool>(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes what `init` has set, for a request that lives, and nobody makes a
        // `&mut` to it.
        let peer = unsafe { &*data.cast::<RequestPeer>() };
        // SAFETY: nginx passes a valid connection. It stays a pointer: nginx has it too.
        unsafe { care::reset(connection) };
        let missed = if peer.tried.is_empty() {
            // SAFETY: as above; the request has tried no peer.
            match unsafe { pick::<M, false>(connection, peer, None) } {
                // SAFETY: as above.
                Ok(()) if PREPARES => return unsafe { care::prepare(connection, peer) },
                Ok(()) => return OK,
                Err(missed) => missed,
            }
        } else {
            Missed::Careful(None)
        };
        // SAFETY: as above.
        unsafe {
            match missed {
                Missed::Narrow(first) => get_wide::<M, PREPARES>(connection, peer, first.into()),
                Missed::Careful(first) => care::get(connection, peer, first.into()),
            }
        }
    })
}

/// As [`get`], for any order of the peers and any text that is copied of one.
///
/// # Safety
///
/// As for [`care::get`]. The request has tried no peer.
#[inline(never)]
unsafe extern "C" fn get_wide<M: AtOnce, const PREPARES: bool>(
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
    first: First,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: the caller's promise.
        unsafe {
            match pick::<M, true>(connection, peer, first.into()) {
                Ok(()) if PREPARES => care::prepare(connection, peer),
                Ok(()) => OK,
                Err(Missed::Narrow(first) | Missed::Careful(first)) => {
                    care::get(connection, peer, first.into())
                }
            }
        }
    })
}

/// A request that asks for a peer, and has tried none.
struct Request<'r, M, const IS_WIDE: bool> {
    /// What nginx asks with: it is valid, and no reference to it is in use.
    connection: *mut ngx_peer_connection_t,
    peer: &'r RequestPeer,
    method: PhantomData<M>,
}

impl<M: AtOnce, const IS_WIDE: bool> Take for Request<'_, M, IS_WIDE> {
    #[inline(always)]
    fn take(self, held: impl FnOnce() -> PickedPeer, address: &RequestAddress<'_>) -> bool {
        let (peer, text) = (self.peer, address.name_and_key);
        let copied = if IS_WIDE || M::CALLS {
            copies::copy(peer, true, text)
        } else {
            copies::copy_short(peer, text)
        };
        let Some(text) = copied else { return false };
        // SAFETY: the connection is as the field says; the place is the request's own.
        unsafe { copies::show(self.connection, peer, address, (text, peer.first_name())) };
        let held = held();
        peer.tried.begin(held.id());
        peer.open.begin(held);
        true
    }
}

/// Picks a peer, which the request holds then; nginx is told where it is.
///
/// # Safety
///
/// As for [`care::get`]. The request has tried no peer.
#[inline(always)]
unsafe fn pick<M: AtOnce, const IS_WIDE: bool>(
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
    first: Option<u64>,
) -> Result<(), Missed> {
    // SAFETY: a pick and what it calls here change the request and counts, and ask nginx for
    // memory.
    let picked = unsafe {
        let take = Request::<M, IS_WIDE> { connection, peer, method: PhantomData };
        peer.upstream.with_worker_alone(|worker| M::pick::<IS_WIDE>(worker, peer, first, take))
    };
    picked.unwrap_or(Err(Missed::Careful(first)))
}

/// Called by nginx when a request gives its peer back.
pub(super) unsafe extern "C" fn free(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: as in `get`.
        let peer = unsafe { &*data.cast::<RequestPeer>() };
        let is_answered = state & NGX_PEER_FAILED as ngx_uint_t == 0;
        let release = |worker: &mut Worker| peer.open.release_at_once(worker);
        // SAFETY: to release a peer changes counts only.
        if is_answered && unsafe { peer.upstream.with_worker_alone(release) } == Some(true) {
            // SAFETY: nginx passes a valid connection.
            unsafe { (*connection).tries = (*connection).tries.saturating_sub(1) };
        } else {
            // SAFETY: as nginx calls this.
            unsafe { care::free(connection, data, state) };
        }
    });
}

/// As [`free`], where idle connections are kept, and the requests need nothing else beside a peer.
pub(super) unsafe extern "C" fn free_kept(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: as in `get`.
        let peer = unsafe { &*data.cast::<RequestPeer>() };
        let (upstream, place) = (peer.upstream, peer.open.place());
        let release = |worker: &mut Worker| peer.open.release_at_once_in_service(worker);
        let released = if state & NGX_PEER_FAILED as ngx_uint_t == 0 {
            // SAFETY: as in `free`.
            unsafe { upstream.with_worker_alone(release) }
        } else {
            None
        };
        let Some(Some(is_in_service)) = released else {
            // SAFETY: as nginx calls this.
            return unsafe { care::free(connection, data, state) };
        };
        // A peer that has left meanwhile is to have no idle connections.
        if is_in_service
            && let Some(kind) = peer.kind.get()
            && let Some(of_peer) = place.and_then(|place| upstream.peer_of(place))
        {
            // SAFETY: nginx passes the connection of the request's upstream, and nothing here
            // refers to either.
            unsafe {
                keepalive::keep_idle(upstream, of_peer, kind, connection, peer.open.upstream());
            }
        }
        // SAFETY: nginx passes a valid connection.
        unsafe { (*connection).tries = (*connection).tries.saturating_sub(1) };
    });
}
