//! The worker that runs the watcher dies, or is reloaded away: changes go on, and so do the
//! sessions of the others.

use harness::*;
use nix::sys::signal::Signal;

use super::source::{count, nodes_of};

/// The sessions that a peer has, as the status counts them.
async fn counted(nginx: &Nginx, expected: &[(&str, u64)]) -> Result<()> {
    eventually(SOON, "the sessions are counted", async || {
        let upstream = nginx.upstream_of(SESSIONS).await?;
        for (name, connections) in expected {
            let peer = upstream.peer(name).ok_or("no such peer")?;
            ensure!(peer.connections == *connections, "{expected:?}: {:?}", upstream.peers);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn changes_go_on_when_the_watching_worker_is_killed() -> Result<()> {
    let router = StreamRouter::with(2, |etcd, port| {
        StreamRouter::configuration(etcd, port, "")
            .workers(3)
            .stream("log_format open '$pid'; access_log logs/pids.log open;")
    })
    .await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for round in 0..2 {
        let victim = nginx.watcher().await?;
        let mut sessions = open_tcp(&router.address(), 60).await?;
        signal(victim, Signal::SIGKILL)?;
        let name = format!("round{round}");
        router.applied(etcd.put(key(&name), router.nodes[0].address()).await?).await?;
        // Those of the killed worker are reset, and nobody else's.
        let mut living = Vec::new();
        for mut session in sessions.drain(..) {
            if session.echo("still here").await.is_ok() {
                living.push(session);
            }
        }
        assert!(!living.is_empty() && living.len() < 60, "{} live", living.len());
        let upstream = router.settled().await?;
        assert!(upstream.peer(&name).is_some(), "{upstream:?}");
        let total = |upstream: &Upstream| -> u64 {
            upstream.peers.iter().map(|peer| peer.connections).sum()
        };
        eventually(SOON, "the killed worker's sessions are counted out", async || {
            let upstream = nginx.upstream_of(SESSIONS).await?;
            ensure!(total(&upstream) == living.len() as u64, "{:?}", upstream.peers);
            Ok(())
        })
        .await?;
        echo_each(&mut living, "to the end").await?;
        drop(living);
        eventually(SOON, "all are counted out", async || {
            let upstream = nginx.upstream_of(SESSIONS).await?;
            ensure!(total(&upstream) == 0, "{:?}", upstream.peers);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn old_sessions_are_counted_after_a_reload_and_drained() -> Result<()> {
    let router = StreamRouter::start(2, 2, "etcd_drain timeout=0 spread=0;").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let mut old = open_tcp(&router.address(), 40).await?;
    assert_eq!(count(&nodes_of(&old)), [("n0", 20), ("n1", 20)].into());
    nginx.reload().await?;
    assert!(!nginx.old_workers()?.is_empty());
    counted(nginx, &[("n0", 20), ("n1", 20)]).await?;
    let mut new = open_tcp(&router.address(), 20).await?;
    counted(nginx, &[("n0", 30), ("n1", 30)]).await?;
    echo_each(&mut old, "old").await?;

    router.applied(etcd.delete(&key("n0")).await?).await?;
    for sessions in [&mut old, &mut new] {
        let (mut own, mut others): (Vec<_>, Vec<_>) =
            sessions.drain(..).partition(|session| session.node() == "n0");
        for (end, rest) in ended_each(&mut own, SOON).await? {
            assert_eq!((end.how, rest.len()), (Ending::Eof, 0));
        }
        echo_each(&mut others, "with the other").await?;
        sessions.extend(others);
    }
    counted(nginx, &[("n1", 30)]).await?;
    // The old workers end with their last sessions.
    drop(old);
    eventually(SOON, "the old workers end", async || {
        ensure!(nginx.old_workers()?.is_empty(), "{:?}", nginx.old_workers()?);
        Ok(())
    })
    .await?;
    counted(nginx, &[("n1", 10)]).await?;
    nginx.check_log()
}

#[tokio::test]
async fn first_session_after_a_reload_is_served_while_etcd_is_away() -> Result<()> {
    let mut router = StreamRouter::start(2, 2, "").await?;
    router.etcd.stop().await?;
    let load = TcpLoad::start(&router.address(), 2);
    for _ in 0..3 {
        router.nginx.reload().await?;
        for session in open_tcp(&router.address(), 8).await? {
            session.finish().await?;
        }
    }
    let report = load.stop().await?;
    report.without_failure()?;
    router.etcd.restart().await?;
    router.etcd.delete(&key("n1")).await?;
    router.settled().await?;
    router.nginx.check_log()
}

/// An upstream of `stream {}` comes with a reload, and goes with one.
#[tokio::test]
async fn upstreams_of_sessions_come_and_go_with_a_reload() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = TcpNode::start("n0").await?;
    etcd.put(key("n0"), node.address()).await?;
    let port = free_port()?;
    let with = StreamRouter::configuration(&etcd, port, "");
    let without = StreamRouter::without_server(&etcd);
    let mut nginx = Nginx::start(without.clone()).await?;
    let address = format!("127.0.0.1:{port}");
    for round in 0..2 {
        nginx.configure(with.clone())?;
        nginx.reload().await?;
        eventually(SOON, "the peer has come", async || TcpSession::open(&address).await).await?;
        assert_eq!(nginx.upstream_of(SESSIONS).await?.keys(), ["n0"], "{round}");
        nginx.configure(without.clone())?;
        nginx.reload().await?;
        assert!(nginx.status().await?.upstreams.is_empty(), "{round}");
        etcd.wait_for_metric("etcd_debugging_mvcc_watcher_total", 0.0).await?;
    }
    nginx.check_log()
}
