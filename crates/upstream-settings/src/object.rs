//! Objects that say what the parameters of a directive say.

use directive_table::Directive;
use serde_json::{Map, Value as Json};
use upstream_peers::Excerpt;

use crate::SettingsError;

pub(crate) type Object = Map<String, Json>;

/// A setting that is a directive's parameters.
pub(crate) enum Given<'j> {
    /// `"off"` or `false`.
    Off,
    /// Parameters by their names.
    Parameters(&'j Object),
}

impl<'j> Given<'j> {
    /// Reads the setting of this name.
    pub(crate) fn of(name: &'static str, value: &'j Json) -> Result<Self, SettingsError> {
        match value {
            Json::Bool(false) => Ok(Self::Off),
            Json::String(text) if text == "off" => Ok(Self::Off),
            Json::Object(object) => Ok(Self::Parameters(object)),
            _ => Err(wrong_type(name, value, "an object or \"off\"")),
        }
    }
}

/// The arguments of a directive: those that an upstream has, with the fields of an object in their
/// place. `null` is the directive's default.
pub(crate) fn arguments(
    directive: &'static Directive,
    name: &'static str,
    of_upstream: &[String],
    object: &Object,
) -> Result<Vec<String>, SettingsError> {
    let name_of = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
    let mut arguments: Vec<String> = of_upstream
        .iter()
        .filter(|argument| !object.contains_key(&name_of(argument)))
        .cloned()
        .collect();
    for (field, value) in object {
        let Some(parameter) = directive.parameters.iter().find(|it| it.name == field) else {
            return Err(SettingsError::Field { name, field: Excerpt::new(field) });
        };
        let text = match value {
            Json::Null => continue,
            Json::Bool(is_set) if parameter.syntax.is_none() => {
                arguments.extend(is_set.then(|| field.clone()));
                continue;
            }
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            // Flags of nginx's that are numbers.
            Json::Bool(is_set) => u8::from(*is_set).to_string(),
            Json::Array(_) | Json::Object(_) => {
                return Err(wrong_type(parameter.name, value, "a string or a number"));
            }
        };
        if parameter.syntax.is_none() {
            return Err(wrong_type(parameter.name, value, "true or false"));
        }
        arguments.push(format!("{field}={text}"));
    }
    Ok(arguments)
}

pub(crate) fn wrong_type(
    name: &'static str,
    value: &Json,
    expected: &'static str,
) -> SettingsError {
    let value = match value {
        Json::String(text) => Excerpt::new(text),
        value => Excerpt::new(&value.to_string()),
    };
    SettingsError::Type { name, value, expected }
}
