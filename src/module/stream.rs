//! The stream module: its context and its callbacks.

use core::{
    ffi::{CStr, c_void},
    ptr,
};

use ngx::ffi::{NGX_LOG_EMERG, ngx_conf_t, ngx_int_t, ngx_module_t};

use crate::{
    directives,
    nginx::{
        callback::{ERROR, OK, guard},
        cycle_pool, log,
        stream::{NGX_STREAM_MODULE, look_up, ngx_stream_module_t},
    },
    stream::{self, StreamConf, StreamUpstream},
    upstream::CoreConf,
};

pub(super) use self::ngx_stream_upstream_etcd_module as MODULE;

/// The module's name.
pub(super) const NAME: &CStr = c"ngx_stream_upstream_etcd_module";

static CONTEXT: ngx_stream_module_t = ngx_stream_module_t {
    preconfiguration: None,
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create_stream_conf),
    init_main_conf: None,
    create_srv_conf: Some(create_upstream_conf),
    merge_srv_conf: None,
};

/// The stream module. nginx without stream takes it for one that has nothing to do.
#[unsafe(no_mangle)]
#[used]
pub static mut ngx_stream_upstream_etcd_module: ngx_module_t = ngx_module_t {
    ctx: ptr::addr_of!(CONTEXT).cast_mut().cast(),
    // SAFETY: nginx reads the table, and its entries do not change.
    commands: unsafe { ptr::addr_of_mut!(directives::stream::COMMANDS[0]) },
    type_: NGX_STREAM_MODULE as _,
    ..ngx_module_t::default()
};

unsafe extern "C" fn create_stream_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: nginx has given the module its place before it calls this, and passes a valid
        // configuration.
        let (module, cf) = unsafe { (&*ptr::addr_of!(ngx_stream_upstream_etcd_module), &*cf) };
        if let Err(missing) = look_up() {
            log::to(
                NGX_LOG_EMERG,
                cf.log,
                &format!(
                    "\"{}\" cannot find \"{missing}\" of nginx's stream",
                    NAME.to_string_lossy()
                ),
            );
            return ptr::null_mut();
        }
        stream::module::set(module);
        CoreConf::of_conf(cf)
            .and_then(|core| cycle_pool::allocate(cf, StreamConf::new(core)))
            .map_or(ptr::null_mut(), |conf| (&raw const *conf).cast_mut().cast())
    })
}

unsafe extern "C" fn create_upstream_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: nginx passes a valid configuration.
        let upstream = cycle_pool::allocate(unsafe { &*cf }, StreamUpstream::default());
        upstream.map_or(ptr::null_mut(), |upstream| (&raw const *upstream).cast_mut().cast())
    })
}

/// The variables are added here, and not before the block is read as those of HTTP are: if stream
/// is loaded after this module, it has no place for them then. nginx looks for what a variable's
/// name means after this.
unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid configuration, with the context of `stream`.
        let Some(conf) = StreamConf::of_conf(unsafe { &*cf }) else { return ERROR };
        if stream::add_variables(cf) != OK {
            return ERROR;
        }
        // SAFETY: as above.
        stream::settle_variables(unsafe { &*cf }, conf);
        OK
    })
}
