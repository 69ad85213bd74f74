//! Variables whose values are made of keys in etcd: what `etcd_variable`, `etcd_geo` and `etcd_map`
//! have in common, for any protocol.

use directive_table::{Args, ConfError, Directive};
use ngx::{core::NGX_CONF_ERROR, ffi::ngx_conf_t};

use super::args::{args, finish};
use crate::{
    live::{LiveKind, LiveVariable},
    nginx::{
        callback::{ConfResult, guard},
        text::Text,
    },
    upstream::CoreConf,
};

/// Defines a variable of a protocol's: the directive names it at a place among its arguments, here
/// without the dollar sign, and its value is that of the [`LiveVariable`].
pub(super) type Define = fn(
    &mut ngx_conf_t,
    &'static Directive,
    (usize, &str),
    &'static LiveVariable,
) -> Result<(), ConfError>;

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

/// nginx cannot compile this text.
pub(super) fn invalid_text(directive: &'static Directive, text: &Text) -> ConfError {
    match text.parameter {
        "" => directive.invalid_argument(0, &text.written),
        parameter => directive.invalid_value(parameter, &text.written),
    }
}

/// The variable that says the same as this directive, if there is one: that of another protocol,
/// since no protocol has two of one name.
pub(super) fn same(core: &CoreConf, conf: &dyn LiveKind) -> Option<&'static LiveVariable> {
    core.live.iter().find(|variable| variable.is_as(conf))
}

/// What to say of a variable that the directive at `place` has specified otherwise: in the blocks
/// of two protocols, both must say the same.
pub(super) fn other_parameters(place: &str) -> String {
    format!(", it was specified earlier {place} with other parameters")
}

/// Adds the variable of this name, with its shared memory. A protocol has one of each name; one of
/// another protocol that says the same is the same variable. The name comes with its place among
/// the arguments.
pub(super) fn add(
    cf: &mut ngx_conf_t,
    core: &CoreConf,
    directive: &'static Directive,
    (place, bare): (usize, &str),
    conf: impl LiveKind,
    define: Define,
) -> Result<(), ConfError> {
    if let Some(variable) = same(core, &conf) {
        return define(cf, directive, (place, bare), variable);
    }
    // One name has one meaning, in all protocols and for all directives.
    let is_named =
        |other: &LiveVariable| other.source().name.eq_ignore_ascii_case(conf.source().name);
    if core.live.iter().any(is_named) {
        let detail = ", it was specified earlier by another directive";
        return Err(directive.duplicate_argument(place, conf.source().name).with_detail(detail));
    }
    let variable = LiveVariable::add(cf, conf)?;
    define(cf, directive, (place, bare), variable)?;
    core.live.push(variable);
    core.add_lease(cf)?;
    Ok(())
}
