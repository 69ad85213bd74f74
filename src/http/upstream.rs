//! An upstream of HTTP's: what any upstream is, and what its requests need beside it.

use core::{cell::Cell, mem::offset_of, ops::Deref, ptr::NonNull};

use ngx::ffi::{
    ngx_conf_t, ngx_cycle_t, ngx_http_complex_value_t, ngx_http_request_t,
    ngx_http_upstream_srv_conf_t, ngx_str_t,
};

use super::{drain::Drains, module};
use crate::{
    nginx::list::List,
    upstream::{CoreConf, Upstream},
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
    pub(crate) drains: Drains,
    /// Whether a variable shows how many connections are open to peers.
    pub(crate) shows_connections: Cell<bool>,
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

    /// The same, as other protocols have them.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
