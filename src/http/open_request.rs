//! A request that has a peer, as far as the drain of that peer goes.

use core::cell::Cell;

use ngx::ffi::{ngx_http_request_t, ngx_http_upstream_t};
use peer_drain::Slot;
use peer_zone::{PickedPeer, Worker};

/// A part of what the module keeps for each request: it stays where it is, for as long as the
/// request.
///
/// Nobody has a `&mut` to it: what changes is in a `Cell`. The list of a drain has pointers to it
/// that are made of a `&`, and that stay valid whatever the request's callbacks do meanwhile.
pub(crate) struct OpenRequest {
    pub(super) request: *mut ngx_http_request_t,
    /// The peer that the request has just now.
    held: Cell<Option<PickedPeer>>,
    /// Where it stands among those that a drain would close.
    pub(super) slot: Cell<Option<Slot>>,
    /// A drain has closed its connection to the peer.
    pub(super) is_drained: Cell<bool>,
}

/// Puts a peer back that was taken out of its place for a while, also where a panic ends that.
struct Loan<'a> {
    place: &'a Cell<Option<PickedPeer>>,
    held: Option<PickedPeer>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.place.set(self.held.take());
    }
}

impl OpenRequest {
    /// A request without a peer.
    pub(super) fn new(request: *mut ngx_http_request_t) -> Self {
        Self { request, held: Cell::new(None), slot: Cell::new(None), is_drained: Cell::new(false) }
    }

    /// The request has a peer.
    #[inline]
    pub(super) fn hold(&self, held: PickedPeer) {
        self.is_drained.set(false);
        self.held.set(Some(held));
    }

    /// As [`hold`](Self::hold), for the first peer.
    #[inline]
    pub(super) fn begin(&self, held: PickedPeer) {
        self.held.set(Some(held));
    }

    /// The request gives its peer back.
    #[inline]
    pub(super) fn take(&self) -> Option<PickedPeer> {
        self.held.take()
    }

    /// Gives the peer back if that takes no care (see [`Worker::release_at_once`]). Says whether it
    /// has.
    #[inline(always)]
    pub(super) fn release_at_once(&self, worker: &mut Worker) -> bool {
        // SAFETY: the place is a `Cell`'s, so that there is no other reference to what is in it,
        // and nothing that is called meanwhile comes here.
        worker.release_at_once(unsafe { &mut *self.held.as_ptr() })
    }

    /// As [`release_at_once`](Self::release_at_once); says whether the peer is in service (see
    /// [`Worker::release_at_once_in_service`]).
    #[inline(always)]
    pub(super) fn release_at_once_in_service(&self, worker: &mut Worker) -> Option<bool> {
        // SAFETY: as in `release_at_once`.
        worker.release_at_once_in_service(unsafe { &mut *self.held.as_ptr() })
    }

    /// Calls `call` with the peer that the request has; `None` where it has none, or where a caller
    /// further up has it.
    pub(super) fn with_held<R>(&self, call: impl FnOnce(&mut PickedPeer) -> R) -> Option<R> {
        let mut loan = Loan { place: &self.held, held: self.held.take() };
        loan.held.as_mut().map(call)
    }

    /// The id of the peer that the request has.
    #[inline]
    pub(super) fn id(&self) -> Option<u64> {
        // SAFETY: as in `release_at_once`.
        unsafe { &*self.held.as_ptr() }.as_ref().map(PickedPeer::id)
    }

    /// The index in the zone and the id of the peer that the request has.
    #[inline]
    pub(super) fn place(&self) -> Option<(usize, u64)> {
        // SAFETY: as in `release_at_once`.
        unsafe { &*self.held.as_ptr() }.as_ref().map(|held| (held.index(), held.id()))
    }

    /// A drain closes the connection to the peer, and has taken the request out of its list.
    pub(super) fn drained(&self) {
        self.slot.set(None);
        self.is_drained.set(true);
    }

    /// The request's; nginx makes it before it calls `init`, and it lives as long as the request.
    pub(super) fn upstream(&self) -> *mut ngx_http_upstream_t {
        // SAFETY: the request lives, since this does, which is kept for it.
        unsafe { (*self.request).upstream }
    }
}
