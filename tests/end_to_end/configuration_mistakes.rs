//! A mistake in the configuration is told before nginx runs, by the name of the directive and by
//! the reason.

mod messages;
mod parameters;
mod variables;

use harness::*;

use self::parameters::{BALANCE, CHECK, DRAIN, STICKY};

const CLUSTER: &str = "etcd_cluster main { endpoint http://127.0.0.1:2379; }";

/// What nginx must say, in any order: the directive, and words of the reason.
struct Refused {
    http: String,
    words: &'static [&'static str],
}

fn at_top(http: &str, words: &'static [&'static str]) -> Refused {
    Refused { http: format!("{http} upstream {UPSTREAM} {{ server 127.0.0.1:1; }}"), words }
}

fn in_cluster(directives: &str, words: &'static [&'static str]) -> Refused {
    at_top(&format!("etcd_cluster main {{ {directives} }}"), words)
}

fn in_upstream(directives: &str, words: &'static [&'static str]) -> Refused {
    Refused { http: format!("{CLUSTER} upstream {UPSTREAM} {{ {directives} }}"), words }
}

fn table() -> Vec<Refused> {
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
    let mut methods = vec![
        "least_conn;",
        "ip_hash;",
        "hash $uri;",
        "hash $uri consistent;",
        "random;",
        "random two;",
    ];
    if nginx_version().is_ok_and(|version| version >= [1, 31, 0]) {
        methods.extend(["least_time header;", "least_time last_byte inflight;"]);
    }
    for method in methods {
        let words: &[&str] = &["etcd", "balancing"];
        table.push(in_upstream(&format!("etcd main /p/; {method}"), words));
        table.push(in_upstream(&format!("{method} etcd main /p/;"), words));
    }
    // Later ones no longer take the upstream as they read the directive.
    if nginx_version().is_ok_and(|version| version < [1, 29, 7]) {
        table.push(in_upstream("keepalive 8; etcd main /p/;", &["keepalive", "etcd"]));
    }
    table.extend(variables::table());
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
async fn wrong_configuration_is_refused_with_directive_and_reason() -> Result<()> {
    let table = table();
    assert!(table.len() >= 30);
    let mut wrong = Vec::new();
    for Refused { http, words } in table {
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
async fn right_configuration_is_taken_without_a_warning() -> Result<()> {
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
        "etcd main /p/; etcd_balance least_time header;",
        "etcd main /p/; etcd_balance least_time header inflight;",
        "etcd main /p/; etcd_balance least_time last_byte;",
        "etcd main /p/; etcd_balance least_time last_byte inflight;",
        "etcd main /p/; etcd_balance peak_ewma;",
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
        "etcd main /p/; etcd_check tcp send=PING expect=+PONG interval=1s;",
        "etcd main /p/; etcd_check tcp send=PING\\r\\n 'expect=\\x2bPONG\\r\\n' mandatory;",
        "etcd main /p/; etcd_check tcp \"send=INFO \\\"replication\\\"\" expect=role:master;",
        "etcd main /p/; etcd_check tcp expect=SSH-2.0-;",
        "etcd main /p/; etcd_check tls;",
        "etcd main /p/; etcd_check tls name=db.internal send=PING expect=+PONG timeout=2s;",
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
async fn etcd_status_takes_no_arguments_and_a_refused_reload_changes_nothing() -> Result<()> {
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
