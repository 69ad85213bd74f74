//! Where nginx keeps what belongs to this library's HTTP module.

use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use ngx::ffi::{
    ngx_cycle_t, ngx_http_conf_ctx_t, ngx_http_module, ngx_http_request_t,
    ngx_http_upstream_srv_conf_t, ngx_module_t,
};

/// The module's place among those of all HTTP modules. nginx gives a module the same place in each
/// cycle.
static INDEX: AtomicUsize = AtomicUsize::new(0);

/// Says which is the module, once nginx has given it its place; to be called before any other
/// function here.
pub(crate) fn set(module: &ngx_module_t) {
    INDEX.store(module.ctx_index, Ordering::Relaxed);
}

fn index() -> usize {
    INDEX.load(Ordering::Relaxed)
}

/// The module's main configuration, in a context of HTTP's.
pub(super) fn main_conf(context: &ngx_http_conf_ctx_t) -> *mut c_void {
    // SAFETY: nginx makes room for each HTTP module.
    unsafe { *context.main_conf.add(index()) }
}

/// As [`main_conf`], of a cycle; null where it has no `http` block.
pub(super) fn main_conf_of_cycle(cycle: &ngx_cycle_t) -> *mut c_void {
    // SAFETY: nginx's HTTP core module is there, and keeps its context in the cycle.
    unsafe {
        if cycle.conf_ctx.is_null() {
            return ptr::null_mut();
        }
        let context = *cycle.conf_ctx.add(ngx_http_module.index);
        context.cast::<ngx_http_conf_ctx_t>().as_ref().map_or(ptr::null_mut(), main_conf)
    }
}

/// As [`main_conf`], of the cycle that a request is of.
pub(super) fn main_conf_of(request: &ngx_http_request_t) -> *mut c_void {
    // SAFETY: as above.
    unsafe { *request.main_conf.add(index()) }
}

/// The module's configuration of an upstream; null where nginx made none.
pub(super) fn upstream_conf(us: &ngx_http_upstream_srv_conf_t) -> *mut c_void {
    if us.srv_conf.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as above.
    unsafe { *us.srv_conf.add(index()) }
}

/// As [`upstream_conf`], where nginx has made one.
///
/// # Safety
///
/// It has.
#[inline]
pub(super) unsafe fn upstream_conf_of_ours(us: &ngx_http_upstream_srv_conf_t) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { *us.srv_conf.add(index()) }
}

/// The module's place in a request, for what it keeps there.
pub(super) fn context(request: &ngx_http_request_t) -> *mut *mut c_void {
    // SAFETY: as above.
    unsafe { request.ctx.add(index()) }
}
