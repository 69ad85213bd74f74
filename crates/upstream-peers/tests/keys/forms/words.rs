//! Addresses as plain text, and words that are none.

use upstream_peers::parse_server;

use super::*;

#[test]
fn plain_addresses_and_urls() {
    // `EtcdServiceRegistry.register` of spring-cloud-etcd of spring-attic, at 0bc4c1fa6, writes
    // HOST:PORT, and that of ScienJus, at 4033cb7c0, an object with `host` and `port`.
    assert_eq!(read("app/app:8080", "node.example:8080"), ["node.example:8080"]);
    let registration = r#"{"serviceId":"app","host":"10.0.0.7","port":8080,"secure":false}"#;
    assert_eq!(read("app/1", registration), ["10.0.0.7:8080"]);
    // Programs with Rust's etcd-discovery (cody-why's, `src/etcd_register.rs` at 0b3bd0208), whose
    // readers are tonic's `Endpoint`s, write URLs.
    for (value, expected) in [
        ("http://10.0.0.7:50051", "10.0.0.7:50051"),
        ("http://10.0.0.7", "10.0.0.7:80"),
        ("https://node.example/", "node.example:443"),
        ("http://[2001:db8::1]:80/;", "[2001:db8::1]:80"),
        ("http://node weight=5 backup", "node:80 weight=5 backup"),
        (r#"{"addr":"http://10.0.0.7:80","weight":5}"#, "10.0.0.7:80 weight=5"),
        (r#"{"Addr":"https://10.0.0.7"}"#, "10.0.0.7:443"),
    ] {
        assert_eq!(read("n", value), [expected], "{value}");
    }
    for (value, expected) in [
        ("http://10.0.0.7:80/path", "\"http://10.0.0.7:80/path\" has a path or a query"),
        ("http://10.0.0.7:80?a=b", "has a path or a query: it must be HOST:PORT or http://"),
        ("ftp://10.0.0.7:80", "is a URL or a path"),
        ("http://", "no host"),
    ] {
        assert!(reason("n", value, None).contains(expected), "{value}");
    }
}

#[test]
fn a_word_is_not_a_host_name() {
    for word in [
        "true",
        "Arith",
        "rpcx_path",
        "null",
        "localhost",
        "node-1",
        "node weight=5",
        "not a peer",
        "server 10.0.0.1:80;",
        r#"{"addr":"node"}"#,
        r#"{"Addr":"node"}"#,
        r#"{"host":"node"}"#,
        r#"{"host":"node","port":0}"#,
    ] {
        assert!(
            reason("n", word, None).ends_with(
                "is not an address: a host name without a dot requires a port, HOST:PORT"
            ),
            "{word}"
        );
    }
    for (value, expected) in [
        ("node:80", "node:80"),
        ("node.", "node.:80"),
        ("node.example", "node.example:80"),
        (r#"{"host":"node","port":80}"#, "node:80"),
    ] {
        assert_eq!(read("n", value), [expected], "{value}");
    }
    // What is known to be a server, since it was one before.
    let known = parse_server("n", b"node weight=5").expect("good");
    assert_eq!(known.to_string(), "node weight=5");
}

#[test]
fn own_objects_may_have_labels() {
    let value = r#"{"addr":"10.0.0.7:80","weight":2,"labels":{"version":2,"canary":true}}"#;
    assert_eq!(read("n", value), [r#"10.0.0.7:80 weight=2 {"canary":"true","version":"2"}"#]);
    assert_eq!(read("n", r#"{"addr":"10.0.0.7:80","labels":{"a":null,"b":[1]}}"#), ["10.0.0.7:80"]);
    assert!(
        reason("n", r#"{"addr":"10.0.0.7:80","labels":[]}"#, None)
            .contains("invalid \"labels\" \"[]\": it must be an object")
    );
    let grpc = r#"{"Op":0,"Addr":"10.0.0.7:80","Metadata":{"weight":3,"zone":"a"}}"#;
    assert_eq!(read("n", grpc), [r#"10.0.0.7:80 weight=3 {"zone":"a"}"#]);
}

#[test]
fn a_value_is_of_the_first_form_whose_fields_it_has() {
    for (key, value, expected) in [
        ("10.0.0.1:1", r#"{"addr":"10.0.0.2:2"}"#, "10.0.0.2:2"),
        ("10.0.0.1:1", r#"{"Addr":"10.0.0.3:3","host":"10.0.0.4"}"#, "10.0.0.3:3"),
        ("10.0.0.1:1", r#"{"host":"10.0.0.4","nodes":{"10.0.0.5:5":1}}"#, "10.0.0.4:80"),
        ("10.0.0.1:1", r#"{"Host":"10.0.0.6","Port":6,"nodes":{"10.0.0.5:5":1}}"#, "10.0.0.6:6"),
        ("10.0.0.1:1", r#"{"nodes":{"10.0.0.5:5":1},"endpoints":[]}"#, "10.0.0.5:5 weight=1"),
        ("10.0.0.1:1", r#"{"endpoints":["http://10.0.0.7:7"],"URL":1}"#, "10.0.0.7:7"),
        ("10.0.0.1:1", r#"{"network":"tcp","address":"10.0.0.8:8"}"#, "10.0.0.8:8"),
        // A part of the fields is not enough, and nginx-upsync's form is all that is left.
        ("10.0.0.1:1", r#"{"address":"10.0.0.8:8"}"#, r#"10.0.0.1:1 {"address":"10.0.0.8:8"}"#),
        ("10.0.0.1:1", r#"{"Host":"10.0.0.6"}"#, r#"10.0.0.1:1 {"Host":"10.0.0.6"}"#),
        ("10.0.0.1:1", r#"{"weight":1,"down":0}"#, "10.0.0.1:1 weight=1"),
    ] {
        assert_eq!(read(key, value), [expected], "{value}");
    }
    assert!(reason("10.0.0.1:1", r#"{"addr":"10.0.0.2:2","nodes":[]}"#, None).contains("unknown"));
}

/// Fields that are not set are null in what Go and Java write.
#[test]
fn null_is_as_if_it_was_not_there() {
    for (value, expected) in [
        (r#"{"addr":"10.0.0.7:80","weight":null,"labels":null,"route":null}"#, "10.0.0.7:80"),
        (r#"{"addr":null,"host":"10.0.0.7","port":null,"weight":null}"#, "10.0.0.7:80"),
        (r#"{"host":"10.0.0.7","port":1,"serverStatus":null,"priority":null}"#, "10.0.0.7:1"),
        (
            r#"{"Op":null,"Addr":"10.0.0.7:80","Metadata":{"weight":null,"down":null}}"#,
            "10.0.0.7:80",
        ),
        (r#"{"Op":0,"Addr":"10.0.0.7:80","Metadata":null}"#, "10.0.0.7:80"),
        (
            r#"{"nodes":[{"host":"10.0.0.7","port":null,"weight":null,"priority":null,"metadata":null}],
            "labels":null}"#,
            "10.0.0.7:80",
        ),
        (r#"{"nodes":[{"address":null,"host":"10.0.0.7"}]}"#, "10.0.0.7:80"),
        (r#"{"endpoints":["http://10.0.0.7"],"metadata":{"weight":null}}"#, "10.0.0.7:80"),
        (r#"{"network":"tcp","address":"10.0.0.7:80","weight":null,"tags":null}"#, "10.0.0.7:80"),
        (
            r#"{"Host":"10.0.0.7","Port":80,"Weight":null,"Enable":null,"Tag":null,"Metadata":null}"#,
            "10.0.0.7:80",
        ),
        (r#"{"name":"10.0.0.7","ports":{"http":1},"private_hostname":null}"#, "10.0.0.7:1"),
        (
            r#"{"name":"a.b","ports":null,"private_hostname":"c.d","private_ports":{"http":1}}"#,
            "c.d:1",
        ),
    ] {
        assert_eq!(read("n", value), [expected], "{value}");
    }
    let patroni = r#"{"conn_url":"postgres://10.0.0.7","state":"running","role":null,"tags":null}"#;
    assert_eq!(read("n", patroni), [r#"10.0.0.7:5432 {"state":"running"}"#]);
    let upsync = r#"{"weight":null,"max_fails":2,"down":null}"#;
    assert_eq!(read("a/10.0.0.7:80", upsync), ["10.0.0.7:80 max_fails=2"]);
    for value in [r#"{"host":null}"#, r#"{"URL":null}"#, r#"{"nodes":null}"#, r#"{"a":null}"#] {
        assert!(try_read("n", value, None).is_err(), "{value}");
    }
    let ports = r#"{"name":"a.b","ports":null}"#;
    assert!(reason("n", ports, None).contains("it must be an object of ports"));
}

/// Anybody may have chosen the names of metadata.
#[test]
fn texts_in_metadata_are_labels_and_no_parameters() {
    for (key, value, expected) in [
        (
            "n",
            r#"{"Addr":"10.0.0.7:80","Metadata":{"weight":"heavy","route":"a,b","max_conns":"x"}}"#,
            r#"10.0.0.7:80 {"max_conns":"x","route":"a,b","weight":"heavy"}"#,
        ),
        ("n", r#"{"Addr":"10.0.0.7:80","Metadata":{"weight":{"a":1}}}"#, "10.0.0.7:80"),
        (
            "n",
            r#"{"endpoints":["http://10.0.0.7"],"metadata":{"weight":"heavy"}}"#,
            r#"10.0.0.7:80 {"weight":"heavy"}"#,
        ),
        ("10.0.0.7:80", r#"{"weight":"heavy"}"#, r#"10.0.0.7:80 {"weight":"heavy"}"#),
        ("A/tcp@10.0.0.7:80", "weight=heavy", r#"10.0.0.7:80 {"weight":"heavy"}"#),
        ("A/tcp@10.0.0.7:80", "weight=", "10.0.0.7:80"),
        ("a%3A%2F%2F10.0.0.7%3A80%2Fb%3Fweight%3Dheavy", "", r#"10.0.0.7:80 {"weight":"heavy"}"#),
    ] {
        assert_eq!(read(key, value), [expected], "{value}");
    }
    let words = "weight=-1";
    assert!(reason("A/tcp@10.0.0.7:80", words, None).contains("invalid \"weight\" \"-1\""));
}

#[test]
fn flags_and_numbers_are_what_they_say_also_as_texts_and_null() {
    let dubbo = |flags: &str| format!(r#"{{"Host":"10.0.0.7","Port":20000{flags}}}"#);
    for off in [r#","Enable":"false""#, r#","Enable":0"#, r#","Healthy":"False""#] {
        assert_eq!(read("k", &dubbo(off)), ["10.0.0.7:20000 down"], "{off}");
    }
    for on in [r#","Enable":null"#, r#","Enable":"true","Healthy":1"#] {
        assert_eq!(read("k", &dubbo(on)), ["10.0.0.7:20000"], "{on}");
    }
    assert!(reason("k", &dubbo(r#","Enable":"no""#), None).contains("it must be true or false"));

    for wrong in [r#""x""#, "-5", "1.5", "65536"] {
        let value = format!(r#"{{"host":"10.0.0.7","priority":{wrong}}}"#);
        assert!(reason("k", &value, None).contains("invalid \"priority\""), "{wrong}");
    }
    let apisix = r#"{"nodes":[{"host":"a.b","port":80,"priority":"-1"}]}"#;
    assert_eq!(read("k", apisix).len(), 1);

    assert_eq!(read("k", r#"{"nodes":{"10.0.0.7:80":null}}"#), ["10.0.0.7:80"]);
    let scalingo = r#"{"name":"10.0.0.7","ports":{"http":null,"https":443}}"#;
    assert_eq!(read("k", scalingo), ["10.0.0.7:443"]);

    let kratos = r#"{"endpoints":["http://a.b:1"],"metadata":{"weight":-5}}"#;
    assert!(reason("k", kratos, None).contains("invalid \"weight\" \"-5\""));
}

/// nginx's stream has no default port, in whichever form an address is written.
#[test]
fn a_port_can_be_required() {
    let required = Reading { is_stream: true, ..Reading::default() };
    for (value, server) in [
        ("10.0.0.7", "10.0.0.7"),
        ("[2001:db8::1] weight=5", "[2001:db8::1]"),
        ("db.internal", "db.internal"),
        (r#"{"addr":"10.0.0.7"}"#, "10.0.0.7"),
        (r#"{"host":"2001:db8::1"}"#, "[2001:db8::1]"),
        (r#"{"nodes":{"10.0.0.7":1}}"#, "10.0.0.7"),
        (r#"{"nodes":[{"host":"10.0.0.7","weight":1}]}"#, "10.0.0.7"),
    ] {
        assert!(parse_value("db", value.as_bytes(), &Reading::default()).is_ok(), "{value}");
        let error = parse_value("db", value.as_bytes(), &required).expect_err(value).to_string();
        assert_eq!(error, format!("no port in \"{server}\": it must be HOST:PORT"), "{value}");
    }
    for value in [
        "10.0.0.7:5432",
        "[2001:db8::1]:5432",
        "unix:/run/db.sock",
        "http://10.0.0.7/",
        r#"{"host":"10.0.0.7","port":5432}"#,
        r#"{"nodes":{"10.0.0.7":1},"scheme":"https"}"#,
        r#"{"conn_url":"postgres://10.0.0.7/postgres","role":"primary"}"#,
    ] {
        assert!(parse_value("db", value.as_bytes(), &required).is_ok(), "{value}");
    }
}
