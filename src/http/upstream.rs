//! An upstream of HTTP's: what any upstream is, and what its requests need beside it.

use core::{cell::Cell, mem::offset_of, ops::Deref, ptr::NonNull};

use ngx::ffi::{
    ngx_conf_t, ngx_cycle_t, ngx_event_free_peer_pt, ngx_event_get_peer_pt,
    ngx_http_complex_value_t, ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_str_t,
};

use peer_zone::Method;

use super::module;
use crate::{
    config::Counting,
    nginx::list::List,
    upstream::{CoreConf, Drains, Upstream},
};

/// The HTTP module's main configuration; it lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct HttpConf {
    /// The core module's.
    pub(crate) core: &'static CoreConf,
    /// The upstreams of HTTP's that have `etcd`.
    pub(crate) upstreams: List<HttpUpstream>,
}

impl HttpConf {
    pub(crate) fn new(core: &'static CoreConf) -> Self {
        Self { core, upstreams: List::default() }
    }

    /// That of the cycle whose `http` block is being read, or has just been.
    pub(crate) fn of_conf(cf: &ngx_conf_t) -> Option<&'static Self> {
        // SAFETY: inside of `http`, a configuration has a context of HTTP's, and nginx keeps there
        // what `create_main_conf` has made, for as long as the cycle.
        unsafe { module::main_conf(&*cf.ctx.cast()).cast::<Self>().as_ref() }
    }

    /// That of a cycle, if it has an `http` block.
    pub(crate) fn of_cycle(cycle: &ngx_cycle_t) -> Option<&'static Self> {
        // SAFETY: nginx keeps there what `create_main_conf` has made, for as long as the cycle.
        unsafe { module::main_conf_of_cycle(cycle).cast::<Self>().as_ref() }
    }

    /// That of the request's cycle.
    pub(crate) fn of_request(request: &ngx_http_request_t) -> Option<&'static Self> {
        // SAFETY: as above.
        unsafe { module::main_conf_of(request).cast::<Self>().as_ref() }
    }
}

/// An `upstream` block of HTTP's; it lives as long as its cycle.
///
/// It begins with what any upstream is: the handlers of directives that all protocols have take it
/// for that.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct HttpUpstream {
    upstream: Upstream,
    /// Its name in nginx's configuration; none before that is complete.
    pub(crate) name: Cell<Option<NonNull<ngx_str_t>>>,
    /// The key of the method `hash`, compiled, in the pool of the cycle; `None` for all other
    /// methods.
    pub(crate) hash_key: Cell<Option<NonNull<ngx_http_complex_value_t>>>,
    /// Its open connections, where they are drained.
    pub(crate) drains: Drains<ngx_http_request_t>,
    /// What its requests need beside a peer.
    pub(super) extras: Cell<Extras>,
    /// What nginx calls for its requests.
    pub(super) callbacks: Cell<Callbacks>,
    /// Its balancing method.
    pub(super) method: Cell<Method>,
}

/// What nginx calls when a request needs a peer, and when it gives it back; none before the
/// configuration has been read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Callbacks {
    pub(super) get: ngx_event_get_peer_pt,
    pub(super) free: ngx_event_free_peer_pt,
}

/// What the requests of an upstream need beside a peer; bits. A request asks for all of them at
/// once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extras(u32);

impl Extras {
    pub(super) const NONE: Self = Self(0);
    /// The method goes by something of the request's.
    pub(super) const KEY: Self = Self(1);
    /// Cookies, or other modules, name peers.
    pub(super) const STICKY: Self = Self(1 << 1);
    /// Open connections are drained.
    pub(super) const DRAIN: Self = Self(1 << 2);
    /// Idle connections are kept.
    pub(super) const KEEPALIVE: Self = Self(1 << 3);
    /// The method goes by response times.
    pub(super) const TIMES: Self = Self(1 << 4);
    /// A variable shows how many connections are open to peers.
    pub(super) const CONNECTIONS: Self = Self(1 << 5);
    /// The method compares all peers.
    pub(super) const COMPARISON: Self = Self(1 << 6);

    /// The figures of requests are counted.
    pub(super) const STATISTICS: Self = Self(1 << 7);

    /// A variable shows the attempts that failed.
    pub(super) const FAILURES: Self = Self(1 << 8);

    /// Requests choose among the peers of one group.
    pub(super) const GROUP: Self = Self(1 << 9);

    /// A variable shows the status of the group, also after an internal redirect.
    pub(super) const GROUP_STATUS: Self = Self(1 << 10);

    pub(super) fn only_if(self, is_needed: bool) -> Self {
        if is_needed { self } else { Self::NONE }
    }

    pub(super) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(super) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether any of these is needed.
    #[inline]
    pub(super) fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

impl Default for Extras {
    /// All: nothing is known yet.
    fn default() -> Self {
        Self(u32::MAX)
    }
}

const _: () = assert!(offset_of!(HttpUpstream, upstream) == 0);

impl Deref for HttpUpstream {
    type Target = Upstream;

    #[inline]
    fn deref(&self) -> &Upstream {
        &self.upstream
    }
}

impl HttpUpstream {
    /// That of nginx's upstream; `None` where nginx made none.
    pub(crate) fn of(us: &ngx_http_upstream_srv_conf_t) -> Option<&'static Self> {
        // SAFETY: nginx keeps what `create_srv_conf` has made, for as long as the cycle.
        unsafe { module::upstream_conf(us).cast::<Self>().as_ref() }
    }

    /// As [`of`](Self::of), where there is one.
    ///
    /// # Safety
    ///
    /// nginx has made one for the upstream.
    #[inline]
    pub(super) unsafe fn of_ours(us: &ngx_http_upstream_srv_conf_t) -> &'static Self {
        // SAFETY: as above, and the caller's promise.
        unsafe { &*module::upstream_conf_of_ours(us).cast::<Self>() }
    }

    /// Notes what its requests need, once the configuration has been read. `shown` is
    /// what variables show.
    pub(super) fn settle_extras(&self, shown: Extras) {
        let conf = self.settings();
        let method = conf.balance();
        let extras = [
            Extras::KEY.only_if(method.goes_by_request()),
            Extras::STICKY.only_if(conf.sticky.is_some() || conf.takes_hints),
            Extras::DRAIN.only_if(conf.drains()),
            Extras::KEEPALIVE.only_if(conf.keepalive.is_some()),
            Extras::TIMES.only_if(conf.goes_by_times()),
            shown,
            Extras::GROUP.only_if(conf.group.is_some()),
            Extras::COMPARISON.only_if(!method.looks_at_few()),
            Extras::STATISTICS.only_if(conf.counting == Counting::On),
        ];
        let extras = extras.into_iter().fold(Extras::NONE, Extras::with);
        self.method.set(method);
        self.extras.set(extras);
    }

    /// Whether its requests must be told when the header of a response comes.
    pub(crate) fn needs_header_times(&self) -> bool {
        let conf = self.settings();
        conf.balance().least_time().is_some() || conf.has_settings()
    }

    /// The same, as other protocols have them.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
