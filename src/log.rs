//! Lines in nginx's error log.

use core::any::Any;

use ngx::{
    ffi::{NGX_LOG_ERR, ngx_log_t, ngx_uint_t},
    log::ngx_cycle_log,
    ngx_log_error,
};

/// Logs `message` at `level` (`NGX_LOG_NOTICE` and its like). For the event loop and for configuration time, not for threads.
pub(crate) fn at(level: u32, message: &str) {
    to(level, ngx_cycle_log().as_ptr(), message);
}

/// As [`at`], to a log of one's own.
pub(crate) fn to(level: u32, log: *mut ngx_log_t, message: &str) {
    ngx_log_error!(level as ngx_uint_t, log, "{message}");
}

/// Logs an error.
pub(crate) fn error(message: &str) {
    at(NGX_LOG_ERR, message);
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
