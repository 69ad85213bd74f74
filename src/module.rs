//! What nginx loads: the core module, with its context and its callbacks, and one module for each
//! protocol.
//!
//! To the core module belongs what there is once for an nginx, whatever uses it: clusters, the
//! lease on being the watcher, the watcher, root's files.

mod http;
#[cfg(stream)]
mod stream;

use core::{
    ffi::{c_char, c_void},
    ptr,
};

use ngx::{
    core::{NGX_CONF_ERROR, Pool},
    ffi::{
        NGX_CORE_MODULE, NGX_LOG_EMERG, ngx_core_module_t, ngx_cycle_t, ngx_int_t, ngx_module_t,
    },
    ngx_string,
};

#[cfg(stream)]
use crate::stream::PROTOCOL as STREAM;
use crate::{
    directives,
    http::PROTOCOL as HTTP,
    nginx::{
        callback::{ERROR, guard},
        log, modules,
    },
    process,
    upstream::{CoreConf, Protocol},
};

/// The modules, as nginx's `load_module` looks for them, in the order in which they are called.
///
/// By hand: the macro of ngx-rust 0.5.1 takes one module only.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_modules: [*const ngx_module_t; MODULES + 1] = [
    ptr::addr_of!(ngx_etcd_module),
    ptr::addr_of!(http::MODULE),
    #[cfg(stream)]
    ptr::addr_of!(stream::MODULE),
    ptr::null(),
];

/// How many there are.
const MODULES: usize = 2 + cfg!(stream) as usize;

/// Their names.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_module_names: [*const c_char; MODULES + 1] = [
    c"ngx_etcd_module".as_ptr(),
    http::NAME.as_ptr(),
    #[cfg(stream)]
    stream::NAME.as_ptr(),
    ptr::null(),
];

/// Before which others they are to be called; none.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_module_order: [*const c_char; 1] = [ptr::null()];

/// The protocols of these modules.
const PROTOCOLS: &[Protocol] = &[
    HTTP,
    #[cfg(stream)]
    STREAM,
];

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
    guard(ERROR, || process::init_module(cycle, PROTOCOLS))
}

unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard(ERROR, || process::init_process(cycle, PROTOCOLS))
}

unsafe extern "C" fn exit_process(_cycle: *mut ngx_cycle_t) {
    guard((), || process::exit_process(PROTOCOLS));
}
