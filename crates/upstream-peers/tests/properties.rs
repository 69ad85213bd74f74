//! What holds for all values.

use std::net::{IpAddr, SocketAddr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use upstream_peers::{Overrides, SocketAddress, Target, Value, parse_value};

fn target() -> impl Strategy<Value = Target> {
    let ip = (any::<IpAddr>(), 1..=u16::MAX)
        .prop_map(|(ip, port)| Target::Address(SocketAddress::Ip(SocketAddr::new(ip, port))));
    let unix =
        "/[a-zA-Z0-9._:/é=-]{1,50}".prop_map(|path| Target::Address(SocketAddress::Unix(path)));
    let name = ("([a-z0-9_-]{1,20}\\.){0,4}[a-z_-][a-z0-9_-]{0,10}\\.?", 1..=u16::MAX)
        // No host can have that name: see `Target::host`.
        .prop_filter("a unix socket", |(host, _)| host != "unix")
        .prop_map(|(host, port)| Target::Name { host, port });
    prop_oneof![ip, unix, name]
}

fn overrides(
    flag: impl Strategy<Value = Option<bool>> + Clone,
) -> impl Strategy<Value = Overrides> {
    let number = || option::of(any::<u32>());
    let route = option::of("[!#-+.-:<-\\[\\]-~-]{1,128}".prop_map(Into::into));
    let numbers = (option::of(1..=65_535_u32), number(), number(), number(), number());
    (numbers, flag.clone(), flag.clone(), flag, route).prop_map(
        |(numbers, backup, down, drain, route)| {
            let (weight, max_conns, max_fails, fail_timeout, slow_start) = numbers;
            Overrides {
                weight,
                max_conns,
                max_fails,
                fail_timeout,
                slow_start,
                backup,
                down,
                drain,
                route,
            }
        },
    )
}

/// Bytes that come near to a value, which random ones never do.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "10.0.0.1",
        ":80",
        ":",
        "[::1]",
        "[",
        "]",
        "unix:/a",
        "a.b",
        " ",
        "weight=",
        "5",
        "-",
        "1e9",
        "backup",
        "route=",
        ";",
        "{",
        "}",
        "\"addr\"",
        "\"Addr\"",
        "\"Op\"",
        "\"host\"",
        "\"port\"",
        "\"weight\"",
        "\"Metadata\"",
        ",",
        "null",
        "\"h:1\"",
        "\\u0000",
        "\n",
        "\u{7f}",
        "\"",
        "é",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

fn check_any(key: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    match parse_value(key, bytes) {
        Ok(value) => prop_assert_eq!(parse_value("n", value.to_json().as_bytes()), Ok(value)),
        Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn json_reads_back(target in target(), overrides in overrides(option::of(any::<bool>()))) {
        let value = Value { server: target.to_string(), target, overrides };
        prop_assert_eq!(parse_value("n", value.to_json().as_bytes()), Ok(value));
    }

    #[test]
    fn server_syntax_reads_back(
        target in target(),
        overrides in overrides(option::of(Just(true))),
    ) {
        let value = Value { server: target.to_string(), target, overrides };
        prop_assert_eq!(parse_value("n", value.to_string().as_bytes()), Ok(value.clone()));
        prop_assert_eq!(parse_value("n", format!("\t{value} ;\n").as_bytes()), Ok(value));
    }

    #[test]
    fn any_bytes_are_read_or_rejected(
        key in "\\PC{0,40}|(10\\.0\\.0\\.1:80)",
        bytes in vec(any::<u8>(), 0..200),
    ) {
        check_any(&key, &bytes)?;
    }

    #[test]
    fn nearly_values_are_read_or_rejected(
        key in "\\PC{0,40}|(10\\.0\\.0\\.1:80)",
        bytes in nearly(),
    ) {
        check_any(&key, &bytes)?;
    }
}
