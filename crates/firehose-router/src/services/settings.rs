//! Settings of services, by the rules of the module.

use std::{collections::BTreeMap, sync::Arc};

use etcd_watch::Item;
use serde_json::{Map, Value as Json};
use upstream_settings::{Entries, Rules, SettingsError, UpstreamSettings};

/// The types of `etcd_check` other than the default, `http`: a `check` that has no type has the
/// parameters of the upstream's.
const OTHER_CHECKS: [&str; 2] = ["tcp", "tls"];

/// The settings of each service that has some, or why the router rejects them.
pub(super) type ServiceSettings = BTreeMap<Vec<u8>, Result<Map<String, Json>, SettingsError>>;

/// Sees that the router would take the value as settings of the service. What depends on directives
/// of the upstream that nobody knows here is permitted.
///
/// # Errors
///
/// Why it would not.
pub(super) fn check(service: &[u8], value: &[u8], is_stream: bool) -> Result<(), SettingsError> {
    let check_beside = |check: Option<&str>| {
        let upstream = UpstreamSettings {
            is_stream,
            check: check.map(|kind| vec![kind.to_owned()]),
            drain: None,
            has_sticky: true,
            is_variable: Arc::new(|_| true),
        };
        let mut entries = Entries::beside(Rules { upstream: Arc::new(upstream), is_by_key: true });
        match entries.put(service, value).rejected.pop() {
            Some(rejected) => Err(rejected.error),
            None => Ok(()),
        }
    };
    check_beside(None).or_else(|error| {
        let is_valid = OTHER_CHECKS.iter().any(|kind| check_beside(Some(kind)).is_ok());
        if is_valid { Ok(()) } else { Err(error) }
    })
}

/// The settings of all services, by keys below their prefix.
pub(super) fn settings(items: &[Item], is_stream: bool) -> ServiceSettings {
    let read = |item: &Item| {
        check(&item.key, &item.value, is_stream)?;
        // What is checked is an object.
        Ok(serde_json::from_slice(&item.value).unwrap_or_default())
    };
    items.iter().map(|item| (item.key.clone(), read(item))).collect()
}

/// What of a service is set, in short.
pub(super) fn fields(settings: &Map<String, Json>) -> String {
    let set = settings.iter().filter(|(_, value)| !value.is_null());
    match set.map(|(name, _)| &**name).collect::<Vec<_>>().join(", ") {
        // They are there, and say nothing.
        none if none.is_empty() => "{}".to_owned(),
        names => names,
    }
}

#[cfg(test)]
mod tests {
    use etcd_watch::Item;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};
    use upstream_settings::{GroupSettings, UpstreamSettings};

    use super::{check, fields, settings};

    fn said(value: &str, is_stream: bool) -> String {
        match check(b"web", value.as_bytes(), is_stream) {
            Ok(()) => "taken".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_some_upstream_takes_is_taken() {
        for (value, in_http, in_stream) in [
            (r#"{}"#, true, true),
            ("{\"balance\":\"hash $arg_user consistent\"}\n", true, true),
            (r#"{"balance":"ip_hash"}"#, true, false),
            (r#"{"balance":"least_time header"}"#, true, false),
            (r#"{"balance":"least_time connect"}"#, false, true),
            (r#"{"sticky":"on","max_conns":4,"slow_start":"1m"}"#, true, true),
            (r#"{"drain":{"timeout":"30s","on":"check"}}"#, true, true),
            // Of the type that the upstream has: http, tcp or tls.
            (r#"{"check":{"uri":"/healthz"}}"#, true, true),
            (r#"{"check":{"send":"PING","expect":"PONG"}}"#, true, true),
            (r#"{"check":{"name":"db.internal"}}"#, true, true),
            (r#"{"check":{"type":null,"name":"db.internal","interval":"2s"}}"#, true, true),
            (r#"{"check":{"type":"tls","name":"db.internal"}}"#, true, true),
        ] {
            assert_eq!(said(value, false) == "taken", in_http, "{value}");
            assert_eq!(said(value, true) == "taken", in_stream, "{value}");
        }
    }

    #[test]
    fn what_no_upstream_takes_is_refused() {
        for (value, words) in [
            ("", "the value is not a JSON object: EOF"),
            ("least_conn", "the value is not a JSON object"),
            (r#"{"weight":5}"#, "unknown setting \"weight\""),
            (r#"{"balance":"fastest"}"#, "unknown method \"fastest\""),
            (r#"{"balance":"hash $1"}"#, "invalid variable \"$1\""),
            (r#"{"check":{"type":"tcp","uri":"/"}}"#, "\"uri\" cannot be used with \"tcp\""),
            // What it says first is about the default type.
            (r#"{"check":{"uri":"x"}}"#, "invalid value \"x\" of \"uri\""),
            (r#"{"check":{"uri":"/","name":"db.internal"}}"#, "\"name\" cannot be used with"),
            (r#"{"drain":{"rate":"5/s"}}"#, "unknown field \"rate\" of \"drain\""),
        ] {
            let said = said(value, false);
            assert!(said.contains(words), "{value}: {said}");
        }
        let of_key = |key: &[u8]| check(key, b"{}", false).expect_err("no service").to_string();
        assert!(of_key(b"web/1").contains("the name has no \"/\""));
        assert!(of_key(&[b'k'; 256]).contains("the key is too long: 256 bytes"));
        assert!(of_key(b"\xff").contains("the key is not UTF-8"));
    }

    #[test]
    fn settings_are_listed_by_their_services() {
        let item = |(key, value): (&str, &str)| Item {
            key: key.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            create_revision: 1,
            mod_revision: 1,
            lease: 0,
        };
        let items = [
            ("api", r#"{"balance":"random two","check":"off","sticky":null}"#),
            ("batch", "{}"),
            ("web", "[]"),
            ("web/1", "{}"),
        ];
        let settings = settings(&items.map(item), false);
        let of = |name: &str| settings.get(name.as_bytes()).expect("settings");
        let api = of("api").as_ref().expect("valid");
        assert_eq!(fields(api), "balance, check");
        assert_eq!(
            Json::from(api.clone()),
            json!({"balance": "random two", "check": "off", "sticky": null})
        );
        assert_eq!(fields(of("batch").as_ref().expect("valid")), "{}");
        assert!(of("web").is_err() && of("web/1").is_err());
    }

    proptest! {
        /// Where it says no, so does the module, whatever type of check the upstream has.
        #[test]
        fn only_what_every_upstream_rejects_is_refused(
            value in prop_oneof![
                "\\{\"(balance|check|drain|sticky|max_conns|x)\":.{0,24}\\}",
                (
                    "(check|drain)",
                    "(type|uri|send|expect|name|timeout|interval|fall|on)",
                    "(uri|name|expect|panic)",
                    "(http|tcp|tls|/|[a-z0-9]{0,4})",
                )
                    .prop_map(|(name, field, other, text)| {
                        json!({ (name): { (field): text, (other): text } }).to_string()
                    }),
            ],
            is_stream: bool,
            kind in proptest::option::of("(http|tcp|tls)"),
        ) {
            let upstream = UpstreamSettings {
                is_stream,
                check: kind.map(|kind| vec![kind]),
                ..UpstreamSettings::default()
            };
            let taken = GroupSettings::parse(value.as_bytes(), &upstream);
            if check(b"web", value.as_bytes(), is_stream).is_err() {
                prop_assert!(taken.is_err(), "{value}: {taken:?}");
            }
        }
    }
}
