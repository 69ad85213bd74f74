//! Which values are settings of a group, and what each amounts to.

use std::{sync::Arc, time::Duration};

use peer_balance::Method;
use peer_check::{CheckConfig, CheckKind, CheckMethod, StatusSet};
use peer_zone::{CheckPolicy, Closing, DrainReasons, GroupOptions};
use proptest::prelude::*;
use upstream_peers::Overrides;
use upstream_settings::{GroupSettings, MAX_LENGTH, SettingsError, UpstreamSettings};

fn words(text: &str) -> Option<Vec<String>> {
    Some(text.split(' ').map(str::to_owned).collect())
}

/// An upstream without any directive that counts.
fn plain() -> UpstreamSettings {
    let is_variable = Arc::new(|name: &str| ["request_uri", "arg_user"].contains(&name));
    UpstreamSettings { is_stream: false, check: None, drain: None, has_sticky: false, is_variable }
}

/// One with all of them.
fn rich() -> UpstreamSettings {
    UpstreamSettings {
        check: words("http uri=/up interval=9s status=200 mandatory"),
        drain: words("timeout=$time spread=7s on=remove"),
        has_sticky: true,
        ..plain()
    }
}

fn read(value: &str, upstream: &UpstreamSettings) -> GroupSettings {
    GroupSettings::parse(value.as_bytes(), upstream)
        .unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// Why the value is rejected.
fn why(value: &str, upstream: &UpstreamSettings) -> String {
    match GroupSettings::parse(value.as_bytes(), upstream) {
        Ok(settings) => panic!("{value}: {settings:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_not_said_is_as_the_upstream_has_it() {
    for value in
        ["{}", "{ \"balance\": null, \"check\": null, \"drain\": null, \"sticky\": null}\n"]
    {
        for upstream in [plain(), rich()] {
            assert_eq!(read(value, &upstream), GroupSettings::default());
        }
    }
}

#[test]
fn methods_are_those_of_the_directive() {
    let options = |value: &str| read(value, &plain()).options;
    let of = |method| GroupOptions { method: Some(method), ..GroupOptions::default() };
    assert_eq!(options(r#"{"balance":"round_robin"}"#), of(Method::RoundRobin));
    assert_eq!(options(r#"{"balance":" random  two "}"#), of(Method::RandomTwo));
    assert_eq!(options(r#"{"balance":"ip_hash"}"#), of(Method::IpHash));
    let key = |key: &str, method| GroupOptions { hash_key: Some(key.into()), ..of(method) };
    assert_eq!(options(r#"{"balance":"hash ${arg_user}x"}"#), key("${arg_user}x", Method::Hash));
    assert_eq!(
        options(r#"{"balance":"hash $request_uri consistent"}"#),
        key("$request_uri", Method::HashConsistent)
    );
}

#[test]
fn defaults_are_written_as_those_of_peers() {
    let settings =
        read(r#"{"max_conns":100,"max_fails":"0","fail_timeout":"1m","slow_start":30}"#, &plain());
    let expected = Overrides {
        max_conns: Some(100),
        max_fails: Some(0),
        fail_timeout: Some(60),
        slow_start: Some(30),
        ..Overrides::default()
    };
    assert_eq!(settings.defaults, expected);
}

#[test]
fn checks_build_on_those_of_the_upstream() {
    let http = |uri: &str, status: &str| CheckKind::Http {
        method: CheckMethod::Get,
        uri: uri.to_owned(),
        host: None,
        status: StatusSet::parse(status).expect("codes"),
    };
    let tcp = CheckKind::Tcp { exchange: None };
    let config = |kind, interval| CheckConfig {
        kind,
        interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(1),
        fall: 3,
        rise: 2,
    };
    let policy = |mandatory, panic| CheckPolicy { mandatory, panic };
    for (value, upstream, expected, expected_policy) in [
        (r#"{"check":{}}"#, plain(), config(http("/", "200-399"), 5), policy(false, true)),
        (r#"{"check":{}}"#, rich(), config(http("/up", "200"), 9), policy(true, true)),
        (
            r#"{"check":{"uri":"/own","interval":2,"mandatory":false,"panic":0}}"#,
            rich(),
            config(http("/own", "200"), 2),
            policy(false, false),
        ),
        (
            r#"{"check":{"status":null,"mandatory":null,"panic":false}}"#,
            rich(),
            config(http("/up", "200-399"), 9),
            policy(false, false),
        ),
        (r#"{"check":{"type":"tcp"}}"#, rich(), config(tcp.clone(), 5), policy(false, true)),
        (
            r#"{"check":{"type":"tcp","fall":3,"mandatory":true}}"#,
            plain(),
            config(tcp, 5),
            policy(true, true),
        ),
    ] {
        let settings = read(value, &upstream);
        let plan = settings.check.flatten().unwrap_or_else(|| panic!("{value}: no check"));
        assert_eq!(plan.config(), &expected, "{value}");
        assert_eq!(settings.options.checking, Some(Some(expected_policy)), "{value}");
    }
    for value in [r#"{"check":"off"}"#, r#"{"check":false}"#] {
        let settings = read(value, &rich());
        assert_eq!((settings.check, settings.options.checking), (Some(None), Some(None)));
    }
}

#[test]
fn drains_build_on_those_of_the_upstream() {
    let closing = |value: &str, upstream: &UpstreamSettings| read(value, upstream).options.closing;
    let of = |after, spread, [removed, drain, check]: [bool; 3]| {
        Some(Some(Closing { after, spread, on: DrainReasons { removed, drain, check } }))
    };
    let (plain, rich) = (plain(), rich());
    let default = directive_default();
    assert_eq!(closing(r#"{"drain":{}}"#, &plain), of(default.0, default.1, [true; 3]));
    // A variable of the upstream's is not known here.
    assert_eq!(closing(r#"{"drain":{}}"#, &rich), of(default.0, 7_000, [true, false, false]));
    assert_eq!(
        closing(r#"{"drain":{"timeout":"500ms","spread":0,"on":"check,drain"}}"#, &rich),
        of(500, 0, [false, true, true])
    );
    assert_eq!(closing(r#"{"drain":"off"}"#, &rich), Some(None));
}

/// The default times (ms) of `etcd_drain`.
fn directive_default() -> (u64, u64) {
    let row = directive_table::directive("etcd_drain");
    let time =
        |name| row.parameter(name).default.and_then(nginx_syntax::milliseconds).expect("a default");
    (time("timeout"), time("spread"))
}

#[test]
fn stickiness_can_be_switched_off_and_on_where_there_is_any() {
    for (value, expected) in
        [("\"off\"", false), ("false", false), ("\"on\"", true), ("true", true)]
    {
        let options = read(&format!("{{\"sticky\":{value}}}"), &rich()).options;
        assert_eq!(options.is_sticky, Some(expected));
    }
    assert_eq!(read(r#"{"sticky":"off"}"#, &plain()).options.is_sticky, Some(false));
}

#[test]
fn what_is_not_valid_is_named() {
    for (value, upstream, expected) in [
        (
            "",
            plain(),
            "the value is not a JSON object: EOF while parsing a value at line 1 column 0",
        ),
        ("[]", plain(), "the value is not a JSON object, such as {\"balance\":\"least_conn\"}"),
        (
            r#"{"weight":5}"#,
            plain(),
            "unknown setting \"weight\": it must be one of \"balance\", \"max_conns\", \
             \"max_fails\", \"fail_timeout\", \"slow_start\", \"check\", \"drain\" and \"sticky\"",
        ),
        (
            r#"{"wieght":null}"#,
            plain(),
            "unknown setting \"wieght\": it must be one of \"balance\", \"max_conns\", \
             \"max_fails\", \"fail_timeout\", \"slow_start\", \"check\", \"drain\" and \"sticky\"",
        ),
        (
            r#"{"balance":["least_conn"]}"#,
            plain(),
            "invalid \"balance\" \"[\\\"least_conn\\\"]\": it must be a string, such as \
             \"least_conn\"",
        ),
        (
            r#"{"max_conns":-1}"#,
            plain(),
            "invalid \"max_conns\" \"-1\": it must be a whole number below 4294967296",
        ),
        (
            r#"{"balance":"hash $requst_uri"}"#,
            plain(),
            "\"balance\": unknown variable \"$requst_uri\" in the key of \"hash\"",
        ),
        (
            r#"{"balance":"hash $1"}"#,
            plain(),
            "\"balance\": invalid variable \"$1\" in the key of \"hash\"",
        ),
        (
            r#"{"check":{"uri":"healthz"}}"#,
            plain(),
            "invalid value \"healthz\" of \"uri\" in \"check\", it must be a path that begins with \
             \"/\"; spaces, control characters, \"#\" and non-ASCII characters must be escaped as \
             %XX",
        ),
        (
            r#"{"check":{"type":"tcp","uri":"/"}}"#,
            plain(),
            "\"uri\" cannot be used with \"tcp\" in \"check\"",
        ),
        (r#"{"check":{"url":"/"}}"#, plain(), "unknown field \"url\" of \"check\""),
        (r#"{"check":"on"}"#, plain(), "invalid \"check\" \"on\": it must be an object or \"off\""),
        (
            r#"{"check":{"mandatory":"yes"}}"#,
            plain(),
            "invalid \"mandatory\" \"yes\": it must be true or false",
        ),
        (
            r#"{"drain":{"timeout":"13d"}}"#,
            plain(),
            "invalid value \"13d\" of \"timeout\" in \"drain\", it must be a time of up to 12d",
        ),
        (r#"{"drain":{"rate":"5/s"}}"#, plain(), "unknown field \"rate\" of \"drain\""),
        (
            r#"{"drain":{"timeout":"$time"}}"#,
            plain(),
            "invalid value \"$time\" of \"timeout\" in \"drain\", it must be a time of up to 12d",
        ),
        (r#"{"sticky":"on"}"#, plain(), "\"sticky\" requires \"etcd_sticky\" in the upstream"),
        (r#"{"sticky":1}"#, rich(), "invalid \"sticky\" \"1\": it must be \"on\" or \"off\""),
    ] {
        assert_eq!(why(value, &upstream), expected, "{value}");
    }
    let in_stream = UpstreamSettings { is_stream: true, ..plain() };
    assert!(why(r#"{"balance":"ip_hash"}"#, &in_stream).contains("ip_hash"));
    assert!(why(r#"{"balance":"fastest"}"#, &plain()).contains("fastest"));
    let long = format!("{{}}{}", " ".repeat(MAX_LENGTH - 1));
    assert_eq!(why(&long, &plain()), "the value is too long: 4097 bytes, the maximum is 4096");
    assert_eq!(
        GroupSettings::parse(b"\xff", &plain()).expect_err("no text"),
        SettingsError::NotUtf8
    );
}

#[test]
fn a_reason_shows_neither_control_characters_nor_the_whole_of_a_long_text() {
    for (value, expected) in [
        (r#"{"balance":"has\u007fh"}"#, r#""balance": unknown method "has\u{7f}h": "#),
        (r#"{"balance":"random two\u0001"}"#, r#""balance": invalid parameter "two\u{1}" of "#),
        (r#"{"balance":"least_conn \u0007"}"#, r#""balance": invalid parameter "\u{7}" of "#),
        (
            r#"{"balance":"random two least_time=\u001b"}"#,
            r#""balance": "random two least_time=\u{1b}" is not supported"#,
        ),
        (r#"{"balance":"hash $x\u007f"}"#, r#""balance": unknown variable "$x" in the key"#),
        (
            r#"{"check":{"type":"\u007f","name":"a.example"}}"#,
            r#""name" cannot be used with "\u{7f}" in "check""#,
        ),
        (r#"{"check":{"uri":"\u007f"}}"#, r#"invalid value "\u{7f}" of "uri" in "check""#),
    ] {
        let reason = why(value, &plain());
        assert!(reason.starts_with(expected), "{value}: {reason}");
    }
    let long = "x".repeat(4_000);
    for value in [
        format!(r#"{{"balance":"{long}"}}"#),
        format!(r#"{{"balance":"hash ${long}"}}"#),
        format!(r#"{{"balance":"random two least_time={long}"}}"#),
        format!(r#"{{"check":{{"uri":"{long}"}}}}"#),
    ] {
        let reason = why(&value, &plain());
        assert!(reason.len() < 700 && reason.contains("xxx…"), "{reason}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_settings_or_have_a_reason_in_one_line(
        value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..64),
            "\\{\"(balance|check|drain|sticky|x)\":.{0,24}\\}".prop_map(String::into_bytes),
            (
                "(balance|check|drain|sticky|max_conns|fail_timeout)",
                "(uri|type|timeout|on|interval|\n)",
                "[a-z$0-9\\\\n/ ]{0,12}",
            )
                .prop_map(|(name, field, text)| {
                    serde_json::json!({ (name): { (field): text } }).to_string().into_bytes()
                }),
            (
                "(balance|check|drain|sticky|max_conns|x)",
                "(uri|type|timeout|on|send|x)",
                "(hash |hash [$]|random |random two |least_conn |)",
                any::<String>(),
                0_usize..150,
            )
                .prop_map(|(name, field, start, text, times)| {
                    let text = start + &text.repeat(times);
                    let object = serde_json::json!({ (name): text, "check": { (field): text } });
                    object.to_string().into_bytes()
                }),
        ],
        is_rich: bool,
    ) {
        let upstream = if is_rich { rich() } else { plain() };
        if let Err(error) = GroupSettings::parse(&value, &upstream) {
            let text = error.to_string();
            prop_assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
            // A line of nginx's log (NGX_MAX_ERROR_STR).
            prop_assert!(text.len() < 2_048, "{text}");
        }
    }
}
