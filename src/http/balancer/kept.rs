//! nginx's upstream callback `free` where idle connections are kept, and requests need nothing else
//! beside a peer.

use core::ffi::c_void;

use ngx::ffi::{ngx_peer_connection_t, ngx_uint_t};
use peer_zone::Worker;

use super::care;
use crate::{
    http::{keepalive, request::RequestPeer, statistics::Answered},
    nginx::callback::guard,
    upstream::asker::{Asker as _, without_this_try},
};

type Free = unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void, ngx_uint_t);

/// The callback; `counts`: for an upstream whose figures are counted.
pub(super) fn free_of(counts: bool) -> Free {
    if counts { free_kept::<true> } else { free_kept::<false> }
}

/// Called by nginx when a request gives its peer back.
unsafe extern "C" fn free_kept<const COUNTS: bool>(
    connection: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    guard((), || {
        // SAFETY: nginx passes what `init` has set, for a request that lives, and nobody makes a
        // `&mut` to it.
        let peer = unsafe { &*data.cast::<RequestPeer>() };
        let (upstream, place) = (peer.upstream, peer.open.place());
        let release = |worker: &mut Worker| {
            // SAFETY: nginx calls this for a request that lives, with a valid connection. What is
            // looked at and counted is no part of `peer.open`.
            unsafe {
                if COUNTS {
                    let look = || Answered::of(peer, connection);
                    peer.open.release_at_once_in_service(worker, look, Answered::count)
                } else {
                    peer.open.release_at_once_in_service(worker, || Some(()), |()| ())
                }
            }
        };
        let released = if RequestPeer::is_plain(state, COUNTS) {
            // SAFETY: to release a peer changes counts only.
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
                keepalive::keep_idle(upstream, of_peer, kind, connection, peer.nginx());
            }
        }
        // SAFETY: nginx passes a valid connection.
        unsafe { without_this_try(connection) };
    });
}
