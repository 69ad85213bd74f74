//! Variables whose values are made of keys in etcd: what `etcd_variable` and `etcd_geo` have in
//! common, for any protocol.

use directive_table::{Args, ConfError, Directive};
use ngx::{core::NGX_CONF_ERROR, ffi::ngx_conf_t};

use super::args::{args, finish};
use crate::{
    live::{LiveKind, LiveVariable},
    nginx::callback::{ConfResult, guard},
    upstream::CoreConf,
};

/// Defines a variable of a protocol's: the directive names it, here without the dollar sign, and
/// its value is that of the [`LiveVariable`].
pub(super) type Define =
    fn(&mut ngx_conf_t, &'static Directive, &str, &'static LiveVariable) -> Result<(), ConfError>;

/// Handles a directive that defines such a variable; `add` reads its arguments and adds it.
///
/// # Safety
///
/// As nginx calls the handler of a directive.
pub(super) unsafe fn handle(
    cf: *mut ngx_conf_t,
    directive: &'static Directive,
    add: impl FnOnce(&mut ngx_conf_t, &Args<'_>) -> Result<(), ConfError>,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration.
        let cf = unsafe { &mut *cf };
        let result = args(cf).and_then(|args| add(cf, &directive.parse(&args[1..])?));
        finish(cf, result)
    })
}

/// A variable's name without the dollar sign.
pub(super) fn bare_name(name: &str) -> Option<&str> {
    let is_name = |bare: &&str| {
        !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.strip_prefix('$').filter(is_name)
}

/// Adds the variable of this name, with its shared memory.
pub(super) fn add(
    cf: &mut ngx_conf_t,
    core: &CoreConf,
    directive: &'static Directive,
    bare: &str,
    conf: impl LiveKind,
    define: Define,
) -> Result<(), ConfError> {
    let variable = LiveVariable::add(cf, conf)?;
    define(cf, directive, bare, variable)?;
    core.live.push(variable);
    core.add_lease(cf)?;
    Ok(())
}
