//! What nginx loads: two modules, with their contexts and their callbacks.
//!
//! To the core module belongs what there is once for an nginx, whatever uses it: clusters, the
//! lease on being the watcher, the watcher, root's files. The other one is about HTTP.

use core::{
    ffi::{c_char, c_void},
    ptr,
};

use ngx::{
    core::{NGX_CONF_ERROR, Pool},
    ffi::{
        NGX_CORE_MODULE, NGX_HTTP_MODULE, NGX_LOG_EMERG, ngx_conf_t, ngx_core_module_t,
        ngx_cycle_t, ngx_http_module_t, ngx_int_t, ngx_module_t,
    },
    ngx_string,
};

use crate::{
    directives,
    http::{self, HttpConf, HttpUpstream},
    nginx::{
        callback::{ERROR, OK, guard},
        cycle_pool, log, modules,
    },
    process,
    upstream::CoreConf,
};

/// The modules, as nginx's `load_module` looks for them, in the order in which they are called.
///
/// By hand: the macro of ngx-rust 0.5.1 takes one module only.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_modules: [*const ngx_module_t; 3] =
    [ptr::addr_of!(ngx_etcd_module), ptr::addr_of!(ngx_http_upstream_etcd_module), ptr::null()];

/// Their names.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_module_names: [*const c_char; 3] =
    [c"ngx_etcd_module".as_ptr(), c"ngx_http_upstream_etcd_module".as_ptr(), ptr::null()];

/// Before which others they are to be called; none.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_module_order: [*const c_char; 1] = [ptr::null()];

static mut CORE_CONTEXT: ngx_core_module_t = ngx_core_module_t {
    name: ngx_string!("etcd"),
    create_conf: Some(create_core_conf),
    init_conf: Some(init_core_conf),
};

/// The core module.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_etcd_module: ngx_module_t = ngx_module_t {
    ctx: ptr::addr_of_mut!(CORE_CONTEXT).cast(),
    // SAFETY: nginx reads the table, and its entries do not change.
    commands: unsafe { ptr::addr_of_mut!(directives::CORE[0]) },
    type_: NGX_CORE_MODULE as _,
    init_module: Some(init_module),
    init_process: Some(init_process),
    exit_process: Some(exit_process),
    ..ngx_module_t::default()
};

static HTTP_CONTEXT: ngx_http_module_t = ngx_http_module_t {
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
    ctx: ptr::addr_of!(HTTP_CONTEXT).cast_mut().cast(),
    // SAFETY: as above.
    commands: unsafe { ptr::addr_of_mut!(directives::HTTP[0]) },
    type_: NGX_HTTP_MODULE as _,
    ..ngx_module_t::default()
};

/// Called before any other callback of a cycle.
unsafe extern "C" fn create_core_conf(cycle: *mut ngx_cycle_t) -> *mut c_void {
    log::one_line_for_panics();
    guard(ptr::null_mut(), || {
        modules::set_core(ptr::addr_of_mut!(ngx_etcd_module));
        // SAFETY: nginx passes a cycle that is being made, with its pool.
        let pool = unsafe { Pool::from_ngx_pool((*cycle).pool) };
        pool.allocate(CoreConf::default()).cast()
    })
}

/// Called when all of the configuration has been read.
unsafe extern "C" fn init_core_conf(cycle: *mut ngx_cycle_t, conf: *mut c_void) -> *mut c_char {
    guard(NGX_CONF_ERROR as *mut c_char, || {
        // SAFETY: nginx passes a valid cycle, and what `create_core_conf` has made.
        let (cycle, core) = unsafe { (&*cycle, &*conf.cast::<CoreConf>()) };
        let errors = directives::check_all(core);
        for error in &errors {
            log::to(NGX_LOG_EMERG, cycle.log, error);
        }
        if errors.is_empty() { ptr::null_mut() } else { NGX_CONF_ERROR as *mut c_char }
    })
}

unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard(ERROR, || process::init_module(cycle))
}

unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard(ERROR, || process::init_process(cycle))
}

unsafe extern "C" fn exit_process(_cycle: *mut ngx_cycle_t) {
    guard((), process::exit_process);
}

unsafe extern "C" fn create_http_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: nginx has given the module its place before it calls this, and passes a valid
        // configuration.
        let (module, cf) = unsafe { (&*ptr::addr_of!(ngx_http_upstream_etcd_module), &*cf) };
        modules::set_http(module);
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
        let shows_connections = http::shows_connections(cf);
        for upstream in conf.upstreams.iter() {
            upstream.shows_connections.set(shows_connections);
        }
        if !conf.upstreams.is_empty() {
            http::notice_upgrades();
        }
        OK
    })
}
