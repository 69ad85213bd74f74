//! `etcd_variable`: a variable whose value is that of a key.

use core::ffi::c_void;

use directive_table::{Args, ConfError, Directive, directive};
use ngx::{
    core::NGX_CONF_ERROR,
    ffi::{ngx_command_t, ngx_conf_t},
};

use super::{
    args::{args, finish, place},
    keys::key,
    variable_names::{bare_name, define},
};
use crate::{
    config::{LONGEST_TIME, ValueType, VariableConf},
    http,
    live::LiveVariable,
    nginx::callback::{ConfResult, guard},
    upstream::CoreConf,
};

const DIRECTIVE: &Directive = directive("etcd_variable");

/// The handler of `etcd_variable`.
pub(super) unsafe extern "C" fn etcd_variable(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    _conf: *mut c_void,
) -> ConfResult {
    guard(NGX_CONF_ERROR as ConfResult, || {
        // SAFETY: nginx passes a valid configuration.
        let cf = unsafe { &mut *cf };
        let result = args(cf).and_then(|args| add(cf, &DIRECTIVE.parse(&args[1..])?));
        finish(cf, result)
    })
}

fn add(cf: &mut ngx_conf_t, args: &Args<'_>) -> Result<(), ConfError> {
    let bare = args.argument(0, bare_name)?;
    let [name, cluster, ..] = args.arguments() else { return Err(DIRECTIVE.wrong_number()) };
    let kind = args.need("type", ValueType::of_name)?;
    let conf = VariableConf {
        name: name.clone(),
        cluster: cluster.clone(),
        key: args.argument(2, key)?,
        default: value(args, "default", kind)?,
        initial: value(args, "initial", kind)?,
        kind,
        place: place(cf),
    };
    let core = CoreConf::of_conf(cf).ok_or_else(|| DIRECTIVE.is_outside("http"))?;
    check_alone(core, &conf)?;
    let variable = LiveVariable::add(cf, conf)?;
    let data = (&raw const *variable).addr();
    define(cf, bare, DIRECTIVE, http::live_variable, data)?;
    core.live.push(variable);
    core.add_lease(cf)?;
    Ok(())
}

/// A value that stands for that of the key.
fn value(args: &Args<'_>, name: &str, kind: ValueType) -> Result<Option<String>, ConfError> {
    let Some(value) = args.given(name) else { return Ok(None) };
    if kind.takes(value) {
        return Ok(Some(value.to_owned()));
    }
    let expects = match kind {
        ValueType::Text => "a text".to_owned(),
        ValueType::Number => "a number, as \"type=number\" says".to_owned(),
        ValueType::Time => format!("a time of up to {}, as \"type=time\" says", LONGEST_TIME.1),
    };
    Err(DIRECTIVE.invalid_value_of(name, value, &expects))
}

/// That no other directive has the variable, and none has the key with another type.
fn check_alone(core: &CoreConf, conf: &VariableConf) -> Result<(), ConfError> {
    let is_same = |other: &VariableConf| other.cluster == conf.cluster && other.key == conf.key;
    let mut others = core.live_of::<VariableConf>().map(|variable| variable.conf);
    if let Some(other) = others.find(|other| is_same(other) && other.kind != conf.kind) {
        let error = ConfError::from(format!(
            "conflicting type \"{}\" of key \"{}\" in \"etcd_variable\" directive",
            conf.kind.name(),
            conf.key,
        ));
        let detail = format!(", it is of type \"{}\" {}", other.kind.name(), other.place);
        return Err(error.with_detail(detail));
    }
    if core.variable(&conf.name).is_some() {
        return Err(DIRECTIVE.duplicate_argument(0, &conf.name));
    }
    Ok(())
}
