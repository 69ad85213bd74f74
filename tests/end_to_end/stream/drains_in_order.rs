//! `etcd_drain` of sessions in which the peer is still sending, or which only one side ends.

use std::io::{ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use harness::*;

/// More than the buffers of both sockets of a session take (`tcp_rmem` and `tcp_wmem`).
const LARGE: usize = 24 << 20;

/// What comes at a client that reads nothing for a while waits in the node: it is delivered all the
/// same, and then the session ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_reads_late_gets_all_that_the_node_has_sent() -> Result<()> {
    for pace in ["spread=0", "rate=50/s"] {
        let router = StreamRouter::start(1, 1, &format!("etcd_drain timeout=0 {pace};")).await?;
        let mut session = TcpSession::open(&router.address()).await?;
        session.echo("hello").await?;
        let text = "x".repeat(LARGE);
        router.nodes[0].say(&text);
        assert!(!session.is_quiet(SOON).await, "the node has begun");
        router.applied(router.etcd.delete(&key("n0")).await?).await?;
        router.nginx.wait_for_log("peer \"n0\": closing 1 ").await?;
        let (end, rest) = session.ended(SOON).await?;
        assert_eq!((rest.len(), end.how), (LARGE - 1, Ending::Eof), "{pace}");
        let node = &router.nodes[0];
        eventually(SOON, "the node sees the end", async || {
            ensure!(node.open_sessions() == 0, "{} are open", node.open_sessions());
            Ok(())
        })
        .await?;
        let drained = router.nginx.upstream_of(SESSIONS).await?.drained;
        assert_eq!(drained, 1, "{pace}");
    }
    Ok(())
}

/// A client that never reads what the node sends does not keep its session for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_reads_nothing_is_waited_for_only_so_long() -> Result<()> {
    let router = StreamRouter::start(1, 1, "etcd_drain timeout=0 spread=0;").await?;
    let mut session = TcpSession::open(&router.address()).await?;
    session.echo("hello").await?;
    router.nodes[0].say(&"x".repeat(LARGE));
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    eventually(Duration::from_secs(30), "the session is drained", async || {
        let upstream = router.nginx.upstream_of(SESSIONS).await?;
        ensure!(upstream.drained == 1, "{upstream:?}");
        Ok(())
    })
    .await
}

/// With `proxy_half_close`, nginx keeps a session of which one side has ended: a drain ends both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_ends_sessions_with_half_close_on_both_sides() -> Result<()> {
    let router = StreamRouter::with(1, |etcd, port| {
        let upstream = sessions("zone=1m", "etcd_drain timeout=0 spread=0;");
        let server = format!("proxy_pass {SESSIONS}; proxy_half_close on;");
        StreamRouter::without_server(etcd)
            .stream(&upstream)
            .stream(&stream_server(port, "", &server))
            .workers(1)
    })
    .await?;
    let mut session = TcpSession::open(&router.address()).await?;
    session.echo("hello").await?;
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    let (end, rest) = session.ended(SOON).await?;
    assert_eq!((rest.len(), end.how), (0, Ending::Eof));
    let node = &router.nodes[0];
    eventually(SOON, "the node sees the end", async || {
        ensure!(node.open_sessions() == 0, "{} are open", node.open_sessions());
        Ok(())
    })
    .await
}

/// Writes as much as there is room for on the way to somebody who does not read.
fn fill(mut stream: &TcpStream) -> std::io::Result<()> {
    /// If there is no room for so long, there will be none.
    const FULL: Duration = Duration::from_millis(200);
    stream.set_write_timeout(Some(FULL))?;
    let piece = [b'x'; 1 << 16];
    loop {
        match stream.write(&piece) {
            Ok(_) => (),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// nginx itself keeps such a session until `proxy_timeout`, whatever has ended.
async fn session_of_which_no_side_reads_is_ended(half_close: &str) -> Result<()> {
    let router = StreamRouter::with(0, |etcd, port| {
        let upstream = sessions("zone=1m", "etcd_drain timeout=0 spread=0;");
        let server = format!("proxy_pass {SESSIONS}; proxy_half_close {half_close};");
        StreamRouter::without_server(etcd)
            .stream(&upstream)
            .stream(&stream_server(port, "", &server))
    })
    .await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let node = listener.local_addr()?.to_string();
    router.applied(router.etcd.put(key("n0"), node).await?).await?;
    let address = router.address();
    let open = tokio::task::spawn_blocking(move || {
        let client = TcpStream::connect(address)?;
        let (node, _) = listener.accept()?;
        fill(&client)?;
        fill(&node)?;
        std::io::Result::Ok((client, node))
    });
    let _open = open.await??;
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    eventually(Duration::from_secs(30), "the session has ended", async || {
        let upstream = router.nginx.upstream_of(SESSIONS).await?;
        // Without it, nobody needs the peer any more.
        ensure!(upstream.drained == 1 && upstream.peers.is_empty(), "{upstream:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_of_which_no_side_reads_is_ended_without_half_close() -> Result<()> {
    session_of_which_no_side_reads_is_ended("off").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_of_which_no_side_reads_is_ended_with_half_close() -> Result<()> {
    session_of_which_no_side_reads_is_ended("on").await
}
