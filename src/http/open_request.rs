//! A request that has a peer, as far as the drain of that peer goes.

use ngx::ffi::{ngx_http_request_t, ngx_http_upstream_t};
use peer_drain::Slot;
use peer_zone::PickedPeer;

/// A part of what the module keeps for each request: it stays where it is, for as long as the
/// request.
pub(crate) struct OpenRequest {
    pub(super) request: *mut ngx_http_request_t,
    /// The peer that the request has just now.
    pub(super) held: Option<PickedPeer>,
    /// Where it stands among those that a drain would close.
    pub(super) slot: Option<Slot>,
    /// A drain has closed its connection to the peer.
    pub(super) is_drained: bool,
}

impl OpenRequest {
    /// A request without a peer.
    pub(super) fn new(request: *mut ngx_http_request_t) -> Self {
        Self { request, held: None, slot: None, is_drained: false }
    }

    /// A drain closes the connection to the peer, and has taken the request out of its list.
    pub(super) fn drained(&mut self) {
        self.slot = None;
        self.is_drained = true;
    }

    /// The request's; nginx makes it before it calls `init`, and it lives as long as the request.
    pub(super) fn upstream(&self) -> &ngx_http_upstream_t {
        // SAFETY: the request lives, since this does, which is kept for it.
        unsafe { &*(*self.request).upstream }
    }
}
