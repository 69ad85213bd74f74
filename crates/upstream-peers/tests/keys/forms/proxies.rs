//! What other proxies read from etcd.

use upstream_peers::{MAX_SERVERS_OF_KEY, Reading, ValueError, parse_value};

use super::*;

#[test]
fn apisix_nodes_are_a_map_or_a_list() {
    // An upstream of APISIX, by `apisix/schema_def.lua` at 01a5d170b.
    let map = concat!(
        r#"{"nodes":{"10.0.0.7:8080":1,"10.0.0.8:8080":0,"node.example":5},"type":"roundrobin","#,
        r#""scheme":"http","pass_host":"pass","labels":{"team":"x"},"id":"1"}"#,
    );
    let expected = [
        r#"10.0.0.7:8080 weight=1 {"team":"x"}"#,
        r#"10.0.0.8:8080 weight=0 {"team":"x"}"#,
        r#"node.example:80 weight=5 {"team":"x"}"#,
    ];
    assert_eq!(read("1", map), expected);
    let list = concat!(
        r#"{"type":"roundrobin","scheme":"https","nodes":["#,
        r#"{"host":"10.0.0.7","port":8080,"weight":3,"priority":0},"#,
        r#"{"host":"10.0.0.8","weight":1,"priority":-1,"metadata":{"zone":"b"}},"#,
        r#"{"host":"2001:db8::1","port":8080,"weight":1}]}"#,
    );
    let expected = [
        "10.0.0.7:8080 weight=3",
        r#"10.0.0.8:443 weight=1 {"zone":"b"}"#,
        "[2001:db8::1]:8080 weight=1",
    ];
    assert_eq!(read("1", list), expected);
    let values = parse_value("1", list.as_bytes(), &Reading::default()).expect("good");
    let priorities: Vec<_> = values.into_values().iter().map(|value| value.priority).collect();
    assert_eq!(priorities, [0, 1, 0], "the lowest serve");
    for (value, expected) in [
        (r#"{"nodes":{"10.0.0.7:80":-1}}"#, "invalid \"weight\" \"-1\""),
        (r#"{"nodes":[{"host":"10.0.0.7","port":0}]}"#, "invalid \"port\" \"0\""),
        (r#"{"nodes":[{"host":"a b","port":1}]}"#, "invalid host"),
        (r#"{"nodes":[{"host":"a.b","priority":1.5}]}"#, "invalid \"priority\""),
        (r#"{"nodes":[{"host":1}]}"#, "invalid \"host\""),
    ] {
        assert!(reason("1", value, None).contains(expected), "{value}");
    }
}

#[test]
fn a_key_has_so_many_servers() {
    let nodes = |count: usize| {
        let nodes: Vec<_> = (0..count).map(|n| format!(r#""10.0.0.{n}:80":1"#)).collect();
        format!(r#"{{"nodes":{{{}}}}}"#, nodes.join(","))
    };
    assert_eq!(read("1", &nodes(MAX_SERVERS_OF_KEY)).len(), MAX_SERVERS_OF_KEY);
    assert_eq!(
        try_read("1", &nodes(MAX_SERVERS_OF_KEY + 1), None),
        Err(ValueError::TooManyServers(MAX_SERVERS_OF_KEY + 1))
    );
    let message = ValueError::TooManyServers(65).to_string();
    assert!(message.ends_with(&MAX_SERVERS_OF_KEY.to_string()), "{message}");
}

#[test]
fn vulcand_has_a_url() {
    // As vulcand's README has it: etcdctl set /vulcand/backends/b1/servers/srv1 '{"URL": …}'.
    assert_eq!(read("b1/servers/srv1", r#"{"URL":"http://10.0.0.7:5000"}"#), ["10.0.0.7:5000"]);
    let value = r#"{"Id":"srv1","URL":"https://a.example/x?y=z"}"#;
    assert_eq!(read("srv1", value), ["a.example:443"]);
    assert!(reason("srv1", r#"{"URL":"10.0.0.7:5000"}"#, None).contains("is not a URL"));
    assert!(reason("srv1", r#"{"URL":5000}"#, None).contains("invalid \"URL\""));
}

#[test]
fn traefik_has_a_key_for_each_field() {
    // `traefik/http/services/SERVICE/loadbalancer/servers/0/url`, as the documentation of Traefik
    // v2 and v3 has it for key-value stores.
    assert_eq!(read("0/url", "http://10.0.0.7:8888/"), ["10.0.0.7:8888"]);
    assert_eq!(read("0/url", "https://node/path"), ["node:443"]);
    assert_eq!(read("0/url", "h2c://10.0.0.7/a?b"), ["10.0.0.7:80"]);
    assert_eq!((name("0/url", "http://10.0.0.7"), name("0/weight", "5")), ("0".into(), "0".into()));
    for (key, value) in [
        ("0/weight", "5"),
        ("servers/0/weight", "0"),
        ("0/preservePath", "true"),
        ("0/fenced", "false"),
        ("0/scheme", "http"),
    ] {
        assert_eq!(read(key, value), [""; 0], "{key}");
    }
    assert!(reason("0/weight", "70000", None).contains("invalid \"weight\" \"70000\""));
    assert!(reason("0/weight", "many", None).contains("requires a port"));
    assert!(reason("0/preservePath", "maybe", None).contains("requires a port"));
    // What has always been an address under these names is one.
    assert_eq!(read("0/url", "10.0.0.7:80 weight=2"), ["10.0.0.7:80 weight=2"]);
    assert_eq!(name("0/url", "10.0.0.7:80"), "0/url");
    assert_eq!(read("0/url", "http://10.0.0.7:80 weight=2"), ["10.0.0.7:80 weight=2"]);
    assert_eq!(read("0/weight", "10.0.0.7:80"), ["10.0.0.7:80"]);
    assert!(reason("/url", "http://10.0.0.7/a", None).contains("has a path"), "no name");
}

#[test]
fn skydns_has_a_priority_and_a_group() {
    // `msg.Service` of CoreDNS, `plugin/etcd/msg/service.go` at 01c32383a.
    let value = r#"{"host":"10.0.0.7","port":8080,"priority":20,"weight":5,"ttl":60,"group":"g1"}"#;
    assert_eq!(read("x1", value), [r#"10.0.0.7:8080 weight=5 {"group":"g1"}"#]);
    for (value, expected) in
        [(value, 10), (r#"{"host":"10.0.0.7"}"#, 0), (r#"{"host":"10.0.0.7","priority":0}"#, 0)]
    {
        let content = parse_value("x1", value.as_bytes(), &Reading::default()).expect(value);
        assert_eq!(content.into_values()[0].priority, expected, "{value}");
    }
}
