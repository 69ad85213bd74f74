//! The other directives of an upstream in `stream {}`: what they say of peers holds for sessions.

use harness::*;

use super::source::count;

/// The nodes of as many sessions, one after the other.
async fn ask(router: &StreamRouter, times: usize) -> Result<Vec<String>> {
    let mut nodes = Vec::new();
    for _ in 0..times {
        let session = TcpSession::open(&router.address()).await?;
        nodes.push(session.node().to_owned());
        session.finish().await?;
    }
    Ok(nodes)
}

#[tokio::test]
async fn addresses_that_are_not_allowed_get_no_session() -> Result<()> {
    let router = StreamRouter::start(1, 1, "etcd_allow 127.0.0.0/24;").await?;
    let stranger = TcpNode::listen("stranger", "127.0.9.1:0").await?;
    let upstream =
        router.applied(router.etcd.put(key("stranger"), stranger.address()).await?).await?;
    assert_eq!((upstream.keys(), upstream.rejected_total), (vec!["n0"], 1), "{upstream:?}");
    assert_eq!(count(&ask(&router, 4).await?), [("n0", 4)].into());
    router.nginx.check_log()
}

/// Two listeners, one for the primary and one for the replicas, of one prefix.
#[tokio::test]
async fn labels_choose_the_peers_of_each_listener() -> Result<()> {
    let other = free_port()?;
    let router = StreamRouter::with(0, |etcd, port| {
        StreamRouter::configuration(etcd, port, "etcd_select role=primary;")
            .stream(&format!("upstream rest {{ etcd main {PREFIX}; etcd_select role=replica; }}"))
            .stream(&stream_server(other, "", "proxy_pass rest;"))
    })
    .await?;
    let nodes = start_tcp_nodes(3).await?;
    let other = format!("127.0.0.1:{other}");
    for primary in [0, 2, 1] {
        let values = nodes.iter().enumerate().map(|(number, node)| {
            let role = if number == primary { "primary" } else { "replica" };
            // As Patroni writes its members.
            let value = format!(
                r#"{{"conn_url":"postgres://{}/postgres","state":"running","role":"{role}"}}"#,
                node.address()
            );
            (key(node.name()), value)
        });
        let revision = router.etcd.put_all(values).await?;
        router.applied(revision).await?;
        router.nginx.applied_to("rest", revision).await?;
        let name = format!("n{primary}");
        assert_eq!(ask(&router, 3).await?, vec![name.clone(); 3]);
        for _ in 0..4 {
            assert_ne!(TcpSession::open(&other).await?.node(), name);
        }
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn defaults_hold_and_change_with_a_variable() -> Result<()> {
    let router = StreamRouter::with(2, |etcd, port| {
        StreamRouter::configuration(etcd, port, "etcd_defaults max_conns=$most;")
            .stream("etcd_variable $most main /most type=number default=1;")
    })
    .await?;
    let mut held = open_tcp(&router.address(), 2).await?;
    assert!(TcpSession::open(&router.address()).await.is_err(), "one each");
    router.etcd.put("/most", "3").await?;
    eventually(SOON, "two more each", async || {
        held.push(TcpSession::open(&router.address()).await?);
        ensure!(held.len() == 6, "{}", held.len());
        Ok(())
    })
    .await?;
    assert!(TcpSession::open(&router.address()).await.is_err(), "three each");
    echo_each(&mut held, "all of them").await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn server_line_is_the_backup_of_etcds_peers() -> Result<()> {
    let fixed = TcpNode::start("fixed").await?;
    let router = StreamRouter::start(1, 2, &format!("server {} backup;", fixed.address())).await?;
    assert_eq!(count(&ask(&router, 10).await?), [("n0", 5), ("n1", 5)].into());
    router.applied(router.etcd.delete_all(PREFIX).await?).await?;
    assert_eq!(count(&ask(&router, 4).await?), [("fixed", 4)].into());
    let pairs = router.nodes.iter().map(|node| (key(node.name()), node.address()));
    router.applied(router.etcd.put_all(pairs).await?).await?;
    assert_eq!(count(&ask(&router, 10).await?), [("n0", 5), ("n1", 5)].into());
    router.nginx.check_log()
}

/// A start without etcd has the peers of the file.
#[tokio::test]
async fn state_file_serves_sessions_of_a_start_without_etcd() -> Result<()> {
    let folder = Folder::new("stream-state")?;
    let state = format!("{}/state.json", folder.path().display());
    let mut router = StreamRouter::with(2, |etcd, port| {
        StreamRouter::without_server(etcd)
            .stream(&sessions(&format!("state={state}"), ""))
            .stream(&stream_server(port, "", &format!("proxy_pass {SESSIONS};")))
    })
    .await?;
    eventually(SOON, "the file is written", async || {
        let text = std::fs::read_to_string(&state)?;
        ensure!(text.contains("n1"), "{text}");
        Ok(())
    })
    .await?;
    router.etcd.stop().await?;
    router.nginx.restart(async || Ok(())).await?;
    eventually(SOON, "the peers of the file serve", async || {
        TcpSession::open(&router.address()).await
    })
    .await?;
    assert_eq!(count(&ask(&router, 4).await?), [("n0", 2), ("n1", 2)].into());
    router.nginx.check_log()
}

#[tokio::test]
async fn one_process_that_is_master_and_worker_serves_sessions() -> Result<()> {
    let router = StreamRouter::with(2, |etcd, port| {
        StreamRouter::configuration(etcd, port, "").mode(Mode::Single)
    })
    .await?;
    assert_eq!(count(&ask(&router, 4).await?), [("n0", 2), ("n1", 2)].into());
    router.applied(router.etcd.delete(&key("n0")).await?).await?;
    assert_eq!(ask(&router, 2).await?, ["n1", "n1"]);
    router.nginx.check_log()
}

/// Another nginx of the same binary takes over (SIGUSR2), and the sessions of the first go on.
#[tokio::test]
async fn sessions_outlive_an_upgrade_of_nginx() -> Result<()> {
    let mut router = StreamRouter::with(2, |etcd, port| {
        StreamRouter::configuration(etcd, port, "").mode(Mode::Daemon)
    })
    .await?;
    let mut old = open_tcp(&router.address(), 10).await?;
    let master = router.nginx.upgrade().await?;
    signal(master, nix::sys::signal::Signal::SIGQUIT)?;
    eventually(SOON, "the new one serves alone", async || {
        ensure!(ask(&router, 4).await?.len() == 4, "some");
        let upstream = router.settled().await?;
        ensure!(upstream.keys() == ["n0", "n1"], "{upstream:?}");
        Ok(())
    })
    .await?;
    echo_each(&mut old, "still here").await?;
    for session in old {
        session.finish().await?;
    }
    eventually(SOON, "the old one ends", async || {
        ensure!(!running(master), "it runs");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}
