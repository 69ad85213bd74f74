//! What a directive is.

use std::ffi::CStr;

use crate::Parameter;

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The top level of the configuration.
    Main,
    /// The block `http`.
    Http,
    /// A block `upstream`.
    Upstream,
    /// A block `location`.
    Location,
    /// The block `stream`.
    Stream,
    /// A block `upstream` in `stream`.
    StreamUpstream,
    /// A block `etcd_cluster`, which the module reads itself.
    Cluster,
}

impl Context {
    /// The name by which nginx's reference has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Http => "http",
            Self::Upstream => "upstream",
            Self::Location => "location",
            Self::Stream => "stream",
            Self::StreamUpstream => "upstream (stream)",
            Self::Cluster => "etcd_cluster",
        }
    }
}

/// An argument that is known by its place. All of them must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// What it is, as messages call it: `prefix`, `number of connections`.
    pub name: &'static str,
    /// As the reference shows it, with placeholders between asterisks.
    pub syntax: &'static str,
    /// What it must be, behind the words "it must be".
    pub expects: &'static str,
}

/// An argument that is known by its place.
pub const fn argument(name: &'static str, syntax: &'static str, expects: &'static str) -> Argument {
    Argument { name, syntax, expects }
}

/// What may follow the last argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Parameters, or nothing.
    Parameters,
    /// More of the last argument's kind.
    Repeated,
    /// Words that belong to the last argument.
    Words,
}

/// A directive: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The name, with the zero byte that nginx wants behind it.
    pub c_name: &'static CStr,
    /// The name.
    pub name: &'static str,
    /// Where it may stand.
    pub contexts: &'static [Context],
    /// Whether a block follows it.
    pub is_block: bool,
    /// Whether it may be given only once in its block.
    pub is_once: bool,
    /// The arguments before the parameters, all of which must be given.
    pub arguments: &'static [Argument],
    /// The parameters, in the order in which the reference has them.
    pub parameters: &'static [Parameter],
    /// What holds where the directive is not there, as the reference says it.
    pub default: &'static str,
    /// The module's version in which it appeared.
    pub since: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    rest: Rest,
    needs_parameter: bool,
}

impl Directive {
    /// A directive without arguments, which may be given once in its block.
    pub const fn new(
        c_name: &'static CStr,
        contexts: &'static [Context],
        since: &'static str,
        summary: &'static str,
    ) -> Self {
        let Ok(name) = c_name.to_str() else { panic!("a directive's name is ASCII") };
        Self {
            c_name,
            name,
            contexts,
            is_block: false,
            is_once: true,
            arguments: &[],
            parameters: &[],
            default: "—",
            since,
            summary,
            rest: Rest::Parameters,
            needs_parameter: false,
        }
    }

    /// The same with a block behind it.
    pub const fn block(self) -> Self {
        Self { is_block: true, ..self }
    }

    /// The same, but it may be given several times.
    pub const fn several(self) -> Self {
        Self { is_once: false, ..self }
    }

    /// The same with these arguments.
    pub const fn arguments(self, arguments: &'static [Argument]) -> Self {
        Self { arguments, ..self }
    }

    /// The same, but the last argument may be given several times.
    pub const fn repeated(self) -> Self {
        Self { rest: Rest::Repeated, ..self }
    }

    /// The same, but the last argument may be of several words.
    pub const fn of_words(self) -> Self {
        Self { rest: Rest::Words, ..self }
    }

    /// The same with these parameters.
    pub const fn parameters(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    /// The same, but at least one parameter must be given.
    pub const fn with_parameters(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, needs_parameter: true, ..self }
    }

    /// The same with what holds where it is not there.
    pub const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    /// Whether this is its name.
    pub const fn is_named(&self, name: &str) -> bool {
        is_same(self.name.as_bytes(), name.as_bytes())
    }

    /// Whether it may stand there.
    pub const fn stands_in(&self, context: Context) -> bool {
        let mut next = 0;
        while next < self.contexts.len() {
            if self.contexts[next] as u8 == context as u8 {
                return true;
            }
            next += 1;
        }
        false
    }

    /// The argument that holds where the directive is not there, if its default is one.
    pub fn default_argument(&self) -> Option<&'static str> {
        Some(self.default.strip_prefix(self.name)?.strip_suffix(';')?.trim())
    }

    /// Whether what follows the arguments are parameters.
    pub(crate) fn takes_parameters(&self) -> bool {
        self.rest == Rest::Parameters
    }

    /// Whether a parameter must be given.
    pub(crate) fn needs_parameter(&self) -> bool {
        self.needs_parameter
    }

    /// The parameter of this name.
    ///
    /// # Panics
    ///
    /// Where the directive has none.
    pub fn parameter(&self, name: &str) -> &'static Parameter {
        self.find_parameter(name)
            .unwrap_or_else(|| panic!("\"{}\" has no parameter \"{name}\"", self.name))
    }

    pub(crate) fn find_parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// How it is written: `**etcd_allow** *network* …;`, without Markdown's escapes.
    pub fn syntax(&self) -> String {
        let mut syntax = format!("**{}**", self.name);
        for argument in self.arguments {
            syntax += " ";
            syntax += argument.syntax;
        }
        if self.rest == Rest::Repeated {
            syntax += " …";
        }
        for parameter in self.parameters.iter().filter(|parameter| parameter.excludes.is_none()) {
            let mut text = parameter.syntax();
            for other in self.parameters.iter().filter(|p| p.excludes == Some(parameter.name)) {
                text = format!("{text} | {}", other.syntax());
            }
            if parameter.repeats {
                text += " …";
            }
            syntax +=
                &if parameter.is_required { format!(" {text}") } else { format!(" [{text}]") };
        }
        syntax + if self.is_block { " { … }" } else { ";" }
    }
}

/// `==`, which constants do not have for texts.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut next = 0;
    while next < one.len() {
        if one[next] != other[next] {
            return false;
        }
        next += 1;
    }
    true
}
