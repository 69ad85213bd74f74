//! A directive's arguments as nginx has them, and what becomes of an error.

use core::ptr;
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use directive_table::ConfError;
pub(super) use nginx_syntax::{milliseconds, seconds};
use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{
        NGX_INVALID_FILE, NGX_LOG_EMERG, NGX_OK, ngx_conf_full_name, ngx_conf_t, ngx_int_t,
        ngx_str_t,
    },
    ngx_conf_log_error,
};

use crate::nginx::{callback::ConfResult, log};

/// Turns a handler's result into nginx's, having logged the error.
pub(super) fn finish(cf: *mut ngx_conf_t, result: Result<(), ConfError>) -> ConfResult {
    match result {
        Ok(()) => ptr::null_mut(),
        Err(error) => {
            // SAFETY: nginx passes a valid configuration.
            let conf = unsafe { &*cf };
            if error.has_detail() {
                log::to(NGX_LOG_EMERG, conf.log, &error.at(&place(conf)));
            } else {
                ngx_conf_log_error!(NGX_LOG_EMERG, cf, "{error}");
            }
            NGX_CONF_ERROR as ConfResult
        }
    }
}

/// The arguments of the directive at hand, its name first, as in nginx's `cf->args`.
pub(super) fn args(cf: &ngx_conf_t) -> Result<Vec<String>, ConfError> {
    // SAFETY: while a directive is handled, `args` is an array of its name and its arguments.
    let args = unsafe { (*cf.args).as_slice::<ngx_str_t>() };
    let name = args.first().map(ngx_str_t::to_string).unwrap_or_default();
    args.iter()
        .map(|arg| {
            arg.to_str().map(str::to_owned).map_err(|_| {
                ConfError::from(format!(
                    "invalid argument in \"{name}\" directive, it must be UTF-8"
                ))
            })
        })
        .collect()
}

/// The place of the directive at hand, in nginx's words: `in FILE:LINE`, or `in command line` for
/// one of `-g`.
pub(super) fn place(cf: &ngx_conf_t) -> String {
    // SAFETY: while a directive is handled, there is a file that it is read from, or for `-g` a
    // structure without a file.
    let Some(file) = (unsafe { cf.conf_file.as_ref() }) else { return String::new() };
    if file.file.fd == NGX_INVALID_FILE {
        return "in command line".to_owned();
    }
    format!("in {}:{}", String::from_utf8_lossy(file.file.name.as_bytes()), file.line)
}

/// Calls a function of nginx's that would log why it fails, without that line: the caller has a
/// message of its own for the same mistake.
pub(super) fn quietly<T>(cf: &mut ngx_conf_t, call: impl FnOnce(*mut ngx_conf_t) -> T) -> T {
    let log = cf.log;
    // SAFETY: a configuration has a log.
    let mut quiet = unsafe { *log };
    quiet.log_level = 0;
    cf.log = &raw mut quiet;
    let result = call(cf);
    cf.log = log;
    result
}

/// A size as nginx writes it (`64k`, `1m`), in bytes.
pub(super) fn size(text: &str) -> Option<usize> {
    usize::try_from(nginx_syntax::size(text)?).ok()
}

/// A file's path: relative ones are relative to the directory of nginx's configuration. `None`
/// where memory is short.
pub(super) fn full_name(cf: &ngx_conf_t, text: &str) -> Option<PathBuf> {
    full_name_below(cf, text, true)
}

/// As [`full_name`], but relative to nginx's prefix, as the files that nginx itself writes are.
pub(super) fn full_name_in_prefix(cf: &ngx_conf_t, text: &str) -> Option<PathBuf> {
    full_name_below(cf, text, false)
}

fn full_name_below(cf: &ngx_conf_t, text: &str, configuration: bool) -> Option<PathBuf> {
    // SAFETY: nginx passes a valid configuration; its functions end names with a zero byte of their
    // own, and so does the copy made for it here.
    let mut name = unsafe { ngx_str_t::from_bytes(cf.pool, text.as_bytes()) }?;
    // SAFETY: as above.
    if unsafe { ngx_conf_full_name(cf.cycle, &raw mut name, configuration.into()) }
        != NGX_OK as ngx_int_t
    {
        return None;
    }
    Some(PathBuf::from(OsStr::from_bytes(name.as_bytes())))
}
