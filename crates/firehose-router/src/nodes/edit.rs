//! A parameter of a node is changed where it stands in the node's value, whatever form that has.
//! Everything else in the value stays as it is.

mod fields;
mod object;
mod parameter;
mod words;

use thiserror::Error;
use upstream_peers::{KeyContent, Reading, Value, ValueError, ValueForm, form_of, parse_value};

use self::parameter::ChangeKind;
pub(crate) use self::parameter::ParameterChange;

/// Why a value is not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum EditError {
    /// Its form cannot say it.
    #[error("its value is of the form \"{form}\", which has no place for \"{change}\"{hint}")]
    NoPlace { form: ValueForm, change: String, hint: &'static str },
    /// It has no form that is known.
    #[error("its value cannot be changed, because the router rejects it: {0}")]
    Unknown(ValueError),
    /// The router would reject what it would become.
    #[error("the router would reject the value: {0}")]
    Rejected(ValueError),
}

/// The value of a key after these changes. `reading` says which endpoints of it count.
///
/// # Errors
///
/// Where its form has no place for one of them, or the router would reject the result.
pub(crate) fn edit(
    key: &str,
    value: &str,
    changes: &[ParameterChange],
    reading: &Reading,
) -> Result<String, EditError> {
    let form = form_of(key, value.as_bytes());
    let form = form.ok_or_else(|| EditError::Unknown(why(key, value, reading)))?;
    let mut text = value.to_owned();
    for change in changes {
        text = edited(form, &text, change).ok_or_else(|| no_place(form, change))?;
    }
    let after = servers(key, &text, reading).map_err(EditError::Rejected)?;
    let before = servers(key, value, reading).ok();
    check(form, before.as_deref(), &after, changes)?;
    Ok(text)
}

fn why(key: &str, value: &str, reading: &Reading) -> ValueError {
    servers(key, value, reading).err().unwrap_or(ValueError::NoAddress)
}

fn servers(key: &str, value: &str, reading: &Reading) -> Result<Vec<Value>, ValueError> {
    parse_value(key, value.as_bytes(), reading).map(KeyContent::into_values)
}

/// That the changes say what they are meant to, and nothing else.
fn check(
    form: ValueForm,
    before: Option<&[Value]>,
    after: &[Value],
    changes: &[ParameterChange],
) -> Result<(), EditError> {
    for (index, change) in changes.iter().enumerate() {
        let is_last = !changes.iter().skip(index + 1).any(|later| later.name == change.name);
        if is_last && !after.iter().all(|value| change.is_made(&value.overrides)) {
            return Err(no_place(form, change));
        }
    }
    // A value that is rejected may be mended in this way: there is nothing to compare it with.
    let Some(before) = before else { return Ok(()) };
    let is_kept = |(before, after): (&Value, &Value)| {
        let mut overrides = before.overrides.clone();
        let made = changes.iter().try_for_each(|change| change.apply(&mut overrides));
        made.is_ok()
            && (&before.server, &before.target) == (&after.server, &after.target)
            && overrides == after.overrides
    };
    if before.len() != after.len() || !before.iter().zip(after).all(is_kept) {
        let words = changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        return Err(EditError::NoPlace { form, change: words, hint: "" });
    }
    Ok(())
}

fn no_place(form: ValueForm, change: &ParameterChange) -> EditError {
    let hint = match (form, change.name.as_str(), &change.kind) {
        (ValueForm::Nodes | ValueForm::Rpcx, "drain", ChangeKind::Flag) => {
            "; \"weight=0\" drains a node too"
        }
        (ValueForm::Nodes, "weight", ChangeKind::Value(_)) => {
            "; only APISIX has a weight for each node"
        }
        (ValueForm::Traefik, "weight", _) => "; its weight is the value of the key NAME/weight",
        (_, "weight", ChangeKind::Value(weight)) if weight.bytes().all(|byte| byte == b'0') => {
            "; a weight of 0 means there that none is set"
        }
        _ => "",
    };
    EditError::NoPlace { form, change: change.to_string(), hint }
}

/// The text with one change; `None` if it has no place for that.
fn edited(form: ValueForm, text: &str, change: &ParameterChange) -> Option<String> {
    match form {
        ValueForm::Server => Some(words::edited(text, change)),
        ValueForm::Rpcx => words::edited_query(text, change),
        ValueForm::DubboUrl
        | ValueForm::Traefik
        | ValueForm::TraefikSetting
        | ValueForm::Vulcand
        | ValueForm::Patroni
        | ValueForm::Scalingo => None,
        _ => fields::edited(form, text, change),
    }
}

#[cfg(test)]
mod tests;
