//! The tables of the reference, in Markdown.

use crate::{Context, Directive, Parameter};

/// The table at the head of a directive's section, and the one of its parameters, if it has some.
pub fn section(directive: &Directive) -> String {
    let mut section = head(directive);
    if !directive.parameters.is_empty() {
        section += "\n";
        section += &parameters(directive.parameters);
    }
    section
}

fn head(directive: &Directive) -> String {
    let contexts: Vec<&str> = directive.contexts.iter().map(|&context| context.name()).collect();
    let syntax = directive.syntax().replace('|', "\\|");
    let rows = [
        ("Syntax", syntax.as_str()),
        ("Default", directive.default),
        ("Context", &contexts.join(", ")),
        ("Since", directive.since),
    ];
    let rows = rows.map(|(name, value)| format!("| {name} | {value} |\n"));
    format!("| | |\n|---|---|\n{}", rows.concat())
}

/// A line for each parameter: how it is written, what holds without it, what a value must be, since
/// when it is there, what it sets.
fn parameters(parameters: &[Parameter]) -> String {
    let mut table = "| parameter | default | value | since | |\n|---|---|---|---|---|\n".to_owned();
    for parameter in parameters {
        let cells = [
            parameter.syntax(),
            parameter.default.map_or_else(|| "—".to_owned(), |default| format!("`{default}`")),
            if parameter.expects.is_empty() { "—" } else { parameter.expects }.to_owned(),
            parameter.since.to_owned(),
            format!("{}{}", parameter.text, restrictions(parameter)),
        ];
        table += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    table
}

/// With what the parameter can be used, and how often.
fn restrictions(parameter: &Parameter) -> String {
    let mut restrictions = String::new();
    if parameter.is_required {
        restrictions += "; required";
    }
    if parameter.repeats {
        restrictions += "; can be repeated";
    }
    if !parameter.only_with.is_empty() {
        restrictions += &format!("; with `{}` only", parameter.only_with.join("` or `"));
    }
    if let Some(other) = parameter.excludes {
        restrictions += &format!("; cannot be used with `{other}`");
    }
    restrictions
}

/// The list of all directives: its name, where it stands, what it does.
pub fn overview<'a>(directives: impl IntoIterator<Item = &'a Directive>) -> String {
    let mut overview = "| directive | context | |\n|---|---|---|\n".to_owned();
    for directive in directives {
        let contexts: Vec<&str> = directive.contexts.iter().copied().map(Context::name).collect();
        overview += &format!(
            "| [{0}](#{0}) | {1} | {2} |\n",
            directive.name,
            contexts.join(", "),
            directive.summary
        );
    }
    overview
}
