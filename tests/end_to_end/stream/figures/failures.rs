//! Each kind of failure of a session, provoked by a fault that is real.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::*;

/// nginx that tries the good node, which says `backup`, after a faulty one.
async fn router() -> Result<StreamRouter> {
    let router = StreamRouter::with(1, |etcd, port| {
        StreamRouter::configuration(etcd, port, "").stream("proxy_connect_timeout 300ms;")
    })
    .await?;
    let good = format!("{} backup", router.nodes[0].address());
    router.applied(router.etcd.put(key("n0"), good).await?).await?;
    Ok(router)
}

/// Puts a faulty peer before the good one, under a key of its own.
async fn put(router: &StreamRouter, name: &str, address: &str) -> Result<()> {
    let revision = router.etcd.put(key(name), format!("{address} max_fails=0")).await?;
    router.applied(revision).await?;
    Ok(())
}

/// A listener whose queue is full: a connection to it is not answered at all.
struct Full {
    address: SocketAddr,
    _socket: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Full {
    async fn start() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.1:0".parse()?)?;
        let listener = socket.listen(0)?;
        let (address, mut queue) = (listener.local_addr()?, Vec::new());
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            queue.push(connected?);
            ensure!(queue.len() < 64, "a queue without an end");
        }
        Ok(Self { address, _socket: listener, _queue: queue })
    }
}

#[tokio::test]
async fn attempt_without_a_connection_fails_and_the_next_peer_gets_the_session() -> Result<()> {
    let router = router().await?;
    let nginx = &router.nginx;
    let full = Full::start().await?;
    let refusing = format!("127.0.0.1:{}", free_port()?);
    for (name, kind, address) in
        [("refused", "connect", refusing), ("full", "timeout", full.address.to_string())]
    {
        put(&router, name, &address).await?;
        let (before, good) = (totals(nginx).await?, of_peer(nginx, "n0").await?);
        let session = TcpSession::open(&router.address()).await?;
        assert_eq!(session.node(), "n0");
        session.finish().await?;
        let after = ended(nginx).await?;
        let figures = of_peer(nginx, name).await?;
        assert_eq!(figures.number(&format!("/failures/{kind}")), 1, "{name}: {figures:?}");
        assert_eq!((figures.ended(), figures.number("/retries")), (1, 0), "{name}: {figures:?}");
        let peer = peer(nginx, name).await?;
        assert_eq!((&peer["requests"], &peer["failures"]), (&1.into(), &1.into()), "{peer}");
        let good_after = of_peer(nginx, "n0").await?;
        for path in ["/retries", "/responses/2xx"] {
            assert_eq!(good_after.number(path), good.number(path) + 1, "{name}: {good_after:?}");
        }
        for (path, more) in [("/requests", 2), ("/retries", 1), ("/no_peer", 0)] {
            assert_eq!(after.number(path), before.number(path) + more, "{name}: {after:?}");
        }
        router.applied(router.etcd.delete(&key(name)).await?).await?;
    }
    Ok(())
}

/// Says this to whoever comes, and resets the connection.
async fn resetting(first: &'static str) -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Errors are those of an nginx that has gone already.
            let _ = stream.write_all(first.as_bytes()).await;
            let _ = stream.read_u8().await;
            #[expect(deprecated, reason = "with no time to wait it does not block")]
            let _ = stream.set_linger(Some(Duration::ZERO));
        }
    });
    Ok((address, task))
}

#[tokio::test]
async fn reset_of_the_peer_is_a_failure_and_no_other_peer_is_tried() -> Result<()> {
    let router = router().await?;
    let nginx = &router.nginx;
    for (name, first) in [("at-once", ""), ("later", "first\n")] {
        let (address, task) = resetting(first).await?;
        put(&router, name, &address.to_string()).await?;
        let before = totals(nginx).await?;
        let mut session = TcpSession::connect(None, &router.address()).await?;
        if !first.is_empty() {
            assert_eq!(session.line().await?, "first");
        }
        session.send(b"hello").await?;
        session.ended(SOON).await?;
        let after = ended(nginx).await?;
        let figures = of_peer(nginx, name).await?;
        let counted = ["/failures/reset", "/responses/2xx", "/sent", "/received"]
            .map(|path| figures.number(path));
        assert_eq!(counted, [1, 0, 5, first.len() as u64], "{name}: {figures:?}");
        assert_eq!((figures.ended(), figures.sum("/header_time/counts")), (1, 0), "{figures:?}");
        assert_eq!(after.number("/requests"), before.number("/requests") + 1, "{after:?}");
        // nginx's `max_fails` does not count it.
        let peer = peer(nginx, name).await?;
        assert_eq!((&peer["requests"], &peer["failures"]), (&1.into(), &0.into()), "{peer}");
        router.applied(router.etcd.delete(&key(name)).await?).await?;
        task.abort();
    }
    Ok(())
}

#[tokio::test]
async fn session_that_finds_no_peer_is_counted() -> Result<()> {
    let router = StreamRouter::start(1, 1, "").await?;
    let nginx = &router.nginx;
    let down = format!("{} down", router.nodes[0].address());
    router.applied(router.etcd.put(key("n0"), down).await?).await?;
    for _ in 0..3 {
        let mut session = TcpSession::connect(None, &router.address()).await?;
        session.ended(SOON).await?;
    }
    let totals = ended(nginx).await?;
    assert_eq!((totals.number("/no_peer"), totals.number("/requests")), (3, 0), "{totals:?}");
    assert_eq!(totals.ended(), 0, "{totals:?}");
    Ok(())
}

/// TCP: nobody says anything for `proxy_timeout`. That is not the peer's fault.
#[tokio::test]
async fn silence_for_proxy_timeout_is_no_failure() -> Result<()> {
    let router = StreamRouter::with(1, |etcd, port| {
        StreamRouter::configuration(etcd, port, "").stream("proxy_timeout 1s;")
    })
    .await?;
    let nginx = &router.nginx;
    let mut session = TcpSession::open(&router.address()).await?;
    session.ended(SOON).await?;
    let totals = ended(nginx).await?;
    assert_eq!((totals.number("/responses/2xx"), totals.ended()), (1, 1), "{totals:?}");
    Ok(())
}
