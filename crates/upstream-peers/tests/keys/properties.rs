//! What holds for all values.

use std::net::{IpAddr, SocketAddr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use upstream_peers::{
    Labels, MAX_LABEL_BYTES, MAX_LABELS, MAX_SERVERS_OF_KEY, Overrides, Reading, SocketAddress,
    Target, Value, ValueError, parse_server,
};

/// The servers of a value.
fn parse_value(key: &str, value: &[u8]) -> Result<Vec<Value>, ValueError> {
    let content = upstream_peers::parse_value(key, value, &Reading::default())?;
    Ok(content.into_values())
}

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
        "\"nodes\"",
        "\"endpoints\"",
        "\"network\"",
        "\"address\"",
        "\"URL\"",
        "\"conn_url\"",
        "\"name\"",
        "\"ports\"",
        "\"Host\"",
        "\"Port\"",
        "\"serverStatus\"",
        "\"labels\"",
        "\"http://h:1/a?b=c\"",
        "http://",
        "=",
        "&",
        "%3A%2F%2F",
        "[{",
        "}]",
        "true",
        ":1",
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

/// A key of any of the forms that have something in it.
fn key() -> impl Strategy<Value = String> {
    let others = prop::sample::select(vec![
        "10.0.0.1:80".to_owned(),
        "a/url".to_owned(),
        "a/weight".to_owned(),
        "Arith/tcp@10.0.0.1:80".to_owned(),
        "10.0.0.1:80,10.0.0.2:80".to_owned(),
        "dubbo%3A%2F%2F10.0.0.7%3A20000%2Forg.apache.A%3Fgroup%3Dg".to_owned(),
    ]);
    prop_oneof!["\\PC{0,40}", others]
}

fn check_any(key: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    match parse_value(key, bytes) {
        Ok(values) => {
            prop_assert!(values.len() <= MAX_SERVERS_OF_KEY);
            for value in values {
                let labels = value.labels.pairs();
                let length: usize = labels.iter().map(|(name, it)| name.len() + it.len()).sum();
                prop_assert!(labels.len() <= MAX_LABELS && length <= MAX_LABEL_BYTES);
                // The labels that are left are kept again, whatever there was.
                let value = Value { priority: 0, scheme: None, ..value };
                // A name that is known to be one needs no dot.
                let named = value.target.to_string();
                let value = Value { server: named, ..value };
                let again = parse_value("n", value.to_json().as_bytes());
                prop_assert_eq!(again, Ok(vec![value.clone()]));
                let plain = Value { labels: Labels::default(), ..value };
                let words = parse_server("n", plain.to_string().as_bytes());
                prop_assert_eq!(words.map(|words| words.target), Ok(plain.target));
            }
        }
        Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
    Ok(())
}

/// Texts that would take long if anything were looked at again and again: of a length, with the
/// beginning and the end around something that is repeated.
fn repeated(length: usize) -> Vec<(String, String)> {
    let fill = |around: [&str; 2], piece: &str| {
        let count = length.saturating_sub(around[0].len() + around[1].len()) / piece.len();
        [around[0], &piece.repeat(count), around[1]].concat()
    };
    let values = [
        fill([r#"{"nodes":[""#, r#""]}"#], r#"","#),
        fill([r#"{"nodes":{"#, r#""a":1}}"#], r#""a.b:1":1,"#),
        fill([r#"{"endpoints":["#, r#""http://a.b"]}"#], r#""http://a.b:1?c=d&e=f","#),
        fill([r#"{"Addr":"h:1","Metadata":{"#, r#""z":1}}"#], r#""a":"b","#),
        fill([r#"{"Addr":"h:1","Metadata":{"z":""#, r#""}}"#], r"\u0001"),
        fill([r#"{"Addr":"#, ""], "["),
        fill([r#"{"network":""#, r#"","address":"a:1"}"#], "tcp"),
        fill([r#"{"conn_url":""#, r#""}"#], "a://@"),
        fill([r#"{"conn_url":"http://"#, r#""}"#], "@"),
        fill(["", ""], "a&b=c"),
        fill(["", ""], "%3A%2F%2F"),
        fill(["", ""], "weight=1 "),
    ];
    let keys = ["n", "a/url", "a/weight", "tcp@10.0.0.1:80", "10.0.0.1:80,10.0.0.2:80"];
    let keys = keys.iter().map(|&key| key.to_owned()).chain([
        fill(["", "a"], "%3A%2F%2F"),
        fill(["dubbo%3A%2F%2Fa%3A1%3F", ""], "a%3Db%26"),
        fill(["", ""], "a/"),
        fill(["", ""], "a:1,"),
    ]);
    keys.flat_map(|key| values.clone().map(|value| (key.clone(), value))).collect()
}

/// Time by the clock says little on a busy machine; that of the process says how much was done. A
/// hundredth of a second is a hundred times what the longest value takes, and a hundredth of what
/// a square of its length does.
#[test]
fn no_value_takes_longer_than_linear_time() {
    let cost = |length: usize| -> Vec<std::time::Duration> {
        let measure = |(key, value): (String, String)| {
            let key = &key[..key.len().min(4096)];
            let once = || {
                let began = std::time::Instant::now();
                let _ = parse_value(key, value.as_bytes());
                began.elapsed()
            };
            // The fastest of some is the one that was not disturbed.
            (0..5).map(|_| once()).min().unwrap_or_default()
        };
        repeated(length).into_iter().map(measure).collect()
    };
    let (short, long) = (cost(4_000), cost(64_000));
    for (at, (short, long)) in short.iter().zip(&long).enumerate() {
        // Sixteen times as long; a square would be 256 times as much.
        let most = *short * 80 + std::time::Duration::from_millis(20);
        assert!(*long < most, "text {at}: {short:?}, then {long:?}");
    }
}

proptest! {
    #[test]
    fn the_text_of_an_address_is_what_is_printed(target in target()) {
        if let Target::Address(address) = target {
            prop_assert_eq!(address.text(), address.to_string());
        }
    }

    #[test]
    fn json_reads_back(target in target(), overrides in overrides(option::of(any::<bool>()))) {
        let value = Value::new(target.to_string(), target, overrides);
        prop_assert_eq!(parse_value("n", value.to_json().as_bytes()), Ok(vec![value]));
    }

    #[test]
    fn server_syntax_reads_back(
        target in target(),
        overrides in overrides(option::of(Just(true))),
    ) {
        let value = Value::new(target.to_string(), target, overrides);
        let text = format!("\t{value} ;\n");
        prop_assert_eq!(parse_server("n", text.as_bytes()), Ok(value.clone()));
        prop_assert_eq!(parse_value("n", value.to_string().as_bytes()), Ok(vec![value.clone()]));
        prop_assert_eq!(parse_value("n", text.as_bytes()), Ok(vec![value]));
    }

    #[test]
    fn any_bytes_are_read_or_rejected(
        key in key(),
        bytes in vec(any::<u8>(), 0..200),
    ) {
        check_any(&key, &bytes)?;
    }

    #[test]
    fn nearly_values_are_read_or_rejected(
        key in key(),
        bytes in nearly(),
    ) {
        check_any(&key, &bytes)?;
    }
}
