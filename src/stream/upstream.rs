//! An upstream of stream's: what any upstream is, and what its sessions need beside it.

use core::{cell::Cell, mem::offset_of, ops::Deref, ptr::NonNull};

use ngx::ffi::{ngx_conf_t, ngx_cycle_t, ngx_event_free_peer_pt, ngx_event_get_peer_pt, ngx_str_t};
use peer_zone::Method;

use super::module;
use crate::{
    config::Counting,
    nginx::{
        list::List,
        stream::{
            ngx_stream_complex_value_t, ngx_stream_session_t, ngx_stream_upstream_srv_conf_t,
        },
    },
    upstream::{CoreConf, Drains, Upstream},
};

/// The stream module's main configuration; it lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct StreamConf {
    /// The core module's.
    pub(crate) core: &'static CoreConf,
    /// The upstreams of stream's that have `etcd`.
    pub(crate) upstreams: List<StreamUpstream>,
    /// Whether variables show how many connections are open to a peer.
    pub(crate) shows_connections: Cell<bool>,
}

impl StreamConf {
    pub(crate) fn new(core: &'static CoreConf) -> Self {
        Self { core, upstreams: List::default(), shows_connections: Cell::new(true) }
    }

    /// That of the cycle whose `stream` block is being read, or has just been.
    pub(crate) fn of_conf(cf: &ngx_conf_t) -> Option<&'static Self> {
        // SAFETY: inside of `stream`, a configuration has a context of stream's, and nginx keeps
        // there what `create_main_conf` has made, for as long as the cycle.
        unsafe { module::main_conf(cf).cast::<Self>().as_ref() }
    }

    /// That of a cycle, if it has a `stream` block.
    pub(crate) fn of_cycle(cycle: &ngx_cycle_t) -> Option<&'static Self> {
        // SAFETY: nginx keeps there what `create_main_conf` has made, for as long as the cycle.
        unsafe { module::main_conf_of_cycle(cycle).cast::<Self>().as_ref() }
    }

    /// That of the session's cycle.
    pub(crate) fn of_session(session: &ngx_stream_session_t) -> Option<&'static Self> {
        // SAFETY: as above.
        unsafe { module::main_conf_of(session).cast::<Self>().as_ref() }
    }
}

/// What nginx calls for a session; none before the configuration has been read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Callbacks {
    pub(super) get: ngx_event_get_peer_pt,
    pub(super) free: ngx_event_free_peer_pt,
}

/// An `upstream` block of stream's; it lives as long as its cycle.
///
/// It begins with what any upstream is: the handlers of directives that all protocols have take it
/// for that.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct StreamUpstream {
    upstream: Upstream,
    /// Its name in nginx's configuration; none before that is complete.
    pub(crate) name: Cell<Option<NonNull<ngx_str_t>>>,
    /// The key of the method `hash`, compiled, in the pool of the cycle; `None` for all other
    /// methods.
    pub(crate) hash_key: Cell<Option<NonNull<ngx_stream_complex_value_t>>>,
    /// The shortest ones that give the sessions all that they need.
    pub(super) callbacks: Cell<Callbacks>,
    /// The method, as the settings have it.
    pub(super) method: Cell<Method>,
    /// Whether something of a session's own decides which peer it gets.
    pub(super) needs_care: Cell<bool>,
    /// Its sessions, where they are drained.
    pub(crate) drains: Drains<ngx_stream_session_t>,
}

const _: () = assert!(offset_of!(StreamUpstream, upstream) == 0);

impl Deref for StreamUpstream {
    type Target = Upstream;

    #[inline]
    fn deref(&self) -> &Upstream {
        &self.upstream
    }
}

impl StreamUpstream {
    /// That of nginx's upstream; `None` where nginx made none.
    pub(crate) fn of(us: &ngx_stream_upstream_srv_conf_t) -> Option<&'static Self> {
        // SAFETY: nginx keeps what `create_srv_conf` has made, for as long as the cycle.
        unsafe { module::upstream_conf(us).cast::<Self>().as_ref() }
    }

    /// That of nginx's upstream that has `etcd`.
    ///
    /// # Safety
    ///
    /// It has.
    #[inline(always)]
    pub(super) unsafe fn of_ours(us: &ngx_stream_upstream_srv_conf_t) -> &'static Self {
        // SAFETY: the caller's promise: so nginx has made room for the module's configurations,
        // and keeps ours.
        unsafe { &*module::upstream_conf_of_ours(us).cast::<Self>() }
    }

    /// The same, as other protocols have them.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Whether the figures of its sessions are counted.
    pub(super) fn counts(&self) -> bool {
        self.settings().counting == Counting::On
    }
}
