//! Which peer is picked, for all workers together.

use std::collections::BTreeMap;

use harness::*;

/// Asks a number of times, in turns through the connections, and gives the nodes in order.
async fn ask(connections: &mut [Connection], times: usize) -> Result<Vec<String>> {
    let mut nodes = Vec::new();
    for turn in 0..times {
        let connection = turn % connections.len();
        let answer = connections[connection].get("/").await?;
        ensure!(answer.status == 200, "{answer:?}");
        nodes.push(answer.node().to_owned());
    }
    Ok(nodes)
}

fn count(nodes: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for node in nodes {
        *counts.entry(node.as_str()).or_default() += 1;
    }
    counts
}

/// Gives the nodes `n0`, `n1`, … these parameters, in one change.
async fn set(router: &Router, parameters: &[&str]) -> Result<Upstream> {
    let nodes = router.nodes.iter().zip(parameters);
    let values =
        nodes.map(|(node, words)| (key(node.name()), format!("{} {words}", node.address())));
    router.nginx.applied(router.etcd.put_all(values).await?).await
}

#[tokio::test]
async fn round_robin_is_exact_over_a_cycle_of_four_workers() -> Result<()> {
    let router = Router::start(4, 3).await?;
    let mut connections = router.nginx.connect_to_each().await?;
    for (weights, cycle) in [([1, 1, 1], 3), ([5, 1, 2], 8), ([10, 20, 30], 6), ([7, 1, 100], 108)]
    {
        let words = weights.map(|weight| format!("weight={weight}"));
        set(&router, &words.each_ref().map(String::as_str)).await?;
        let sum: usize = weights.iter().sum();
        // Any window of one cycle, wherever it begins.
        for _ in 0..3 {
            ask(&mut connections, 1).await?;
            let nodes = ask(&mut connections, cycle).await?;
            let counts = count(&nodes);
            for (number, weight) in weights.iter().enumerate() {
                let share = weight * cycle / sum;
                assert_eq!(
                    counts.get(format!("n{number}").as_str()),
                    Some(&share),
                    "{weights:?}: {counts:?}"
                );
            }
        }
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn round_robin_is_as_smooth_as_the_stock_ones() -> Result<()> {
    let router = Router::start(1, 3).await?;
    set(&router, &["weight=5", "weight=1", "weight=2"]).await?;
    let servers: String = router
        .nodes
        .iter()
        .zip([5, 1, 2])
        .map(|(node, weight)| format!("server {} weight={weight};", node.address()))
        .collect();
    let stock =
        Configuration::stock().workers(1).http(&format!("upstream {UPSTREAM} {{ {servers} }}"));
    let stock = Nginx::start(stock).await?;
    let ours = ask(&mut [router.nginx.connect().await?], 8).await?;
    let theirs = ask(&mut [stock.connect().await?], 8).await?;
    // The cycle may begin anywhere: a change of the list does not set it back.
    let doubled = [ours.as_slice(), ours.as_slice()].concat();
    assert!(doubled.windows(8).any(|window| window == theirs), "{ours:?}, stock {theirs:?}");
    Ok(())
}

#[tokio::test]
async fn down_and_drain_are_not_picked_and_backups_only_in_need() -> Result<()> {
    let mut router = Router::start(2, 5).await?;
    set(&router, &["", "down", "drain", "backup", "backup"]).await?;
    let mut connections = router.nginx.connect_to_each().await?;
    assert_eq!(count(&ask(&mut connections, 20).await?), BTreeMap::from([("n0", 20)]));

    let address = router.nodes[0].address().clone();
    router.nodes.remove(0).kill().await;
    let nodes = ask(&mut connections, 20).await?;
    assert_eq!(count(&nodes), BTreeMap::from([("n3", 10), ("n4", 10)]));
    let upstream = router.nginx.upstream().await?;
    let states: Vec<_> = upstream.peers.iter().map(|peer| peer.state.as_str()).collect();
    assert_eq!(states, ["unavailable", "down", "drain", "up", "up"]);

    // A change of a peer's parameters does not make it forget that it failed; its return does,
    // after fail_timeout.
    router.nodes.insert(0, Node::listen("n0", &address).await?);
    let value = format!("{address} fail_timeout=1s");
    router.nginx.applied(router.etcd.put(key("n0"), value).await?).await?;
    eventually(SOON, "the primary serves again", async || {
        let nodes = ask(&mut connections, 4).await?;
        ensure!(nodes == ["n0", "n0", "n0", "n0"], "{nodes:?}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn ordinary_server_is_the_backup_of_etcds_peers() -> Result<()> {
    let fixed = Node::start("fixed").await?;
    let router = Router::with(2, |etcd| {
        let directives = format!("server {} backup;", fixed.address());
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", &directives))
    })
    .await?;
    let mut connections = router.nginx.connect_to_each().await?;
    assert_eq!(count(&ask(&mut connections, 10).await?), BTreeMap::from([("n0", 5), ("n1", 5)]));
    router.nginx.applied(router.etcd.delete_all(PREFIX).await?).await?;
    assert_eq!(count(&ask(&mut connections, 10).await?), BTreeMap::from([("fixed", 10)]));
    router.nginx.applied(router.etcd.register(&router.nodes).await?).await?;
    assert_eq!(count(&ask(&mut connections, 10).await?), BTreeMap::from([("n0", 5), ("n1", 5)]));
    router.nginx.check_log()
}

#[tokio::test]
async fn max_conns_holds_for_all_workers_together() -> Result<()> {
    let router = Router::start(2, 2).await?;
    set(&router, &["max_conns=3", "down"]).await?;
    let nginx = &router.nginx;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(nginx.websocket("/ws").await?);
    }
    for mut connection in nginx.connect_to_each().await? {
        let answer = connection.get("/").await?;
        assert_eq!(answer.status, 502, "{answer:?}");
    }
    assert!(!nginx.log_lines("no live upstreams").is_empty());
    set(&router, &["max_conns=3", ""]).await?;
    for _ in 0..4 {
        let session = nginx.websocket("/ws").await?;
        assert_eq!(session.node(), "n1");
        sessions.push(session);
    }
    assert_eq!(nginx.upstream().await?.peer("n0").ok_or("no n0")?.connections, 3);
    sessions.remove(0).close().await?;
    eventually(SOON, "the freed place is taken", async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.peer("n0").is_some_and(|peer| peer.connections == 2), "{upstream:?}");
        Ok(())
    })
    .await?;
    let nodes = ask(&mut nginx.connect_to_each().await?, 4).await?;
    assert_eq!(count(&nodes).get("n0"), Some(&2));
    nginx.check_log()
}

#[tokio::test]
async fn weights_of_a_very_long_cycle_keep_their_shares() -> Result<()> {
    let router = Router::start(2, 3).await?;
    set(&router, &["weight=65521", "weight=32749", "weight=32771"]).await?;
    let mut connections = router.nginx.connect_to_each().await?;
    let nodes = ask(&mut connections, 400).await?;
    for (node, share) in [("n0", 200), ("n1", 100), ("n2", 100)] {
        let times = count(&nodes)[node];
        assert!(times.abs_diff(share) <= 3, "{node}: {times} of 400");
    }
    router.nginx.check_log()
}
