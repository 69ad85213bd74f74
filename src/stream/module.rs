//! Where nginx keeps what belongs to this library's stream module.

use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use ngx::ffi::{ngx_conf_t, ngx_cycle_t, ngx_module_t};

use crate::nginx::{
    modules,
    stream::{
        ngx_stream_conf_ctx_t, ngx_stream_core_main_conf_t, ngx_stream_session_t,
        ngx_stream_upstream_srv_conf_t,
    },
};

/// The module's place among those of all stream modules. nginx gives a module the same place in
/// each cycle.
static INDEX: AtomicUsize = AtomicUsize::new(0);

/// Says which is the module, once nginx has given it its place; to be called before any other
/// function here.
pub(crate) fn set(module: &ngx_module_t) {
    INDEX.store(module.ctx_index, Ordering::Relaxed);
}

fn index() -> usize {
    INDEX.load(Ordering::Relaxed)
}

/// The context of stream's, inside of a block `stream`.
fn context_of(cf: &ngx_conf_t) -> &ngx_stream_conf_ctx_t {
    // SAFETY: the caller says where it is; nginx keeps the context for as long as the cycle.
    unsafe { &*cf.ctx.cast() }
}

/// The module's main configuration, inside of a block `stream`, or where it has just been read.
pub(super) fn main_conf(cf: &ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx makes room for each stream module.
    unsafe { *context_of(cf).main_conf.add(index()) }
}

/// As [`main_conf`], of a cycle; null where it has no block `stream`.
pub(super) fn main_conf_of_cycle(cycle: &ngx_cycle_t) -> *mut c_void {
    let Some(stream) = modules::named(cycle, c"ngx_stream_module") else {
        return ptr::null_mut();
    };
    // SAFETY: nginx keeps the context of stream's in the cycle, in a place that each module has.
    unsafe {
        if cycle.conf_ctx.is_null() {
            return ptr::null_mut();
        }
        let context = *cycle.conf_ctx.add(stream.index);
        let context = context.cast::<ngx_stream_conf_ctx_t>().as_ref();
        context.map_or(ptr::null_mut(), |context| *context.main_conf.add(index()))
    }
}

/// As [`main_conf`], of the cycle that a session is of.
pub(super) fn main_conf_of(session: &ngx_stream_session_t) -> *mut c_void {
    // SAFETY: nginx makes room for each stream module.
    unsafe { *session.main_conf.add(index()) }
}

/// The configuration of nginx's own stream core, inside of a block `stream`.
pub(super) fn core_main_conf(cf: &ngx_conf_t) -> Option<&ngx_stream_core_main_conf_t> {
    // SAFETY: a configuration is that of a cycle.
    let core = modules::named(unsafe { &*cf.cycle }, c"ngx_stream_core_module")?;
    // SAFETY: as in `main_conf`; nginx's core module has made its own.
    unsafe {
        let conf = *context_of(cf).main_conf.add(core.ctx_index);
        conf.cast::<ngx_stream_core_main_conf_t>().as_ref()
    }
}

/// nginx's own configuration of the upstream that is being read; null where there is none.
pub(crate) fn nginx_upstream_conf(cf: &ngx_conf_t) -> *mut ngx_stream_upstream_srv_conf_t {
    // SAFETY: a configuration is that of a cycle.
    let upstream = modules::named(unsafe { &*cf.cycle }, c"ngx_stream_upstream_module");
    let Some(upstream) = upstream else { return ptr::null_mut() };
    // SAFETY: as in `main_conf`.
    unsafe { (*context_of(cf).srv_conf.add(upstream.ctx_index)).cast() }
}

/// The module's configuration of an upstream; null where nginx made none.
pub(super) fn upstream_conf(us: &ngx_stream_upstream_srv_conf_t) -> *mut c_void {
    if us.srv_conf.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as in `main_conf`.
    unsafe { *us.srv_conf.add(index()) }
}

/// As [`upstream_conf`], where nginx made one.
///
/// # Safety
///
/// It did.
#[inline(always)]
pub(super) unsafe fn upstream_conf_of_ours(us: &ngx_stream_upstream_srv_conf_t) -> *mut c_void {
    // SAFETY: the caller's promise; as in `main_conf`.
    unsafe { *us.srv_conf.add(index()) }
}

/// The module's place in a session, for what it keeps there.
pub(super) fn context(session: &ngx_stream_session_t) -> *mut *mut c_void {
    // SAFETY: as in `main_conf`.
    unsafe { session.ctx.add(index()) }
}
