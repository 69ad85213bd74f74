//! What nginx loads: the module, its context and its callbacks.

use core::{ffi::c_void, ptr};

use ngx::{
    ffi::{NGX_HTTP_MODULE, ngx_conf_t, ngx_cycle_t, ngx_http_module_t, ngx_int_t, ngx_module_t},
    http::{HttpModule, HttpModuleMainConf, HttpModuleServerConf},
};

use crate::{
    config::{MainConf, UpstreamConf},
    directives,
    http::variables,
    nginx::callback::{ERROR, guard},
    process,
};

/// The module as ngx-rust sees it.
pub(crate) struct Module;

impl HttpModule for Module {
    fn module() -> &'static ngx_module_t {
        // SAFETY: nginx writes to it only while it loads the module, before any of its callbacks
        // runs.
        unsafe { &*ptr::addr_of!(ngx_http_upstream_etcd_module) }
    }

    unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
        crate::nginx::log::one_line_for_panics();
        guard(ERROR, || variables::add(cf))
    }

    unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
        guard(ERROR, || directives::check_all(cf))
    }
}

// SAFETY: `create_main_conf` makes a `MainConf`.
unsafe impl HttpModuleMainConf for Module {
    type MainConf = MainConf;
}

// SAFETY: `create_srv_conf` makes an `UpstreamConf`.
unsafe impl HttpModuleServerConf for Module {
    type ServerConf = UpstreamConf;
}

static MODULE_CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(Module::preconfiguration),
    postconfiguration: Some(Module::postconfiguration),
    create_main_conf: Some(Module::create_main_conf),
    init_main_conf: None,
    create_srv_conf: Some(Module::create_srv_conf),
    merge_srv_conf: None,
    create_loc_conf: None,
    merge_loc_conf: None,
};

ngx::ngx_modules!(ngx_http_upstream_etcd_module);

/// The module.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_http_upstream_etcd_module: ngx_module_t = ngx_module_t {
    ctx: ptr::addr_of!(MODULE_CONTEXT).cast_mut().cast(),
    // SAFETY: nginx reads the table, and its entries do not change.
    commands: unsafe { ptr::addr_of_mut!(directives::COMMANDS[0]) },
    type_: NGX_HTTP_MODULE as _,
    init_module: Some(init_module),
    init_process: Some(init_process),
    exit_process: Some(exit_process),
    ..ngx_module_t::default()
};

/// Keeps the module in memory for as long as the process lives, whatever nginx does with it: for a
/// thread that does not end in time.
pub(crate) fn stay_loaded() {
    let here = ptr::addr_of!(ngx_http_upstream_etcd_module).cast::<c_void>();
    // SAFETY: zeroes are a valid value of it.
    let mut object: libc::Dl_info = unsafe { core::mem::zeroed() };
    // SAFETY: the address lies in the module, and `object` is a local variable; the name that is
    // found lives as long as the module.
    unsafe {
        if libc::dladdr(here, &raw mut object) != 0 {
            // One more reference, which nobody gives back.
            libc::dlopen(object.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        }
    }
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
