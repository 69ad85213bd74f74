//! What nodes get of a request, byte by byte: by clients that speak what a library would not.

use harness::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::setting;

/// Sends a request as it is written, and reads until the other end closes.
async fn ask(address: &str, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The node tells in its answer of the request that it got: these are the lines of a header.
fn got<'a>(answer: &'a str, header: &str) -> Vec<&'a str> {
    answer.lines().filter_map(|line| line.strip_prefix(header)?.strip_prefix(": ")).collect()
}

async fn start() -> Result<(Etcd, Node, Served)> {
    let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    Ok((etcd, node, router))
}

/// What the shipped configurations have in common.
async fn nodes_get_a_host_and_no_other_upgrade(address: &str, own_name: &str) -> Result<()> {
    for (line, host) in [
        ("GET /channel HTTP/1.0\r\n", own_name),
        ("GET /channel HTTP/1.0\r\nHost: example.com:8080\r\n", "example.com:8080"),
        ("GET /channel HTTP/1.1\r\nHost: example.com:8080\r\n", "example.com:8080"),
        ("GET /channel HTTP/1.1\r\nHost: [::1]:80\r\n", "[::1]:80"),
    ] {
        let answer = ask(address, &format!("{line}Connection: close\r\n\r\n")).await?;
        assert!(answer.contains(" 200 OK\r\n"), "{line:?}: {answer}");
        assert_eq!(got(&answer, "host"), [host], "{line:?}: {answer}");
    }
    for upgrade in ["h2c", "TLS/1.0", "websocket2", "h2c, websocket", "x", "web socket"] {
        let request = format!(
            "GET /channel HTTP/1.1\r\nHost: x\r\nUpgrade: {upgrade}\r\nConnection: close, Upgrade, \
             HTTP2-Settings\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        );
        let answer = ask(address, &request).await?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{upgrade}: {answer}");
        assert!(got(&answer, "upgrade").is_empty(), "{upgrade}: {answer}");
    }
    Ok(())
}

/// A WebSocket is one, however its name is spelt.
async fn websockets_are_passed_on(address: &str) -> Result<()> {
    for upgrade in ["websocket", "WebSocket", "WEBSOCKET"] {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: {upgrade}\r\nConnection: keep-alive, \
             Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 12];
        tokio::time::timeout(SOON, stream.read_exact(&mut answer)).await??;
        assert_eq!(&answer, b"HTTP/1.1 101", "{upgrade}");
    }
    Ok(())
}

#[tokio::test]
async fn node_gets_a_host_and_upgrades_of_websockets_alone() -> Result<()> {
    let (_etcd, _node, router) = start().await?;
    nodes_get_a_host_and_no_other_upgrade(&router.address(), "firehose-router").await?;
    websockets_are_passed_on(&router.address()).await
}

#[tokio::test]
async fn shipped_configurations_send_a_host_and_upgrades_of_websockets_alone() -> Result<()> {
    for (name, prefix, own_name) in [
        ("firehose.conf", "/firehose/upstream/", Some("firehose-router")),
        ("drain.conf", "/firehose/upstream/", Some("firehose-router")),
        ("sessions.conf", "/app/upstream/", Some("app")),
        ("cache.conf", "/caches/upstream/", Some("caches")),
        // The key is the only one of its service.
        ("platform.conf", "/services/", Some("platform")),
        // It sets no header: nginx's own say what it passes on.
        ("minimal.conf", "/app/upstream/", None),
    ] {
        let (etcd, node) = (Etcd::start().await?, Node::start("node").await?);
        let mut configuration = Configuration::shipped(name, &etcd)?;
        if name == "platform.conf" {
            configuration = configuration.tls_port(8443, free_port()?)?;
            for host in ["127.0.0.1", "[::1]", "example.com", "platform", "x"] {
                etcd.put(format!("/routes/{host}"), "node").await?;
            }
        }
        let nginx = Nginx::start(configuration).await?;
        etcd.put(format!("{prefix}node"), node.address().to_string()).await?;
        eventually(SOON, &format!("{name} serves"), async || {
            let answer = nginx.get("/path").await?;
            ensure!(answer.status == 200, "{answer:?}");
            Ok(())
        })
        .await?;
        match own_name {
            Some(own_name) => {
                nodes_get_a_host_and_no_other_upgrade(&nginx.address(), own_name).await?
            }
            None => {
                let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: close, \
                               Upgrade\r\n\r\n";
                let answer = ask(&nginx.address(), request).await?;
                assert!(
                    answer.contains("200 OK") && got(&answer, "upgrade").is_empty(),
                    "{answer}"
                );
                let answer = ask(&nginx.address(), "GET / HTTP/1.0\r\n\r\n").await?;
                assert_eq!(got(&answer, "host"), ["app"], "{answer}");
            }
        }
        if !["cache.conf", "minimal.conf"].contains(&name) {
            websockets_are_passed_on(&nginx.address()).await?;
        }
    }
    Ok(())
}

/// Publishes a message of so many bytes, and gives the status.
async fn publish(router: &Served, bytes: usize) -> Result<u16> {
    let body = hyper::body::Bytes::from(vec![b'a'; bytes]);
    Ok(router.connect().await?.send(hyper::Method::PUT, "/channel", body).await?.status)
}

#[tokio::test]
async fn client_max_body_size_limits_a_message() -> Result<()> {
    const MEGABYTE: usize = 1 << 20;
    let (etcd, _node, router) = start().await?;
    assert_eq!(publish(&router, MEGABYTE).await?, 200);
    // The answer may come, and the connection end, while the body is being sent.
    let too_large = publish(&router, MEGABYTE + 1).await;
    assert!(
        too_large.is_err() || too_large.as_ref().is_ok_and(|status| *status == 413),
        "{too_large:?}"
    );
    for (value, bytes) in [("1536k", 3 * MEGABYTE / 2), ("0", 2 * MEGABYTE)] {
        let before = publish(&router, bytes).await;
        assert!(
            before.is_err() || before.as_ref().is_ok_and(|status| *status == 413),
            "{before:?}"
        );
        etcd.put(setting("client_max_body_size"), value).await?;
        eventually(SOON, &format!("{value} takes {bytes} bytes"), async || {
            let status = publish(&router, bytes).await?;
            ensure!(status == 200, "{status}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
