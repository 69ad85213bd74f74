//! What the other tests of `stream {}` rely on; none of this needs the module.

use std::time::Duration;

use harness::*;

use super::source::{Route, Source, count};

#[tokio::test]
async fn nodes_and_clients_of_tcp_and_udp_are_what_they_say() -> Result<()> {
    let (tcp, udp) = (TcpNode::start("t0").await?, UdpNode::start("u0").await?);
    let routes = [
        Route::new("tcp", "", [(tcp.address(), "")]),
        Route::new("udp", "", [(udp.address(), "")]).listen("udp").server("proxy_responses 1;"),
    ];
    let rig = Source::Lines.start(&routes, "").await?;
    let mut sessions = open_tcp(&rig.address("tcp"), 3).await?;
    echo_each(&mut sessions, "hello").await?;
    assert_eq!((sessions[0].node(), tcp.accepted(), tcp.open_sessions()), ("t0", 3, 3));
    tcp.say("to all\n");
    for session in &mut sessions {
        assert_eq!(session.line().await?, "to all");
    }
    sessions.pop().ok_or("none")?.finish().await?;
    let session = eventually(SOON, "the node sees the end", async || {
        let session = tcp.sessions().pop().ok_or("none")?;
        ensure!(session.end.is_some(), "{session:?}");
        Ok(session)
    })
    .await?;
    assert_eq!((session.received, session.sent, session.end), (5, 15, Some(Ending::Eof)));
    let mut others = TcpNode::listen("t1", "127.0.0.2:0").await?;
    others.stop().await;
    assert!(TcpSession::open(&others.address()).await.is_err());
    others.restart().await?;
    assert_eq!(TcpSession::open(&others.address()).await?.node(), "t1");

    let client = UdpClient::open(&rig.address("udp")).await?;
    assert_eq!(client.ask("hello").await?, "u0");
    assert_eq!((udp.received(), udp.sessions()), (1, 1));
    assert_eq!(client.receive(Duration::from_millis(50)).await?, None);
    rig.nginx.check_log()
}

#[tokio::test]
async fn nginx_runs_with_stream_alone() -> Result<()> {
    let node = TcpNode::start("n0").await?;
    let configuration = Configuration::stock()
        .without_http()
        .stream(&format!("server {{ listen 8080; proxy_pass {}; }}", node.address()));
    let nginx = Nginx::start(configuration).await?;
    assert_eq!(TcpSession::open(&nginx.address()).await?.node(), "n0");
    nginx.check_log()
}

/// Nodes that nobody here wrote: socat, with a shell behind it.
#[tokio::test]
async fn socat_is_a_node_like_the_others() -> Result<()> {
    let port = free_port()?;
    let _socat = Socat::start(&[
        &format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"),
        "SYSTEM:echo socat; cat",
    ])?;
    let address = format!("127.0.0.1:{port}");
    eventually(SOON, "socat listens", async || TcpSession::open(&address).await).await?;
    let rig = Source::Lines.start(&[Route::new("tcp", "", [(address, "")])], "").await?;
    assert_eq!(count(&rig.ask("tcp", 3).await?), [("socat", 3)].into());
    rig.nginx.check_log()
}
