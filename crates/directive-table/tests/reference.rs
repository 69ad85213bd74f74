//! The reference has each directive, with the contexts, parameters and defaults of the table.

use directive_table::{CLUSTER_DIRECTIVES, DIRECTIVES, Directive, manual, reference};

/// The file with the reference, from the root of the repository.
const REFERENCE: &str = "docs/reference/directives.md";

/// All directives, in the order of the alphabet.
fn directives() -> Vec<&'static Directive> {
    let mut directives: Vec<_> = DIRECTIVES.iter().chain(CLUSTER_DIRECTIVES).collect();
    directives.sort_unstable_by_key(|directive| directive.name);
    directives
}

#[test]
fn reference_has_the_tables_of_each_directive() {
    let overview = ("directives".to_owned(), reference::overview(directives()));
    let sections = directives()
        .into_iter()
        .map(|directive| (format!("directive {}", directive.name), reference::section(directive)));
    let parts: Vec<_> = std::iter::once(overview).chain(sections).collect();
    doc_tables::check(REFERENCE, &parts);
}

#[test]
fn reference_has_a_section_for_each_directive_in_the_order_of_the_alphabet() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(REFERENCE);
    let text = std::fs::read_to_string(file).expect("the reference");
    let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names: Vec<_> = directives().iter().map(|directive| directive.name).collect();
    assert_eq!(headings, names, "the sections of {REFERENCE}");
}

#[test]
fn manual_has_each_directive() {
    doc_tables::check_whole("man/ngx_http_upstream_etcd_module.7", &manual::page(directives()));
}

#[test]
fn each_parameter_and_directive_says_what_it_does() {
    for directive in directives() {
        assert!(!directive.summary.is_empty(), "{}", directive.name);
        for parameter in directive.parameters {
            assert!(!parameter.text.is_empty(), "{} {}", directive.name, parameter.name);
        }
    }
}
