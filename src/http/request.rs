//! What a request keeps of its way through an upstream.

use core::{
    cell::Cell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_state_t, ngx_http_upstream_t, ngx_int_t, ngx_msec_t,
    ngx_pool_cleanup_add, ngx_str_t,
};
use peer_statistics::Slot;
use peer_zone::{Connections, Method, Now, PickedPeer, RequestOutcome, Times};

use super::{
    keepalive::connection_kind::ConnectionKind, module, shown::Shown, upstream::HttpUpstream,
};
use crate::{
    nginx::callback::ERROR,
    upstream::{
        Copies, Holder, Tried,
        asker::Asker as _,
        behind::{self, Behind},
    },
};

/// A request, as far as the drain of its peer goes.
pub(super) type OpenRequest = Holder<ngx_http_request_t>;

/// What a request keeps of its way through an upstream, in its own pool.
///
/// Nobody has a `&mut` to it: a callback may have nginx evaluate a directive's value, for which
/// nginx calls the getter of a variable (`variables.rs`), which looks at the same request. So
/// everybody has a `&`, and what changes is in a `Cell`.
///
/// No larger than it must be: what does not fit into the pool's first block takes another one,
/// which costs more instructions than a pick.
pub(crate) struct RequestPeer {
    /// It lives for as long as the cycle, and so longer than the request.
    pub(super) upstream: &'static HttpUpstream,
    /// The group that it asks for, and what the method goes by, if there are such.
    pub(super) behind: Behind,
    /// The peer that the client's cookie names; 0 where it names none.
    sticky: Cell<u64>,
    /// The request, and the peer that it has just now.
    pub(super) open: OpenRequest,
    /// The kind of its connection to the peer; `None` where none is kept.
    pub(super) kind: Cell<Option<ConnectionKind>>,
    /// What variables show beside, if the configuration uses them.
    pub(super) shown: Cell<Option<NonNull<Shown>>>,
    /// When the peer was picked, in milliseconds of nginx's clock, of which this is the end.
    pub(super) picked: Cell<u32>,
    /// See [`figures`](Self::figures).
    pub(super) figures: Cell<MaybeUninit<&'static Slot>>,
    pub(super) tried: Tried,
    pub(super) copies: Copies,
}

/// What a failure counts as, in milliseconds, where it came sooner: a peer that refuses at once
/// must not pass for one that answers at once. Far above the answers of most services, and
/// forgotten within a minute.
const FAILED: u32 = 1_000;

/// What nginx has in the place of a time that is not known (`ngx_http_upstream_connect`).
const NO_TIME: ngx_msec_t = ngx_msec_t::MAX;

type Cleanup = unsafe extern "C" fn(*mut c_void);

/// Called by nginx with a [`RequestPeer`] at the end of its request: it is but a mark.
unsafe extern "C" fn keep(_peer: *mut c_void) {}

impl RequestPeer {
    /// Makes it for a request that comes to an upstream.
    ///
    /// # Errors
    ///
    /// What nginx is to be told, where memory is short.
    ///
    /// # Safety
    ///
    /// The request is valid, and comes to the upstream, whose name lives as long.
    #[inline]
    pub(super) unsafe fn make(
        request: *mut ngx_http_request_t,
        upstream: &'static HttpUpstream,
        hash_key: Option<ngx_str_t>,
        sticky: Option<u64>,
    ) -> Result<*mut Self, ngx_int_t> {
        // SAFETY: the request's pool is valid for as long as the request.
        let made = unsafe { behind::allocate::<Self>((*request).pool, hash_key) };
        let Some(room) = made else { return Err(ERROR) };
        // SAFETY: the caller's promise.
        Ok(unsafe { Self::make_in(room, request, upstream, sticky) })
    }

    /// As [`make`](Self::make), for a request that asks for the group of this name.
    ///
    /// # Errors
    ///
    /// As for [`make`](Self::make).
    ///
    /// # Safety
    ///
    /// As for [`make`](Self::make); the name lives as long as the request.
    #[inline(always)]
    pub(super) unsafe fn make_grouped(
        request: *mut ngx_http_request_t,
        upstream: &'static HttpUpstream,
        (hash_key, group): (Option<ngx_str_t>, ngx_str_t),
        sticky: Option<u64>,
    ) -> Result<*mut Self, ngx_int_t> {
        // SAFETY: the request's pool is valid for as long as the request.
        let made = unsafe { behind::allocate_grouped::<Self>((*request).pool, hash_key, group) };
        let Some(room) = made else { return Err(ERROR) };
        // SAFETY: the caller's promise.
        Ok(unsafe { Self::make_in(room, request, upstream, sticky) })
    }

    /// # Safety
    ///
    /// As for [`make`](Self::make); the room was given out just now.
    #[inline(always)]
    unsafe fn make_in(
        (peer, behind): (NonNull<Self>, Behind),
        request: *mut ngx_http_request_t,
        upstream: &'static HttpUpstream,
        sticky: Option<u64>,
    ) -> *mut Self {
        let value = Self {
            upstream,
            behind,
            sticky: Cell::new(sticky.unwrap_or(0)),
            open: OpenRequest::new(request),
            kind: Cell::new(None),
            shown: Cell::new(None),
            picked: Cell::new(0),
            figures: Cell::new(MaybeUninit::uninit()),
            tried: Tried::default(),
            copies: Copies::new(),
        };
        // SAFETY: the pool gave out as many bytes, aligned for any type; the module's place in
        // the request is there.
        unsafe {
            peer.write(value);
            *module::context(&*request) = peer.as_ptr().cast();
        }
        peer.as_ptr()
    }

    /// What the request has gone through in this upstream, or `None`.
    pub(crate) fn of(request: &ngx_http_request_t) -> Option<&Self> {
        // SAFETY: only `make` writes to this module's place in a request. What it has made lives
        // as long as the request, and nobody makes a `&mut` to it.
        unsafe { (*module::context(request)).cast::<Self>().as_ref() }
    }

    /// Keeps it for error pages: nginx forgets what modules have in a request as it redirects that
    /// internally. Says whether there was memory.
    pub(super) fn keep_for_redirects(&self) -> bool {
        // SAFETY: the pool is that of the request, to which this belongs, and lives as long.
        let cleanup = unsafe { ngx_pool_cleanup_add(self.pool(), 0).as_mut() };
        let Some(cleanup) = cleanup else { return false };
        cleanup.handler = Some(keep);
        cleanup.data = (&raw const *self).cast_mut().cast();
        true
    }

    /// What the request has gone through before nginx has redirected it internally, as far as it
    /// was [kept](Self::keep_for_redirects).
    pub(super) fn before_redirect(request: &ngx_http_request_t) -> Option<&Self> {
        // SAFETY: a request has a pool, whose cleanups are a list that ends with a null pointer.
        unsafe {
            let mut cleanup = (*request.pool).cleanup;
            while let Some(at) = cleanup.as_ref() {
                if at.handler.is_some_and(|handler| ptr::fn_addr_eq(handler, keep as Cleanup))
                    && let Some(peer) = at.data.cast::<Self>().as_ref()
                    // Subrequests have the same pool.
                    && ptr::eq(peer.open.request, request)
                {
                    return Some(peer);
                }
                cleanup = at.next;
            }
        }
        None
    }

    /// The upstream.
    pub(crate) fn upstream(&self) -> &'static HttpUpstream {
        self.upstream
    }

    /// Where the figures of the peer that it has are.
    ///
    /// # Safety
    ///
    /// It has a peer, and the figures of the upstream are counted.
    #[inline(always)]
    pub(super) unsafe fn figures(&self) -> &'static Slot {
        // SAFETY: whatever gives a request a peer sets them if figures are counted; the
        // caller's promise.
        unsafe { self.figures.get().assume_init() }
    }

    /// What is kept for variables; `None` if there is no memory.
    pub(super) fn shown(&self) -> Option<&Shown> {
        // SAFETY: the pool is that of the request, to which this belongs.
        unsafe { Shown::make(&self.shown, self.pool()) }
    }

    /// The attempts that failed, as `$etcd_failures` shows them.
    pub(crate) fn failures(&self) -> Option<ngx_str_t> {
        // SAFETY: as above.
        Shown::of(&self.shown).and_then(|shown| unsafe { shown.failures(self.pool()) })
    }

    /// The peer that the client's cookie names.
    #[inline]
    pub(super) fn sticky(&self) -> Option<u64> {
        let id = self.sticky.get();
        (id != 0).then_some(id)
    }

    /// Another module names the peer.
    #[cfg(nginx1_29_6)]
    pub(super) fn set_sticky(&self, id: Option<u64>) {
        self.sticky.set(id.unwrap_or(0));
    }

    /// The connection is no longer one of HTTP.
    pub(super) fn upgraded(&self) {
        self.open.with_held(|held| self.upstream.with_worker(|worker| worker.upgrade(held)));
    }

    /// Open connections to the peer: of now, while the request has it, and of the moment at which
    /// it gave it back afterwards.
    pub(crate) fn connections(&self) -> Option<Connections> {
        let now = self
            .open
            .with_held(|held| self.upstream.with_worker(|worker| worker.connections(held)));
        now.flatten().or_else(|| Shown::of(&self.shown)?.left.get())
    }

    /// The response has a header, or a part of it, that is passed on: for `least_time`.
    pub(super) fn note_header(&self) {
        let of_upstream = self.upstream.settings().balance();
        self.open.with_held(|held| {
            if let Some(least_time) = held.own_method().unwrap_or(of_upstream).least_time()
                && let Some(time) = self.time(|state| state.header_time)
            {
                self.upstream.with_worker(|worker| worker.note_header(held, time, least_time));
            }
        });
    }

    /// A time of the try, in milliseconds; `None` where nginx does not know it.
    fn time(&self, which: fn(&ngx_http_upstream_state_t) -> ngx_msec_t) -> Option<u32> {
        // SAFETY: nginx makes a state for each try, in the request's pool.
        let state = unsafe { (*self.nginx()).state.as_ref() };
        let time = state.map(which).filter(|&time| time != NO_TIME)?;
        Some(u32::try_from(time).unwrap_or(u32::MAX))
    }

    /// What the peer that it had took to answer, as the method needs it.
    ///
    /// `is_passed_on` says whether the client gets what the peer has answered.
    pub(super) fn times(
        &self,
        held: &PickedPeer,
        outcome: RequestOutcome,
        is_passed_on: bool,
        now: Now,
    ) -> Option<Times> {
        if self.open.is_drained() {
            return None;
        }
        match held.own_method().unwrap_or(self.upstream.settings().balance()) {
            Method::PeakEwma => Some(Times::Peak(self.time_to_header(outcome, now))),
            // As in nginx, a peer that fails must not pass for one that answers at once.
            Method::LeastTime(_) if is_passed_on => {
                let header = self.time(|state| state.header_time)?;
                let response = self.time(|state| state.response_time)?;
                Some(Times::Average { header, response })
            }
            _ => None,
        }
    }

    /// What the peer took to answer, in microseconds: until its header came or, where that did not
    /// come, until now, since it takes longer than that. A peer that has failed took [`FAILED`] at
    /// least.
    fn time_to_header(&self, outcome: RequestOutcome, now: Now) -> u32 {
        let milliseconds = self
            .time(|state| state.header_time)
            .unwrap_or((now.milliseconds as u32).wrapping_sub(self.picked.get()));
        let milliseconds =
            if outcome == RequestOutcome::Failed { milliseconds.max(FAILED) } else { milliseconds };
        // nginx's clock goes by milliseconds; what takes less is told from others by the
        // connections that are open.
        milliseconds.saturating_mul(1_000)
    }

    /// Whether one more try is within `proxy_next_upstream_tries`. nginx's own count begins with
    /// the peers that there were then, of which a request that has waited for hours knows nothing
    /// any more.
    pub(super) fn may_try_again(&self) -> bool {
        // SAFETY: nginx sets it before it calls `init`, and it lives as long as the cycle.
        let most = unsafe { (*(*self.nginx()).conf).next_upstream_tries };
        most == 0 || self.tried.count() < most
    }

    /// What nginx has of the request's way through the upstream; it is made before nginx calls
    /// `init`, and lives as long as the request.
    #[inline]
    pub(super) fn nginx(&self) -> *mut ngx_http_upstream_t {
        // SAFETY: the request lives, since this does, which is kept for it.
        unsafe { (*self.open.request).upstream }
    }
}
