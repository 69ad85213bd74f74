//! The edge between nginx and this module: a guard around callbacks, and what they return.

use core::{
    any::Any,
    ffi::{c_char, c_void},
    panic::AssertUnwindSafe,
};
use std::panic::catch_unwind;

use ngx::ffi::{NGX_ERROR, NGX_LOG_ALERT, NGX_OK, ngx_command_t, ngx_conf_t, ngx_int_t};

use super::log;

/// Runs a callback of nginx's: a panic, which must not cross into C, becomes `otherwise`.
// Of what cannot panic, nothing is left of this: so it is a part of each callback.
#[inline(always)]
pub(crate) fn guard<T>(otherwise: T, callback: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(callback)) {
        Ok(result) => result,
        Err(panic) => {
            report_panic(panic);
            otherwise
        }
    }
}

#[cold]
#[inline(never)]
fn report_panic(panic: Box<dyn Any + Send>) {
    log::error(&format!("etcd: internal error: {}", log::panic_message(&*panic)));
}

/// Ends this process, for a fault after which the memory cannot be trusted: nginx starts another
/// worker.
#[cold]
pub(crate) fn end_process(fault: &str) -> ! {
    log::at(NGX_LOG_ALERT, &format!("etcd: internal error: {fault}; this process ends"));
    std::process::abort()
}

/// `NGX_OK` as callbacks return it.
pub(crate) const OK: ngx_int_t = NGX_OK as ngx_int_t;

/// `NGX_ERROR` as callbacks return it.
pub(crate) const ERROR: ngx_int_t = NGX_ERROR as ngx_int_t;

/// What a directive's handler returns: nothing, or that it has logged an error.
pub(crate) type ConfResult = *mut c_char;

/// A handler of a directive.
pub(crate) type Handler =
    unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> ConfResult;
