//! `etcd_group VALUE [by=…] [else=…] [settings=…]`, in an `upstream`, as far as it is the same for
//! all protocols: a request chooses among the peers of one group.

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::ngx_conf_t;

use super::{
    args::{place, quietly},
    keys::prefix,
    live_variables::invalid_text,
};
use crate::{
    config::{GroupBy, GroupConf, Otherwise, SettingsConf, UpstreamConf, is_group},
    live::LiveVariable,
    nginx::text::Text,
    upstream::CoreConf,
};

pub(super) const DIRECTIVE: &Directive = directive("etcd_group");

/// Reads the directive's arguments; `compile` compiles its text for the protocol, and says whether
/// nginx takes it.
pub(super) fn set(
    cf: &mut ngx_conf_t,
    conf: &mut UpstreamConf,
    args: &Args<'_>,
    compile: impl FnOnce(*mut ngx_conf_t, &Text) -> bool,
) -> Result<(), ConfError> {
    // A parameter there means that the value was forgotten.
    let is_parameter = |text: &str| {
        let name = text.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| DIRECTIVE.parameters.iter().any(|it| it.name == name))
    };
    let is_value = |text: &str| !text.is_empty() && !is_parameter(text);
    let text = args.argument(0, |text| is_value(text).then(|| Text::new(text, "")))?;
    let by = args.need("by", by)?;
    let otherwise = args.need("else", |text| otherwise(text, &by))?;
    if !quietly(cf, |cf| compile(cf, &text)) {
        return Err(invalid_text(DIRECTIVE, &text));
    }
    let settings = match args.read("settings", prefix)? {
        Some(prefix) => Some(add_settings(cf, conf, prefix, &by)?),
        None => None,
    };
    conf.group = Some(GroupConf { text, by, otherwise, settings });
    Ok(())
}

/// Groups have settings of their own below this prefix.
fn add_settings(
    cf: &mut ngx_conf_t,
    conf: &UpstreamConf,
    prefix: String,
    by: &GroupBy,
) -> Result<&'static SettingsConf, ConfError> {
    let etcd = conf.etcd.as_ref().ok_or_else(|| DIRECTIVE.must_follow("etcd"))?;
    if prefix.starts_with(&etcd.prefix) || etcd.prefix.starts_with(&prefix) {
        let expects =
            format!("neither above nor below the prefix of the peers, \"{}\"", etcd.prefix);
        return Err(DIRECTIVE.invalid_value_of("settings", &prefix, &expects));
    }
    let settings = SettingsConf {
        upstream: etcd.upstream.clone(),
        kind: conf.kind,
        cluster: etcd.cluster.clone(),
        prefix,
        peers_prefix: etcd.prefix.clone(),
        state: etcd.options.state.clone(),
        is_by_key: *by == GroupBy::Key,
        zone_size: SettingsConf::size_beside(etcd.options.zone_size),
        place: place(cf),
        of_upstream: std::sync::OnceLock::new(),
    };
    let core = CoreConf::of_conf(cf).ok_or_else(|| DIRECTIVE.no_memory())?;
    let live = LiveVariable::add(cf, settings)?;
    core.live.push(live);
    let settings = live.of_kind::<SettingsConf>().ok_or_else(|| DIRECTIVE.no_memory())?;
    Ok(settings.conf)
}

fn by(text: &str) -> Option<GroupBy> {
    if text == "key" {
        return Some(GroupBy::Key);
    }
    let label = text.strip_prefix("label:")?;
    let is_label = !label.is_empty() && !label.chars().any(char::is_control);
    is_label.then(|| GroupBy::Label(label.to_owned()))
}

fn otherwise(text: &str, by: &GroupBy) -> Option<Otherwise> {
    match text {
        "none" => Some(Otherwise::Nobody),
        "any" => Some(Otherwise::Any),
        // A variable is not evaluated there: who writes one means something else.
        _ if text.contains('$') || text.chars().any(char::is_control) => None,
        // No segment of a key has one.
        _ if *by == GroupBy::Key && text.contains('/') => None,
        name => is_group(name.as_bytes()).then(|| Otherwise::Group(name.to_owned())),
    }
}
