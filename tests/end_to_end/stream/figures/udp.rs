//! Figures of sessions over UDP.

use super::*;

/// nginx with one node of UDP, which has to answer each datagram once.
async fn router(value: &str) -> Result<StreamRouter> {
    let router = StreamRouter::with(0, |etcd, port| {
        StreamRouter::without_server(etcd).workers(1).stream(&sessions("zone=1m", "")).stream(
            &stream_server(
                port,
                "udp",
                &format!("proxy_pass {SESSIONS}; proxy_responses 1; proxy_timeout 2s;"),
            ),
        )
    })
    .await?;
    router.applied(router.etcd.put(key("u0"), format!("{value} max_fails=0")).await?).await?;
    Ok(router)
}

#[tokio::test]
async fn sessions_over_udp_are_counted_with_their_bytes() -> Result<()> {
    let node = UdpNode::start("u0").await?;
    let router = router(&node.address()).await?;
    for _ in 0..7 {
        assert_eq!(UdpClient::open(&router.address()).await?.ask("hello").await?, "u0");
    }
    let totals = ended(&router.nginx).await?;
    assert_eq!((node.received(), node.sessions()), (7, 7));
    // Each gets `u0 hello` back.
    let counted = ["/requests", "/responses/2xx", "/sent", "/received", "/retries"]
        .map(|path| totals.number(path));
    assert_eq!(counted, [7, 7, 7 * 5, 7 * 8, 0], "{totals:?}");
    assert_eq!((totals.ended(), totals.sum("/header_time/counts")), (7, 7), "{totals:?}");
    router.nginx.check_log()
}

#[tokio::test]
async fn session_over_udp_without_an_answer_fails() -> Result<()> {
    let node = UdpNode::start("u0").await?;
    node.set_answers(0);
    let closed = format!("127.0.0.1:{}", free_port()?);
    for (address, kind) in [(node.address(), "timeout"), (closed, "connect")] {
        let router = router(&address).await?;
        UdpClient::open(&router.address()).await?.send("hello").await?;
        eventually(SOON, "the session has failed", async || {
            let totals = totals(&router.nginx).await?;
            ensure!(totals.ended() == 1, "{totals:?}");
            Ok(())
        })
        .await?;
        let totals = ended(&router.nginx).await?;
        let failures = totals.number(&format!("/failures/{kind}"));
        assert_eq!((failures, totals.number("/requests")), (1, 1), "{kind}: {totals:?}");
        assert_eq!((totals.number("/sent"), totals.number("/received")), (5, 0), "{totals:?}");
        let peer = peer(&router.nginx, "u0").await?;
        assert_eq!((&peer["requests"], &peer["failures"]), (&1.into(), &1.into()), "{peer}");
    }
    Ok(())
}
