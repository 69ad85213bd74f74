//! The reference has each directive, with the contexts, parameters and defaults of the table.

use std::path::Path;

use directive_table::{CLUSTER_DIRECTIVES, DIRECTIVES, Directive, reference};

/// The file with the reference, from the root of the repository.
const REFERENCE: &str = "README.md";

/// The heading of the reference in it, and of its list of directives.
const HEADING: &str = "## Directives\n";

fn rows() -> Vec<&'static Directive> {
    // Inside a cluster stands what is said right after it.
    let (cluster, others) = DIRECTIVES.split_first().expect("a table");
    std::iter::once(cluster).chain(CLUSTER_DIRECTIVES).chain(others).collect()
}

fn reference_text() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(REFERENCE);
    let text = std::fs::read_to_string(file).expect("the reference");
    let start = text.find(HEADING).expect("a heading") + HEADING.len();
    let text = &text[start..];
    text[..text.find("\n## ").unwrap_or(text.len())].to_owned()
}

/// The lines of a table from its first one on.
fn table(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with('|'));
    lines.take_while(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn reference_has_the_head_of_each_directive() {
    let text = reference_text();
    let mut named = Vec::new();
    let mut wrong = Vec::new();
    for section in text.split("\n### ").skip(1) {
        let heading = section.lines().next().unwrap_or_default();
        let directives: Vec<&Directive> = heading
            .split(", ")
            .filter_map(|name| rows().into_iter().find(|row| row.name == name))
            .collect();
        if directives.is_empty() {
            continue;
        }
        named.extend(directives.iter().map(|row| row.name));
        let expected = reference::head(&directives);
        if table(section) != expected {
            wrong.push(format!("### {heading}\n\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{REFERENCE} must say:\n\n{}", wrong.join("\n"));
    let all: Vec<&str> = rows().iter().map(|row| row.name).collect();
    assert_eq!(named, all, "the sections of {REFERENCE}");
}

#[test]
fn reference_lists_all_directives() {
    let text = reference_text();
    let expected = reference::overview(rows());
    assert_eq!(table(&text), expected, "{REFERENCE} must say:\n\n{expected}");
}
