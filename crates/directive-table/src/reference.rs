//! The heads of the reference's sections, in Markdown.

use crate::{Context, Directive};

/// The version in which a directive appeared is shown from the one behind this on.
const FIRST_VERSION: &str = "0.1.0";

/// The table at the head of the section on one directive, or on several that belong together.
pub fn head(directives: &[&Directive]) -> String {
    let syntax: Vec<String> = directives.iter().map(|directive| directive.syntax()).collect();
    let mut head =
        format!("| | |\n|---|---|\n| Syntax | {} |\n", syntax.join(" ").replace('|', "\\|"));
    let Some(first) = directives.first() else { return head };
    head += &format!("| Default | {} |\n", default(first));
    let contexts: Vec<&str> = first.contexts.iter().map(|&context| context.name()).collect();
    head += &format!("| Context | {} |\n", contexts.join(", "));
    if first.since != FIRST_VERSION {
        head += &format!("| Since | {} |\n", first.since);
    }
    head
}

/// What holds without the directive, and without its parameters.
fn default(directive: &Directive) -> String {
    let given: Vec<String> = directive
        .parameters
        .iter()
        .filter_map(|parameter| Some(format!("{}={}", parameter.name, parameter.default?)))
        .collect();
    if given.is_empty() {
        directive.default.to_owned()
    } else {
        format!("{} ({})", directive.default, given.join(" "))
    }
}

/// The list of all directives: its name, where it stands, what it does.
pub fn overview<'a>(directives: impl IntoIterator<Item = &'a Directive>) -> String {
    let mut overview = "| directive | context | |\n|---|---|---|\n".to_owned();
    for directive in directives {
        let contexts: Vec<&str> = directive.contexts.iter().copied().map(Context::name).collect();
        overview += &format!(
            "| `{}` | {} | {} |\n",
            directive.name,
            contexts.join(", "),
            directive.summary
        );
    }
    overview
}
