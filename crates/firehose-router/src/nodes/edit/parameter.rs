//! A parameter that is to be changed.

use std::fmt;

use nginx_syntax::quoted;
use upstream_peers::{Overrides, ParameterError};

/// A change of a parameter: `weight=5` or `down` sets it, `-weight` or `-down` removes it, so that
/// the default applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParameterChange {
    pub(super) name: String,
    pub(super) kind: ChangeKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    /// A flag is on.
    Flag,
    /// It has this value.
    Value(String),
    /// It is not set.
    Unset,
}

impl ParameterChange {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Why the module would reject it.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        let in_words = |error: ParameterError| error.to_string();
        if word.starts_with("--") {
            return Err(format!("there is no flag {}: see --help", quoted(word)));
        }
        if let Some(name) = word.strip_prefix('-') {
            Overrides::default().unset(name).map_err(in_words)?;
            return Ok(Self { name: name.to_owned(), kind: ChangeKind::Unset });
        }
        Overrides::default().set_word(word).map_err(in_words)?;
        Ok(match word.split_once('=') {
            Some((name, value)) => {
                Self { name: name.to_owned(), kind: ChangeKind::Value(value.to_owned()) }
            }
            None => Self { name: word.to_owned(), kind: ChangeKind::Flag },
        })
    }

    /// What it makes of parameters.
    pub(super) fn apply(&self, overrides: &mut Overrides) -> Result<(), ParameterError> {
        match &self.kind {
            ChangeKind::Unset => overrides.unset(&self.name),
            _ => overrides.set_word(&self.to_string()),
        }
    }

    /// Whether parameters say it already. A form may take a field for another thing than others do.
    pub(super) fn is_made(&self, overrides: &Overrides) -> bool {
        let mut after = overrides.clone();
        self.apply(&mut after).is_ok() && after == *overrides
    }
}

impl fmt::Display for ParameterChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ChangeKind::Flag => formatter.write_str(&self.name),
            ChangeKind::Value(value) => write!(formatter, "{}={value}", self.name),
            ChangeKind::Unset => write!(formatter, "-{}", self.name),
        }
    }
}
