//! nginx's modules, and where nginx keeps what belongs to this library's core module.

use core::{
    ffi::{CStr, c_void},
    ptr, slice,
    sync::atomic::{AtomicPtr, Ordering},
};

use ngx::ffi::{ngx_cycle_t, ngx_module_t};

/// The core module.
static CORE: AtomicPtr<ngx_module_t> = AtomicPtr::new(ptr::null_mut());

/// Says which is the core module; to be called before any other function here.
pub(crate) fn set_core(module: *mut ngx_module_t) {
    CORE.store(module, Ordering::Relaxed);
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

/// The module of this name that a cycle has. Its place among all and among those of its kind holds
/// for this cycle.
pub(crate) fn named(cycle: &ngx_cycle_t, name: &CStr) -> Option<&'static ngx_module_t> {
    // SAFETY: a cycle's modules are there before its configuration is read, each with a name, and
    // live for as long as the cycle.
    unsafe {
        let modules = slice::from_raw_parts(cycle.modules, cycle.modules_n);
        let is_named = |module: &&*mut ngx_module_t| {
            !(***module).name.is_null() && CStr::from_ptr((***module).name) == name
        };
        modules.iter().find(is_named).and_then(|module| module.as_ref())
    }
}
