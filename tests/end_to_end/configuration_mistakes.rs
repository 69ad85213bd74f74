//! A mistake in the configuration is told before nginx runs, by the name of the directive and by
//! the reason.

use harness::*;

const CLUSTER: &str = "etcd_cluster main { endpoint http://127.0.0.1:2379; }";

/// What nginx must say, in any order: the directive, and words of the reason.
struct Wrong {
    http: String,
    words: &'static [&'static str],
}

fn at_top(http: &str, words: &'static [&'static str]) -> Wrong {
    Wrong { http: format!("{http} upstream {UPSTREAM} {{ server 127.0.0.1:1; }}"), words }
}

fn in_cluster(directives: &str, words: &'static [&'static str]) -> Wrong {
    at_top(&format!("etcd_cluster main {{ {directives} }}"), words)
}

fn in_upstream(directives: &str, words: &'static [&'static str]) -> Wrong {
    Wrong { http: format!("{CLUSTER} upstream {UPSTREAM} {{ {directives} }}"), words }
}

/// What `etcd_balance` does not take, and what nginx must say of it.
const BALANCE: &[(&str, &[&str])] = &[
    ("round_robin two", &["etcd_balance", "round_robin", "\"two\""]),
    ("least_conn 5", &["etcd_balance", "least_conn", "\"5\""]),
    ("random three", &["etcd_balance", "random", "\"three\""]),
    ("random two least_conn now", &["etcd_balance", "random", "\"now\""]),
    ("random two least_time", &["etcd_balance", "random two least_time", "not supported"]),
    (
        "random two least_time=header",
        &["etcd_balance", "random two least_time=header", "not supported"],
    ),
    ("random two ip_hash", &["etcd_balance", "random", "\"ip_hash\""]),
    ("hash", &["etcd_balance", "hash", "key"]),
    ("hash \"\"", &["etcd_balance", "hash", "key"]),
    ("hash $uri evenly", &["etcd_balance", "hash", "\"evenly\""]),
    ("hash $uri consistent now", &["etcd_balance", "hash", "\"now\""]),
    ("hash a$", &["etcd_balance", "hash", "\"a$\""]),
    ("ip_hash 24", &["etcd_balance", "ip_hash", "\"24\""]),
    ("least_time header", &["etcd_balance", "least_time", "\"header\""]),
    ("least_time 5", &["etcd_balance", "least_time", "\"5\""]),
    ("Random", &["etcd_balance", "unknown", "\"Random\"", "\"random\""]),
    (
        "fair",
        &[
            "unknown",
            "\"fair\"",
            "\"round_robin\"",
            "\"least_conn\"",
            "\"random\" [\"two\" [\"least_conn\"]]",
            "\"hash\" KEY [\"consistent\"]",
            "\"ip_hash\"",
            "\"least_time\"",
        ],
    ),
];

/// As above, for `etcd_check`.
const CHECK: &[(&str, &[&str])] = &[
    ("", &["etcd_check", "arguments"]),
    ("grpc", &["etcd_check", "grpc", "invalid", "\"http\"", "\"tcp\""]),
    ("http method=", &["etcd_check", "method", "GET", "HEAD"]),
    ("http method=head", &["etcd_check", "method", "\"head\"", "HEAD"]),
    ("http method=POST", &["etcd_check", "method", "\"POST\"", "GET", "HEAD"]),
    ("http method=GET method=HEAD", &["etcd_check", "method", "duplicate"]),
    ("uri=/", &["etcd_check", "uri=/"]),
    ("http uri=", &["etcd_check", "uri", "\"/\""]),
    ("http uri=healthz", &["etcd_check", "uri", "healthz", "\"/\""]),
    ("http uri=http://a/", &["etcd_check", "uri", "http://a/"]),
    ("http \"uri=/a b\"", &["etcd_check", "uri", "/a b", "space"]),
    ("http \"uri=/a\tb\"", &["etcd_check", "uri", "control"]),
    ("http \"uri=/\r\nX: y\"", &["etcd_check", "uri", "control"]),
    ("http \"uri=/#a\"", &["etcd_check", "uri", "#"]),
    ("http uri", &["etcd_check", "\"uri\""]),
    ("http host=", &["etcd_check", "host"]),
    ("http \"host=a\r\nX: y\"", &["etcd_check", "host", "control"]),
    ("http status=", &["etcd_check", "status"]),
    ("http status=ok", &["etcd_check", "status", "ok"]),
    ("http status=20", &["etcd_check", "status", "20"]),
    ("http status=600", &["etcd_check", "status", "600"]),
    ("http status=399-200", &["etcd_check", "status", "399-200"]),
    ("http status=200,", &["etcd_check", "status", "200,"]),
    ("tcp uri=/", &["etcd_check", "uri", "tcp"]),
    ("tcp method=HEAD", &["etcd_check", "method", "tcp"]),
    ("tcp host=a", &["etcd_check", "host", "tcp"]),
    ("tcp status=200", &["etcd_check", "status", "tcp"]),
    ("tcp interval=0", &["etcd_check", "interval", "\"0\""]),
    ("tcp interval=soon", &["etcd_check", "interval", "soon"]),
    ("tcp timeout=0s", &["etcd_check", "timeout", "0s"]),
    ("tcp timeout=", &["etcd_check", "timeout"]),
    ("tcp fall=0", &["etcd_check", "fall", "\"0\""]),
    ("tcp rise=0", &["etcd_check", "rise", "\"0\""]),
    ("tcp fall=-1", &["etcd_check", "fall", "-1"]),
    ("tcp rise=+1", &["etcd_check", "rise", "+1"]),
    ("tcp rise=", &["etcd_check", "rise"]),
    ("tcp fall=4294967296", &["etcd_check", "fall", "4294967296"]),
    ("tcp mandatory=1", &["etcd_check", "mandatory=1"]),
    ("tcp panic", &["etcd_check", "panic"]),
    ("tcp panic=yes", &["etcd_check", "panic", "yes"]),
    ("tcp fall=1 fall=2", &["etcd_check", "fall", "duplicate"]),
    ("tcp mandatory mandatory", &["etcd_check", "mandatory", "duplicate"]),
    ("tcp colour=blue", &["etcd_check", "colour=blue"]),
];

/// As above, for `etcd_drain`.
const DRAIN: &[(&str, &[&str])] = &[
    ("30s", &["etcd_drain", "\"30s\""]),
    ("timeout", &["etcd_drain", "\"timeout\""]),
    ("timeout=", &["etcd_drain", "timeout"]),
    ("timeout=soon", &["etcd_drain", "timeout", "soon"]),
    ("timeout=-1s", &["etcd_drain", "timeout", "-1s"]),
    ("timeout=1y", &["etcd_drain", "timeout", "1y", "90d"]),
    ("timeout=1s timeout=1s", &["etcd_drain", "timeout", "duplicate"]),
    ("spread=wide", &["etcd_drain", "spread", "wide"]),
    ("spread=1y", &["etcd_drain", "spread", "1y", "90d"]),
    ("spread=1s spread=2s", &["etcd_drain", "spread", "duplicate"]),
    ("rate=50", &["etcd_drain", "rate", "\"50\"", "rate=50/s"]),
    ("rate=0/s", &["etcd_drain", "rate", "0/s"]),
    ("rate=+5/s", &["etcd_drain", "rate", "+5/s"]),
    ("rate=5/m", &["etcd_drain", "rate", "5/m"]),
    ("rate=/s", &["etcd_drain", "rate"]),
    ("rate=4294967296/s", &["etcd_drain", "rate", "4294967296/s"]),
    ("rate=5/s rate=6/s", &["etcd_drain", "rate", "duplicate"]),
    ("spread=1s rate=5/s", &["etcd_drain", "spread", "rate", "cannot be used"]),
    ("on=", &["etcd_drain", "\"on\""]),
    ("on=removed", &["etcd_drain", "\"removed\"", "\"remove\""]),
    ("on=remove,", &["etcd_drain", "\"on\""]),
    ("on=drain,drain", &["etcd_drain", "\"drain,drain\"", "each once"]),
    ("on=drain on=check", &["etcd_drain", "\"on\"", "duplicate"]),
    ("on=check", &["etcd_drain", "on=check", "etcd_check", "cannot be used without"]),
    ("colour=blue", &["etcd_drain", "colour=blue"]),
];

/// As above, for `etcd_sticky`.
const STICKY: &[(&str, &[&str])] = &[
    ("", &["etcd_sticky", "arguments"]),
    ("httponly", &["etcd_sticky", "must have", "cookie=name"]),
    ("srv_id", &["etcd_sticky", "\"srv_id\""]),
    ("cookie", &["etcd_sticky", "\"cookie\""]),
    ("cookie=", &["etcd_sticky", "cookie", "name"]),
    ("\"cookie=a b\"", &["etcd_sticky", "cookie", "a b"]),
    ("cookie=__Host-a path=/", &["etcd_sticky", "__Host-a", "\"secure\""]),
    ("cookie=__Host-a secure", &["etcd_sticky", "__Host-a", "\"path=/\""]),
    (
        "cookie=__host-a secure path=/ domain=example.com",
        &["etcd_sticky", "__host-a", "\"domain\""],
    ),
    ("cookie=__Secure-a path=/", &["etcd_sticky", "__Secure-a", "\"secure\""]),
    ("\"cookie=a;b\"", &["etcd_sticky", "cookie", "a;b"]),
    ("cookie=a=b", &["etcd_sticky", "cookie", "a=b"]),
    ("cookie=a,b", &["etcd_sticky", "cookie", "a,b"]),
    ("\"cookie=a\r\nX: y\"", &["etcd_sticky", "cookie"]),
    ("cookie=é", &["etcd_sticky", "cookie"]),
    ("cookie=a cookie=b", &["etcd_sticky", "cookie", "duplicate"]),
    ("cookie=a expires=", &["etcd_sticky", "expires"]),
    ("cookie=a expires=0", &["etcd_sticky", "expires", "\"0\""]),
    ("cookie=a expires=soon", &["etcd_sticky", "expires", "soon"]),
    ("cookie=a expires=-1", &["etcd_sticky", "expires", "-1"]),
    ("cookie=a expires=500ms", &["etcd_sticky", "expires", "500ms"]),
    ("cookie=a expires=11y", &["etcd_sticky", "expires", "11y"]),
    ("cookie=a expires=1h expires=max", &["etcd_sticky", "expires", "duplicate"]),
    ("cookie=a domain=", &["etcd_sticky", "domain"]),
    ("cookie=a \"domain=a; path=/\"", &["etcd_sticky", "domain", "a; path=/"]),
    ("cookie=a domain=$host", &["etcd_sticky", "domain", "$host", "variables"]),
    ("cookie=a domain=a domain=b", &["etcd_sticky", "domain", "duplicate"]),
    ("cookie=a path=", &["etcd_sticky", "path"]),
    ("cookie=a path=x", &["etcd_sticky", "path", "\"x\""]),
    ("cookie=a \"path=/; Secure\"", &["etcd_sticky", "path", "/; Secure"]),
    ("cookie=a \"path=/\r\nX: y\"", &["etcd_sticky", "path"]),
    ("cookie=a path=/ path=/", &["etcd_sticky", "path", "duplicate"]),
    ("cookie=a httponly=1", &["etcd_sticky", "httponly=1"]),
    ("cookie=a httponly httponly", &["etcd_sticky", "httponly", "duplicate"]),
    ("cookie=a secure=off", &["etcd_sticky", "secure=off"]),
    ("cookie=a secure secure", &["etcd_sticky", "secure", "duplicate"]),
    ("cookie=a samesite", &["etcd_sticky", "samesite"]),
    ("cookie=a samesite=", &["etcd_sticky", "samesite"]),
    ("cookie=a samesite=loose", &["etcd_sticky", "samesite", "loose"]),
    ("cookie=a samesite=none", &["etcd_sticky", "samesite=none", "secure"]),
    ("cookie=a samesite=lax samesite=lax", &["etcd_sticky", "samesite", "duplicate"]),
    ("cookie=a secret", &["etcd_sticky", "secret"]),
    ("cookie=a secret=", &["etcd_sticky", "secret", "not empty"]),
    ("cookie=a \"secret=a\tb\"", &["etcd_sticky", "secret", "control"]),
    ("cookie=a secret=a secret=b", &["etcd_sticky", "secret", "duplicate"]),
    ("cookie=a route=$uri", &["etcd_sticky", "route=$uri"]),
];

fn table() -> Vec<Wrong> {
    let mut table = vec![
        at_top("etcd_cluster;", &["etcd_cluster"]),
        at_top("etcd_cluster { endpoint http://127.0.0.1:2379; }", &["etcd_cluster", "arguments"]),
        at_top(
            "etcd_cluster a b { endpoint http://127.0.0.1:2379; }",
            &["etcd_cluster", "arguments"],
        ),
        at_top(&format!("{CLUSTER} {CLUSTER}"), &["etcd_cluster", "duplicate", "main"]),
        at_top("etcd main /p/;", &["\"etcd\"", "not allowed here"]),
        at_top("etcd_balance round_robin;", &["etcd_balance", "not allowed here"]),
        at_top("etcd_defaults weight=2;", &["etcd_defaults", "not allowed here"]),
        at_top("etcd_status;", &["etcd_status", "not allowed here"]),
        at_top("endpoint http://127.0.0.1:2379;", &["endpoint"]),
        in_cluster("", &["etcd_cluster", "main", "endpoint"]),
        in_cluster("connect_timeout 1s;", &["etcd_cluster", "main", "endpoint"]),
        in_cluster("endpoint;", &["endpoint", "URL"]),
        in_cluster("endpoint 127.0.0.1:2379;", &["endpoint", "127.0.0.1:2379"]),
        in_cluster("endpoint ftp://127.0.0.1:2379;", &["endpoint", "ftp://127.0.0.1:2379"]),
        in_cluster("endpoint http://;", &["endpoint", "http://"]),
        in_cluster("endpoint http://127.0.0.1:99999;", &["endpoint", "99999"]),
        in_cluster("endpoint http://127.0.0.1:2379/v3;", &["endpoint", "/v3"]),
        in_cluster("endpoint http://127.0.0.1:2379?x=1;", &["endpoint", "?x=1"]),
        in_cluster("endpoint http://user:secret@127.0.0.1:2379;", &["endpoint"]),
        in_cluster(
            "endpoint http://127.0.0.1:2379; connect_timeout soon;",
            &["connect_timeout", "soon"],
        ),
        in_cluster("endpoint http://127.0.0.1:2379; connect_timeout 0;", &["connect_timeout", "0"]),
        in_cluster("endpoint http://127.0.0.1:2379; connect_timeout 1s 2s;", &["connect_timeout"]),
        in_cluster(
            "endpoint http://127.0.0.1:2379; connect_timeout 1s; connect_timeout 2s;",
            &["connect_timeout", "duplicate"],
        ),
        in_cluster("endpoint http://127.0.0.1:2379; colour blue;", &["colour", "unknown"]),
        in_cluster("endpoint https://a; ssl_name;", &["arguments", "\"ssl_name name;\""]),
        in_cluster("endpoint https://a; ssl_name a b;", &["arguments", "\"ssl_name name;\""]),
        in_cluster("endpoint https://a; ssl_name \"a\nb\";", &["ssl_name", "control"]),
        in_cluster("endpoint https://a; ssl_name a; ssl_name b;", &["ssl_name", "duplicate"]),
        in_cluster(
            "endpoint https://a http://b; ssl_name a;",
            &["ssl_", "http://b", "without TLS"],
        ),
        in_cluster(
            "endpoint https://a; ssl_certificate nginx.conf;",
            &["main", "ssl_certificate_key"],
        ),
        in_cluster(
            "endpoint https://a; ssl_certificate_key nginx.conf;",
            &["main", "ssl_certificate\""],
        ),
        in_cluster(
            "endpoint https://a; ssl_certificate none.pem;",
            &["ssl_certificate\"", "none.pem", "cannot use"],
        ),
        in_cluster(
            "endpoint https://a; ssl_trusted_certificate .;",
            &["ssl_trusted_certificate", "cannot use"],
        ),
        in_cluster("endpoint https://a; user router;", &["main", "user", "password_file"]),
        in_cluster(
            "endpoint https://a; password_file nginx.conf;",
            &["main", "password_file", "\"user\""],
        ),
        in_cluster(
            "endpoint https://a; user router; password_file none;",
            &["password_file", "none", "cannot use"],
        ),
        in_cluster(
            "endpoint https://a; user \"\"; password_file none;",
            &["\"user\"", "name \"\""],
        ),
        in_upstream("etcd;", &["\"etcd\"", "arguments"]),
        at_top("etcd_variable;", &["etcd_variable", "arguments"]),
        at_top("etcd_variable $a main;", &["arguments", "etcd_variable $name cluster key"]),
        at_top("etcd_variable $a nobody /a;", &["etcd_variable", "nobody", "unknown cluster"]),
        at_top("etcd_variable a main /a;", &["etcd_variable", "\"a\"", "dollar"]),
        at_top("etcd_variable $ main /a;", &["etcd_variable", "\"$\"", "dollar"]),
        at_top("etcd_variable $a-b main /a;", &["etcd_variable", "$a-b"]),
        at_top("etcd_variable $a main \"\";", &["etcd_variable", "key"]),
        at_top("etcd_variable $a main \"/a\n\";", &["etcd_variable", "key", "control"]),
        at_top("etcd_variable $a main /a other=1;", &["etcd_variable", "other=1"]),
        at_top(
            "etcd_variable $a main /a default=1 default=2;",
            &["etcd_variable", "default", "duplicate"],
        ),
        at_top(
            "etcd_variable $a main /a; etcd_variable $A main /b;",
            &["etcd_variable", "$A", "duplicate"],
        ),
        at_top("etcd_variable $uri main /a;", &["duplicate", "uri"]),
        in_upstream("etcd_variable $a main /a;", &["etcd_variable", "not allowed"]),
        at_top(
            "etcd_variable $a main /a type=size;",
            &["etcd_variable", "\"size\"", "number", "time"],
        ),
        at_top(
            "etcd_variable $a main /a type=time default=s;",
            &["etcd_variable", "\"s\" of \"default\"", "time"],
        ),
        at_top(
            "etcd_variable $a main /a type=time initial=91d;",
            &["etcd_variable", "\"91d\" of \"initial\"", "time"],
        ),
        at_top(
            "etcd_variable $a main /a type=number default=many;",
            &["etcd_variable", "\"many\" of \"default\"", "number"],
        ),
        at_top(
            "etcd_variable $a main /a type=number initial=-1;",
            &["etcd_variable", "\"-1\" of \"initial\"", "number"],
        ),
        at_top(
            "etcd_variable $a main /a initial=1 initial=2;",
            &["etcd_variable", "initial", "duplicate"],
        ),
        at_top(
            &format!("{CLUSTER} etcd_variable $a main /a; etcd_variable $b main /a type=number;"),
            &["\"/a\"", "conflicting type \"number\""],
        ),
        at_top("etcd_geo $a main;", &["etcd_geo", "prefix"]),
        at_top("etcd_geo $a nobody /a/;", &["etcd_geo", "nobody", "unknown cluster"]),
        at_top("etcd_geo a main /a/;", &["etcd_geo", "\"a\"", "dollar"]),
        at_top("etcd_geo $a main /;", &["etcd_geo", "prefix \"/\"", "longer than"]),
        at_top("etcd_geo $a main /a/ empty=yes;", &["etcd_geo", "\"yes\" of \"empty\""]),
        at_top("etcd_geo $a main /a/ empty=1 empty=0;", &["etcd_geo", "empty=0", "duplicate"]),
        at_top(
            "etcd_geo $a main /a/ initial=10.0.0.0/33;",
            &["etcd_geo", "10.0.0.0/33", "network"],
        ),
        at_top("etcd_geo $a main /a/ zone=1k;", &["etcd_geo", "zone", "64k"]),
        at_top("etcd_geo $a main /a/ origin=9;", &["etcd_geo", "\"9\" of \"origin\"", "revision"]),
        at_top(
            "etcd_geo $a main /a/ origin=9:1 origin=9:2;",
            &["etcd_geo", "origin=9:2", "duplicate"],
        ),
        at_top(
            "etcd_geo $a main /a/ initial_file=/no/such/file;",
            &["initial_file", "/no/such/file"],
        ),
        at_top("etcd_geo $a main /a/; etcd_geo $A main /b/;", &["etcd_geo", "$A", "duplicate"]),
        at_top("etcd_variable $a main /a; etcd_geo $a main /b/;", &["etcd_geo", "$a", "duplicate"]),
        at_top("etcd_geo $remote_addr main /a/;", &["duplicate", "remote_addr"]),
        in_upstream(
            "etcd main /a/; etcd_defaults max_conns=$a;",
            &["max_conns=$a", "etcd_variable $a", "type=number"],
        ),
        Wrong {
            http: format!(
                "{CLUSTER} etcd_variable $a main /a; upstream {UPSTREAM} {{ etcd main /a/; \
                 etcd_defaults max_conns=$a; }}"
            ),
            words: &["max_conns=$a", "type=number"],
        },
        in_upstream(
            "etcd main /a/; etcd_drain timeout=$a;",
            &["timeout=$a", "etcd_variable $a", "type=time", "etcd_drain"],
        ),
        Wrong {
            http: format!(
                "{CLUSTER} etcd_variable $a main /a type=number; upstream {UPSTREAM} {{ etcd main \
                 /a/; etcd_drain spread=$a; }}"
            ),
            words: &["spread=$a", "type=time"],
        },
        in_upstream("etcd_allow 10.0.0.0/8; etcd main /a/;", &["etcd_allow", "after"]),
        in_upstream("etcd main /a/; etcd_allow;", &["etcd_allow", "arguments"]),
        in_upstream("etcd main /a/; etcd_allow all;", &["etcd_allow", "\"all\"", "network"]),
        in_upstream("etcd main /a/; etcd_allow 10.0.0.0/33;", &["etcd_allow", "10.0.0.0/33"]),
        in_upstream(
            "etcd main /a/; etcd_allow 10.0.0.0/8 10.0.0.1:80;",
            &["etcd_allow", "10.0.0.1:80"],
        ),
        in_upstream("etcd main /a/ hold=soon;", &["etcd", "hold", "soon"]),
        in_upstream("etcd main /a/ hold=1s hold=2s;", &["etcd", "hold", "duplicate"]),
        in_upstream("etcd main /a/ expiry_guard=50;", &["etcd", "expiry_guard", "\"50\"", "99%"]),
        in_upstream("etcd main /a/ expiry_guard=0%;", &["etcd", "expiry_guard", "0%"]),
        in_upstream(
            "etcd main /a/ expiry_guard=50% hold=0;",
            &["expiry_guard", "hold=0", "etcd_check"],
        ),
        in_upstream("etcd main /a/ expiry_guard=100%;", &["etcd", "expiry_guard", "100%"]),
        in_upstream(
            "etcd main /a/ expiry_guard=9% expiry_guard=8%;",
            &["etcd", "expiry_guard", "duplicate"],
        ),
        in_upstream("etcd main;", &["\"etcd\"", "arguments"]),
        in_upstream("etcd other /p/;", &["etcd", "other", "unknown"]),
        in_upstream("etcd main \"\";", &["etcd", "prefix"]),
        in_upstream("etcd main /u//;", &["\"etcd\"", "prefix", "\"/u//\""]),
        in_upstream("etcd main //;", &["\"etcd\"", "prefix", "\"//\""]),
        at_top("etcd_geo $a main /a//;", &["etcd_geo", "prefix", "\"/a//\""]),
        in_upstream(
            "etcd main /p/; etcd_keepalive 8; keepalive_requests 5;",
            &["keepalive_requests", "etcd_keepalive", "requests="],
        ),
        in_upstream(
            "etcd main /p/; keepalive_time 5m; etcd_keepalive 8;",
            &["keepalive_time", "etcd_keepalive", "time="],
        ),
        in_upstream(
            "keepalive_timeout 5s; etcd main /p/; etcd_keepalive 8;",
            &["keepalive_timeout", "etcd_keepalive", "timeout="],
        ),
        in_upstream("etcd main /p/; etcd_keepalive 8; keepalive 0;", &["keepalive"]),
        in_upstream("etcd main /p/; resolver 127.0.0.1;", &["resolver"]),
        in_upstream("etcd main /p/; etcd_sticky cookie=a; sticky cookie b;", &["sticky"]),
        in_upstream("sticky cookie b; etcd main /p/;", &["sticky"]),
        in_upstream("etcd main /p/ zone=;", &["etcd", "zone"]),
        in_upstream("etcd main /p/ zone=big;", &["etcd", "zone", "big"]),
        in_upstream("etcd main /p/ zone=4k;", &["etcd", "zone", "4k", "at least"]),
        in_upstream("etcd main /p/ zone=-1m;", &["etcd", "zone", "-1m"]),
        in_upstream("etcd main /p/ zone=1m zone=2m;", &["etcd", "zone", "duplicate"]),
        in_upstream("etcd main /p/ colour=blue;", &["etcd", "colour=blue"]),
        in_upstream("etcd main /p/; etcd main /q/;", &["etcd", "duplicate"]),
        in_upstream("etcd main /p/; zone own 64k;", &["zone", "etcd"]),
        in_upstream("zone own 64k; etcd main /p/;", &["zone", "etcd"]),
        in_upstream("etcd main /p/; etcd_balance;", &["etcd_balance", "arguments"]),
        in_upstream("etcd main /p/; etcd_balance dice;", &["etcd_balance", "dice"]),
        in_upstream(
            "etcd main /p/; etcd_balance round_robin; etcd_balance round_robin;",
            &["etcd_balance", "duplicate"],
        ),
        in_upstream("etcd_balance round_robin; etcd main /p/;", &["etcd_balance", "\"etcd\""]),
        in_upstream("etcd_defaults weight=2; etcd main /p/;", &["etcd_defaults", "\"etcd\""]),
        in_upstream("server 127.0.0.1:1; etcd_balance round_robin;", &["etcd_balance", "etcd"]),
        in_upstream("server 127.0.0.1:1; etcd_defaults weight=2;", &["etcd_defaults", "etcd"]),
        in_upstream("etcd main /p/; etcd_defaults;", &["etcd_defaults", "arguments"]),
        in_upstream(
            "etcd main /p/; etcd_defaults weight=0;",
            &["etcd_defaults", "weight", "\"0\""],
        ),
        in_upstream(
            "etcd main /p/; etcd_defaults weight=heavy;",
            &["etcd_defaults", "weight", "heavy"],
        ),
        in_upstream(
            "etcd main /p/; etcd_defaults max_fails=-1;",
            &["etcd_defaults", "max_fails", "-1"],
        ),
        in_upstream(
            "etcd main /p/; etcd_defaults fail_timeout=soon;",
            &["etcd_defaults", "fail_timeout", "soon"],
        ),
        in_upstream(
            "etcd main /p/; etcd_defaults slow_start=soon;",
            &["etcd_defaults", "slow_start", "soon"],
        ),
        in_upstream(
            "etcd main /p/; etcd_defaults max_conns=all;",
            &["etcd_defaults", "max_conns", "all"],
        ),
        in_upstream(
            "etcd main /p/; etcd_defaults weight=2 weight=3;",
            &["etcd_defaults", "weight", "duplicate"],
        ),
        in_upstream("etcd main /p/; etcd_defaults backup;", &["etcd_defaults", "backup"]),
        in_upstream("etcd main /p/; etcd_defaults colour=blue;", &["etcd_defaults", "colour=blue"]),
        in_upstream(
            "etcd main /p/; etcd_defaults weight=2; etcd_defaults weight=3;",
            &["etcd_defaults", "duplicate"],
        ),
    ];
    for method in
        ["least_conn;", "ip_hash;", "hash $uri;", "hash $uri consistent;", "random;", "random two;"]
    {
        let words: &[&str] = &["etcd", "balancing"];
        table.push(in_upstream(&format!("etcd main /p/; {method}"), words));
        table.push(in_upstream(&format!("{method} etcd main /p/;"), words));
    }
    table.push(in_upstream("keepalive 8; etcd main /p/;", &["keepalive", "etcd"]));
    for (parameters, words) in BALANCE {
        table.push(in_upstream(&format!("etcd main /p/; etcd_balance {parameters};"), words));
    }
    for (parameters, words) in CHECK {
        table.push(in_upstream(&format!("etcd main /p/; etcd_check {parameters};"), words));
    }
    for (parameters, words) in DRAIN {
        table.push(in_upstream(&format!("etcd main /p/; etcd_drain {parameters};"), words));
    }
    for (parameters, words) in STICKY {
        table.push(in_upstream(&format!("etcd main /p/; etcd_sticky {parameters};"), words));
    }
    for directive in
        ["etcd_balance random;", "etcd_check tcp;", "etcd_drain;", "etcd_sticky cookie=a;"]
    {
        let name: &'static [&'static str] = &["etcd_", "not allowed here"];
        table.push(at_top(directive, name));
        table.push(in_upstream(
            &format!("{directive} etcd main /p/;"),
            &["must be placed after", "\"etcd\""],
        ));
        table.push(in_upstream(&format!("etcd main /p/; {directive} {directive}"), &["duplicate"]));
    }
    table
}

#[tokio::test]
async fn nginx_t_names_directive_and_reason() -> Result<()> {
    let table = table();
    assert!(table.len() >= 30);
    let mut wrong = Vec::new();
    for Wrong { http, words } in table {
        let output = Nginx::test(&Configuration::new().http(&http))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let lower = said.to_lowercase();
        let missing: Vec<_> =
            words.iter().filter(|word| !lower.contains(&word.to_lowercase())).collect();
        // The last line only says that the test failed, in a file whose name says nothing of the
        // reason.
        let located =
            said.lines().any(|line| line.contains("[emerg]") && line.contains("nginx.conf:"));
        if output.status.success() || !missing.is_empty() || !located {
            wrong.push(format!("{http}\n  lacks {missing:?}, located {located}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn what_is_right_passes() -> Result<()> {
    let right = [
        "etcd main /p/; keepalive 8;",
        "etcd main /p;",
        "etcd main p;",
        "etcd main /p/ zone=256k; etcd_balance round_robin;",
        "etcd main /p/; etcd_balance round_robin; keepalive 8; keepalive_timeout 5s;",
        "etcd main /p/; etcd_defaults weight=2 max_fails=0 fail_timeout=1m max_conns=10;",
        "server 127.0.0.1:1 backup; etcd main /p/; server 127.0.0.1:2 weight=3;",
        "etcd main /p/; etcd_balance least_conn;",
        "etcd main /p/; etcd_balance random;",
        "etcd main /p/; etcd_balance random two;",
        "etcd main /p/; etcd_balance random two least_conn;",
        "etcd main /p/; etcd_balance hash $remote_addr$arg_room;",
        "etcd main /p/; etcd_balance hash fixed;",
        "etcd main /p/; etcd_balance hash $uri consistent;",
        "etcd main /p/; etcd_balance ip_hash;",
        "etcd main /p/; etcd_balance least_time;",
        "etcd main /p/; etcd_sticky cookie=srv_id;",
        "etcd main /p/; etcd_sticky expires=max cookie=__Host-srv.id samesite=none secure path=/;",
        "etcd main /p/; etcd_sticky cookie=srv_id expires=1h domain=.example.com \"path=/a b\" \
         httponly secure samesite=Lax secret=pepper;",
        "etcd main /p/; etcd_balance hash $uri; etcd_sticky cookie=srv_id expires=10y; etcd_check \
         tcp; keepalive 8;",
        "etcd main /p/; etcd_check http;",
        "etcd main /p/; etcd_check http method=HEAD;",
        "etcd main /p/; etcd_check http uri=/metrics@firehose method=GET;",
        "etcd main /p/; etcd_drain;",
        "etcd main /p/; etcd_drain timeout=0 spread=0;",
        "etcd main /p/; etcd_drain on=check rate=1/s timeout=90d; etcd_check tcp;",
        "etcd main /p/ expiry_guard=50% hold=0; etcd_check tcp;",
        "etcd main /p/ expiry_guard=50%;",
        "etcd main /p/; etcd_drain timeout=1m30s spread=500ms on=remove,drain,check; etcd_sticky \
         cookie=srv_id;",
        "etcd main /p/; etcd_check tcp interval=1m timeout=500ms fall=1 rise=1 mandatory panic=0;",
        "etcd main /p/; etcd_check http uri=/healthz?full=1 host=node.example:80 \
         status=200,204,300-399 panic=1;",
    ];
    for directives in right {
        let output = Nginx::test(&Configuration::new().http(&in_upstream(directives, &[]).http))?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{directives}: {said}");
        assert!(!said.contains("[warn]") && !said.contains("[emerg]"), "{directives}: {said}");
    }
    let clusters =
        "etcd_cluster main { endpoint http://127.0.0.1:2379 https://etcd.example:2379/; \
            connect_timeout 500ms; }
        etcd_cluster b { endpoint http://[::1]:2379; endpoint http://localhost; }
        etcd_cluster c { endpoint https://etcd; ssl_trusted_certificate nginx.conf; \
            ssl_certificate nginx.conf;
            ssl_certificate_key nginx.conf; ssl_name etcd.internal; user router; password_file \
            nginx.conf; }";
    let output =
        Nginx::test(&Configuration::new().http(&format!("{clusters} {}", upstream("", ""))))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn the_status_takes_no_arguments_and_a_refused_reload_changes_nothing() -> Result<()> {
    let output = Nginx::test(
        &Configuration::new()
            .http(&in_upstream("etcd main /p/;", &[]).http)
            .server("location /x { etcd_status json; }"),
    )?;
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("etcd_status")
    );

    let mut router = Router::start(2, 1).await?;
    let workers = router.nginx.workers()?;
    let bad = Configuration::firehose(&router.etcd).http("upstream bad { etcd nowhere /p/; }");
    router.nginx.configure(bad)?;
    router.nginx.signal(nix::sys::signal::Signal::SIGHUP)?;
    router.nginx.wait_for_log("nowhere").await?;
    assert_eq!(router.nginx.workers()?, workers);
    router.nginx.applied(router.etcd.put(key("n1"), "127.0.0.1:1 down").await?).await?;
    assert_eq!(router.nginx.get("/").await?.node(), "n0");
    Ok(())
}
