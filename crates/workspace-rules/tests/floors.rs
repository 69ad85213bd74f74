//! `src/` in floors: a directory imports from those below it, and from none above or beside it.

use std::path::{Path, PathBuf};

use workspace_rules::{Imports, Sources, circles, foreign_inclusions};

/// The floors, from the top down. A name is that of a directory in `src/`, or of a file there. A
/// directory within a directory may have a floor of its own.
const FLOORS: &[&[&str]] = &[
    // What nginx loads: the modules and their callbacks; nobody imports it.
    &["lib", "module"],
    // What needs a protocol's structures of the directives in it, and the table of these
    // directives.
    &["directives/http", "directives/stream"],
    // One file for each directive: its parser, for any protocol; and the answer to a request for
    // the status.
    &["directives", "status/http"],
    // What etcd_status answers.
    &["status"],
    // A worker's life: zones, lease, start and stop of the watcher.
    &["process"],
    // The thread that follows etcd and publishes; and the way of a request or a session through an
    // upstream.
    &["watcher", "http", "stream"],
    // What a process has of a cycle's upstreams, whatever protocol they are of.
    &["upstream"],
    // Values and networks from etcd that requests read.
    &["live"],
    // Shared memory over cycles; root's files.
    &["zones", "files"],
    // Settings, which do not change while nginx runs.
    &["config"],
    // What is only about nginx.
    &["nginx"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &str) -> Sources {
    Sources::read(&root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"))
}

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

/// The name on the floors that a file belongs to.
fn name_of(file: &str) -> String {
    let is_in = |name: &&&str| {
        let rest = file.strip_prefix(**name);
        rest.is_some_and(|rest| rest.starts_with(['/', '.']))
    };
    let named = FLOORS.iter().copied().flatten().filter(is_in).max_by_key(|name| name.len());
    let folder = || file.split(['/', '.']).next().unwrap_or_default();
    named.copied().unwrap_or_else(folder).to_owned()
}

/// Imports that do not lead down, and directories that are on no floor.
fn wrong(sources: &Sources) -> Vec<String> {
    let imports = Imports::of(sources);
    let mut wrong = Vec::new();
    for (file, imported) in &imports.0 {
        let own = name_of(file);
        let Some(from) = floor(&own) else {
            wrong.push(format!("{file} is on no floor"));
            continue;
        };
        for other in imported {
            let folder = name_of(other);
            if folder != own && floor(&folder).is_none_or(|to| to <= from) {
                wrong.push(format!("{file} imports from {other}"));
            }
        }
    }
    wrong
}

#[test]
fn src_imports_lead_down() {
    let wrong = wrong(&sources("src"));
    assert!(wrong.is_empty(), "not down:\n{}", wrong.join("\n"));
}

#[test]
fn src_has_no_circle_of_folders() {
    let circles = circles(&Imports::of(&sources("src")).of_folders());
    assert!(circles.is_empty(), "{circles:#?}");
}

/// A few files, one of them with this.
fn with_planted(text: &str) -> Sources {
    let mut sources = Sources::default();
    for (name, text) in [
        ("lib.rs", "mod config; mod directives; mod nginx;"),
        ("config.rs", "mod etcd; pub(crate) use self::etcd::Etcd;"),
        ("config/etcd.rs", "pub(crate) struct Etcd;"),
        ("directives.rs", "mod args; mod http;"),
        ("directives/http.rs", "use super::args;"),
        ("directives/args.rs", "use crate::{config::Etcd, nginx::log};"),
        ("nginx.rs", "mod log; mod planted;"),
        ("nginx/log.rs", ""),
        ("nginx/planted.rs", text),
    ] {
        sources.add(name, text);
    }
    sources
}

#[test]
fn an_import_that_leads_up_is_found() {
    for planted in [
        "use crate::directives::args;",
        "pub(crate) use crate::{config::Etcd, directives::args};",
        "fn up() { crate::directives::args::finish(); }",
        "use super::super::directives;",
        "use self::super::super::directives::args;",
        "use self::{super::super::directives::args as planted};",
        "fn up() { self::super::super::directives::args::finish(); }",
        "#[cfg(any(test, unix))] use crate::directives::args;",
        "#[cfg(not(test))] use crate::directives::args;",
        "#[cfg(all(unix, not(test)))] use crate::directives::args;",
        "struct A { #[cfg(test)] b: u8 }\nuse crate::directives::args;",
        "struct A { #[cfg(test)] pub(crate) b: u8, c: crate::directives::args::C }",
        "enum A { #[cfg(test)] B(u8, u8), C(crate::directives::args::C) }",
        "fn a(#[cfg(test)] b: u8) {}\nuse crate::directives::args;",
        "#[cfg(test)] const A: [u8; 2] = [1, 2];\nuse crate::directives::args;",
        "#[cfg(test)] use crate::directives::{args as b};\nuse crate::directives::args;",
    ] {
        let wrong = wrong(&with_planted(planted));
        assert!(
            wrong.iter().any(|line| line.starts_with("nginx/planted.rs imports from directives")),
            "{planted}: {wrong:?}"
        );
    }
}

#[test]
fn an_import_from_a_protocol_is_found() {
    for file in ["directives.rs", "directives/args.rs"] {
        let mut sources = with_planted("");
        sources.add(file, "mod args; mod http; use crate::directives::http::etcd;");
        assert_eq!(wrong(&sources), [format!("{file} imports from directives/http.rs")]);
    }
}

#[test]
fn what_is_no_import_is_not_found() {
    for planted in [
        "// use crate::directives::args;",
        "const TEXT: &str = \"use crate::directives::args;\";",
        "const TEXT: &str = r#\"\" use crate::directives::args; \"#;",
        "#[cfg(test)] mod tests { use crate::directives::args; }",
        "use super::log;",
        "pub(in crate::directives) fn log() {}",
        "#[cfg(all(test, not(loom)))] use crate::directives::args;",
        "#[cfg(any(test, all(unix, test)))] use crate::directives::args;",
        "#[cfg(test)] pub(crate) fn a<B, C>(b: B, c: [u8; 2]) { crate::directives::args::b(); }",
        "struct A { #[cfg(test)] b: crate::directives::args::B, c: u8 }",
    ] {
        assert_eq!(wrong(&with_planted(planted)), Vec::<String>::new(), "{planted}");
    }
}

#[test]
fn an_inclusion_that_leads_out_is_found() {
    for planted in [
        "#[path = \"../directives/args.rs\"] mod planted;",
        "#[path = r#\"../directives/args.rs\"#] mod planted;",
        "#[path = \"/src/directives/args.rs\"] mod planted;",
        "#[path = concat!(\"..\", \"/directives/args.rs\")] mod planted;",
        "#[cfg_attr(unix, path = \"../directives/args.rs\")] mod planted;",
        "#[cfg(any(test, unix))] #[path = \"../directives/args.rs\"] mod planted;",
        "include!(\"../directives/args.rs\");",
        "mod planted { core::include! { \"../directives/args.rs\" } }",
        "include!(concat!(env!(\"OUT_DIR\"), \"/../src/directives/args.rs\"));",
        "include!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/directives/args.rs\"));",
    ] {
        let found = foreign_inclusions(&with_planted(planted));
        assert!(
            found.len() == 1 && found[0].starts_with("nginx/planted.rs"),
            "{planted}: {found:?}"
        );
    }
    // The directory of this file is that of all floors.
    let mut sources = with_planted("");
    sources.add("nginx.rs", "#[path = \"directives/args.rs\"] mod planted;");
    assert_eq!(foreign_inclusions(&sources).len(), 1);
}

#[test]
fn an_inclusion_that_stays_is_not_found() {
    for planted in [
        "#[cfg_attr(not(ngx_feature = \"http_ssl\"), path = \"log/none.rs\")] mod log;",
        "#[error(\"{}\", path = quoted_path(.0))] struct Failed;",
        "include!(concat!(env!(\"OUT_DIR\"), \"/accessors.rs\"));",
        "const TEXT: &str = include_str!(\"../directives/args.rs\");",
        "#[cfg(test)] #[path = \"../../tests/random.rs\"] mod random;",
        "// #[path = \"../directives/args.rs\"] mod planted;",
    ] {
        assert_eq!(foreign_inclusions(&with_planted(planted)), Vec::<String>::new(), "{planted}");
    }
}

#[test]
fn no_crate_includes_files_of_other_folders() {
    let mut found = Vec::new();
    for folder in crates() {
        let inclusions = foreign_inclusions(&sources(&folder));
        found.extend(inclusions.into_iter().map(|inclusion| format!("{folder}: {inclusion}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The directories with the sources of a crate each.
fn crates() -> Vec<String> {
    let mut folders = vec!["src".to_owned(), "benches/src".to_owned()];
    let entries = std::fs::read_dir(root().join("crates")).expect("a folder of crates");
    for entry in entries {
        let name = entry.expect("an entry").file_name();
        folders.push(format!("crates/{}/src", name.to_string_lossy()));
    }
    folders.sort();
    folders
}

#[test]
fn no_crate_has_a_circle_of_files() {
    let mut found = Vec::new();
    for folder in crates() {
        let circles = circles(&Imports::of(&sources(&folder)));
        found.extend(circles.into_iter().map(|circle| format!("{folder}: {circle:?}")));
    }
    assert!(found.is_empty(), "circles:\n{}", found.join("\n"));
}
