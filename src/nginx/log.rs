//! Lines in nginx's error log.

use core::any::Any;
use std::io::Write;

use ngx::{
    ffi::{NGX_LOG_ERR, ngx_log_t, ngx_uint_t},
    log::ngx_cycle_log,
    ngx_log_error,
};

/// Logs `message` at `level` (`NGX_LOG_NOTICE` and its like). For the event loop and for
/// configuration time, not for threads.
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

/// What a panic said, in one line: it may quote what somebody else has written.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    one_line(payload_text(panic))
}

/// Has a panic say in one line where it was, on the standard error, which is nginx's log in the
/// background. Rust's own way are several lines, and its words as they are.
pub(crate) fn one_line_for_panics() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let line = format!(
            "etcd: thread \"{}\" panicked at {place}: {}\n",
            thread.name().unwrap_or_default(),
            one_line(payload_text(info.payload()))
        );
        // In one piece: nginx writes there, too.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }));
}

fn payload_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn one_line(text: &str) -> String {
    /// More than the panics have to say that Rust and the libraries in use know, short of the
    /// values that they quote.
    const LENGTH: usize = 300;
    let mut line = String::new();
    for character in text.chars().take(LENGTH) {
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}
