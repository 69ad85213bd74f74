//! What is about one protocol stands in the directories of that protocol, so that another protocol
//! can be added beside it.

use std::path::Path;

use workspace_rules::{Imports, Sources, code_tokens};

/// What is about HTTP: directories in `src/`, or files there.
const HTTP: &[&str] = &["http", "directives/http", "module/http", "status/http"];

/// The file with the tables of modules and protocols, which takes a line from each protocol.
const TABLES: &str = "module.rs";

fn is_of_http(file: &str) -> bool {
    let is_in =
        |name: &&str| file.strip_prefix(*name).is_some_and(|rest| rest.starts_with(['/', '.']));
    HTTP.iter().any(is_in)
}

/// Whether a word is a name of nginx's for something of HTTP's: `ngx_http_request_t`,
/// `NGX_HTTP_OK`, `NgxHttpCoreModule`.
fn names_http(word: &str) -> bool {
    word.replace('_', "").to_ascii_lowercase().contains("ngxhttp")
}

/// The places outside of HTTP's directories that know HTTP.
fn misplaced(sources: &Sources) -> Vec<String> {
    let mut misplaced = Vec::new();
    for (file, text) in sources.texts().filter(|(file, _)| !is_of_http(file)) {
        let mut named = code_tokens(text);
        named.retain(|word| names_http(word));
        named.dedup();
        misplaced.extend(named.into_iter().map(|word| format!("{file} names {word}")));
    }
    for (file, imported) in &Imports::of(sources).0 {
        if is_of_http(file) || file == TABLES {
            continue;
        }
        let of_http = imported.iter().filter(|other| is_of_http(other));
        misplaced.extend(of_http.map(|other| format!("{file} imports from {other}")));
    }
    misplaced
}

#[test]
fn http_is_known_in_its_folders_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
    let sources = Sources::read(&folder).expect("the sources");
    assert!(HTTP.iter().all(|name| sources.texts().any(|(file, _)| file.starts_with(name))));
    let misplaced = misplaced(&sources);
    assert!(misplaced.is_empty(), "not in a directory of HTTP's:\n{}", misplaced.join("\n"));
}

/// A few files, one of them with this.
fn with_planted(text: &str) -> Sources {
    let mut sources = Sources::default();
    for (name, text) in [
        ("lib.rs", "mod config; mod directives; mod http; mod module;"),
        ("config.rs", "mod planted;"),
        ("config/planted.rs", text),
        ("directives.rs", "mod http;"),
        ("directives/http.rs", "use ngx::ffi::ngx_http_request_t; use crate::http::request;"),
        ("http.rs", "pub(crate) mod request;"),
        ("http/request.rs", "use ngx::ffi::ngx_http_request_t;"),
        ("module.rs", "use crate::http::request;"),
    ] {
        sources.add(name, text);
    }
    sources
}

#[test]
fn a_name_of_http_elsewhere_is_found() {
    for planted in [
        "use ngx::ffi::ngx_http_complex_value_t;",
        "fn of(request: &ngx::ffi::ngx_http_request_t) {}",
        "const FLAG: u32 = ngx::ffi::NGX_HTTP_UPS_CONF;",
        "use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};",
        "const MODULE: &CStr = c\"ngx_http_upstream_keepalive_module\";",
        "use crate::http::request;",
        "fn of() { crate::directives::http::etcd(); }",
    ] {
        let found = misplaced(&with_planted(planted));
        assert!(
            found.len() == 1 && found[0].starts_with("config/planted.rs"),
            "{planted}: {found:?}"
        );
    }
}

#[test]
fn what_is_not_about_http_is_not_found() {
    for planted in [
        "// As in ngx_http_upstream_zone_module.c.",
        "use ngx::ffi::ngx_conf_t;",
        "const KIND: &str = \"http\";",
        "#[cfg(ngx_feature = \"http_ssl\")] fn of() {}",
    ] {
        assert_eq!(misplaced(&with_planted(planted)), Vec::<String>::new(), "{planted}");
    }
}
