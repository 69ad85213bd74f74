//! Several upstreams, clusters and kinds of servers in one configuration.

use harness::*;

#[tokio::test]
async fn two_clusters_and_three_upstreams_do_not_touch_each_other() -> Result<()> {
    let (first, second) = (Etcd::start().await?, Etcd::start().await?);
    let nodes = start_nodes(4).await?;
    let http = format!(
        "{} {} upstream a {{ etcd one /a/; }} upstream b {{ etcd one /b/; }} upstream c {{ etcd \
         two /a/; }}",
        cluster("one", &first.url()),
        cluster("two", &second.url())
    );
    let server = "location /a { proxy_pass http://a; } location /b { proxy_pass http://b; }
        location /c { proxy_pass http://c; } location /named { set $name b; proxy_pass \
        http://$name; }";
    let configuration = Configuration::firehose(&first).http(&http).server(server);
    let nginx = Nginx::start(configuration).await?;
    first.put("/a/x", nodes[0].address().to_string()).await?;
    first.put("/b/x", nodes[1].address().to_string()).await?;
    second.put("/a/x", nodes[2].address().to_string()).await?;
    first.put(key("x"), nodes[3].address().to_string()).await?;
    let paths = [("/a", "n0"), ("/b", "n1"), ("/c", "n2"), ("/", "n3"), ("/named", "n1")];
    eventually(SOON, "each has its peer", async || {
        for (path, _) in paths {
            let answer = nginx.get(path).await?;
            ensure!(answer.status == 200, "{path}: {answer:?}");
        }
        Ok(())
    })
    .await?;
    for _ in 0..5 {
        for (path, node) in paths {
            assert_eq!(nginx.get(path).await?.node(), node, "{path}");
        }
    }
    // A watch stands a moment after its list.
    let status = eventually(SOON, "all are followed", async || {
        let status = nginx.status().await?;
        let is_there = |upstream: &Upstream| upstream.connected && upstream.keys() == ["x"];
        ensure!(status.upstreams.values().all(is_there), "{status:?}");
        Ok(status)
    })
    .await?;
    let seen: Vec<_> = status
        .upstreams
        .iter()
        .map(|(name, it)| (name.as_str(), it.cluster.as_str(), it.prefix.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", "one", "/a/"),
            ("b", "one", "/b/"),
            ("c", "two", "/a/"),
            ("firehose", "main", PREFIX)
        ]
    );

    // One cluster away: the other's upstreams go on changing.
    let mut second = second;
    second.stop().await?;
    first.delete("/b/x").await?;
    first.put("/b/y", nodes[0].address().to_string()).await?;
    eventually(SOON, "b has changed", async || {
        let answer = nginx.get("/b").await?;
        ensure!(answer.node() == "n0" && answer.peer() == "y", "{answer:?}");
        Ok(())
    })
    .await?;
    assert_eq!(nginx.get("/c").await?.node(), "n2");
    nginx.check_log()
}

#[tokio::test]
async fn ordinary_servers_take_their_turns_beside_etcds() -> Result<()> {
    let (fixed, resting) = (Node::start("fixed").await?, Node::start("resting").await?);
    let router = Router::with(2, |etcd| {
        let directives =
            format!("server {} weight=2; server {} down;", fixed.address(), resting.address());
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", &directives))
    })
    .await?;
    for _ in 0..20 {
        assert_eq!(router.nginx.get("/").await?.status, 200);
    }
    let requests: Vec<_> =
        router.nodes.iter().chain([&fixed, &resting]).map(|node| node.counts().requests).collect();
    assert_eq!(requests, [5, 5, 10, 0]);
    let upstream = router.nginx.upstream().await?;
    let fixed_peers: Vec<_> = upstream.peers.iter().filter(|peer| peer.key.is_none()).collect();
    let seen: Vec<_> = fixed_peers
        .iter()
        .map(|peer| (peer.address.clone(), peer.weight, peer.requests, peer.state.as_str()))
        .collect();
    assert_eq!(
        seen,
        [(fixed.address().to_string(), 2, 10, "up"), (resting.address().to_string(), 1, 0, "down")]
    );
    // Their answers carry no key.
    router.nginx.applied(router.etcd.delete_all(PREFIX).await?).await?;
    let answer = router.nginx.get("/").await?;
    assert_eq!((answer.node(), answer.peer()), ("fixed", ""));
    router.nginx.check_log()
}

#[tokio::test]
async fn nginxs_keepalive_keeps_connections_and_forgets_removed_nodes() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", "keepalive 8;"))
    })
    .await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for _ in 0..50 {
        assert_eq!(nginx.get("/").await?.node(), "n0");
    }
    assert_eq!(router.nodes[0].counts().accepted, 1, "one connection for all");
    assert_eq!(nginx.upstream().await?.peers[0].requests, 50);
    let other = Node::start("other").await?;
    etcd.put(key("other"), other.address().to_string()).await?;
    nginx.applied(etcd.delete(&key("n0")).await?).await?;
    for _ in 0..10 {
        assert_eq!(nginx.get("/").await?.node(), "other");
    }
    assert_eq!(router.nodes[0].counts().requests, 50);
    assert_eq!(other.counts().accepted, 1);
    nginx.check_log()
}

#[tokio::test]
async fn without_keepalive_each_request_has_its_connection() -> Result<()> {
    let directives = without_keepalive()?;
    let router = Router::with(1, |etcd| {
        let upstream = upstream("", directives);
        Configuration::new().workers(1).http(&cluster("main", &etcd.url())).http(&upstream)
    })
    .await?;
    for _ in 0..20 {
        assert_eq!(router.nginx.get("/").await?.node(), "n0");
    }
    assert_eq!(router.nodes[0].counts().accepted, 20);
    Ok(())
}

#[tokio::test]
async fn prefix_without_a_slash_gets_one() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(1).await?);
    let http = format!(
        "{} upstream {UPSTREAM} {{ etcd main /some/where; }}",
        cluster("main", &etcd.url())
    );
    let nginx = Nginx::start(Configuration::new().http(&http)).await?;
    etcd.put("/some/where-else", "127.0.0.1:1").await?;
    let revision = etcd.put("/some/where/a", nodes[0].address().to_string()).await?;
    let upstream = nginx.applied(revision).await?;
    assert_eq!((upstream.prefix.as_str(), upstream.keys()), ("/some/where/", vec!["a"]));
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}

#[tokio::test]
async fn bodies_of_every_size_go_both_ways() -> Result<()> {
    let router = Router::start(2, 2).await?;
    for size in [0, 1, 20_000, 3_000_000] {
        let answer = router.nginx.get(&format!("/bytes/{size}")).await?;
        assert_eq!((answer.status, answer.body.len()), (200, size));
    }
    let answer = router.nginx.get("/status/404").await?;
    assert_eq!((answer.status, answer.peer().is_empty()), (404, false));
    router.nginx.check_log()
}

#[tokio::test]
async fn a_request_may_go_on_to_another_upstream() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::firehose(etcd).http("upstream empty { etcd main /empty/; }").server(
            "location /try { proxy_pass http://empty; error_page 502 = @fallback; }
             location @fallback { proxy_pass http://firehose; }",
        )
    })
    .await?;
    for _ in 0..5 {
        let answer = router.nginx.get("/try").await?;
        assert_eq!((answer.status, answer.node(), answer.peer()), (200, "n0", "n0"), "{answer:?}");
    }
    let peer = router.nginx.upstream().await?.peers.remove(0);
    assert_eq!((peer.requests, peer.connections), (5, 0));
    router.nginx.check_log()
}
