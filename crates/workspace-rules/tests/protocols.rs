//! What is about one protocol stands in the directories of that protocol, so that another protocol
//! can be added beside it.

use std::path::Path;

use workspace_rules::{Imports, Sources, code_tokens};

/// A protocol, as `src/` knows it.
struct Protocol {
    /// What is about it: directories in `src/`, or files there.
    folders: &'static [&'static str],
    /// How nginx's names for something of it begin, in small letters and without what is between
    /// them.
    prefix: &'static str,
}

const HTTP: Protocol = Protocol {
    folders: &["http", "directives/http", "module/http", "status/http"],
    prefix: "ngxhttp",
};

const STREAM: Protocol = Protocol {
    folders: &["stream", "directives/stream", "module/stream", "nginx/stream"],
    prefix: "ngxstream",
};

/// The file with the tables of modules and protocols, which takes a line from each protocol.
const TABLES: &str = "module.rs";

impl Protocol {
    fn has(&self, file: &str) -> bool {
        let is_in =
            |name: &&str| file.strip_prefix(*name).is_some_and(|rest| rest.starts_with(['/', '.']));
        self.folders.iter().any(is_in)
    }

    /// Whether a word is a name of nginx's for something of it: `ngx_http_request_t`,
    /// `NGX_HTTP_OK`, `NgxHttpCoreModule`.
    fn names(&self, word: &str) -> bool {
        word.replace('_', "").to_ascii_lowercase().contains(self.prefix)
    }

    /// The places outside of its directories that know it.
    fn misplaced(&self, sources: &Sources) -> Vec<String> {
        let mut misplaced = Vec::new();
        for (file, text) in sources.texts().filter(|(file, _)| !self.has(file)) {
            let mut named = code_tokens(text);
            named.retain(|word| self.names(word));
            named.dedup();
            misplaced.extend(named.into_iter().map(|word| format!("{file} names {word}")));
        }
        for (file, imported) in &Imports::of(sources).0 {
            if self.has(file) || file == TABLES {
                continue;
            }
            let of_it = imported.iter().filter(|other| self.has(other));
            misplaced.extend(of_it.map(|other| format!("{file} imports from {other}")));
        }
        misplaced
    }
}

#[test]
fn protocols_are_known_in_their_folders_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
    let sources = Sources::read(&folder).expect("the sources");
    for protocol in [HTTP, STREAM] {
        let folders = protocol.folders;
        assert!(folders.iter().all(|name| sources.texts().any(|(file, _)| file.starts_with(name))));
        let misplaced = protocol.misplaced(&sources);
        assert!(misplaced.is_empty(), "not in one of {folders:?}:\n{}", misplaced.join("\n"));
    }
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
        let found = HTTP.misplaced(&with_planted(planted));
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
        assert_eq!(HTTP.misplaced(&with_planted(planted)), Vec::<String>::new(), "{planted}");
    }
}
