//! Variables that directives define.

use ngx::ffi::{ngx_conf_t, ngx_http_add_variable, ngx_str_t};

use super::args::Mistake;
use crate::http::Getter;

/// A variable's name without the dollar sign.
pub(super) fn bare_name<'a>(name: &'a str, directive: &str) -> Result<&'a str, Mistake> {
    let is_name = |bare: &&str| {
        !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.strip_prefix('$').filter(is_name).ok_or_else(|| {
        format!(
            "invalid variable name \"{name}\" in \"{directive}\": a dollar sign, letters, digits \
             and underscores are needed"
        )
        .into()
    })
}

/// Whoever has a variable of this name already is named by nginx itself, or here.
pub(super) fn tell_nginx(
    cf: &mut ngx_conf_t,
    name: &str,
    directive: &str,
    getter: Getter,
    data: usize,
) -> Result<(), Mistake> {
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let mut text = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }
        .ok_or_else(|| format!("no memory for the configuration of \"{directive}\""))?;
    // No flags: one request sees one value, and nobody else sets it.
    // SAFETY: as above.
    let variable = unsafe { ngx_http_add_variable(cf, &raw mut text, 0).as_mut() };
    let variable =
        variable.ok_or_else(|| format!("\"{directive}\" cannot have the variable \"${name}\""))?;
    if variable.get_handler.is_some() {
        return Err(format!(
            "\"{directive}\" cannot have the variable \"${name}\", which another directive or \
             module has"
        )
        .into());
    }
    variable.get_handler = Some(getter);
    variable.data = data;
    Ok(())
}
