//! Who is told which peer a request has got: the client, and the modules before this one.

#[cfg(nginx1_29_6)]
use core::ptr::NonNull;

use ngx::ffi::ngx_peer_connection_t;
#[cfg(nginx1_29_6)]
use ngx::ffi::{ngx_palloc, ngx_pool_t, ngx_str_t};
#[cfg(nginx1_29_6)]
use peer_zone::PickedGroup;
use peer_zone::{PickedPeer, Worker};
#[cfg(nginx1_29_6)]
use upstream_peers::sid;

use crate::http::{request::RequestPeer, sticky};
#[cfg(nginx1_29_6)]
use crate::upstream::asker::{Asker as _, picked_group};

/// Tells the client, by a cookie, which peer the request has got, and so the modules before this
/// one.
///
/// `None` where the request's pool has no memory.
///
/// # Safety
///
/// `connection` is the one that nginx asks for a peer for; no reference to it is in use. The
/// request has no answer yet.
#[inline(never)]
pub(super) unsafe fn name_to_others(
    connection: *mut ngx_peer_connection_t,
    worker: &mut Worker,
    peer: &RequestPeer,
    held: &PickedPeer,
) -> Option<()> {
    let conf = peer.upstream.settings();
    if let (Some(sticky), Some(id), true) = (&conf.sticky, held.sticky(), held.is_in_sticky_group())
    {
        // SAFETY: the caller's promise.
        unsafe { sticky::set_cookie(peer.open.request, sticky, id) }?;
    }
    #[cfg(nginx1_29_6)]
    if conf.takes_hints {
        // SAFETY: the caller's promise.
        unsafe {
            let group = picked_group(peer);
            name_to_modules(connection, worker, (group, held), peer.pool())
        }?;
    }
    #[cfg(not(nginx1_29_6))]
    let _ = (connection, worker);
    Some(())
}

/// Tells the modules before this one the name of the peer that the request has got, as nginx's own
/// methods do: its route, or what is made of its address.
///
/// `None` where the request's pool has no memory.
///
/// # Safety
///
/// As for [`name_to_others`].
#[cfg(nginx1_29_6)]
unsafe fn name_to_modules(
    connection: *mut ngx_peer_connection_t,
    worker: &mut Worker,
    (group, held): (PickedGroup, &PickedPeer),
    pool: *mut ngx_pool_t,
) -> Option<()> {
    // SAFETY: the pool is the request's, and gives out memory that is aligned for any type.
    let copied = |name: &[u8]| unsafe {
        let place = NonNull::new(ngx_palloc(pool, size_of::<ngx_str_t>()).cast::<ngx_str_t>())?;
        place.write(ngx_str_t::from_bytes(pool, name)?);
        Some(place)
    };
    let (_, address, _) = worker.address(held);
    let name = worker.with_route(group, held, |route| match route {
        Some(route) => copied(route),
        None => copied(&sid(address)),
    });
    // SAFETY: the caller's promise.
    unsafe { (*connection).sid = name?.as_ptr() };
    Some(())
}
