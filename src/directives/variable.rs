//! `etcd_variable`: a variable whose value is that of a key.

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::ngx_conf_t;

use super::{
    args::place,
    keys::key,
    live_variables::{self, Define, bare_name},
};
use crate::{
    config::{LONGEST_TIME, ValueType, VariableConf},
    nginx::callback::ConfResult,
    upstream::CoreConf,
};

const DIRECTIVE: &Directive = directive("etcd_variable");

/// Handles `etcd_variable`, with what defines a variable of the protocol's.
///
/// # Safety
///
/// As nginx calls the handler of a directive.
pub(super) unsafe fn handle(cf: *mut ngx_conf_t, define: Define) -> ConfResult {
    // SAFETY: the caller's promise.
    unsafe { live_variables::handle(cf, DIRECTIVE, |cf, args| add(cf, args, define)) }
}

fn add(cf: &mut ngx_conf_t, args: &Args<'_>, define: Define) -> Result<(), ConfError> {
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
    if live_variables::same(core, &conf).is_none() {
        check_alone(core, &conf)?;
    }
    live_variables::add(cf, core, DIRECTIVE, (0, bare), conf, define)
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
    if let Some(other) = core.variable(&conf.name) {
        let duplicate = DIRECTIVE.duplicate_argument(0, &conf.name);
        return Err(duplicate.with_detail(live_variables::other_parameters(&other.conf.place)));
    }
    Ok(())
}
