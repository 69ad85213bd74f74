//! What nginx's own `keepalive` is about to do with an upstream.

use ngx::ffi::{ngx_conf_t, ngx_http_upstream_srv_conf_t};

/// Whether nginx keeps the connections of an upstream.
pub(super) enum Nginx {
    /// It does not.
    Nothing,
    /// The upstream has `keepalive`.
    Asked,
    /// Nothing is said, and this is what it does by default.
    #[cfg(nginx1_29_7)]
    Default(Limits),
}

/// What `keepalive_requests`, `keepalive_time` and `keepalive_timeout` say, where they are there.
#[cfg(nginx1_29_7)]
pub(super) struct Limits {
    pub(super) requests: Option<usize>,
    /// In milliseconds.
    pub(super) time: Option<usize>,
    /// In milliseconds.
    pub(super) timeout: Option<usize>,
}

/// Asks while nginx calls `init_upstream`. `is_wrapped`: another module has put itself before ours, as `keepalive` did up to 1.29.6.
#[cfg(not(nginx1_29_7))]
pub(super) fn of(_cf: &ngx_conf_t, _us: &ngx_http_upstream_srv_conf_t, is_wrapped: bool) -> Nginx {
    if is_wrapped { Nginx::Asked } else { Nginx::Nothing }
}

/// Asks while nginx calls `init_upstream`: after that, `keepalive` takes each upstream's `peer.init` for itself, and what was written
/// cannot be told from what it does by default.
#[cfg(nginx1_29_7)]
pub(super) fn of(cf: &ngx_conf_t, us: &ngx_http_upstream_srv_conf_t, _is_wrapped: bool) -> Nginx {
    use core::ffi::CStr;

    /// How `ngx_http_upstream_keepalive_srv_conf_t` begins, in 1.29.7 as in 1.31.5. It stands in no header. If it should change, the tests on such an
    /// nginx find connections kept where none are to be, or none kept.
    #[repr(C)]
    struct Written {
        max_cached: usize,
        requests: usize,
        time: usize,
        timeout: usize,
    }

    /// `NGX_CONF_UNSET_UINT`, `NGX_CONF_UNSET_MSEC`.
    const UNSET: usize = usize::MAX;

    const MODULE: &CStr = c"ngx_http_upstream_keepalive_module";

    // SAFETY: the cycle's modules are there before its configuration is read, each with a name; each module of nginx's that has a configuration
    // for upstreams has made it for this one.
    let written = unsafe {
        let modules = core::slice::from_raw_parts((*cf.cycle).modules, (*cf.cycle).modules_n);
        modules
            .iter()
            .find(|module| !(***module).name.is_null() && CStr::from_ptr((***module).name) == MODULE)
            .and_then(|module| (*us.srv_conf.add((**module).ctx_index)).cast::<Written>().as_ref())
    };
    let set = |value: usize| (value != UNSET).then_some(value);
    match written {
        None => Nginx::Nothing,
        Some(written) => match set(written.max_cached) {
            Some(0) => Nginx::Nothing,
            Some(_) => Nginx::Asked,
            None => Nginx::Default(Limits {
                requests: set(written.requests),
                time: set(written.time),
                timeout: set(written.timeout),
            }),
        },
    }
}
