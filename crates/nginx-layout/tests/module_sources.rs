//! Whether the settings of nginx's own modules begin as `src/directives/http/others.rs` reads them.
//! They are declared in the sources of these modules only, which are not always there: packages of
//! nginx contain headers alone.

use std::{env, fs, path::Path};

/// The source of one of nginx's HTTP modules, if it is where the headers are.
fn source(module: &str) -> Option<String> {
    let folders = env::split_paths(env!("NGINX_INCLUDE"));
    folders.map(|folder| folder.join(module)).find_map(|file| fs::read_to_string(file).ok())
}

/// The members of a structure of C's, or of Rust's: what stands between its braces.
fn members<'t>(text: &'t str, begins: &str, ends: &str) -> Vec<&'t str> {
    let end = text.find(ends).unwrap_or_else(|| panic!("no \"{ends}\""));
    let start = text[..end].rfind(begins).unwrap_or_else(|| panic!("no \"{begins}\""));
    let lines = text[start + begins.len()..end].lines().map(str::trim);
    lines.filter(|line| line.ends_with([';', ','])).collect()
}

/// The types and names of the first members of a structure of C's.
fn first_in_c<'t>(text: &'t str, name: &str, count: usize) -> Vec<(&'t str, &'t str)> {
    members(text, "typedef struct {", &format!("}} {name};"))
        .into_iter()
        .take(count)
        .map(|member| member.trim_end_matches(';').split_once(' ').expect("a type and a name"))
        .map(|(of_type, name)| (of_type, name.trim()))
        .collect()
}

#[test]
fn settings_of_keepalive_begin_as_they_are_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/directives/http/others.rs");
    let text = fs::read_to_string(file).expect("a text");
    let (_, from) = text.split_once("pub(super) struct Keepalive").expect("the structure");
    let read: Vec<(&str, &str)> = members(from, "{", "}")
        .into_iter()
        .filter_map(|member| member.trim_end_matches(',').split_once(": "))
        .map(|(name, of_type)| (of_type, name))
        .collect();
    assert!(read.len() > 1 && read.iter().all(|(of_type, _)| *of_type == "usize"), "{read:?}");
    let Some(source) = source("ngx_http_upstream_keepalive_module.c") else { return };
    let in_c: Vec<_> = first_in_c(&source, "ngx_http_upstream_keepalive_srv_conf_t", read.len())
        .into_iter()
        .map(|(of_type, name)| match of_type {
            "ngx_uint_t" | "ngx_msec_t" => ("usize", name),
            other => (other, name),
        })
        .collect();
    assert_eq!(in_c, read);
}

#[test]
fn settings_of_sticky_begin_with_init_upstream() {
    let Some(source) = source("ngx_http_upstream_sticky_module.c") else { return };
    let first = first_in_c(&source, "ngx_http_upstream_sticky_srv_conf_t", 1);
    assert_eq!(first, [("ngx_http_upstream_init_pt", "original_init_upstream")]);
}
