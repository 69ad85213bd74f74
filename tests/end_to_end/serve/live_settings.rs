//! Settings that act without a reload: the limit of connections, and the times of a drain.

use harness::*;

use super::{setting, settings::reloaded};

#[tokio::test]
async fn max_conns_acts_without_a_reload() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let limit_is = async |limit: u32| {
        eventually(SOON, &format!("max_conns {limit}"), async || {
            let status = router.status()?;
            let peers = &status.upstreams["firehose"].peers;
            ensure!(peers.first().is_some_and(|peer| peer.max_conns == limit), "{peers:?}");
            Ok(())
        })
        .await
    };
    limit_is(0).await?;
    for (value, limit) in [("2", 2), ("none", 2), ("1", 1)] {
        etcd.put(setting("max_conns"), value).await?;
        limit_is(limit).await?;
    }
    router.program.wait_for_log_lines(&setting("max_conns"), 1).await?;
    let said = router.program.log_lines(&setting("max_conns"));
    assert!(said.len() == 1 && said[0].contains("rejected"), "{said:?}");
    let mut session = router.websocket("/ws").await?;
    session.echo("in").await?;
    assert_eq!(router.get("/").await?.status, 502);
    etcd.delete(&setting("max_conns")).await?;
    limit_is(0).await?;
    assert_eq!(router.get("/").await?.status, 200);
    // A change that is a reload comes after all of these, and is the only one.
    etcd.put(setting("max_conns"), "7").await?;
    etcd.put(setting("worker_processes"), "2").await?;
    reloaded(&router, 1).await?;
    router.program.wait_for_log("nginx has reloaded").await?;
    let lines = router.program.log_lines("nginx has reloaded");
    assert!(
        lines.len() == 1 && lines[0].ends_with("nginx has reloaded: worker_processes 2"),
        "{lines:?}"
    );
    limit_is(7).await
}

/// A session is open in an old worker when an operator wants to empty its node.
#[tokio::test]
async fn drain_times_act_on_open_sessions_of_old_workers_without_a_reload() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(2).await?;
    etcd.register(&nodes[..1]).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&[nodes[0].name()]).await?;
    let session = Session::open(&router.address(), "/ws").await?;
    etcd.put(setting("worker_processes"), "2").await?;
    reloaded(&router, 1).await?;
    etcd.register(&nodes[1..]).await?;
    etcd.delete(&key(nodes[0].name())).await?;
    router.wait_for_keys(&[nodes[1].name()]).await?;
    let closes_in = |is: fn(Option<f64>) -> bool| {
        let (router, name) = (&router, nodes[0].name());
        async move {
            eventually(SOON, "the status says when the session ends", async || {
                let status = router.status()?;
                let peer = status.upstreams["firehose"].peer(name).cloned().ok_or("it is gone")?;
                ensure!(peer.connections == 1 && is(peer.closes_in), "{peer:?}");
                Ok(())
            })
            .await
        }
    };
    closes_in(|left| left.is_none()).await?;
    session.echo("nobody closes it").await?;
    etcd.put(setting("drain_spread"), "100ms").await?;
    // The timeout is then the 30 s of `etcd_drain`; a first one is longer.
    etcd.put(setting("drain_timeout"), "1h").await?;
    closes_in(|left| left.is_some_and(|left| left > 3_000.0)).await?;
    session.echo("not yet").await?;
    // Those who start anew have them from the start.
    etcd.put(setting("worker_processes"), "3").await?;
    reloaded(&router, 2).await?;
    let configuration = router.configuration()?;
    for line in ["drain_timeout type=time initial=1h;", "drain_spread type=time initial=100ms;"] {
        assert!(configuration.contains(line), "{configuration}");
    }
    closes_in(|left| left.is_some_and(|left| left > 3_000.0)).await?;
    etcd.put(setting("drain_timeout"), "0").await?;
    session.ended(SOON).await?;
    assert_eq!(router.reloads(), 2);
    Ok(())
}
