//! `etcd_variable` and `etcd_geo`, in `stream`.

use core::ffi::c_void;

use directive_table::{ConfError, Directive};
use ngx::ffi::{ngx_command_t, ngx_conf_t, ngx_str_t};

use crate::{
    directives::{args::quietly, geo, variable},
    live::LiveVariable,
    nginx::{callback::ConfResult, stream::add_variable},
    stream,
};

/// The handler of `etcd_variable`.
pub(super) unsafe extern "C" fn etcd_variable(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { variable::handle(cf, define) }
}

/// The handler of `etcd_geo`.
pub(super) unsafe extern "C" fn etcd_geo(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { geo::handle(cf, define) }
}

/// Defines a variable of stream's.
///
/// # Errors
///
/// Another directive or module has one of this name.
fn define(
    cf: &mut ngx_conf_t,
    directive: &'static Directive,
    name: &str,
    live: &'static LiveVariable,
) -> Result<(), ConfError> {
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let mut text = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }
        .ok_or_else(|| directive.no_memory())?;
    // No flags: one request sees one value, and nobody else sets it.
    let variable = quietly(cf, |cf| {
        // SAFETY: as above.
        unsafe { add_variable(cf, &raw mut text, 0).as_mut() }
    });
    let variable = variable
        .filter(|variable| variable.get_handler.is_none())
        .ok_or_else(|| directive.duplicate_argument(0, &format!("${name}")))?;
    variable.get_handler = Some(stream::live_variable);
    variable.data = (&raw const *live).addr();
    Ok(())
}
