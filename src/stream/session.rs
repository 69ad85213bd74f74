//! What a session keeps of its way through an upstream.

use core::{cell::Cell, mem::MaybeUninit, ptr::NonNull};

use ngx::ffi::ngx_str_t;
use peer_statistics::Slot;
use peer_zone::{Connections, Method, PickedPeer, RequestOutcome, ResponseTime, Times};

use super::{module, upstream::StreamUpstream};
use crate::{
    nginx::stream::{ngx_stream_session_t, ngx_stream_upstream_state_t, ngx_stream_upstream_t},
    upstream::{
        Copies, Holder, Tried,
        behind::{self, Behind},
    },
};

/// A session, as far as the drain of its peer goes.
pub(super) type OpenSession = Holder<ngx_stream_session_t>;

/// What nginx has in the place of a time that is not known (`ngx_stream_proxy_connect`).
pub(super) const NO_TIME: usize = usize::MAX;

/// What a failure counts as, in milliseconds, where it came sooner: a peer that refuses at once
/// must not pass for one that answers at once. As for requests of HTTP's.
const FAILED: u32 = 1_000;

/// What a session keeps of its way through an upstream, in its own pool.
///
/// Nobody has a `&mut` to it: a callback may have nginx evaluate a variable, whose getter looks at
/// the same session. So everybody has a `&`, and what changes is in a `Cell`.
pub(crate) struct SessionPeer {
    /// It lives for as long as the cycle, and so longer than the session.
    pub(super) upstream: &'static StreamUpstream,
    /// The group that it asks for, and what the method goes by, if there are such.
    pub(super) behind: Behind,
    /// The session, and the peer that it has just now.
    pub(super) open: OpenSession,
    /// See [`figures`](Self::figures).
    pub(super) figures: Cell<MaybeUninit<&'static Slot>>,
    /// How many connections there were to the last peer when it was given back, if variables show
    /// that.
    pub(super) left: Cell<Option<u32>>,
    pub(super) tried: Tried,
    pub(super) copies: Copies,
}

impl SessionPeer {
    /// Makes it for a session that comes to an upstream; `None` where memory is short.
    ///
    /// # Safety
    ///
    /// The session is valid, and comes to the upstream, which is of its cycle.
    #[inline]
    pub(super) unsafe fn make(
        session: *mut ngx_stream_session_t,
        upstream: &'static StreamUpstream,
        hash_key: Option<ngx_str_t>,
    ) -> Option<*mut Self> {
        // SAFETY: a session has a connection, whose pool is valid for as long as the session.
        let made = unsafe { behind::allocate::<Self>((*(*session).connection).pool, hash_key) };
        // SAFETY: the caller's promise.
        Some(unsafe { Self::make_in(made?, session, upstream) })
    }

    /// As [`make`](Self::make), for a session that asks for the group of this name.
    ///
    /// # Safety
    ///
    /// As for [`make`](Self::make); the name lives as long as the session.
    pub(super) unsafe fn make_grouped(
        session: *mut ngx_stream_session_t,
        upstream: &'static StreamUpstream,
        (hash_key, group): (Option<ngx_str_t>, ngx_str_t),
    ) -> Option<*mut Self> {
        // SAFETY: a session has a connection, whose pool is valid for as long as the session.
        let made = unsafe {
            behind::allocate_grouped::<Self>((*(*session).connection).pool, hash_key, group)
        };
        // SAFETY: the caller's promise.
        Some(unsafe { Self::make_in(made?, session, upstream) })
    }

    /// # Safety
    ///
    /// As for [`make`](Self::make); the room was given out just now.
    #[inline(always)]
    unsafe fn make_in(
        (peer, behind): (NonNull<Self>, Behind),
        session: *mut ngx_stream_session_t,
        upstream: &'static StreamUpstream,
    ) -> *mut Self {
        let value = Self {
            upstream,
            behind,
            open: OpenSession::new(session),
            figures: Cell::new(MaybeUninit::uninit()),
            left: Cell::new(None),
            tried: Tried::default(),
            copies: Copies::new(),
        };
        // SAFETY: the pool gave out as many bytes, aligned for any type; the module's place in the
        // session is there.
        unsafe {
            peer.write(value);
            *module::context(&*session) = peer.as_ptr().cast();
        }
        peer.as_ptr()
    }

    /// What the session has gone through in an upstream of ours, or `None`.
    pub(super) fn of(session: &ngx_stream_session_t) -> Option<&Self> {
        // SAFETY: only `make` writes to this module's place in a session. What it has made lives as
        // long as the session, and nobody makes a `&mut` to it.
        unsafe { (*module::context(session)).cast::<Self>().as_ref() }
    }

    /// Where the figures of the peer that it has are.
    ///
    /// # Safety
    ///
    /// It has a peer, and the figures of the upstream are counted.
    #[inline(always)]
    pub(super) unsafe fn figures(&self) -> &'static Slot {
        // SAFETY: whatever gives a session a peer sets them if figures are counted; the
        // caller's promise.
        unsafe { self.figures.get().assume_init() }
    }

    /// How many connections are open to the peer: now, while the session has it, and at the moment
    /// at which it gave it back afterwards.
    pub(super) fn connections(&self) -> Option<u32> {
        let now = self
            .open
            .with_held(|held| self.upstream.with_worker(|worker| worker.connections(held)));
        now.flatten().map(Connections::all).or_else(|| self.left.get())
    }

    /// What nginx has of the session's way through the upstream; it is made before nginx calls
    /// `init`, and lives as long as the session.
    pub(super) fn nginx(&self) -> *mut ngx_stream_upstream_t {
        // SAFETY: the session lives, since this does, which is kept for it.
        unsafe { (*self.open.request).upstream }
    }

    /// What nginx knows of the attempt at a peer.
    pub(super) fn attempt(&self) -> Option<&ngx_stream_upstream_state_t> {
        // SAFETY: nginx makes a state for each attempt, before it asks for a peer.
        unsafe { (*self.nginx()).state.as_ref() }
    }

    /// The session is connected to its peer: for `least_time connect`.
    pub(super) fn note_connect(&self) {
        let of_upstream = self.upstream.settings().balance();
        self.open.with_held(|held| {
            if let Some(least_time) = held.own_method().unwrap_or(of_upstream).least_time()
                && least_time.time == ResponseTime::Connect
                && let Some(time) = self.attempt().and_then(|attempt| known(attempt.connect_time))
            {
                self.upstream.with_worker(|worker| worker.note_header(held, time, least_time));
            }
        });
    }

    /// What the peer that it had took, as the method needs it, at the end of an attempt.
    pub(super) fn times(&self, held: &PickedPeer, outcome: RequestOutcome) -> Option<Times> {
        if self.open.is_drained() {
            return None;
        }
        let attempt = self.attempt()?;
        let first = known(attempt.first_byte_time);
        match held.own_method().unwrap_or(self.upstream.settings().balance()) {
            Method::PeakEwma => {
                let time = first.or(known(attempt.connect_time)).or(known(attempt.response_time));
                let time = time.unwrap_or(0);
                let has_failed = outcome == RequestOutcome::Failed;
                let time = if has_failed { time.max(FAILED) } else { time };
                // In microseconds.
                Some(Times::Peak(time.saturating_mul(1_000)))
            }
            Method::LeastTime(least_time) if outcome == RequestOutcome::Answered => {
                let header = match least_time.time {
                    ResponseTime::Connect => known(attempt.connect_time),
                    _ => first,
                };
                Some(Times::Average { header: header?, response: known(attempt.response_time)? })
            }
            _ => None,
        }
    }
}

/// A time of nginx's, in milliseconds; `None` where it is not known.
pub(super) fn known(time: usize) -> Option<u32> {
    (time != NO_TIME).then(|| u32::try_from(time).unwrap_or(u32::MAX))
}
