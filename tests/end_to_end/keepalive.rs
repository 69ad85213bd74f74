//! `etcd_keepalive`: connections to peers are used again.

mod by_default;
mod kinds;
mod told_node;
mod with_tls;
mod withdrawn;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use harness::*;
use tokio::task::JoinHandle;

use self::told_node::ToldNode;

/// One worker, since each has its own connections.
fn keeping(etcd: &Etcd, parameters: &str) -> Configuration {
    let directives = format!("etcd_keepalive {parameters};");
    Configuration::new()
        .workers(1)
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("", &directives))
}

/// A node that is told what to do, before an nginx that keeps connections.
async fn told(parameters: &str) -> Result<(ToldNode, Etcd, Nginx)> {
    let (node, etcd) = (ToldNode::start().await?, Etcd::start().await?);
    let nginx = Nginx::start(keeping(&etcd, parameters)).await?;
    nginx.applied(etcd.put(key("told"), node.address().to_string()).await?).await?;
    Ok((node, etcd, nginx))
}

/// Asks in the background.
fn ask(nginx: &Nginx) -> JoinHandle<Result<Answer>> {
    let address = nginx.address();
    tokio::spawn(async move { get(&address, "/").await })
}

/// Opens as many connections at a time, and leaves them idle, the first the oldest.
async fn rest(node: &mut ToldNode, nginx: &Nginx, count: usize) -> Result<()> {
    let mut waiting = Vec::new();
    for number in 0..count {
        let answer = ask(nginx);
        let request = node.request().await?;
        ensure!(
            request.connection == number,
            "connection {} instead of {number}",
            request.connection
        );
        waiting.push((request, answer));
    }
    for (request, answer) in waiting {
        request.answer();
        ensure!(answer.await??.status == 200, "not answered well");
    }
    Ok(())
}

async fn open_at(node: &Node, count: u64) -> Result<()> {
    eventually(SOON, &format!("{count} connections are open"), async || {
        let counts = node.counts();
        ensure!(counts.connections == count, "{counts:?}");
        Ok(())
    })
    .await
}

/// A key and a certificate for it, as files; `openssl` is there wherever `ca-certificates` is.
pub(crate) fn certificate(folder: &Folder) -> Result<(String, String)> {
    let [key, certificate] =
        ["key.pem", "certificate.pem"].map(|name| folder.path().join(name).display().to_string());
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=node",
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    // Where variables name the files, workers read them.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    Ok((key, certificate))
}

#[tokio::test]
async fn idle_connection_is_kept_per_peer_and_does_not_count() -> Result<()> {
    let router = Router::with(2, |etcd| keeping(etcd, "8")).await?;
    for _ in 0..50 {
        assert_eq!(router.nginx.get("/").await?.status, 200);
    }
    for node in &router.nodes {
        let counts = node.counts();
        assert_eq!((counts.accepted, counts.connections, counts.requests), (1, 1, 25));
    }
    for peer in router.nginx.upstream().await?.peers {
        assert_eq!((peer.requests, peer.connections), (25, 0));
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn connections_are_kept_per_worker() -> Result<()> {
    let router = Router::with(1, |etcd| keeping(etcd, "1").workers(2)).await?;
    for _ in 0..10 {
        for mut connection in router.nginx.connect_to_each().await? {
            assert_eq!(connection.get("/").await?.status, 200);
        }
    }
    assert_eq!(router.nodes[0].counts().accepted, 2);
    router.nginx.check_log()
}

#[tokio::test]
async fn two_upstreams_do_not_share_connections() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let configuration =
        keeping(&etcd, "4").http("upstream other { etcd main /other/; etcd_keepalive 4; }").server(
            "location /other { proxy_pass http://other; proxy_http_version 1.1; proxy_set_header \
             Connection \"\"; }",
        );
    let nginx = Nginx::start(configuration).await?;
    // Each is the first peer of its zone, and so has the same id there.
    etcd.put("/other/x", nodes[1].address().to_string()).await?;
    nginx.applied(etcd.put(key("x"), nodes[0].address().to_string()).await?).await?;
    eventually(SOON, "the other has its peer", async || {
        ensure!(nginx.get("/other").await?.status == 200, "not yet");
        Ok(())
    })
    .await?;
    for _ in 0..10 {
        assert_eq!(nginx.get("/").await?.node(), "n0");
        assert_eq!(nginx.get("/other").await?.node(), "n1");
    }
    assert!(nodes.iter().all(|node| node.counts().accepted == 1));
    nginx.check_log()
}

#[tokio::test]
async fn last_used_connection_is_taken_first_and_the_oldest_closed() -> Result<()> {
    let (mut node, _etcd, nginx) = told("2").await?;
    rest(&mut node, &nginx, 3).await?;
    assert_eq!(node.closed().await?, 0);
    let mut waiting = Vec::new();
    for expected in [2, 1, 3] {
        let answer = ask(&nginx);
        let request = node.request().await?;
        assert_eq!(request.connection, expected);
        waiting.push((request, answer));
    }
    for (request, answer) in waiting {
        request.answer();
        assert_eq!(answer.await??.status, 200);
    }
    assert_eq!(node.closed().await?, 2, "it was given back first");
    nginx.check_log()
}

#[tokio::test]
async fn requests_parameter_limits_a_connection() -> Result<()> {
    let router = Router::with(1, |etcd| keeping(etcd, "8 requests=3")).await?;
    for _ in 0..12 {
        assert_eq!(router.nginx.get("/").await?.status, 200);
    }
    assert_eq!(router.nodes[0].counts().accepted, 4);
    open_at(&router.nodes[0], 0).await
}

#[tokio::test]
async fn time_parameter_limits_a_connection() -> Result<()> {
    let router = Router::with(1, |etcd| keeping(etcd, "8 time=1ms")).await?;
    for _ in 0..4 {
        assert_eq!(router.nginx.get("/slow?ms=30").await?.status, 200);
    }
    assert_eq!(router.nodes[0].counts().accepted, 4);
    open_at(&router.nodes[0], 0).await
}

#[tokio::test]
async fn timeout_parameter_closes_an_idle_connection() -> Result<()> {
    let (mut node, _etcd, nginx) = told("8 timeout=200ms").await?;
    rest(&mut node, &nginx, 2).await?;
    let mut closed = [node.closed().await?, node.closed().await?];
    closed.sort_unstable();
    assert_eq!(closed, [0, 1]);
    nginx.check_log()
}

#[tokio::test]
async fn connection_of_a_failed_answer_or_a_session_is_not_kept() -> Result<()> {
    let router = Router::with(1, |etcd| keeping(etcd, "8")).await?;
    let node = &router.nodes[0];
    for path in ["/", "/bytes/0", "/bytes/1000000", "/status/204", "/status/500", "/status/304"] {
        router.nginx.get(path).await?;
    }
    assert_eq!(node.counts().accepted, 1);
    let session = router.nginx.websocket("/ws").await?;
    assert_eq!(node.counts().accepted, 1, "the idle connection serves the session");
    session.close().await?;
    open_at(node, 0).await?;
    assert_eq!(router.nginx.get("/").await?.status, 200);
    assert_eq!(node.counts().accepted, 2);
    router.nginx.check_log()
}

#[tokio::test]
async fn node_that_closes_idle_connections_costs_no_request() -> Result<()> {
    let (mut node, _etcd, nginx) = told("8").await?;
    for number in 0..50 {
        let answer = ask(&nginx);
        let request = node.request().await?;
        assert_eq!(request.connection, number, "a closed connection was used");
        request.answer_and_close();
        assert_eq!(answer.await??.status, 200);
    }
    nginx.check_log()
}

#[tokio::test]
async fn connection_closed_just_as_it_is_used_costs_no_request() -> Result<()> {
    let (mut node, _etcd, nginx) = told("8").await?;
    rest(&mut node, &nginx, 1).await?;
    let answer = ask(&nginx);
    let request = node.request().await?;
    assert_eq!(request.connection, 0);
    drop(request);
    let request = node.request().await?;
    assert_eq!(request.connection, 1);
    request.answer();
    assert_eq!(answer.await??.status, 200);
    nginx.check_log()
}

#[tokio::test]
async fn idle_connections_of_a_failed_peer_are_closed_at_once() -> Result<()> {
    let (mut node, etcd, nginx) = told("8 timeout=1h").await?;
    rest(&mut node, &nginx, 3).await?;
    let (other, address) = (Node::start("other").await?, node.address());
    // A peer that is the only one is never taken out of service.
    etcd.put(key("told"), format!("{address} max_fails=1 fail_timeout=1h")).await?;
    nginx.applied(etcd.put(key("backup"), format!("{} backup", other.address())).await?).await?;
    let answer = ask(&nginx);
    let request = node.request().await?;
    assert_eq!(request.connection, 2);
    drop(request);
    assert_eq!(answer.await??.node(), "other");
    assert_eq!([node.closed().await?, node.closed().await?], [0, 1]);
    nginx.wait_for_log_lines("temporarily disabled", 1).await?;
    nginx.check_log()
}

#[tokio::test]
async fn idle_connections_of_a_removed_peer_are_closed_at_once() -> Result<()> {
    let (mut node, etcd, nginx) = told("8 timeout=1h").await?;
    rest(&mut node, &nginx, 2).await?;
    nginx.applied(etcd.delete(&key("told")).await?).await?;
    assert_eq!([node.closed().await?, node.closed().await?], [0, 1]);
    nginx.check_log()
}

#[tokio::test]
async fn idle_connections_keep_no_old_worker() -> Result<()> {
    let (mut node, _etcd, nginx) = told("8 time=1h timeout=1h").await?;
    rest(&mut node, &nginx, 3).await?;
    nginx.reload().await?;
    let mut closed = Vec::new();
    for _ in 0..3 {
        closed.push(node.closed().await?);
    }
    closed.sort_unstable();
    assert_eq!(closed, [0, 1, 2]);
    eventually(SOON, "the old worker has gone", async || {
        ensure!(nginx.old_workers()?.is_empty(), "{:?}", nginx.old_workers()?);
        Ok(())
    })
    .await?;
    let answer = ask(&nginx);
    node.request().await?.answer();
    assert_eq!(answer.await??.status, 200);
    nginx.check_log()
}

#[tokio::test]
async fn single_process_keeps_connections() -> Result<()> {
    let mut router = Router::with(1, |etcd| keeping(etcd, "8").mode(Mode::Single)).await?;
    for _ in 0..10 {
        assert_eq!(router.nginx.get("/").await?.status, 200);
    }
    assert_eq!(router.nodes[0].counts().accepted, 1);
    router.nginx.end(nix::sys::signal::Signal::SIGQUIT).await?;
    open_at(&router.nodes[0], 0).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn quick_end_closes_idle_connections() -> Result<()> {
    let (mut node, _etcd, mut nginx) = told("8 timeout=1h").await?;
    rest(&mut node, &nginx, 2).await?;
    nginx.end(nix::sys::signal::Signal::SIGTERM).await?;
    node.closed().await?;
    node.closed().await?;
    nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_with_changes_fails_no_request_and_opens_few_connections() -> Result<()> {
    let router = Router::with(3, |etcd| keeping(etcd, "4").workers(2)).await?;
    let load = Load::start(&router.nginx.address(), "/", Clients::KeepAlive, 4);
    for round in 0..20 {
        let value = format!("{} weight={}", router.nodes[2].address(), 1 + round % 3);
        router.nginx.applied(router.etcd.put(key("n2"), value).await?).await?;
        router.nginx.applied(router.etcd.delete(&key("n2")).await?).await?;
    }
    let report = load.stop().await?;
    report.without_failure()?;
    // At most as many at a time as there are clients, and those of a node that went count anew.
    let accepted: u64 = router.nodes[..2].iter().map(|node| node.counts().accepted).sum();
    assert!(accepted <= 16, "{accepted} connections for {} requests", report.answered);
    for peer in router.nginx.upstream().await?.peers {
        assert_eq!(peer.connections, 0, "{peer:?}");
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn wrong_parameters_are_refused_by_name() -> Result<()> {
    const CLUSTER: &str = "etcd_cluster main { endpoint http://127.0.0.1:2379; }";
    let mistakes: &[(&str, &[&str])] = &[
        ("etcd main /p/; etcd_keepalive;", &["arguments"]),
        ("etcd main /p/; etcd_keepalive 0;", &["connections", "\"0\""]),
        ("etcd main /p/; etcd_keepalive -1;", &["connections", "\"-1\""]),
        ("etcd main /p/; etcd_keepalive +1;", &["connections", "\"+1\""]),
        ("etcd main /p/; etcd_keepalive many;", &["connections", "\"many\""]),
        ("etcd main /p/; etcd_keepalive 8 9;", &["invalid", "\"9\""]),
        ("etcd main /p/; etcd_keepalive 8 requests=;", &["invalid value \"\" of \"requests\""]),
        ("etcd main /p/; etcd_keepalive 8 requests=-1;", &["invalid value \"-1\" of \"requests\""]),
        ("etcd main /p/; etcd_keepalive 8 time=soon;", &["invalid value \"soon\" of \"time\""]),
        ("etcd main /p/; etcd_keepalive 8 timeout=;", &["invalid value \"\" of \"timeout\""]),
        ("etcd main /p/; etcd_keepalive 8 colour=blue;", &["invalid", "\"colour=blue\""]),
        ("etcd main /p/; etcd_keepalive 8 time=1s time=2s;", &["duplicate", "\"time=2s\""]),
        ("etcd main /p/; etcd_keepalive 8; etcd_keepalive 8;", &["duplicate"]),
        ("etcd_keepalive 8; etcd main /p/;", &["\"etcd\""]),
        ("server 127.0.0.1:1; etcd_keepalive 8;", &["\"etcd\""]),
        ("etcd main /p/; etcd_keepalive 8; keepalive 8;", &["\"keepalive\"", "firehose"]),
        ("etcd main /p/; keepalive 8; etcd_keepalive 8;", &["\"keepalive\"", "firehose"]),
    ];
    for (directives, words) in mistakes {
        let http = format!("{CLUSTER} upstream {UPSTREAM} {{ {directives} }}");
        let output = Nginx::test(&Configuration::new().http(&http))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let named = said.contains("etcd_keepalive") && words.iter().all(|word| said.contains(word));
        assert!(
            !output.status.success() && named && said.contains("nginx.conf:"),
            "{directives}: {said}"
        );
    }
    for right in ["8", "1 requests=10", "100000 requests=0 time=1d timeout=500ms"] {
        let http =
            format!("{CLUSTER} upstream {UPSTREAM} {{ etcd main /p/; etcd_keepalive {right}; }}");
        let output = Nginx::test(&Configuration::new().http(&http))?;
        assert!(output.status.success(), "{right}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
