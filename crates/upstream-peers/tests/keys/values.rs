//! Values, good and bad, in all forms.

use std::collections::BTreeSet;

use upstream_peers::{
    MAX_KEY_LENGTH, MAX_LONG_VALUE_LENGTH, MAX_VALUE_LENGTH, Reading, Value, ValueError,
    parse_server,
};

/// The one server of a value.
fn parse_value(key: &str, value: &[u8]) -> Result<Value, ValueError> {
    let content = upstream_peers::parse_value(key, value, &Reading::default())?;
    let mut values = content.into_values();
    assert_eq!(values.len(), 1, "{key:?}");
    values.pop().ok_or(ValueError::Empty)
}

/// Key, value, and the same in nginx's syntax.
const GOOD: &[(&str, &str, &str)] = &[
    // nginx's syntax
    ("n", "172.16.32.143:43876", "172.16.32.143:43876"),
    ("n", "10.0.0.7", "10.0.0.7:80"),
    ("n", "10.0.0.7;", "10.0.0.7:80"),
    ("n", "10.0.0.7:80 ;\n", "10.0.0.7:80"),
    ("n", " \t\r\n10.0.0.7:65535\t backup \n", "10.0.0.7:65535 backup"),
    (
        "n",
        "10.0.0.7:80 weight=5 max_fails=3 fail_timeout=5s backup",
        "10.0.0.7:80 weight=5 max_fails=3 fail_timeout=5 backup",
    ),
    (
        "n",
        "10.0.0.7:80 drain down slow_start=1m30s max_conns=9;",
        "10.0.0.7:80 max_conns=9 slow_start=90 down drain",
    ),
    ("n", "10.0.0.7:80\nweight=5", "10.0.0.7:80 weight=5"),
    ("n", "10.0.0.7:80 weight=0", "10.0.0.7:80 weight=0"),
    ("n", r#"{"addr":"10.0.0.7:80","weight":0}"#, "10.0.0.7:80 weight=0"),
    ("n", r#"{"addr":"10.0.0.7:80","weight":"0","drain":false}"#, "10.0.0.7:80 weight=0"),
    ("10.0.0.7:80", r#"{"weight":0}"#, "10.0.0.7:80 weight=0"),
    ("n", "10.0.0.7:80 weight=1 weight=2", "10.0.0.7:80 weight=2"),
    ("n", "10.0.0.7:080", "10.0.0.7:80"),
    ("n", "[2001:db8::1]:80", "[2001:db8::1]:80"),
    ("n", "[2001:DB8:0:0::1]", "[2001:db8::1]:80"),
    ("n", "[::ffff:10.0.0.1]:8080", "[::ffff:10.0.0.1]:8080"),
    ("n", "unix:/run/app.sock", "unix:/run/app.sock"),
    ("n", "UNIX:/run/a:b.sock weight=2;", "unix:/run/a:b.sock weight=2"),
    ("n", "node-1.example.com:8080", "node-1.example.com:8080"),
    ("n", "Node_1:80", "node_1:80"),
    ("n", "example.com.:80", "example.com.:80"),
    ("n", "3com.example", "3com.example:80"),
    ("a b/c", "localhost:1", "localhost:1"),
    // our JSON
    ("n", r#"{"addr":"10.0.0.7:80"}"#, "10.0.0.7:80"),
    (
        "n",
        r#" {"addr":"10.0.0.7","weight":5,"fail_timeout":"10s","backup":true} "#,
        "10.0.0.7:80 weight=5 fail_timeout=10 backup",
    ),
    (
        "n",
        concat!(
            r#"{"addr":"10.0.0.7:80","weight":"5","fail_timeout":10,"slow_start":"30","#,
            r#""down":1,"drain":"1"}"#,
        ),
        "10.0.0.7:80 weight=5 fail_timeout=10 slow_start=30 down drain",
    ),
    (
        "n",
        r#"{"addr":"unix:/run/app.sock","max_conns":0,"max_fails":0}"#,
        "unix:/run/app.sock max_conns=0 max_fails=0",
    ),
    ("n", r#"{"addr":"10.0.0.7:80","addr":"10.0.0.8:80"}"#, "10.0.0.8:80"),
    ("n", r#"{"\u0061ddr":"[::1]:80"}"#, "[::1]:80"),
    // gRPC's naming
    ("n", r#"{"Op":0,"Addr":"10.0.0.7:50051","Metadata":null}"#, "10.0.0.7:50051"),
    ("n", r#"{"Addr":"h:50051"}"#, "h:50051"),
    ("n", r#"{"Op":0,"Addr":"h:1","Metadata":"v1"}"#, "h:1"),
    (
        "n",
        r#"{"Op":0,"Addr":"h:1","Metadata":{"weight":3,"zone":"a","down":false},"x":1}"#,
        "h:1 weight=3",
    ),
    // What is written where no weight is set.
    ("n", r#"{"Op":0,"Addr":"h:1","Metadata":{"weight":0,"max_fails":0}}"#, "h:1 max_fails=0"),
    // SkyDNS, CoreDNS
    ("n", r#"{"host":"10.0.0.1"}"#, "10.0.0.1:80"),
    (
        "n",
        concat!(
            r#"{"host":"10.0.0.1","port":8080,"weight":5,"priority":10,"ttl":60,"text":"t","#,
            r#""group":"g","mail":false}"#,
        ),
        "10.0.0.1:8080 weight=5",
    ),
    ("n", r#"{"host":"node.example","port":0,"weight":0,"targetstrip":1}"#, "node.example:80"),
    ("n", r#"{"host":"2001:db8::1","port":"8080"}"#, "[2001:db8::1]:8080"),
    // nginx-upsync
    ("10.0.0.1:8080", "", "10.0.0.1:8080"),
    ("10.0.0.1:8080", " \n", "10.0.0.1:8080"),
    ("a/b/10.0.0.1:8080", "{}", "10.0.0.1:8080"),
    (
        "10.0.0.1:8080",
        r#"{"weight":1,"max_fails":2,"fail_timeout":10,"down":0,"backup":0}"#,
        "10.0.0.1:8080 weight=1 max_fails=2 fail_timeout=10",
    ),
    ("host.example:80", r#"{"backup":1,"comment":"x"}"#, "host.example:80 backup"),
    ("[::1]:80", "", "[::1]:80"),
    // the key's address does not matter where the value has one
    ("10.0.0.1:8080", "10.0.0.2:80", "10.0.0.2:80"),
];

/// Key, value, and what the reason must say.
const BAD: &[(&str, &str, &str)] = &[
    ("", "10.0.0.1:80", "no name below the prefix"),
    ("a\nb", "10.0.0.1:80", "control character"),
    ("a\u{85}b", "10.0.0.1:80", "control character"),
    ("n", "", "the value is empty"),
    ("node-1", "", "the value is empty"),
    ("[::1]", "", "the value is empty"),
    ("n", ";", "no host"),
    ("n", ":80", "no host in \":80\""),
    ("n", "10.0.0.1:", "invalid port \"\""),
    ("n", "10.0.0.1:0", "invalid port \"0\""),
    ("n", "10.0.0.1:65536", "invalid port \"65536\""),
    ("n", "10.0.0.1:http", "invalid port \"http\""),
    ("n", "10.0.0.1:-1", "invalid port \"-1\""),
    ("n", "10.0.0.1:+80", "invalid port \"+80\""),
    ("n", "10.0.0.1:80:90", "invalid port \"80:90\""),
    ("n", "10.0.0.1:80;;", "invalid port \"80;\""),
    (
        "n",
        "10.0.0.256:80",
        "invalid host \"10.0.0.256\": it is neither an IPv4 address nor a host name",
    ),
    ("n", "10.0.0:80", "neither an IPv4 address nor a host name"),
    ("n", "010.0.0.1:80", "neither an IPv4 address nor a host name"),
    ("n", "8080", "neither an IPv4 address nor a host name"),
    ("n", "a..b:80", "neither an IPv4 address nor a host name"),
    ("n", ".a:80", "neither an IPv4 address nor a host name"),
    ("n", ".", "neither an IPv4 address nor a host name"),
    ("n", "é.example:80", "neither an IPv4 address nor a host name"),
    ("n", "a$b:80", "neither an IPv4 address nor a host name"),
    ("n", "*:80", "neither an IPv4 address nor a host name"),
    ("n", "10.0.0.1,10.0.0.2", "neither an IPv4 address nor a host name"),
    ("n", "2001:db8::1", "\"2001:db8::1\" must be in brackets"),
    ("n", "[2001:db8::1", "invalid IPv6 address"),
    ("n", "[2001:db8::1]80", "invalid IPv6 address"),
    ("n", "[10.0.0.1]:80", "invalid IPv6 address"),
    ("n", "[fe80::1%eth0]:80", "invalid IPv6 address"),
    ("n", "[]:80", "invalid IPv6 address"),
    ("n", "[::1]:99999", "invalid port \"99999\""),
    ("n", r#"["10.0.0.1:80"]"#, "invalid IPv6 address"),
    ("n", r#""10.0.0.1:80""#, "invalid port \"80\\\"\""),
    ("n", "ws://10.0.0.1:80", "is a URL or a path"),
    ("n", "/run/app.sock", "is a URL or a path"),
    ("n", "10.0.0.1:80/path", "is a URL or a path"),
    ("n", "unix:", "no absolute path of a unix socket"),
    ("n", "Unix", "no absolute path of a unix socket"),
    ("n", r#"{"host":"unix"}"#, "no absolute path of a unix socket"),
    ("n", "unix:run/app.sock", "no absolute path of a unix socket"),
    ("n", r#"{"addr":"unix:/run/a b"}"#, "contains white space"),
    ("n", "unix:/run/\"a\"", "contains white space, a control character, or one of ; { } \" ' \\"),
    ("n", "not a peer", "\"not\" is not an address"),
    ("n", "server 10.0.0.1:80;", "\"server\" is not an address"),
    ("n", "node weight=2 bakcup", "\"node\" is not an address"),
    ("n", "node:80 bakcup", "unknown parameter \"bakcup\""),
    ("n", "node.example a", "unknown parameter \"a\""),
    ("n", "10.0.0.1:80 10.0.0.2:80", "unknown parameter \"10.0.0.2:80\""),
    ("n", "10.0.0.1:80 wieght=5", "unknown parameter \"wieght=5\""),
    ("n", "10.0.0.1:80 resolve", "unknown parameter \"resolve\""),
    ("n", "10.0.0.1:80 weight=-1", "invalid \"weight\" \"-1\""),
    ("n", "10.0.0.1:80 weight=1.5", "invalid \"weight\" \"1.5\""),
    ("n", "10.0.0.1:80 weight=65536", "invalid \"weight\" \"65536\""),
    ("n", "10.0.0.1:80 weight", "\"weight\" requires a value"),
    ("n", "10.0.0.1:80 fail_timeout=500ms", "invalid \"fail_timeout\" \"500ms\""),
    ("n", "10.0.0.1:80 fail_timeout=", "invalid \"fail_timeout\" \"\""),
    ("n", "10.0.0.1:80 max_conns=99999999999", "invalid \"max_conns\" \"99999999999\""),
    ("n", "10.0.0.1:80 backup=1", "\"backup\" takes no value"),
    ("n", "{", "invalid JSON: EOF"),
    ("n", "{}", "the object has no \"addr\", \"Addr\" or \"host\" and"),
    ("n", r#"{"weight":5}"#, "the object has no \"addr\", \"Addr\" or \"host\" and"),
    ("n", r#"{"adr":"10.0.0.1:80"}"#, "the object has no \"addr\", \"Addr\" or \"host\" and"),
    ("n", r#"{"addr":"10.0.0.1:80"};"#, "invalid JSON: trailing characters"),
    ("n", r#"{"addr":"10.0.0.1:80""#, "invalid JSON: EOF"),
    ("n", r#"{'addr':'10.0.0.1:80'}"#, "invalid JSON: key must be a string"),
    ("n", r#"{"addr":10}"#, "invalid \"addr\" \"10\": it must be a string"),
    ("n", r#"{"addr":null}"#, "invalid \"addr\" \"null\": it must be a string"),
    ("n", r#"{"addr":""}"#, "no host"),
    ("n", r#"{"addr":"10.0.0.1:80 weight=5"}"#, "invalid port \"80 weight=5\""),
    ("n", r#"{"addr":"10.0.0.1:80","wieght":5}"#, "unknown field \"wieght\""),
    ("n", r#"{"addr":"10.0.0.1:80","x\ny":5}"#, "unknown field \"x\\ny\""),
    ("n", r#"{"addr":"10.0.0.1:80","weight":-5}"#, "invalid \"weight\" \"-5\""),
    ("n", r#"{"addr":"10.0.0.1:80","weight":1.5}"#, "invalid \"weight\" \"1.5\""),
    ("n", r#"{"addr":"10.0.0.1:80","weight":1e2}"#, "invalid \"weight\" \"100.0\""),
    ("n", r#"{"addr":"10.0.0.1:80","weight":1e999}"#, "invalid JSON: number out of range"),
    ("n", r#"{"addr":"10.0.0.1:80","weight":"heavy"}"#, "invalid \"weight\" \"heavy\""),
    ("n", r#"{"Addr":"10.0.0.1:80","Metadata":{"weight":70000}}"#, "invalid \"weight\" \"70000\""),
    ("n", r#"{"Addr":"10.0.0.1:80","Metadata":{"weight":"-1"}}"#, "invalid \"weight\" \"-1\""),
    ("n", r#"{"Addr":"10.0.0.1:80","Metadata":{"down":"yes"}}"#, "invalid \"down\" \"yes\""),
    ("n", r#"{"addr":"10.0.0.1:80","weight":[1]}"#, "invalid \"weight\" \"[1]\""),
    (
        "n",
        r#"{"addr":"10.0.0.1:80","backup":"yes"}"#,
        "invalid \"backup\" \"yes\": it must be true or false",
    ),
    (
        "n",
        r#"{"addr":"10.0.0.1:80","backup":2}"#,
        "invalid \"backup\" \"2\": it must be true or false",
    ),
    ("n", r#"{"addr":"10.0.0.1:80","fail_timeout":-1}"#, "invalid \"fail_timeout\" \"-1\""),
    ("n", r#"{"Op":1,"Addr":"10.0.0.1:80"}"#, "marked as deleted"),
    ("n", r#"{"Op":2,"Addr":"10.0.0.1:80"}"#, "invalid \"Op\" \"2\""),
    ("n", r#"{"Op":0,"Addr":""}"#, "no host"),
    ("n", r#"{"host":"10.0.0.1:80"}"#, "neither an IPv4 address nor a host name"),
    ("n", r#"{"host":"10.0.0.1","port":65536}"#, "invalid \"port\" \"65536\""),
    ("n", r#"{"host":"10.0.0.1","port":-1}"#, "invalid \"port\" \"-1\""),
    ("n", r#"{"host":"10.0.0.1","weight":1.5}"#, "invalid \"weight\" \"1.5\""),
    ("10.0.0.1:80", r#"{"down":"maybe"}"#, "invalid \"down\" \"maybe\""),
];

#[test]
fn good_values_are_read() {
    for &(key, value, expected) in GOOD {
        let read = parse_value(key, value.as_bytes())
            .map(|value| format!("{}{}", value.target, value.overrides));
        assert_eq!(read.as_deref(), Ok(expected), "{key:?} {value:?}");
    }
}

#[test]
fn the_server_as_it_is_written() {
    for (key, value, expected) in [
        ("n", "10.0.0.7", "10.0.0.7"),
        ("n", " 10.0.0.7:080 weight=2;", "10.0.0.7:080"),
        ("n", "10.0.0.7;", "10.0.0.7"),
        ("n", "[2001:DB8::1]", "[2001:DB8::1]"),
        ("n", "Node-1.Internal:80", "Node-1.Internal:80"),
        ("n", "UNIX:/run/app.sock", "UNIX:/run/app.sock"),
        ("n", r#"{"addr":"10.0.0.7","weight":2}"#, "10.0.0.7"),
        ("n", r#"{"Op":0,"Addr":"H:1"}"#, "H:1"),
        ("n", r#"{"host":"10.0.0.1"}"#, "10.0.0.1"),
        ("n", r#"{"host":"Node.example","port":0}"#, "Node.example"),
        ("n", r#"{"host":"10.0.0.1","port":"080"}"#, "10.0.0.1:80"),
        ("n", r#"{"host":"2001:db8::1"}"#, "[2001:db8::1]"),
        ("n", r#"{"host":"2001:db8::1","port":8080}"#, "[2001:db8::1]:8080"),
        ("10.0.0.1:8080", "", "10.0.0.1:8080"),
        ("a/Host:80", r#"{"weight":2}"#, "Host:80"),
    ] {
        let read = parse_value(key, value.as_bytes()).expect(value);
        assert_eq!(read.server, expected, "{key:?} {value:?}");
        let again = parse_server("n", read.to_string().as_bytes());
        assert_eq!(again, Ok(read));
    }
}

#[test]
fn bad_values_are_rejected() {
    for &(key, value, expected) in BAD {
        let message = parse_value(key, value.as_bytes()).expect_err(value).to_string();
        assert!(message.contains(expected), "{key:?} {value:?}: {message}");
        assert!(!message.contains(char::is_control), "{message:?}");
    }
    let distinct: BTreeSet<_> =
        GOOD.iter().chain(BAD).map(|(key, value, _)| (key, value)).collect();
    assert_eq!(distinct.len(), GOOD.len() + BAD.len());
}

#[test]
fn a_flag_that_is_off_overrides_a_default_that_is_on() {
    let value = parse_value("n", br#"{"addr":"10.0.0.1","backup":false}"#).expect("good");
    assert_eq!(value.overrides.backup, Some(false));
    assert_eq!(value.overrides.down, None);
}

#[test]
fn lengths_have_their_limits() {
    let longest = "k".repeat(MAX_KEY_LENGTH);
    assert!(parse_value(&longest, b"10.0.0.1").is_ok());
    assert_eq!(
        parse_value(&(longest + "k"), b"10.0.0.1"),
        Err(ValueError::KeyTooLong(MAX_KEY_LENGTH + 1))
    );

    let padded = format!("{:MAX_VALUE_LENGTH$}", "10.0.0.1");
    assert!(parse_value("n", padded.as_bytes()).is_ok());
    let longer = padded + " ";
    let too_long = |length, most| Err(ValueError::ValueTooLong { length, most });
    assert_eq!(
        parse_value("n", longer.as_bytes()),
        too_long(MAX_VALUE_LENGTH + 1, MAX_VALUE_LENGTH)
    );
    // Only objects with metadata, or several addresses, may be longer.
    let object = |value: &str, length: usize| value.to_owned() + &" ".repeat(length - value.len());
    let grpc = object(r#"{"Addr":"h:1"}"#, MAX_LONG_VALUE_LENGTH);
    assert!(parse_value("n", grpc.as_bytes()).is_ok());
    assert_eq!(
        parse_value("n", (grpc + " ").as_bytes()),
        too_long(MAX_LONG_VALUE_LENGTH + 1, MAX_LONG_VALUE_LENGTH)
    );
    let own = object(r#"{"addr":"h:1"}"#, MAX_VALUE_LENGTH + 1);
    assert_eq!(parse_value("n", own.as_bytes()), too_long(MAX_VALUE_LENGTH + 1, MAX_VALUE_LENGTH));

    let path = |length: usize| format!("unix:/{}", "p".repeat(length - 1));
    assert!(parse_value("n", path(107).as_bytes()).is_ok());
    let error = parse_value("n", path(108).as_bytes()).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "the unix socket's path is too long: 108 bytes, the maximum is 107"
    );

    let label = "l".repeat(63);
    let name = format!("{label}.{label}.{label}.{}", "l".repeat(61));
    assert!(parse_value("n", name.as_bytes()).is_ok());
    assert!(parse_value("n", (name + "l").as_bytes()).is_err());
    assert!(parse_value("n", (label + "l").as_bytes()).is_err());

    // The messages have the numbers in them as text.
    assert!(ValueError::KeyTooLong(0).to_string().ends_with(&MAX_KEY_LENGTH.to_string()));
}

#[test]
fn hostile_bytes_are_rejected_and_escaped() {
    assert_eq!(parse_value("n", b"10.0.0.1:80\xff"), Err(ValueError::ValueNotUtf8));
    assert!(parse_value("n", b"10.0.0.1\0:80").is_err());
    let nested = r#"{"addr":"#.repeat(500);
    let message = parse_value("n", nested.as_bytes()).expect_err("nested").to_string();
    assert!(message.contains("recursion limit"), "{message}");
    let nested = format!(r#"{{"Addr":"h:1","Metadata":{}{}}}"#, "[".repeat(120), "]".repeat(120));
    assert!(parse_value("n", nested.as_bytes()).is_ok());

    let hostile = format!("10.0.0.1:80 \u{1b}[2J\u{7f}\u{202e}{}", "x".repeat(1000));
    let message = parse_value("n", hostile.as_bytes()).expect_err("unknown").to_string();
    assert!(!message.contains(char::is_control) && message.len() < 120, "{message:?}");
}
