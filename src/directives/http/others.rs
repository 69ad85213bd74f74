//! What directives of nginx's own modules say of an upstream, where nginx has no other way to ask.
//!
//! No header of nginx declares the two structures that are read here: each is declared in the
//! source of its module, which the packages for building modules do not contain. Where nginx is
//! built from its sources, `crates/nginx-layout` reads them and compares. With a package, only the
//! end-to-end tests find a change: nginx keeps connections of an upstream that must have none, or
//! accepts `sticky` beside `etcd_sticky`.

use core::{
    ffi::{CStr, c_void},
    ptr::NonNull,
};

use ngx::ffi::{ngx_conf_t, ngx_http_upstream_srv_conf_t};

use crate::nginx::modules;

/// `NGX_CONF_UNSET_UINT`, `NGX_CONF_UNSET_MSEC`.
pub(super) const UNSET: usize = usize::MAX;

/// How `ngx_http_upstream_keepalive_srv_conf_t` begins, in 1.22.1 as in 1.31.5.
#[repr(C)]
pub(super) struct Keepalive {
    /// Of `keepalive`. Where that is not there: [`UNSET`] from 1.29.7 on, 0 before.
    max_cached: usize,
    requests: usize,
    time: usize,
    timeout: usize,
}

/// What `keepalive` and its relatives say, until nginx fills in what they do not: while it calls
/// `init_upstream`.
pub(super) fn keepalive<'us>(
    cf: &ngx_conf_t,
    us: &'us mut ngx_http_upstream_srv_conf_t,
) -> Option<&'us mut Keepalive> {
    let settings = settings(cf, us, c"ngx_http_upstream_keepalive_module")?;
    // SAFETY: see the structure; the upstream's settings live as long as it does, and only one
    // callback looks at them at a time.
    Some(unsafe { settings.cast().as_mut() })
}

impl Keepalive {
    /// Whether `keepalive` is there, whatever it says.
    pub(super) fn is_asked(&self) -> bool {
        self.max_cached != if cfg!(nginx1_29_7) { UNSET } else { 0 }
    }

    /// `keepalive_requests`, where it is there.
    pub(super) fn requests(&self) -> Option<usize> {
        set(self.requests)
    }

    /// `keepalive_time`, in milliseconds.
    pub(super) fn time(&self) -> Option<usize> {
        set(self.time)
    }

    /// `keepalive_timeout`, in milliseconds.
    pub(super) fn timeout(&self) -> Option<usize> {
        set(self.timeout)
    }

    /// Has nginx leave the upstream alone, as `keepalive 0` does: otherwise it would keep
    /// connections of every upstream by default.
    #[cfg(nginx1_29_7)]
    pub(super) fn turn_off(&mut self) {
        self.max_cached = 0;
    }
}

fn set(value: usize) -> Option<usize> {
    (value != UNSET).then_some(value)
}

/// Whether the upstream has nginx's own `sticky` (1.29.6 on).
pub(super) fn has_sticky(cf: &ngx_conf_t, us: &ngx_http_upstream_srv_conf_t) -> bool {
    settings(cf, us, c"ngx_http_upstream_sticky_module").is_some_and(|settings| {
        // SAFETY: `ngx_http_upstream_sticky_srv_conf_t` begins with the `init_upstream` that
        // `sticky` has found there, and with null where it is not there.
        !unsafe { settings.cast::<*const c_void>().read() }.is_null()
    })
}

/// The settings that a module has made for the upstream; `None` where there is no such module.
fn settings(
    cf: &ngx_conf_t,
    us: &ngx_http_upstream_srv_conf_t,
    name: &CStr,
) -> Option<NonNull<c_void>> {
    // SAFETY: a configuration is that of a cycle.
    let module = modules::named(unsafe { &*cf.cycle }, name)?;
    // SAFETY: each module of nginx's that has a configuration for upstreams has made it for this
    // one.
    NonNull::new(unsafe { *us.srv_conf.add(module.ctx_index) })
}
