//! Where nginx keeps what belongs to this library's modules: the core module, and the one of HTTP.

use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use ngx::ffi::{
    ngx_cycle_t, ngx_http_conf_ctx_t, ngx_http_module, ngx_http_request_t,
    ngx_http_upstream_srv_conf_t, ngx_module_t,
};

/// The core module.
static CORE: AtomicPtr<ngx_module_t> = AtomicPtr::new(ptr::null_mut());

/// The HTTP module's place among those of all HTTP modules. nginx gives a module the same place in
/// each cycle.
static HTTP_INDEX: AtomicUsize = AtomicUsize::new(0);

/// Says which is the core module; to be called before any other function here.
pub(crate) fn set_core(module: *mut ngx_module_t) {
    CORE.store(module, Ordering::Relaxed);
}

/// Says which is the HTTP module, once nginx has given it its place.
pub(crate) fn set_http(module: &ngx_module_t) {
    HTTP_INDEX.store(module.ctx_index, Ordering::Relaxed);
}

fn http_index() -> usize {
    HTTP_INDEX.load(Ordering::Relaxed)
}

/// By which nginx knows whose a zone is.
pub(crate) fn tag() -> *mut c_void {
    CORE.load(Ordering::Relaxed).cast()
}

/// The core module's configuration in a cycle; null where it has none.
pub(crate) fn core_conf(cycle: &ngx_cycle_t) -> *mut c_void {
    // SAFETY: a module lives for as long as nginx calls it. A cycle that has configurations has a
    // place for each of its modules.
    unsafe {
        match (CORE.load(Ordering::Relaxed).as_ref(), cycle.conf_ctx.is_null()) {
            (Some(module), false) => (*cycle.conf_ctx.add(module.index)).cast(),
            _ => ptr::null_mut(),
        }
    }
}

/// The HTTP module's main configuration, in a context of HTTP's.
pub(crate) fn http_main_conf(context: &ngx_http_conf_ctx_t) -> *mut c_void {
    // SAFETY: nginx makes room for each HTTP module.
    unsafe { *context.main_conf.add(http_index()) }
}

/// As [`http_main_conf`], of a cycle; null where it has no `http` block.
pub(crate) fn http_main_conf_of_cycle(cycle: &ngx_cycle_t) -> *mut c_void {
    // SAFETY: nginx's HTTP core module is there, and keeps its context in the cycle.
    unsafe {
        if cycle.conf_ctx.is_null() {
            return ptr::null_mut();
        }
        let context = *cycle.conf_ctx.add(ngx_http_module.index);
        context.cast::<ngx_http_conf_ctx_t>().as_ref().map_or(ptr::null_mut(), http_main_conf)
    }
}

/// As [`http_main_conf`], of the cycle that a request is of.
pub(crate) fn http_main_conf_of(request: &ngx_http_request_t) -> *mut c_void {
    // SAFETY: as above.
    unsafe { *request.main_conf.add(http_index()) }
}

/// The HTTP module's configuration of an upstream; null where nginx made none.
pub(crate) fn http_upstream_conf(us: &ngx_http_upstream_srv_conf_t) -> *mut c_void {
    if us.srv_conf.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as above.
    unsafe { *us.srv_conf.add(http_index()) }
}

/// The HTTP module's place in a request, for what it keeps there.
pub(crate) fn http_context(request: &ngx_http_request_t) -> *mut *mut c_void {
    // SAFETY: as above.
    unsafe { request.ctx.add(http_index()) }
}
