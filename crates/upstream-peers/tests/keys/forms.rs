//! What others write into etcd, as they write it: one file for each family of forms.

mod keys;
mod named;
mod proxies;
mod registries;
mod words;

use upstream_peers::{KeyContent, Reading, ValueError, parse_value};

/// What is taken of values where a test does not say otherwise.
fn with(scheme: Option<&str>) -> Reading {
    Reading { scheme: scheme.map(str::to_owned), ..Reading::default() }
}

/// The servers of a key in nginx's syntax, each with its labels as `{"a":"b"}`, if it has some.
fn try_read(key: &str, value: &str, scheme: Option<&str>) -> Result<Vec<String>, ValueError> {
    let content = parse_value(key, value.as_bytes(), &with(scheme))?;
    let shown = |value: &upstream_peers::Value| {
        let labels = value.labels.text().map_or(String::new(), |labels| format!(" {labels}"));
        format!("{}{}{labels}", value.target, value.overrides)
    };
    Ok(content.into_values().iter().map(shown).collect())
}

/// As [`try_read`], with the scheme that counts by default.
fn read(key: &str, value: &str) -> Vec<String> {
    try_read(key, value, None).expect(value)
}

/// Why a key with its value is rejected.
fn reason(key: &str, value: &str, scheme: Option<&str>) -> String {
    try_read(key, value, scheme).expect_err(value).to_string()
}

/// The name of a key's peers.
fn name(key: &str, value: &str) -> String {
    match parse_value(key, value.as_bytes(), &Reading::default()).expect(value) {
        KeyContent::Servers { name, .. } => name.to_owned(),
        KeyContent::Setting { of, .. } => of.to_owned(),
    }
}
