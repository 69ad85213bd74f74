//! What a parameter of a directive is.

/// The version of the module in which parameters appeared whose rows name no other one.
pub const FIRST_VERSION: &str = "0.1.0";

/// A parameter: `name=value`, or a flag, which is only `name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name, as it is written.
    pub name: &'static str,
    /// The value as the reference shows it, with placeholders between asterisks (`*time*`); `None`
    /// for a flag.
    pub syntax: Option<&'static str>,
    /// What a value must be, behind the words "it must be"; empty for a flag.
    pub expects: &'static str,
    /// The value that holds where none is given, as it would be written.
    pub default: Option<&'static str>,
    /// What it sets, for the reference.
    pub text: &'static str,
    /// The module's version in which it appeared.
    pub since: &'static str,
    /// The directive must have it.
    pub is_required: bool,
    /// It may be given several times.
    pub repeats: bool,
    /// No message shows its value.
    pub is_secret: bool,
    /// The parameter of the same directive with which it cannot be used.
    pub excludes: Option<&'static str>,
    /// The directive's first arguments with which alone it can be used; empty if it can be used
    /// with all.
    pub only_with: &'static [&'static str],
}

/// A parameter with a value.
pub const fn value(name: &'static str, syntax: &'static str, expects: &'static str) -> Parameter {
    Parameter { syntax: Some(syntax), expects, ..flag(name) }
}

/// A parameter that has no value.
pub const fn flag(name: &'static str) -> Parameter {
    Parameter {
        name,
        syntax: None,
        expects: "",
        default: None,
        text: "",
        since: FIRST_VERSION,
        is_required: false,
        repeats: false,
        is_secret: false,
        excludes: None,
        only_with: &[],
    }
}

impl Parameter {
    /// The same with a default.
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same with what it sets.
    pub const fn says(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    /// The same, but the directive must have it.
    pub const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    /// The same, but it may be given several times.
    pub const fn repeated(self) -> Self {
        Self { repeats: true, ..self }
    }

    /// The same, but no message shows its value.
    pub const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// The same, but not to be used with another parameter.
    pub const fn instead_of(self, other: &'static str) -> Self {
        Self { excludes: Some(other), ..self }
    }

    /// The same, but only for these first arguments of the directive.
    pub const fn only_with(self, arguments: &'static [&'static str]) -> Self {
        Self { only_with: arguments, ..self }
    }

    /// How it is written, as in the reference: `interval=*time*`.
    pub fn syntax(&self) -> String {
        match self.syntax {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.to_owned(),
        }
    }
}
