//! Nodes are added, changed and removed while nginx runs, and nginx goes on as it was.

use std::collections::BTreeSet;

use harness::*;

/// Asks each worker once per peer: round robin leads a worker to all of them.
async fn nodes_of_each_worker(
    connections: &mut [Connection],
    peers: usize,
) -> Result<Vec<BTreeSet<String>>> {
    let mut all = Vec::new();
    for connection in connections {
        let mut nodes = BTreeSet::new();
        for _ in 0..peers {
            nodes.insert(connection.get("/").await?.node().to_owned());
        }
        all.push(nodes);
    }
    Ok(all)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn add_change_and_remove_are_seen_by_every_worker_of_the_same_cycle() -> Result<()> {
    let router = Router::start(4, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let workers = nginx.workers()?;
    let (master, mut connections) = (nginx.master(), nginx.connect_to_each().await?);
    let (n1, n2) = (Node::start("n1").await?, Node::start("n2").await?);

    let revision = etcd.put(key("added"), n1.address().to_string()).await?;
    nginx.applied(revision).await?;
    assert_eq!(nodes_of_each_worker(&mut connections, 2).await?, vec![set(&["n0", "n1"]); 4]);
    nginx
        .wait_for_log(&format!(
            "etcd: upstream \"firehose\": 2 peers (+1 -0 ~0), revision {revision}"
        ))
        .await?;

    let revision = etcd.put(key("added"), n2.address().to_string()).await?;
    nginx.applied(revision).await?;
    assert_eq!(nodes_of_each_worker(&mut connections, 2).await?, vec![set(&["n0", "n2"]); 4]);
    nginx
        .wait_for_log(&format!(
            "etcd: upstream \"firehose\": 2 peers (+0 -0 ~1), revision {revision}"
        ))
        .await?;

    let revision = etcd.delete(&key("added")).await?;
    nginx.applied(revision).await?;
    assert_eq!(nodes_of_each_worker(&mut connections, 2).await?, vec![set(&["n0"]); 4]);
    nginx.wait_for_log(&format!("(+0 -1 ~0), revision {revision}")).await?;

    assert_eq!((nginx.master(), nginx.workers()?), (master, workers));
    for sign in ["reconfiguring", "SIGHUP", "gracefully shutting down", "exited"] {
        assert!(nginx.log_lines(sign).is_empty(), "{sign}: {}", nginx.log());
    }
    nginx.check_log()
}

#[tokio::test]
async fn last_peer_goes_and_another_comes() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    nginx.applied(etcd.delete(&key("n0")).await?).await?;
    let answer = nginx.get("/").await?;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(!nginx.log_lines("no live upstreams").is_empty());
    nginx.applied(etcd.register(&router.nodes).await?).await?;
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}

#[tokio::test]
async fn transaction_is_one_change() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let before = router.nginx.upstream().await?;
    let nodes = start_nodes(60).await?;
    let after = router.nginx.applied(router.etcd.register(&nodes).await?).await?;
    assert_eq!(after.keys().len(), 60);
    // The last of the transaction's keys is the node that was there, with another address.
    assert_eq!(after.generation, before.generation + 1);
    router.settled().await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn only_keys_below_the_prefix_are_peers() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    etcd.put("/firehose/upstream", "127.0.0.1:1").await?;
    etcd.put("/firehose/upstream0", "127.0.0.1:1").await?;
    etcd.put("/firehose/", "127.0.0.1:1").await?;
    let revision = etcd.put(key("deeper/n0"), router.nodes[0].address().to_string()).await?;
    let upstream = nginx.applied(revision).await?;
    assert_eq!(upstream.keys(), ["deeper/n0", "n0"]);
    assert_eq!(upstream.rejected_total, 0);
    nginx.check_log()
}

#[tokio::test]
async fn empty_prefix_is_logged_at_the_start_alone() -> Result<()> {
    let router = Router::start(2, 0).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let line =
        format!("etcd: upstream \"{UPSTREAM}\": 0 peers with prefix \"{PREFIX}\", revision ");
    nginx.wait_for_log(&line).await?;
    nginx.reload().await?;
    let node = Node::start("n0").await?;
    nginx.applied(etcd.register(std::slice::from_ref(&node)).await?).await?;
    nginx.wait_for_log("1 peers (+1 -0 ~0)").await?;
    nginx.wait_for_log_lines("0 peers with prefix", 1).await?;
    nginx.check_log()
}
