//! The HTTP module: its context and its callbacks.

use core::{
    ffi::{CStr, c_void},
    ptr,
};

use ngx::ffi::{NGX_HTTP_MODULE, ngx_conf_t, ngx_http_module_t, ngx_int_t, ngx_module_t};

use crate::{
    directives,
    http::{self, HttpConf, HttpUpstream},
    nginx::{
        callback::{ERROR, OK, guard},
        cycle_pool,
    },
    upstream::CoreConf,
};

pub(super) use self::ngx_http_upstream_etcd_module as MODULE;

/// The module's name.
pub(super) const NAME: &CStr = c"ngx_http_upstream_etcd_module";

static CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(preconfiguration),
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create_http_conf),
    init_main_conf: None,
    create_srv_conf: Some(create_upstream_conf),
    merge_srv_conf: None,
    create_loc_conf: None,
    merge_loc_conf: None,
};

/// The HTTP module.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_http_upstream_etcd_module: ngx_module_t = ngx_module_t {
    ctx: ptr::addr_of!(CONTEXT).cast_mut().cast(),
    // SAFETY: nginx reads the table, and its entries do not change.
    commands: unsafe { ptr::addr_of_mut!(directives::http::COMMANDS[0]) },
    type_: NGX_HTTP_MODULE as _,
    ..ngx_module_t::default()
};

unsafe extern "C" fn create_http_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: nginx has given the module its place before it calls this, and passes a valid
        // configuration.
        let (module, cf) = unsafe { (&*ptr::addr_of!(ngx_http_upstream_etcd_module), &*cf) };
        http::module::set(module);
        CoreConf::of_conf(cf)
            .and_then(|core| cycle_pool::allocate(cf, HttpConf::new(core)))
            .map_or(ptr::null_mut(), |conf| (&raw const *conf).cast_mut().cast())
    })
}

unsafe extern "C" fn create_upstream_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: nginx passes a valid configuration.
        let upstream = cycle_pool::allocate(unsafe { &*cf }, HttpUpstream::default());
        upstream.map_or(ptr::null_mut(), |upstream| (&raw const *upstream).cast_mut().cast())
    })
}

unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    guard(ERROR, || http::add_variables(cf))
}

unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid configuration, with the context of `http`.
        let Some(conf) = HttpConf::of_conf(unsafe { &*cf }) else { return ERROR };
        let shown = http::shown(cf);
        for upstream in conf.upstreams.iter() {
            http::settle(upstream, shown);
        }
        if !conf.upstreams.is_empty() {
            let needs_times = conf.upstreams.iter().any(HttpUpstream::needs_header_times);
            http::install_header_filter(needs_times);
        }
        OK
    })
}
