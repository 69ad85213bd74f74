//! Variables that directives define.

use directive_table::{ConfError, Directive};
use ngx::ffi::{ngx_conf_t, ngx_http_add_variable, ngx_str_t};

use super::args::quietly;
use crate::http::Getter;

/// A variable's name without the dollar sign.
pub(super) fn bare_name(name: &str) -> Option<&str> {
    let is_name = |bare: &&str| {
        !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.strip_prefix('$').filter(is_name)
}

/// Defines a variable of nginx's.
///
/// # Errors
///
/// Another directive or module has one of this name.
pub(super) fn define(
    cf: &mut ngx_conf_t,
    name: &str,
    directive: &'static Directive,
    getter: Getter,
    data: usize,
) -> Result<(), ConfError> {
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let mut text = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }
        .ok_or_else(|| directive.no_memory())?;
    // No flags: one request sees one value, and nobody else sets it.
    let variable = quietly(cf, |cf| {
        // SAFETY: as above.
        unsafe { ngx_http_add_variable(cf, &raw mut text, 0).as_mut() }
    });
    let variable = variable
        .filter(|variable| variable.get_handler.is_none())
        .ok_or_else(|| directive.duplicate_argument(0, &format!("${name}")))?;
    variable.get_handler = Some(getter);
    variable.data = data;
    Ok(())
}
