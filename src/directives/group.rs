//! `etcd_group VALUE [by=…] [else=…]`, in an `upstream`, as far as it is the same for all
//! protocols: a request chooses among the peers of one group.

use directive_table::{Args, ConfError, Directive, directive};
use ngx::ffi::ngx_conf_t;

use super::{args::quietly, live_variables::invalid_text};
use crate::{
    config::{GroupBy, GroupConf, Otherwise, UpstreamConf, is_group},
    nginx::text::Text,
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
    let is_value =
        |text: &str| !(text.is_empty() || text.starts_with("by=") || text.starts_with("else="));
    let text = args.argument(0, |text| is_value(text).then(|| Text::new(text, "")))?;
    let by = args.need("by", by)?;
    let otherwise = args.need("else", |text| otherwise(text, &by))?;
    if !quietly(cf, |cf| compile(cf, &text)) {
        return Err(invalid_text(DIRECTIVE, &text));
    }
    conf.group = Some(GroupConf { text, by, otherwise });
    Ok(())
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
