//! `etcd_variable`, `etcd_geo` and `etcd_map`, in `http`.

use core::ffi::c_void;

use directive_table::{ConfError, Directive};
use ngx::ffi::{
    NGX_HTTP_VAR_NOCACHEABLE, ngx_command_t, ngx_conf_t, ngx_http_add_variable, ngx_str_t,
    ngx_uint_t,
};

use crate::{
    config::{GeoConf, MapConf, VariableConf},
    directives::{args::quietly, geo, live_variables::invalid_text, map, variable},
    http::{self, compile_text as compile},
    live::{LiveVariable, VariableKind},
    nginx::{callback::ConfResult, cycle_pool},
};

/// The handler of `etcd_variable`.
pub(super) unsafe extern "C" fn etcd_variable(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { variable::handle(cf, define::<VariableConf>) }
}

/// The handler of `etcd_geo`.
pub(super) unsafe extern "C" fn etcd_geo(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { geo::handle(cf, define::<GeoConf>) }
}

/// The handler of `etcd_map`.
pub(super) unsafe extern "C" fn etcd_map(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    // SAFETY: nginx calls this.
    unsafe { map::handle(cf, define::<MapConf>) }
}

/// Defines a variable of HTTP's.
///
/// # Errors
///
/// Another directive or module has one of this name, or nginx cannot compile what its value is made
/// of.
fn define<K: VariableKind>(
    cf: &mut ngx_conf_t,
    directive: &'static Directive,
    (place, name): (usize, &str),
    live: &'static LiveVariable,
) -> Result<(), ConfError> {
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let mut text = unsafe { ngx_str_t::from_bytes(cf.pool, name.as_bytes()) }
        .ok_or_else(|| directive.no_memory())?;
    // Without flags one request sees one value; nobody else sets it.
    let flags = if live.conf.is_volatile() { NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t } else { 0 };
    let variable = quietly(cf, |cf| {
        // SAFETY: as above.
        unsafe { ngx_http_add_variable(cf, &raw mut text, flags).as_mut() }
    });
    let variable = variable
        .filter(|variable| variable.get_handler.is_none())
        .ok_or_else(|| directive.duplicate_argument(place, &format!("${name}")))?;
    for text in live.conf.texts() {
        // SAFETY: as above, and in a block of this protocol.
        if !quietly(cf, |cf| unsafe { compile(cf, text) }) {
            return Err(invalid_text(directive, text));
        }
    }
    // The directive knows of which kind its variables are, so that no request asks for it.
    let of_kind = live.of_kind::<K>().and_then(|live| cycle_pool::allocate(cf, live));
    let live = of_kind.ok_or_else(|| directive.no_memory())?;
    variable.get_handler = Some(http::live_variable::<K>);
    variable.data = (&raw const *live).addr();
    Ok(())
}
