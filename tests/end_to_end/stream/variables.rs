//! What a session shows of its peer, and what it has from etcd.

use std::net::Ipv4Addr;

use harness::*;

/// Waits until the log has this line.
async fn logged(nginx: &Nginx, line: &str) -> Result<()> {
    eventually(SOON, &format!("{line} is logged"), async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/stream.log"))?;
        ensure!(log.lines().any(|other| other == line), "{log}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn session_logs_its_peer_and_what_else_is_open_there() -> Result<()> {
    let router = StreamRouter::with(1, |etcd, port| {
        StreamRouter::without_server(etcd)
            .stream(
                "log_format etcd '$status peer=$etcd_peer open=$etcd_peer_connections \
                 revision=$etcd_revision tries=$etcd_tries pick=$etcd_pick';
                 access_log logs/stream.log etcd;",
            )
            .stream(&sessions("zone=1m", "etcd_balance least_conn;"))
            .stream(&stream_server(port, "", &format!("proxy_pass {SESSIONS};")))
    })
    .await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let dead = format!("127.0.0.1:{}", free_port()?);
    let held = open_tcp(&router.address(), 3).await?;
    let revision = etcd.put(key("deep/er"), format!("{dead} max_fails=0")).await?;
    router.applied(revision).await?;
    TcpSession::open(&router.address()).await?.finish().await?;
    // The dead one has fewer sessions, and so it is tried first. In the log, which comes after the
    // end, a session does not count itself.
    logged(nginx, &format!("200 peer=n0 open=3 revision={revision} tries=2 pick=balance")).await?;
    let revision = etcd.delete(&key("deep/er")).await?;
    router.applied(revision).await?;
    TcpSession::open(&router.address()).await?.finish().await?;
    logged(nginx, &format!("200 peer=n0 open=3 revision={revision} tries=1 pick=balance")).await?;
    let revision = etcd.delete(&key("n0")).await?;
    router.applied(revision).await?;
    assert!(TcpSession::open(&router.address()).await.is_err());
    eventually(SOON, "the session without a peer is logged", async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/stream.log"))?;
        ensure!(log.lines().any(|line| line.starts_with("502 peer=- open=- revision=")), "{log}");
        Ok(())
    })
    .await?;
    drop(held);
    nginx.check_log()
}

#[tokio::test]
async fn value_from_etcd_chooses_answers_upstreams_and_limits() -> Result<()> {
    let (etcd, answer, choice) = (Etcd::start().await?, free_port()?, free_port()?);
    let nodes = start_tcp_nodes(2).await?;
    etcd.put("/blue/x", nodes[0].address()).await?;
    etcd.put("/green/x", nodes[1].address()).await?;
    let configuration = StreamRouter::without_server(&etcd)
        .stream("etcd_variable $color main /color default=blue;")
        .stream("map $color $reply { default 'none of both'; blue BLUE; green GREEN; }")
        .stream("upstream blue { etcd main /blue/; } upstream green { etcd main /green/; }")
        .stream(&stream_server(answer, "", "return '$color $reply\\n';"))
        .stream(&stream_server(choice, "", "proxy_pass $color;"));
    let nginx = Nginx::start(configuration).await?;
    let [answer, choice] = [answer, choice].map(|port| format!("127.0.0.1:{port}"));
    for (value, reply, node) in [
        (None, "blue BLUE", "n0"),
        (Some("green"), "green GREEN", "n1"),
        (Some("blue"), "blue BLUE", "n0"),
    ] {
        if let Some(value) = value {
            etcd.put("/color", value).await?;
        }
        eventually(SOON, &format!("{value:?} is there"), async || {
            let heard = TcpSession::open(&answer).await?;
            ensure!(heard.node() == reply, "{}", heard.node());
            let session = TcpSession::open(&choice).await?;
            ensure!(session.node() == node, "{}", session.node());
            Ok(())
        })
        .await?;
    }
    // A session that is open stays where it is.
    let mut session = TcpSession::open(&choice).await?;
    etcd.put("/color", "green").await?;
    eventually(SOON, "the next one goes elsewhere", async || {
        let other = TcpSession::open(&choice).await?;
        ensure!(other.node() == "n1", "{}", other.node());
        Ok(())
    })
    .await?;
    session.echo("still blue").await?;
    let variable = nginx.status().await?.variables;
    assert!(variable.contains_key("$color"), "{variable:?}");
    nginx.check_log()
}

#[tokio::test]
async fn networks_from_etcd_tell_clients_apart() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let node = TcpNode::start("n0").await?;
    etcd.put(key("n0"), node.address()).await?;
    let configuration = StreamRouter::without_server(&etcd)
        .stream("etcd_geo $known main /known/;")
        .stream(&sessions("", ""))
        .stream(&format!("map $known $where {{ 0 127.0.0.1:9; 1 {SESSIONS}; }}"))
        .stream(&stream_server(port, "", "proxy_pass $where;"));
    let nginx = Nginx::start(configuration).await?;
    let address = format!("127.0.0.1:{port}");
    let open = async |last: u8| {
        TcpSession::open_from(Some(Ipv4Addr::new(127, 0, 5, last).into()), &address, b"").await
    };
    assert!(open(1).await.is_err());
    etcd.put("/known/a", "127.0.5.0/28").await?;
    eventually(SOON, "the network is known", async || open(1).await).await?;
    assert!(open(17).await.is_err());
    etcd.put("/known/b", "127.0.5.16/28").await?;
    eventually(SOON, "the other is as well", async || open(17).await).await?;
    etcd.delete("/known/a").await?;
    eventually(SOON, "the first is no more", async || {
        ensure!(open(1).await.is_err(), "it is");
        Ok(())
    })
    .await?;
    assert_eq!(open(17).await?.node(), "n0");
    nginx.check_log()
}

/// The same name in both blocks is one variable, if it is of the same key.
#[tokio::test]
async fn one_name_serves_http_and_stream() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let line = "etcd_variable $mode main /mode default=none; etcd_geo $in main /in/ empty=1;";
    let configuration = StreamRouter::without_server(&etcd)
        .http(line)
        .server("location = /mode { return 200 '$mode $in'; }")
        .stream(line)
        .stream(&stream_server(port, "", "return '$mode $in\\n';"));
    let nginx = Nginx::start(configuration).await?;
    for (value, network, expected) in [
        (None, None, "none 1"),
        (Some("on"), Some("127.0.0.1"), "on 1"),
        (Some("off"), Some("::1"), "off 0"),
    ] {
        if let (Some(value), Some(network)) = (value, network) {
            etcd.put("/mode", value).await?;
            etcd.put("/in/x", network).await?;
        }
        eventually(SOON, &format!("{expected} in both"), async || {
            let answer = nginx.get("/mode").await?;
            ensure!(answer.text() == expected, "http: {}", answer.text());
            let heard = TcpSession::open(&format!("127.0.0.1:{port}")).await?;
            ensure!(heard.node() == expected, "stream: {}", heard.node());
            Ok(())
        })
        .await?;
    }
    nginx.check_log()
}
