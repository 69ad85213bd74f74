//! Whatever comes when is passed on unharmed, although a session's buffers are given back while
//! they are empty.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use harness::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// Text of a frame, as far as nginx can tell.
const LARGE: usize = 1 << 20;
/// More than fits into all buffers of the kernel on the way.
const MUCH: usize = 24 << 20;

/// A node that upgrades every request, and then sends back all that comes. Headers of the request
/// say how: `x-cookie: N` for a cookie of N bytes in the response, `x-first: N` for N bytes in the
/// same packet as the header of the response.
struct EchoNode {
    address: SocketAddr,
    _acceptor: AbortOnDropHandle<()>,
}

fn number(head: &str, name: &str) -> usize {
    let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// Reads up to the end of a header, and what has come behind it.
async fn head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut received = Vec::new();
    loop {
        ensure!(stream.read_buf(&mut received).await? > 0, "closed");
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = received.split_off(end + 4);
            return Ok((String::from_utf8(received)?, rest));
        }
    }
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    let (request, rest) = head(&mut stream).await?;
    let mut answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: Upgrade\r\n"
        .to_owned();
    let cookie = number(&request, "x-cookie");
    if cookie > 0 {
        write!(answer, "Set-Cookie: {}\r\n", "c".repeat(cookie))?;
    }
    write!(answer, "\r\n{}", "f".repeat(number(&request, "x-first")))?;
    stream.write_all(answer.as_bytes()).await?;
    stream.write_all(&rest).await?;
    let (mut reader, mut writer) = stream.split();
    tokio::io::copy(&mut reader, &mut writer).await?;
    Ok(())
}

impl EchoNode {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Ok(Self { address, _acceptor: AbortOnDropHandle::new(acceptor) })
    }
}

/// A session: its socket once it is upgraded, the header of the response, and what came behind it.
async fn open(nginx: &Nginx, headers: &str, first: &[u8]) -> Result<(TcpStream, String, Vec<u8>)> {
    let mut stream = TcpStream::connect(nginx.address()).await?;
    let mut request = format!(
        "GET /channel HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {headers}\r\n",
        nginx.address()
    )
    .into_bytes();
    request.extend(first);
    stream.write_all(&request).await?;
    let (answer, rest) = timeout(SOON, head(&mut stream)).await??;
    ensure!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    Ok((stream, answer, rest))
}

/// Bytes of which no two places within a buffer are alike.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 + place / 251) as u8).collect()
}

/// Sends, reads the same back after a pause, and fails if something else comes.
async fn echo(stream: &mut TcpStream, text: &[u8], pause: Duration) -> Result<()> {
    let (mut reader, mut writer) = stream.split();
    let receive = async {
        tokio::time::sleep(pause).await;
        let mut received = vec![0; text.len()];
        reader.read_exact(&mut received).await?;
        ensure!(received == text, "something else came back");
        Ok(())
    };
    let send = async { Ok::<_, Error>(writer.write_all(text).await?) };
    timeout(SOON, async { tokio::try_join!(send, receive) }).await??;
    Ok(())
}

async fn start(node: &EchoNode) -> Result<(Etcd, Nginx)> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(Configuration::shipped("firehose.conf", &etcd)?).await?;
    nginx.applied(etcd.put(key("node"), node.address.to_string()).await?).await?;
    Ok((etcd, nginx))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_frames_and_slow_readers_find_sessions_at_rest() -> Result<()> {
    let node = EchoNode::start().await?;
    let (_etcd, nginx) = start(&node).await?;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let (mut stream, ..) = open(&nginx, "", b"").await?;
        echo(&mut stream, b"hello", Duration::ZERO).await?;
        sessions.push(stream);
    }
    for turn in 0..3 {
        for stream in &mut sessions {
            echo(stream, format!("turn {turn}").as_bytes(), Duration::ZERO).await?;
        }
        echo(&mut sessions[turn], &pattern(LARGE), Duration::ZERO).await?;
        // Both ways are full until the client reads.
        let text = pattern(MUCH);
        echo(&mut sessions[turn + 1], &text, Duration::from_millis(500)).await?;
        echo(&mut sessions[turn + 1], b"at rest again", Duration::ZERO).await?;
    }
    nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_with_a_header_is_passed_on() -> Result<()> {
    let node = EchoNode::start().await?;
    let (_etcd, nginx) = start(&node).await?;
    for length in [1, 200, 3000, 100_000] {
        // The client does not wait for the response.
        let text = pattern(length);
        let (mut stream, _, mut rest) = open(&nginx, "", &text).await?;
        while rest.len() < length {
            ensure!(timeout(SOON, stream.read_buf(&mut rest)).await?? > 0, "closed");
        }
        assert!(rest == text, "the first {length} bytes are others");
        echo(&mut stream, b"hello", Duration::ZERO).await?;
    }
    for length in [1, 3000, 100_000] {
        // The node speaks first.
        let (mut stream, _, mut rest) =
            open(&nginx, &format!("x-first: {length}\r\n"), b"").await?;
        while rest.len() < length {
            ensure!(timeout(SOON, stream.read_buf(&mut rest)).await?? > 0, "closed");
        }
        assert!(rest.len() == length && rest.iter().all(|&byte| byte == b'f'));
        echo(&mut stream, b"hello", Duration::ZERO).await?;
    }
    nginx.check_log()
}

/// nginx's own limits: 8 kB for a line of a request's header, 32 kB for all, and 4 kB for the
/// header of a response.
#[tokio::test]
async fn large_headers_pass_as_with_nginx_alone() -> Result<()> {
    let node = EchoNode::start().await?;
    let (_etcd, nginx) = start(&node).await?;
    for cookie in [500, 4000, 8000] {
        let headers = format!("Cookie: {}\r\n", "c".repeat(cookie));
        let (mut stream, ..) = open(&nginx, &headers, b"").await?;
        echo(&mut stream, &pattern(LARGE), Duration::ZERO).await?;
    }
    let headers = format!("Cookie: {0}\r\nx-other: {0}\r\nx-third: {0}\r\n", "c".repeat(7000));
    let (mut stream, ..) = open(&nginx, &headers, b"").await?;
    echo(&mut stream, b"hello", Duration::ZERO).await?;
    for cookie in [500, 3900] {
        let (mut stream, answer, _) = open(&nginx, &format!("x-cookie: {cookie}\r\n"), b"").await?;
        assert!(answer.contains(&format!("Set-Cookie: {}\r\n", "c".repeat(cookie))), "{answer}");
        echo(&mut stream, &pattern(LARGE), Duration::ZERO).await?;
    }
    nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_survives_a_reload_and_either_side_ends_it() -> Result<()> {
    let node = EchoNode::start().await?;
    let (_etcd, nginx) = start(&node).await?;
    let (mut left, ..) = open(&nginx, "", b"").await?;
    let (mut right, ..) = open(&nginx, "", b"").await?;
    nginx.reload().await?;
    for stream in [&mut left, &mut right] {
        echo(stream, &pattern(LARGE), Duration::from_millis(100)).await?;
    }
    // The client ends one, the node the other, when the last client's byte has come back.
    drop(left);
    right.shutdown().await?;
    let mut rest = Vec::new();
    timeout(SOON, right.read_to_end(&mut rest)).await??;
    assert_eq!(rest, b"");
    eventually(SOON, "both are counted out", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peers[0].connections == 0, "{upstream:?}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}
