//! A session, as the code that all protocols have asks for its peer.

use core::mem::MaybeUninit;

use ngx::ffi::{ngx_int_t, ngx_peer_connection_t, ngx_pool_t, ngx_uint_t};
use peer_statistics::Slot;
use peer_zone::Method;

use super::care;
use crate::{
    nginx::stream::ngx_stream_session_t,
    stream::{session::SessionPeer, statistics::Answered},
    upstream::{
        AskedGroup, Copies, Holder, Tried, Upstream,
        asker::{Asker, First},
        behind::Keyed,
    },
};

/// Whether the upstream has groups: that is settled before its first session.
#[inline(always)]
fn has_groups(peer: &SessionPeer) -> bool {
    peer.upstream.settings().group.is_some()
}

impl Asker for SessionPeer {
    type Nginx = ngx_stream_session_t;
    type Answered<'a> = Answered<'a>;

    #[inline(always)]
    fn upstream(&self) -> &'static Upstream {
        self.upstream.upstream()
    }

    #[inline(always)]
    fn method(&self) -> Method {
        self.upstream.method.get()
    }

    fn counts(&self) -> bool {
        self.upstream.counts()
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
    fn open(&self) -> &Holder<ngx_stream_session_t> {
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
        // SAFETY: the session lives, since this does, which is kept for it.
        unsafe { (*(*self.open.request).connection).pool }
    }

    #[inline(always)]
    fn set_figures(&self, slot: &'static Slot) {
        self.figures.set(MaybeUninit::new(slot));
    }

    #[inline(always)]
    fn is_plain(state: ngx_uint_t, _counts: bool) -> bool {
        state == 0
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
    unsafe fn prepare(&self, _connection: *mut ngx_peer_connection_t) -> ngx_int_t {
        // SAFETY: the caller's promise.
        unsafe { care::enter(self) }
    }

    #[inline(always)]
    unsafe fn free_with_care(&self, connection: *mut ngx_peer_connection_t, state: ngx_uint_t) {
        // SAFETY: the caller's promise.
        unsafe { care::free(connection, (&raw const *self).cast_mut().cast(), state) };
    }
}
