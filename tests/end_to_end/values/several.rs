//! Several peers of one key, and one peer of several keys.

use harness::*;

/// The weights of the peers from etcd, by their keys and addresses.
fn weights(upstream: &Upstream) -> Vec<(String, String, u32)> {
    let peers = upstream.peers.iter().filter(|peer| peer.state != "removed");
    peers.filter_map(|peer| Some((peer.key.clone()?, peer.address.clone(), peer.weight))).collect()
}

fn address(node: &Node) -> String {
    node.address().to_string()
}

#[tokio::test]
async fn one_key_has_several_peers_and_keeps_those_that_stay() -> Result<()> {
    let router = Router::start(2, 0).await?;
    let nodes = start_nodes(3).await?;
    let value = |weights: &[(usize, u32)]| {
        let nodes =
            weights.iter().map(|(node, weight)| format!("\"{}\":{weight}", address(&nodes[*node])));
        format!(r#"{{"type":"roundrobin","nodes":{{{}}}}}"#, nodes.collect::<Vec<_>>().join(","))
    };
    router.nginx.applied(router.etcd.put(key("1"), value(&[(0, 1), (1, 2)])).await?).await?;
    let load = Load::start(&router.nginx.address(), "/", Clients::KeepAlive, 4);
    // One of them goes, and another one comes: what stays keeps its counts.
    let before = eventually(SOON, "both have requests", async || {
        let upstream = router.nginx.upstream().await?;
        ensure!(upstream.peers.iter().all(|peer| peer.requests > 10), "{:?}", upstream.peers);
        Ok(upstream)
    })
    .await?;
    let revision = router.etcd.put(key("1"), value(&[(1, 2), (2, 1)])).await?;
    let after = router.nginx.applied(revision).await?;
    load.stop().await?.without_failure()?;
    let mut expected =
        [("1".to_owned(), address(&nodes[1]), 2), ("1".to_owned(), address(&nodes[2]), 1)];
    expected.sort_unstable();
    let mut found = weights(&after);
    found.sort_unstable();
    assert_eq!(found, expected);
    let requests = |upstream: &Upstream| {
        let peer = upstream.peers.iter().find(|peer| peer.address == address(&nodes[1]));
        peer.map_or(0, |peer| peer.requests)
    };
    assert!(requests(&after) >= requests(&before), "{after:?}");
    // All of a malformed value is as it was.
    router.etcd.put(key("1"), r#"{"nodes":{"127.0.0.1:0":1}}"#).await?;
    router.nginx.wait_for_log("invalid port").await?;
    assert_eq!(router.nginx.upstream().await?.keys(), ["1", "1"]);
    // A reload has them from the zone, and from etcd.
    router.nginx.reload().await?;
    assert_eq!(router.nginx.upstream().await?.keys(), ["1", "1"]);
    router.nginx.applied(router.etcd.delete(&key("1")).await?).await?;
    assert_eq!(router.nginx.upstream().await?.keys(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn traefik_s_fields_change_one_by_one() -> Result<()> {
    let router = Router::start(1, 0).await?;
    let nodes = start_nodes(2).await?;
    let put = async |name: &str, value: &str| -> Result<Vec<(String, String, u32)>> {
        let revision = router.etcd.put(key(name), value).await?;
        Ok(weights(&router.nginx.applied(revision).await?))
    };
    let delete = async |name: &str| -> Result<Vec<(String, String, u32)>> {
        let revision = router.etcd.delete(&key(name)).await?;
        Ok(weights(&router.nginx.applied(revision).await?))
    };
    let url = |node: &Node| format!("http://{}/", address(node));
    let peer = |node: &Node, weight: u32| [("0".to_owned(), address(node), weight)];
    // The weight may come first, and is no peer.
    assert_eq!(put("0/weight", "5").await?, []);
    assert_eq!(put("0/url", &url(&nodes[0])).await?, peer(&nodes[0], 5));
    assert_eq!(router.nginx.get("/").await?.peer(), "0");
    assert_eq!(put("0/weight", "7").await?, peer(&nodes[0], 7));
    assert_eq!(put("0/url", &url(&nodes[1])).await?, peer(&nodes[1], 7));
    assert_eq!(put("0/preservePath", "true").await?, peer(&nodes[1], 7));
    assert_eq!(router.nginx.get("/").await?.node(), "n1");
    // A new watcher knows the peer, and its weight, whatever is written there.
    assert_eq!(put("0/weight", "many").await?, peer(&nodes[1], 7));
    reload_and_list(&router.nginx).await?;
    assert_eq!(weights(&router.nginx.upstream().await?), peer(&nodes[1], 7));
    assert_eq!(put("0/url", "?").await?, peer(&nodes[1], 7));
    reload_and_list(&router.nginx).await?;
    assert_eq!(weights(&router.nginx.upstream().await?), peer(&nodes[1], 7));
    assert_eq!(put("0/weight", "8").await?, peer(&nodes[1], 8));
    assert_eq!(put("0/url", &url(&nodes[1])).await?, peer(&nodes[1], 8));
    assert_eq!(delete("0/weight").await?, peer(&nodes[1], 1), "the default");
    assert_eq!(put("0/weight", "3").await?, peer(&nodes[1], 3));
    assert_eq!(delete("0/url").await?, []);
    assert_eq!(put("0/url", &url(&nodes[0])).await?, peer(&nodes[0], 3));
    assert_eq!(router.nginx.upstream().await?.rejected_total, 2);
    Ok(())
}

/// Reloads, and waits until the new watcher has listed.
async fn reload_and_list(nginx: &Nginx) -> Result<()> {
    let lists = async || -> Result<u64> { Ok(nginx.upstream().await?.resyncs.values().sum()) };
    let before = lists().await?;
    nginx.reload().await?;
    eventually(SOON, "another watcher has listed", async || {
        let now = lists().await?;
        ensure!(now > before, "{now}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn standby_peers_stay_so_over_a_reload_while_their_value_is_malformed() -> Result<()> {
    let router = Router::start(2, 0).await?;
    let nodes = start_nodes(2).await?;
    let value = |node: usize, priority: i32| {
        let address = address(&nodes[node]);
        let (host, port) = address.rsplit_once(':').unwrap_or_default();
        format!(
            r#"{{"nodes":[{{"host":"{host}","port":{port},"weight":1,"priority":{priority}}}]}}"#
        )
    };
    router.etcd.put(key("first"), value(0, 5)).await?;
    router.etcd.put(key("standby"), value(1, 0)).await?;
    let backups = async || -> Result<Vec<(String, bool)>> {
        let upstream = router.nginx.applied(router.etcd.revision().await?).await?;
        let peers = upstream.peers.into_iter().filter(|peer| peer.state != "removed");
        Ok(peers.filter_map(|peer| Some((peer.key?, peer.backup))).collect())
    };
    let expected = [("first".to_owned(), false), ("standby".to_owned(), true)];
    assert_eq!(backups().await?, expected);
    for name in ["standby", "first"] {
        router.etcd.put(key(name), "?").await?;
        assert_eq!(backups().await?, expected);
        reload_and_list(&router.nginx).await?;
        assert_eq!(backups().await?, expected);
        assert_eq!(router.nginx.get("/").await?.node(), "n0");
    }
    router.etcd.delete(&key("first")).await?;
    assert_eq!(backups().await?, [("standby".to_owned(), false)]);
    assert_eq!(router.nginx.get("/").await?.node(), "n1");
    Ok(())
}

/// Keys whose peers have other names outlive their leases, and the reloads meanwhile.
#[tokio::test]
async fn traefik_s_peers_are_kept_over_a_reload_by_their_keys() -> Result<()> {
    let guard = "expiry_guard=50% hold=1h";
    let router = Router::with(0, |etcd| {
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(guard, ""))
    })
    .await?;
    let nodes = start_nodes(4).await?;
    let mut leases = Vec::new();
    let url = |node: usize| format!("http://{}/", address(&nodes[node]));
    for node in 0..4 {
        let lease = router.etcd.grant(3_600).await?;
        router.etcd.put_with_lease(&key(&format!("{node}/url")), &url(node), lease).await?;
        router.etcd.put_with_lease(&key(&format!("{node}/weight")), "5", lease).await?;
        leases.push(lease);
    }
    let kept = async |count: usize| -> Result<Upstream> {
        let revision = router.etcd.revision().await?;
        eventually(SOON, &format!("{count} are kept"), async || {
            let upstream = router.nginx.upstream().await?;
            let kept = upstream.holding.as_ref().map_or(0, |holding| holding.peers);
            ensure!(upstream.revision >= revision && kept == count, "{upstream:?}");
            Ok(upstream)
        })
        .await
    };
    kept(0).await?;
    // They are known from before when their leases expire, and again when they are kept.
    reload_and_list(&router.nginx).await?;
    for lease in leases {
        router.etcd.revoke(lease).await?;
    }
    let names = ["0", "1", "2", "3"];
    for _ in 0..2 {
        let upstream = kept(4).await?;
        assert_eq!(upstream.keys(), names);
        assert!(upstream.peers.iter().all(|peer| peer.weight == 5), "{:?}", upstream.peers);
        reload_and_list(&router.nginx).await?;
    }
    // One that is there again is there once, and is not kept any more.
    router.etcd.put(key("0/url"), url(0)).await?;
    assert_eq!(kept(3).await?.keys(), names);
    router.etcd.delete(&key("0/url")).await?;
    assert_eq!(kept(3).await?.keys(), names[1..]);
    Ok(())
}

#[tokio::test]
async fn scheme_chooses_among_endpoints() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(2).await?;
    let value = format!(
        r#"{{"id":"1","endpoints":["http://{}","grpc://{}"]}}"#,
        address(&nodes[0]),
        address(&nodes[1])
    );
    etcd.put(key("a"), &value).await?;
    let with = |parameters: &str| {
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream(parameters, ""))
    };
    let mut nginx = Nginx::start(with("")).await?;
    nginx.wait_for_peer("a").await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.configure(with("scheme=grpc"))?;
    nginx.reload().await?;
    eventually(SOON, "the other endpoint is used", async || {
        let answer = nginx.get("/").await?;
        ensure!(answer.node() == "n1", "{answer:?}");
        Ok(())
    })
    .await?;
    nginx.check_log()?;
    nginx.configure(with("scheme=ws"))?;
    nginx.reload().await?;
    nginx.wait_for_log("no endpoint with scheme \"ws\": there is \"grpc, http\"").await?;
    nginx.wait_for_keys(&[]).await?;
    // A value that lacks the scheme since then leaves the last good peer, also over a reload.
    let revision = etcd.put(key("a"), value.replace("http://", "ws://")).await?;
    assert_eq!(nginx.applied(revision).await?.keys(), ["a"]);
    let revision = etcd.put(key("a"), &value).await?;
    assert_eq!(nginx.applied(revision).await?.keys(), ["a"]);
    reload_and_list(&nginx).await?;
    assert_eq!(nginx.upstream().await?.keys(), ["a"]);
    Ok(())
}
