//! Requests that are no WebSocket's: in time they end by themselves, after it as if the node had
//! closed.

use std::time::{Duration, Instant};

use harness::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::{SLACK, draining, hold, join, put, start};

/// Far more than all buffers between a node and a client hold together.
const LARGE: usize = 48 << 20;
const TIMEOUT: Duration = Duration::from_secs(1);

/// An answer that is being read.
struct Download {
    stream: Observed,
    /// Where the body begins.
    head: usize,
    received: Vec<u8>,
}

impl Download {
    /// Asks, and reads the head and the begin of the body.
    async fn begin(router: &Router, path: &str) -> Result<Self> {
        let mut stream = Observed::new(TcpStream::connect(router.nginx.address()).await?);
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut received = Vec::new();
        loop {
            let count = timeout(SOON, stream.read_buf(&mut received)).await??;
            let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            ensure!(count > 0 && received.starts_with(b"HTTP/1.1 200 "), "{received:?}");
            match end {
                Some(end) if received.len() > end + 4 => {
                    return Ok(Self { stream, head: end + 4, received });
                }
                _ => (),
            }
        }
    }

    /// Reads to the end, so many bytes in each hundredth of a second at most, and gives how it came
    /// and how much of the body was read.
    async fn finish(mut self, pace: usize) -> Result<(End, usize)> {
        let mut ticks = interval(Duration::from_millis(10));
        let mut piece = vec![0; pace];
        loop {
            ticks.tick().await;
            let count = timeout(SOON, self.stream.read(&mut piece)).await?.unwrap_or(0);
            self.received.extend_from_slice(&piece[..count]);
            if let Some(end) = self.stream.end() {
                let body = &self.received[self.head..];
                let wrong = body.iter().enumerate().position(|(at, byte)| *byte != paced_byte(at));
                ensure!(wrong.is_none(), "byte {wrong:?} of {} is wrong", body.len());
                return Ok((end.clone(), body.len()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answer_in_flight_is_completed() -> Result<()> {
    // Without buffering nginx reads no faster than the client, so that the node's answer is in
    // flight all the time.
    let router =
        Router::with(1, |etcd| draining(etcd, "timeout=30s", "").location("proxy_buffering off;"))
            .await?;
    let download = Download::begin(&router, &format!("/paced/{LARGE}?ms=1000")).await?;
    let _other = join(&router, "n1").await?;
    router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    let counts = router.nodes[0].counts();
    assert_eq!(counts.plain_open, 1, "{counts:?}");
    let upstream = router.nginx.upstream().await?;
    let peer =
        upstream.peers.iter().find(|peer| peer.state == "removed").ok_or("no removed peer")?;
    assert_eq!((peer.connections, peer.upgraded), (1, 0), "{peer:?}");
    assert!(peer.closes_in.is_some(), "{peer:?}");
    let (end, length) = download.finish(LARGE / 200).await?;
    assert_eq!((end.how, length), (Ending::Eof, LARGE));
    eventually(SOON, "the peer is freed", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.peers.len() == 1 && upstream.drained == 0, "{upstream:?}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn answer_longer_than_the_timeout_is_cut_and_not_reset() -> Result<()> {
    for buffering in ["on", "off"] {
        let router = Router::with(1, |etcd| {
            draining(etcd, "timeout=1s spread=0", "")
                .location(&format!("proxy_buffering {buffering};"))
        })
        .await?;
        // Some 100 kB a second.
        let download = Download::begin(&router, "/paced/12000000?ms=120000").await?;
        let _other = join(&router, "n1").await?;
        let (begin, watch) = (Instant::now(), Stopwatch::start());
        router.etcd.delete(&key("n0")).await?;
        let (end, length) = download.finish(1 << 20).await?;
        let (after, busy) = (end.at.duration_since(begin), watch.elapsed());
        assert!(end.how == Ending::Eof && length < 12_000_000, "{buffering}: {end:?}, {length}");
        assert!(after >= TIMEOUT && busy <= TIMEOUT + SLACK, "{buffering}: {after:?}, {busy:?}");
        router.nginx.check_log()?;
    }
    Ok(())
}

/// A long poll that `n0` has got, on a connection of its own.
async fn poll(router: &Router, method: &str) -> Result<TcpStream> {
    let request = format!(
        "{method} /poll?ms=120000 HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: \
         close\r\n\r\n"
    );
    eventually(SOON, "n0 has one", async || {
        let before = router.nodes.iter().map(|node| node.counts().requests).sum::<u64>();
        let mut stream = TcpStream::connect(router.nginx.address()).await?;
        stream.write_all(request.as_bytes()).await?;
        eventually(SOON, "a node has the request", async || {
            ensure!(
                router.nodes.iter().map(|node| node.counts().requests).sum::<u64>() > before,
                "not yet"
            );
            Ok(())
        })
        .await?;
        ensure!(router.nodes[0].counts().plain_open == 1, "{:?}", router.nodes[0].counts());
        Ok(stream)
    })
    .await
}

/// What becomes of a long poll at `n0`, which is left: the answer, after at least the timeout.
async fn cut(router: &Router, mut poll: TcpStream) -> Result<(u16, String)> {
    let begin = Instant::now();
    // Not removed, so that its counts can be seen thereafter.
    router.nginx.applied(put(router, "drain").await?).await?;
    let mut answer = String::new();
    timeout(TIMEOUT + SLACK, poll.read_to_string(&mut answer)).await??;
    ensure!(begin.elapsed() >= TIMEOUT, "after {:?}: {answer}", begin.elapsed());
    let status =
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    let upstream = router.nginx.upstream().await?;
    for peer in &upstream.peers {
        ensure!((peer.connections, peer.failures) == (0, 0), "{peer:?}");
    }
    ensure!(upstream.drained == 1, "{upstream:?}");
    eventually(SOON, "the node has lost the request", async || {
        ensure!(router.nodes[0].counts().plain_open == 0, "{:?}", router.nodes[0].counts());
        Ok(())
    })
    .await?;
    router.nginx.check_log()?;
    Ok((status, answer))
}

/// A router with `n0`, which leaves polls without an answer, and `n1`, which answers everything at
/// once.
async fn two_nodes(directives: &str) -> Result<Router> {
    let drain = |etcd: &Etcd| draining(etcd, "timeout=1s spread=0", "").location(directives);
    let router = Router::with(2, drain).await?;
    router.nodes[1].set_status(Some(StatusCode::OK));
    Ok(router)
}

#[tokio::test]
async fn long_poll_moves_to_another_node() -> Result<()> {
    let router = two_nodes("").await?;
    let poll = poll(&router, "GET").await?;
    let (status, answer) = cut(&router, poll).await?;
    assert!(status == 200 && answer.contains("x-node: n1\r\n"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn long_poll_moves_to_a_node_that_came_after_it() -> Result<()> {
    let router = start("timeout=1s spread=0", "").await?;
    let poll = poll(&router, "GET").await?;
    let other = join(&router, "n1").await?;
    other.set_status(Some(StatusCode::OK));
    let (status, answer) = cut(&router, poll).await?;
    assert!(status == 200 && answer.contains("x-node: n1\r\n"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn long_poll_that_may_not_be_repeated_gets_502() -> Result<()> {
    for (method, directives) in
        [("GET", "proxy_next_upstream off;"), ("GET", "proxy_next_upstream_tries 1;"), ("POST", "")]
    {
        let router = two_nodes(directives).await?;
        let poll = poll(&router, method).await?;
        let before = router.nodes[1].counts().requests;
        let (status, answer) = cut(&router, poll).await?;
        assert_eq!(
            (status, router.nodes[1].counts().requests),
            (502, before),
            "{method}: {answer}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() -> Result<()> {
    let router = start("timeout=1h", "etcd_keepalive 8;").await?;
    assert_eq!(router.nginx.get("/").await?.status, 200);
    let fleet = hold(&router, "n0", 4).await?;
    let _other = join(&router, "n1").await?;
    let upstream = router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    let peer =
        upstream.peers.iter().find(|peer| peer.state == "removed").ok_or("no removed peer")?;
    assert_eq!((peer.connections, peer.upgraded), (4, 4));
    eventually(SOON, "only the sessions' are left", async || {
        ensure!(router.nodes[0].counts().connections == 4, "{:?}", router.nodes[0].counts());
        Ok(())
    })
    .await?;
    fleet.echo("for an hour").await?;
    fleet.close().await?;
    router.nginx.check_log()
}
