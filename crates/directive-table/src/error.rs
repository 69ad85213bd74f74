//! What is wrong in a configuration, in words: one wording for each kind of mistake.

use std::{
    error::Error,
    fmt::{self, Display, Formatter},
    io,
};

use nginx_syntax::quoted;

use crate::{Argument, Directive, Parameter};

/// What is wrong with a directive, as `nginx -t` shows it with the file and the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfError {
    text: String,
    /// What follows the place of the directive.
    detail: String,
}

impl ConfError {
    /// The same with a detail that names another place, and so must not stand directly before the
    /// place of the directive.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// Whether it has such a detail. If not, nginx itself can add the place.
    pub fn has_detail(&self) -> bool {
        !self.detail.is_empty()
    }

    /// The message with the place of the directive, `in FILE:LINE`.
    pub fn at(&self, place: &str) -> String {
        format!("{} {place}{}", self.text, self.detail)
    }
}

impl Display for ConfError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.text, self.detail)
    }
}

impl Error for ConfError {}

impl<T: Into<String>> From<T> for ConfError {
    fn from(message: T) -> Self {
        Self { text: message.into(), detail: String::new() }
    }
}

/// An error of the system as nginx writes it, `(2: No such file or directory)`; another one behind
/// a colon.
fn of_system(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else { return format!(": {error}") };
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" (os error {code})")).unwrap_or(&text);
    format!(" ({code}: {text})")
}

/// Placeholders without the reference's asterisks.
fn plain(syntax: &str) -> String {
    syntax.replace('*', "")
}

/// `"a", "b" or "c"`.
fn one_of(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.as_ref())).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

impl Directive {
    /// The directive may be given once.
    pub fn is_duplicate(&self) -> ConfError {
        format!("\"{}\" directive is duplicate", self.name).into()
    }

    /// Another directive must come before it.
    pub fn must_follow(&self, other: &str) -> ConfError {
        format!(
            "\"{}\" directive must be placed after the \"{other}\" directive of the same upstream",
            self.name
        )
        .into()
    }

    /// It is somewhere where nginx has not what it needs.
    pub fn is_outside(&self, block: &str) -> ConfError {
        format!("\"{}\" directive is not allowed outside of \"{block}\"", self.name).into()
    }

    /// Too few arguments, or too many.
    pub fn wrong_number(&self) -> ConfError {
        format!(
            "invalid number of arguments in \"{}\" directive, it must be \"{}\"",
            self.name,
            plain(&self.syntax())
        )
        .into()
    }

    /// There is no such parameter.
    pub fn unknown_parameter(&self, argument: &str) -> ConfError {
        let names: Vec<String> = self
            .parameters
            .iter()
            .map(|p| if p.syntax.is_some() { format!("{}=", p.name) } else { p.name.to_owned() })
            .collect();
        format!(
            "invalid parameter {} in \"{}\" directive, it must be {}",
            quoted(argument),
            self.name,
            one_of(&names)
        )
        .into()
    }

    /// A flag has a value, or a parameter has none.
    pub fn invalid_parameter(&self, argument: &str, parameter: &Parameter) -> ConfError {
        format!(
            "invalid parameter {} in \"{}\" directive, it must be \"{}\"",
            quoted(argument),
            self.name,
            plain(&parameter.syntax())
        )
        .into()
    }

    /// A parameter is given twice.
    pub fn duplicate_parameter(&self, argument: &str, parameter: &Parameter) -> ConfError {
        let shown = if parameter.is_secret { parameter.name } else { argument };
        format!("duplicate parameter {} in \"{}\" directive", quoted(shown), self.name).into()
    }

    /// A parameter is missing that must be there.
    pub fn missing_parameter(&self, parameter: &Parameter) -> ConfError {
        let syntax = plain(&parameter.syntax());
        format!("\"{}\" directive must have \"{syntax}\" parameter", self.name).into()
    }

    /// The value of a parameter is not what it must be.
    pub fn invalid_value(&self, name: &str, value: &str) -> ConfError {
        self.invalid_value_of(name, value, self.parameter(name).expects)
    }

    /// As [`invalid_value`](Self::invalid_value), where what it must be is not the same for all
    /// values.
    pub fn invalid_value_of(&self, name: &str, value: &str, expects: &str) -> ConfError {
        let shown =
            if self.parameter(name).is_secret { String::new() } else { quoted(value) + " " };
        format!(
            "invalid value {shown}of \"{name}\" in \"{}\" directive, it must be {expects}",
            self.name
        )
        .into()
    }

    /// The argument at a place, which counts from 0, is not what it must be. Behind the last place
    /// are more arguments of the same kind.
    pub fn invalid_argument(&self, place: usize, value: &str) -> ConfError {
        let Argument { name, expects, .. } = self.arguments[place.min(self.arguments.len() - 1)];
        format!(
            "invalid {name} {} in \"{}\" directive, it must be {expects}",
            quoted(value),
            self.name
        )
        .into()
    }

    /// The same argument is given twice, or another directive has it already.
    pub fn duplicate_argument(&self, place: usize, value: &str) -> ConfError {
        let Argument { name, .. } = self.arguments[place.min(self.arguments.len() - 1)];
        format!("duplicate {name} {} in \"{}\" directive", quoted(value), self.name).into()
    }

    /// A parameter, and something else that is there as well, cannot be used together.
    pub fn excludes(&self, parameter: &str, other: &str) -> ConfError {
        // It may be an argument that is none.
        let other = quoted(other);
        format!("\"{parameter}\" cannot be used with {other} in \"{}\" directive", self.name).into()
    }

    /// A parameter, or a value, cannot be used without something that is not there.
    pub fn needs(&self, parameter: &str, other: &str) -> ConfError {
        format!("\"{parameter}\" cannot be used without {other} in \"{}\" directive", self.name)
            .into()
    }

    /// A parameter stands where the first argument should be.
    pub fn missing_first(&self, argument: &str, parameter: &Parameter) -> ConfError {
        let shown = if parameter.is_secret { parameter.name } else { argument };
        let first = match parameter.only_with {
            [] => self.arguments[0].expects.to_owned(),
            kinds => one_of(kinds),
        };
        let shown = quoted(shown);
        format!("{shown} cannot be used without {first} before it in \"{}\" directive", self.name)
            .into()
    }

    /// A file or a directory that the directive names cannot be used. The parameter is empty if the
    /// argument names it.
    pub fn file_rejected(&self, parameter: &str, path: &str) -> ConfError {
        let of = if parameter.is_empty() { String::new() } else { format!(" of \"{parameter}\"") };
        format!("cannot use {}{of} in \"{}\" directive", quoted(path), self.name).into()
    }

    /// The same with the reason.
    pub fn file_invalid(&self, parameter: &str, path: &str, reason: impl Display) -> ConfError {
        format!("{}: {reason}", self.file_rejected(parameter, path)).into()
    }

    /// The same with the error of the system.
    pub fn file_failed(&self, parameter: &str, path: &str, error: &io::Error) -> ConfError {
        format!("{}{}", self.file_rejected(parameter, path), of_system(error)).into()
    }

    /// nginx had no memory for it.
    pub fn no_memory(&self) -> ConfError {
        format!("no memory for the configuration of \"{}\"", self.name).into()
    }
}
