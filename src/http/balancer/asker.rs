//! A request, as the code that all protocols have asks for its peer.

use core::mem::MaybeUninit;

use ngx::ffi::{
    NGX_PEER_FAILED, ngx_http_request_t, ngx_int_t, ngx_peer_connection_t, ngx_pool_t, ngx_uint_t,
};
use peer_statistics::Slot;
use peer_zone::Method;

use super::care;
use crate::{
    http::{request::RequestPeer, statistics::Answered, upstream::Extras},
    upstream::{
        AskedGroup, Copies, Holder, Tried, Upstream,
        asker::{Asker, First},
        behind::Keyed,
    },
};

/// Whether the upstream has groups: that is settled before its first request.
#[inline(always)]
fn has_groups(peer: &RequestPeer) -> bool {
    peer.upstream.extras.get().has(Extras::GROUP)
}

impl Asker for RequestPeer {
    type Nginx = ngx_http_request_t;
    type Answered<'a> = Answered<'a>;

    #[inline(always)]
    fn upstream(&self) -> &'static Upstream {
        self.upstream.upstream()
    }

    #[inline(always)]
    fn method(&self) -> Method {
        self.upstream.method.get()
    }

    #[inline(always)]
    fn counts(&self) -> bool {
        self.upstream.extras.get().has(Extras::STATISTICS)
    }

    #[inline(always)]
    fn keyed(&self) -> Option<&Keyed> {
        // SAFETY: `make` has written it behind this, or `make_grouped` if the upstream has groups;
        // nobody makes a `&mut` to it.
        unsafe { self.behind.keyed(has_groups(self)) }
    }

    #[inline(always)]
    fn group(&self) -> Option<&AskedGroup> {
        // SAFETY: as above.
        has_groups(self).then(|| unsafe { self.behind.group() }).flatten()
    }

    #[inline(always)]
    fn open(&self) -> &Holder<ngx_http_request_t> {
        &self.open
    }

    #[inline(always)]
    fn tried(&self) -> &Tried {
        &self.tried
    }

    #[inline(always)]
    fn copies(&self) -> &Copies {
        &self.copies
    }

    #[inline(always)]
    fn pool(&self) -> *mut ngx_pool_t {
        // SAFETY: the request lives, since this does, which is kept for it.
        unsafe { (*self.open.request).pool }
    }

    #[inline(always)]
    fn set_figures(&self, slot: &'static Slot) {
        self.figures.set(MaybeUninit::new(slot));
    }

    #[inline(always)]
    fn is_plain(state: ngx_uint_t, counts: bool) -> bool {
        // A peer that nginx turns away from without a failure counts as one whose status was bad.
        state & if counts { ngx_uint_t::MAX } else { NGX_PEER_FAILED as ngx_uint_t } == 0
    }

    #[inline(always)]
    unsafe fn answered(&self, connection: *mut ngx_peer_connection_t) -> Option<Answered<'_>> {
        // SAFETY: the caller's promise.
        unsafe { Answered::of(self, connection) }
    }

    #[inline(always)]
    fn count(answered: Answered<'_>) {
        answered.count();
    }

    #[inline(always)]
    unsafe fn get_with_care(
        &self,
        connection: *mut ngx_peer_connection_t,
        first: First,
    ) -> ngx_int_t {
        // SAFETY: the caller's promise.
        unsafe { care::get(connection, self, first) }
    }

    #[inline(always)]
    unsafe fn prepare(&self, connection: *mut ngx_peer_connection_t) -> ngx_int_t {
        // SAFETY: the caller's promise.
        unsafe { care::prepare(connection, self) }
    }

    #[inline(always)]
    unsafe fn free_with_care(&self, connection: *mut ngx_peer_connection_t, state: ngx_uint_t) {
        // SAFETY: the caller's promise.
        unsafe { care::free(connection, (&raw const *self).cast_mut().cast(), state) };
    }
}
