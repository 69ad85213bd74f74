//! Forms with the address in the key.

use upstream_peers::{MAX_KEY_LENGTH, MAX_URL_KEY_LENGTH, ValueError};

use super::*;

#[test]
fn goframe_has_several_endpoints_in_the_key() {
    // `Service.Key` and `Service.Value` of GoFrame v2, `net/gsvc/gsvc_service.go` at 0e34a99c0.
    let key = "service/default/default/hello/v1/10.0.0.7:8000,10.0.0.8:8000";
    assert_eq!(read(key, "{}"), ["10.0.0.7:8000", "10.0.0.8:8000"]);
    assert_eq!(read(key, ""), ["10.0.0.7:8000", "10.0.0.8:8000"]);
    assert_eq!(
        read(key, r#"{"insecure":true,"protocol":"http","weight":5}"#),
        [
            r#"10.0.0.7:8000 weight=5 {"insecure":"true","protocol":"http"}"#,
            r#"10.0.0.8:8000 weight=5 {"insecure":"true","protocol":"http"}"#
        ]
    );
    for key in ["a/10.0.0.7:8000,", "a/10.0.0.7:8000,b", ",10.0.0.7:80"] {
        assert_eq!(try_read(key, "", None), Err(ValueError::Empty), "{key}");
        assert_eq!(try_read(key, "{}", None), Err(ValueError::NoAddress), "{key}");
    }
}

#[test]
fn rpcx_has_network_and_address_in_the_key() {
    // What `Register` of rpcx-etcd, `serverplugin/etcdv3.go` at 1eb1b8f80, writes.
    let key = "Arith/tcp@127.0.0.1:8972";
    assert_eq!(read(key, ""), ["127.0.0.1:8972"]);
    assert_eq!(
        read(key, "group=test&weight=7&a%20b=c%2Bd"),
        [r#"127.0.0.1:8972 weight=7 {"a b":"c+d","group":"test"}"#]
    );
    assert_eq!(
        read(key, "calls=0.00&state=inactive"),
        [r#"127.0.0.1:8972 down {"state":"inactive"}"#],
        "what is measured changes all the time, and is no label"
    );
    assert_eq!(read("http@[::1]:8972", "weight=0"), ["[::1]:8972 weight=0"]);
    assert!(reason("quic@127.0.0.1:1", "", None).starts_with("invalid \"network\" \"quic\""));
    let in_stream = Reading { is_stream: true, ..Reading::default() };
    assert!(reason("udp@127.0.0.1:1", "", None).starts_with("invalid \"network\" \"udp\""));
    assert!(parse_value("udp@127.0.0.1:1", b"", &in_stream).is_ok());
    assert!(parse_value("quic@127.0.0.1:1", b"", &in_stream).is_err());
    assert!(reason(key, "weight=1.5", None).contains("invalid \"weight\" \"1.5\""));
    // The keys above it.
    assert!(reason("Arith", "Arith", None).contains("requires a port"));
    assert!(reason("rpcx", "rpcx_path", None).contains("requires a port"));
    // A value with an address counts as it always did.
    assert_eq!(read(key, "10.0.0.7:80 weight=2"), ["10.0.0.7:80 weight=2"]);
    assert_eq!(read(key, "unix:/run/a=b"), ["unix:/run/a=b"]);
}

/// The key of a provider of dubbo-go v3 below `/dubbo/SERVICE/providers/`; the value is empty, as
/// `DoRegister` of `registry/etcdv3/registry.go` at 0098a4ee1 writes it.
fn dubbo(parameters: &str) -> String {
    let parameters = parameters.replace('=', "%3D").replace('&', "%26").replace('/', "%252F");
    format!("dubbo%3A%2F%2F10.0.0.7%3A20000%2Forg.apache.UserProvider%3F{parameters}")
}

#[test]
fn dubbo_has_a_url_in_the_key() {
    let key = dubbo("anyhost=true&application=users&group=g&version=1.0&weight=50&side=provider");
    let expected = concat!(
        r#"10.0.0.7:20000 weight=50 {"anyhost":"true","application":"users","group":"g","#,
        r#""side":"provider","version":"1.0"}"#
    );
    assert_eq!(read(&key, ""), [expected]);
    assert_eq!(name(&key, ""), "dubbo%3A%2F%2F10.0.0.7%3A20000%2Forg.apache.UserProvider");
    assert!(read(&dubbo("disabled=true"), "").concat().starts_with("10.0.0.7:20000 down"));
    let consumer = key.replacen("dubbo", "consumer", 1);
    assert_eq!(reason(&consumer, "", None), "\"consumer\" in the key is not the URL of a provider");
    assert!(reason("dubbo%3a%2f%2f10.0.0.7", "", None).contains("no port in \"10.0.0.7\""));
    // A value counts as it always did.
    assert_eq!(read(&key, "10.0.0.8:80"), ["10.0.0.8:80"]);
    assert_eq!(name(&key, "10.0.0.8:80"), key);
}

#[test]
fn keys_with_urls_may_be_long() {
    let long = dubbo(&format!("methods={}&version=1", "m,".repeat(900)));
    assert!(long.len() > MAX_KEY_LENGTH && long.len() < MAX_URL_KEY_LENGTH);
    assert_eq!(read(&long, ""), [r#"10.0.0.7:20000 {"version":"1"}"#]);
    assert_eq!(
        try_read(&long, "10.0.0.8:80", None),
        Err(ValueError::KeyTooLong(long.len())),
        "its name is the whole key"
    );
    let longer = dubbo(&"m".repeat(MAX_URL_KEY_LENGTH));
    assert_eq!(try_read(&longer, "", None), Err(ValueError::KeyTooLong(longer.len())));
    let named = format!("{}/dubbo%3A%2F%2Fa%3A1%3Fb", "n".repeat(MAX_KEY_LENGTH));
    assert_eq!(try_read(&named, "", None), Err(ValueError::KeyTooLong(named.len())));
}
