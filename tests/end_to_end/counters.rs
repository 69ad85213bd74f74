//! Whatever end a request takes, it is counted once, and its connection is counted out.

use harness::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connections(nginx: &Nginx, count: u64) -> Result<Peer> {
    eventually(SOON, &format!("{count} connections are open"), async || {
        let upstream = nginx.upstream().await?;
        ensure!(
            upstream.peers.len() == 1 && upstream.peers[0].connections == count,
            "{:?}",
            upstream.peers
        );
        Ok(upstream.peers[0].clone())
    })
    .await
}

/// Sends a request that takes long, and waits until it is with the node.
async fn long_request(router: &Router) -> Result<TcpStream> {
    let before = router.nodes[0].counts().requests;
    let mut stream = TcpStream::connect(router.nginx.address()).await?;
    stream.write_all(b"GET /poll?ms=60000 HTTP/1.1\r\nHost: test\r\n\r\n").await?;
    eventually(SOON, "the node has the request", async || {
        ensure!(router.nodes[0].counts().requests > before, "not yet");
        Ok(())
    })
    .await?;
    Ok(stream)
}

async fn every_end(directives: &str) -> Result<()> {
    let mut router = Router::with(1, |etcd| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", directives))
    })
    .await?;
    // Answered, with and without a body, and with an error of the node's own.
    for path in ["/", "/bytes/0", "/bytes/1000000", "/status/204", "/status/500"] {
        router.nginx.get(path).await?;
    }
    assert_eq!(connections(&router.nginx, 0).await?.requests, 5);

    // The client goes.
    let stream = long_request(&router).await?;
    assert_eq!(connections(&router.nginx, 1).await?.requests, 6);
    drop(stream);
    connections(&router.nginx, 0).await?;

    // The client goes in the midst of an answer that it does not read.
    let mut stream = TcpStream::connect(router.nginx.address()).await?;
    stream.write_all(b"GET /bytes/60000000 HTTP/1.1\r\nHost: test\r\n\r\n").await?;
    let mut start = [0; 1000];
    stream.read_exact(&mut start).await?;
    drop(stream);
    assert_eq!(connections(&router.nginx, 0).await?.requests, 7);

    // The client's session ends without a good-bye.
    let session = router.nginx.websocket("/ws").await?;
    connections(&router.nginx, 1).await?;
    drop(session);
    assert_eq!(connections(&router.nginx, 0).await?.requests, 8);

    // The node goes in the midst of a request, and of a session.
    let (_stream, _session) = (long_request(&router).await?, router.nginx.websocket("/ws").await?);
    connections(&router.nginx, 2).await?;
    let address = router.nodes[0].address().clone();
    router.nodes.remove(0).kill().await;
    let peer = connections(&router.nginx, 0).await?;
    // nginx grants another try to a request whose connection was a kept one, which the first may
    // have been.
    let retries = u64::from(!directives.is_empty());
    assert!((10..=10 + retries).contains(&peer.requests), "{peer:?}");
    assert!(peer.failures >= 1, "{peer:?}");

    // Refused, and well again.
    assert_eq!(router.nginx.get("/").await?.status, 502);
    connections(&router.nginx, 0).await?;
    router.nodes.push(Node::listen("n0", &address).await?);
    assert_eq!(router.nginx.get("/").await?.status, 200);
    connections(&router.nginx, 0).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn nginxs_counters_are_right_without_keepalive() -> Result<()> {
    every_end("").await
}

#[tokio::test]
async fn nginxs_counters_are_right_with_keepalive() -> Result<()> {
    every_end("keepalive 8;").await
}

#[tokio::test]
async fn nginxs_counters_are_right_with_etcd_keepalive() -> Result<()> {
    every_end("etcd_keepalive 8;").await
}
