//! A reload for another reason: the peers stay.

use harness::*;

fn with(etcd: &Etcd, parameters: &str) -> Configuration {
    Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream(parameters, ""))
}

/// Every worker serves, from its first request on, and from both nodes.
async fn served_at_once(nginx: &Nginx) -> Result<()> {
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..4 {
            let answer = connection.get("/").await?;
            ensure!(answer.status == 200, "{answer:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_request_after_a_reload_is_served_while_etcd_is_away() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    let revision = router.nginx.upstream().await?.revision;
    router.etcd.stop().await?;
    let load = Load::start(&router.nginx.address(), "/", Clients::Fresh, 2);
    for _ in 0..3 {
        router.nginx.reload().await?;
        served_at_once(&router.nginx).await?;
    }
    load.stop().await?.without_failure()?;
    let upstream = router.nginx.upstream().await?;
    assert_eq!((upstream.keys(), upstream.revision), (vec!["n0", "n1"], revision), "{upstream:?}");
    router.etcd.restart().await?;
    router.etcd.delete(&key("n1")).await?;
    router.settled().await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn change_during_a_reload_is_not_lost() -> Result<()> {
    let router = Router::start(2, 2).await?;
    for round in 0..6 {
        router.nginx.signal(nix::sys::signal::Signal::SIGHUP)?;
        router
            .etcd
            .put(key(&format!("round-{round}")), router.nodes[0].address().to_string())
            .await?;
        if round > 0 {
            router.etcd.delete(&key(&format!("round-{}", round - 1))).await?;
        }
        if round % 2 == 0 {
            router.settled().await?;
        }
    }
    router.settled().await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn another_zone_size_keeps_the_peers_and_another_prefix_does_not() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    router.etcd.put("/other/x", router.nodes[0].address().to_string()).await?;
    router.etcd.stop().await?;
    for size in ["2m", "512k"] {
        router.nginx.configure(with(&router.etcd, &format!("zone={size}")))?;
        router.nginx.reload().await?;
        served_at_once(&router.nginx).await?;
        let upstream = router.nginx.upstream().await?;
        assert_eq!(upstream.keys(), ["n0", "n1"], "zone={size}");
        assert_eq!(upstream.zone.size, if size == "2m" { 2 << 20 } else { 512 << 10 });
    }
    let http = format!(
        "{} upstream {UPSTREAM} {{ etcd main /other/ zone=512k; }}",
        cluster("main", &router.etcd.url())
    );
    router.nginx.configure(Configuration::new().http(&http))?;
    router.nginx.reload().await?;
    let upstream = router.nginx.upstream().await?;
    assert!(upstream.keys().is_empty() && upstream.prefix == "/other/", "{upstream:?}");
    router.etcd.restart().await?;
    router.nginx.wait_for_keys(&["x"]).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn another_cluster_starts_with_no_peers() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    let other = Etcd::absent()?;
    let http = format!(
        "{} upstream {UPSTREAM} {{ etcd other {PREFIX}; }}",
        cluster("other", &other.url())
    );
    router.nginx.configure(Configuration::new().http(&http))?;
    router.nginx.reload().await?;
    let upstream = router.nginx.upstream().await?;
    assert!(upstream.keys().is_empty() && upstream.cluster == "other", "{upstream:?}");
    assert_eq!(router.nginx.get("/").await?.status, 502);
    Ok(())
}

#[tokio::test]
async fn upstreams_and_ordinary_servers_come_and_go_with_a_reload() -> Result<()> {
    let mut router = Router::start(2, 1).await?;
    let fixed = Node::start("fixed").await?;
    router.etcd.put("/new/x", fixed.address().to_string()).await?;
    let more = Configuration::new()
        .http(&cluster("main", &router.etcd.url()))
        .http(&upstream("zone=1m", &format!("server {};", fixed.address())))
        .http("upstream new { etcd main /new/; }")
        .server("location /new { proxy_pass http://new; }");
    router.nginx.configure(more)?;
    router.nginx.reload().await?;
    eventually(SOON, "the new upstream has its peer", async || {
        let answer = router.nginx.get("/new").await?;
        ensure!(answer.node() == "fixed" && answer.peer() == "x", "{answer:?}");
        Ok(())
    })
    .await?;
    for _ in 0..4 {
        assert_eq!(router.nginx.get("/").await?.status, 200);
    }
    let upstream = router.nginx.upstream().await?;
    assert_eq!(upstream.peers.len(), 2, "{upstream:?}");
    assert!(router.nodes[0].counts().requests >= 2 && fixed.counts().requests >= 3);

    router.nginx.configure(Configuration::firehose(&router.etcd))?;
    router.nginx.reload().await?;
    assert_eq!(router.nginx.status().await?.upstreams.len(), 1);
    // The new cycle's watcher takes the line out of the zone, which outlives the reload.
    eventually(SOON, "the server of the line that is gone serves nobody", async || {
        for _ in 0..4 {
            let answer = router.nginx.get("/").await?;
            ensure!(answer.node() == "n0", "{answer:?}");
        }
        Ok(())
    })
    .await?;
    assert_eq!(router.nginx.upstream().await?.keys(), ["n0"]);
    router.nginx.check_log()
}

#[tokio::test]
async fn more_and_fewer_workers_serve_after_a_reload() -> Result<()> {
    let mut router = Router::start(1, 2).await?;
    for workers in [4, 2] {
        router.nginx.configure(Configuration::firehose(&router.etcd).workers(workers))?;
        router.nginx.reload().await?;
        served_at_once(&router.nginx).await?;
        router
            .nginx
            .applied(router.etcd.put(key("n2"), format!("127.0.0.1:{workers} down")).await?)
            .await?;
    }
    router.nginx.check_log()
}
