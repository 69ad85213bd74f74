//! A node that is still sending, or whose client reads slowly: what the node has sent is delivered,
//! and then the connection ends, but nobody is waited for without end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use harness::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, sleep, timeout};

use super::{PATIENCE, SLACK, draining, hold, join, start};
use crate::keepalive::certificate;

/// A broadcast's text.
const TEXT: usize = 64 << 10;
/// Broadcasts that are more than nginx and the way to its client hold. What is beyond that has room
/// in the node's socket (`tcp_wmem`): so it goes out whenever nginx reads on, however busy the
/// machine is.
const LARGE: u64 = 100;
/// What a node answers that agrees to an upgrade.
const UPGRADE: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Lets a node say much at clients that do not read, waits until its system has all of it, and
/// gives the number of the last broadcast. A node that is still writing may pause for longer than
/// is waited for it.
async fn say_much(node: &Node, count: u64) -> Result<u64> {
    let last = (0..count).fold(0, |_, _| node.broadcast(TEXT));
    eventually(SOON, "the node's system has taken all of it", async || {
        let sessions = node.sessions();
        ensure!(sessions.iter().all(|session| session.sent == last), "{sessions:?} of {last}");
        Ok(last)
    })
    .await
}

/// The session got everything up to this broadcast, and then the end.
async fn whole(session: &Session, last: u64) -> Result<()> {
    let end = session.ended(SOON).await?;
    let record = session.record();
    ensure!(record.last == last, "{} of {last} came: {record:?}", record.last);
    ensure!(end.how == Ending::Eof && record.disorder.is_none(), "{record:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_reads_late_gets_all_that_the_node_has_sent() -> Result<()> {
    for pace in ["spread=0", "rate=50/s"] {
        let router = start(&format!("timeout=0 {pace}"), "").await?;
        let fleet = hold(&router, "n0", 1).await?;
        let session = &fleet.sessions()[0];
        session.echo("hello").await?;
        session.stop_reading();
        let last = say_much(&router.nodes[0], LARGE).await?;
        router.nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
        router.nginx.wait_for_log("peer \"n0\": closing 1 ").await?;
        session.read_on();
        whole(session, last).await?;
        assert_eq!(router.nginx.upstream().await?.drained, 1, "{pace}");
        router.nginx.check_log()?;
    }
    Ok(())
}

/// As above, where the peer speaks TLS: what OpenSSL has decrypted is in none of nginx's buffers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_reads_late_gets_all_that_came_with_tls() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("tls")?);
    let secure = free_port()?;
    let node = Node::start("behind").await?;
    let (private, certificate) = certificate(&folder)?;
    let upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
        proxy_set_header Connection $connection_upgrade; proxy_read_timeout 1h;";
    // The peer is this nginx, which stands before the node.
    let servers = format!(
        "server {{ listen 127.0.0.1:{secure} ssl; ssl_certificate {certificate}; \
        ssl_certificate_key {private}; location / {{ {upgrade} proxy_pass http://{}; }} }}",
        node.address()
    );
    let nginx = Nginx::start(
        Configuration::new()
            // The peer cannot send while nginx reads.
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", "etcd_drain timeout=0 spread=0;"))
            .server(&format!(
                "location /tls {{ {upgrade} rewrite ^ /ws break; proxy_pass https://firehose; }}"
            ))
            .http(&servers),
    )
    .await?;
    nginx.applied(etcd.put(key("tls"), format!("127.0.0.1:{secure}")).await?).await?;
    let fleet = Fleet::open(&nginx.address(), "/tls", 1).await?;
    let session = &fleet.sessions()[0];
    session.echo("hello").await?;
    session.stop_reading();
    let last = say_much(&node, LARGE).await?;
    nginx.applied(etcd.delete(&key("tls")).await?).await?;
    nginx.wait_for_log("peer \"tls\": closing 1 ").await?;
    session.read_on();
    whole(session, last).await?;
    nginx.check_log()
}

/// The next connection to a node, and the request that came on it, up to its end.
fn accept(listener: &TcpListener) -> std::io::Result<std::net::TcpStream> {
    let (mut stream, _) = listener.accept()?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut piece)?;
        head.extend_from_slice(&piece[..count]);
    }
    Ok(stream)
}

/// Agrees to an upgrade, and sends without end: until the other side closes.
fn send_for_ever(listener: &TcpListener) -> std::io::Result<()> {
    let mut stream = accept(listener)?;
    stream.write_all(UPGRADE.as_bytes())?;
    let piece = [b'x'; TEXT];
    while stream.write_all(&piece).is_ok() {}
    Ok(())
}

/// Answers with as much as there is room for on the way to a client that does not read, and gives
/// the number of bytes. The answer is not over for as long as the connection is there.
fn answer(listener: &TcpListener) -> std::io::Result<(std::net::TcpStream, usize)> {
    /// If there is no room for so long, there will be none before the client reads.
    const FULL: Duration = Duration::from_millis(200);
    let mut stream = accept(listener)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    stream.set_write_timeout(Some(FULL))?;
    let (piece, mut sent) = ([b'x'; TEXT], 0);
    loop {
        match stream.write(&piece) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((stream, sent)),
            Err(error) => return Err(error),
        }
    }
}

/// An answer that the node has sent is delivered, though its client has not read it when it is due.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_that_is_on_its_way_is_completed() -> Result<()> {
    let router = Router::with(0, |etcd| {
        // nginx reads no faster than its client.
        draining(etcd, "timeout=0 spread=0", "").location("proxy_buffering off;")
    })
    .await?;
    let nginx = &router.nginx;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    nginx.applied(router.etcd.put(key("n0"), address).await?).await?;
    let node = tokio::task::spawn_blocking(move || answer(&listener));
    let mut client = TcpStream::connect(nginx.address()).await?;
    client.write_all(b"GET / HTTP/1.0\r\nHost: test\r\n\r\n").await?;
    let (_connection, sent) = timeout(SOON, node).await???;
    nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    nginx.wait_for_log("peer \"n0\": closing 1 ").await?;
    let mut received = Vec::new();
    timeout(SOON, client.read_to_end(&mut received)).await??;
    let head = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("no head")?;
    assert_eq!(received.len() - head - 4, sent);
    nginx.check_log()
}

/// A node that never stops is not waited for without end, whether its client keeps up with it or
/// not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_sends_without_end_is_left_after_a_time() -> Result<()> {
    /// Read at once, so that the kernel makes the buffers of the sockets large (`tcp_rmem`): they
    /// are never empty then, if the client is slower than the node.
    const FAST: usize = 64 << 20;
    for pause in [Duration::ZERO, Duration::from_millis(10)] {
        let router =
            Router::with(0, |etcd| draining(etcd, "timeout=0 spread=0", "").workers(1)).await?;
        let nginx = &router.nginx;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        nginx.applied(router.etcd.put(key("n0"), address).await?).await?;
        let node = std::thread::spawn(move || send_for_ever(&listener));
        let mut client = TcpStream::connect(nginx.address()).await?;
        let request = "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";
        client.write_all(request.as_bytes()).await?;
        let mut piece = vec![0; TEXT];
        let mut received = 0;
        while received < FAST {
            let count = timeout(SOON, client.read(&mut piece)).await??;
            ensure!(count > 0, "the end after {received} bytes");
            received += count;
        }
        nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
        let reading = async {
            // What has come until nginx gives up is still delivered.
            while client.read(&mut piece).await? > 0 {
                sleep(pause).await;
            }
            std::io::Result::Ok(())
        };
        timeout(PATIENCE + SOON, reading).await.map_err(|_| format!("no end with {pause:?}"))??;
        assert_eq!(nginx.upstream().await?.drained, 1);
        node.join().map_err(|_| "the node has panicked")??;
        nginx.check_log()?;
    }
    Ok(())
}

/// Messages that come all the time keep no session of a client that reads them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_with_messages_all_the_time_are_closed_in_time() -> Result<()> {
    const SESSIONS: usize = 20;
    const SHORT: usize = 100;
    // From one message to the next: now and then longer than a peer must be silent for that is not
    // sending, and never so long.
    for often in [Duration::from_millis(20), Duration::from_millis(4)] {
        let router = start("timeout=0 spread=1s", "").await?;
        let (nginx, node) = (&router.nginx, &router.nodes[0]);
        let fleet = hold(&router, "n0", SESSIONS).await?;
        let sending = async {
            let mut pace = interval(often);
            loop {
                pace.tick().await;
                node.broadcast(SHORT);
            }
        };
        let draining = async {
            fleet.received(10).await?;
            let _other = join(&router, "n1").await?;
            router.etcd.delete(&key("n0")).await?;
            fleet.ended(Duration::from_secs(1) + SLACK).await
        };
        let ends: Result<Vec<End>> = tokio::select! {
            // Cancel safe: the other only goes on for as long as it is watched.
            ends = draining => ends,
            never = sending => never,
        };
        assert!(ends?.iter().all(|end| end.how == Ending::Eof), "{often:?}");
        for session in fleet.sessions() {
            let record = session.record();
            assert!(record.disorder.is_none(), "{record:?}");
        }
        assert_eq!(nginx.upstream().await?.drained, SESSIONS as u64);
        nginx.check_log()?;
    }
    Ok(())
}

/// Who waits takes no other's turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_wait_make_no_others_late() -> Result<()> {
    const SLOW: usize = 20;
    const OTHERS: usize = 5;
    /// More than the way to a client holds that does not read.
    const MUCH: u64 = LARGE;
    // Four a second in the long run.
    let router = start("timeout=0 rate=5/s", "").await?;
    let (nginx, node) = (&router.nginx, &router.nodes[0]);
    let slow = hold(&router, "n0", SLOW).await?;
    let others = hold(&router, "n0", OTHERS).await?;
    for session in slow.sessions() {
        session.stop_reading();
    }
    let last = say_much(node, MUCH).await?;
    others.received(last).await?;
    let _other = join(&router, "n1").await?;
    let begin = Instant::now();
    nginx.applied(router.etcd.delete(&key("n0")).await?).await?;
    let ends = others.ended(SOON).await?;
    let after = ends[OTHERS - 1].at.duration_since(begin);
    // With their turns it would be another five seconds.
    assert!(after < SLACK + Duration::from_secs(1), "the last after {after:?}");
    assert_eq!((slow.open_sessions(), nginx.upstream().await?.drained), (SLOW, OTHERS as u64));
    for session in slow.sessions() {
        session.read_on();
    }
    for session in slow.sessions().iter().chain(others.sessions()) {
        whole(session, last).await?;
    }
    assert_eq!(nginx.upstream().await?.drained, (SLOW + OTHERS) as u64);
    nginx.check_log()
}
