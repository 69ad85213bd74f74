//! Why settings of a group are rejected.

use directive_table::ConfError;
use live_map::Full;
use peer_balance::MethodError;
use thiserror::Error;
use upstream_peers::{Excerpt, ParameterError};

use crate::limits::{MAX_GROUP, MAX_LENGTH, NAMES};

/// Why settings of a group are rejected. The text is one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The key is not UTF-8.
    #[error("the key is not UTF-8")]
    KeyNotUtf8,
    /// The key is longer than the name of a group can be.
    #[error("the key is too long: {0} bytes below the prefix, the maximum is {max}",
        max = MAX_GROUP)]
    KeyTooLong(usize),
    /// No group that is named by a segment of a key has a slash.
    #[error("{0} is not the name of a group: the name has no \"/\"")]
    Slash(Excerpt),
    /// There is no room for it.
    #[error("{full}")]
    NoRoom {
        /// How much it needs.
        full: Full,
        /// How many bytes all settings need, with those that are left out.
        all: usize,
    },
    /// The value has too many bytes.
    #[error("the value is too long: {0} bytes, the maximum is {max}", max = MAX_LENGTH)]
    TooLong(usize),
    /// The value is not UTF-8.
    #[error("the value is not UTF-8")]
    NotUtf8,
    /// The value is no JSON.
    #[error("the value is not a JSON object: {0}")]
    NotJson(String),
    /// The value is something else than an object.
    #[error("the value is not a JSON object, such as {{\"balance\":\"least_conn\"}}")]
    NoObject,
    /// There is no such setting.
    #[error("unknown setting {0}: it must be one of {known}", known = names())]
    Unknown(Excerpt),
    /// A setting is of another type.
    #[error("invalid \"{name}\" {value}: it must be {expected}")]
    Type {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: Excerpt,
        /// What it may be.
        expected: &'static str,
    },
    /// A field of an object has a name that cannot be one.
    #[error("unknown field {field} of \"{name}\"")]
    Field {
        /// The setting.
        name: &'static str,
        /// The field.
        field: Excerpt,
    },
    /// A default of peers is not valid.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The method is none.
    #[error("\"balance\": {}: {}", .0.problem(), .0.hint())]
    Method(MethodError),
    /// The key of `hash` has a variable that nginx does not have.
    #[error("\"balance\": unknown variable {0} in the key of \"hash\"")]
    Variable(Excerpt),
    /// The key of `hash` has a dollar sign without a name.
    #[error("\"balance\": invalid variable {0} in the key of \"hash\"")]
    Key(Excerpt),
    /// The arguments that the setting amounts to are not valid.
    #[error("{0}")]
    Arguments(String),
    /// The setting needs a directive that the upstream does not have.
    #[error("\"{name}\" requires \"{directive}\" in the upstream")]
    Needs {
        /// The setting.
        name: &'static str,
        /// The directive.
        directive: &'static str,
    },
}

impl SettingsError {
    /// What a directive says of its arguments, as the setting of this name says it.
    pub(crate) fn of_directive(directive: &str, name: &str, error: &ConfError) -> Self {
        let of_directive = format!("\"{directive}\" directive");
        Self::Arguments(error.to_string().replace(&of_directive, &format!("\"{name}\"")))
    }
}

/// All settings, as a message lists them.
fn names() -> String {
    let names = NAMES.map(|name| format!("\"{name}\""));
    match names.split_last() {
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
