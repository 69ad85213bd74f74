//! Thousands of services in one upstream.

use harness::*;

use super::{ask, node_key, services};

const SERVICES_OF_ALL: usize = 2_000;
const NODES_OF_EACH: usize = 5;
/// Rounds in which all go and come.
const ROUNDS: usize = 4;

fn key(service: usize, node: usize) -> String {
    node_key(&format!("service-{service}"), &format!("n{node}"))
}

/// All nodes are one, which answers with the key of the peer that it is.
fn all(address: &str) -> impl Iterator<Item = (String, String)> {
    let address = address.to_owned();
    let keys = (0..SERVICES_OF_ALL)
        .flat_map(|service| (0..NODES_OF_EACH).map(move |node| key(service, node)));
    keys.map(move |key| (key, address.clone()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_come_and_go_and_memory_stays_flat() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    let configuration = Configuration::new()
        .workers(2)
        .http(&cluster("main", &etcd.url()))
        .http(&services("$http_x_service", "zone=16m", "", ""));
    let nginx = Nginx::start(configuration).await?;
    let workers = nginx.workers()?;
    let mut used = Vec::new();
    for _ in 0..ROUNDS {
        let revision = etcd.put_all(all(&node.address().to_string())).await?;
        let upstream = nginx.applied(revision).await?;
        let groups = upstream.groups.ok_or("no groups")?;
        assert_eq!(groups.count, SERVICES_OF_ALL);
        used.push(upstream.zone.used);
        for service in (0..SERVICES_OF_ALL).step_by(97) {
            let mut connection = nginx.connect().await?;
            let answer = ask(&mut connection, &format!("service-{service}")).await?;
            let prefix = format!("service-{service}/");
            ensure!(answer.status == 200 && answer.peer().starts_with(&prefix), "{answer:?}");
        }
        // One more service among all answers as soon as it is there, and then goes.
        nginx
            .applied(etcd.put(node_key("one-more", "n"), node.address().to_string()).await?)
            .await?;
        let mut connection = nginx.connect().await?;
        assert_eq!(ask(&mut connection, "one-more").await?.peer(), "one-more/n");
        let revision = etcd.delete_all(super::SERVICES).await?;
        let upstream = nginx.applied(revision).await?;
        assert_eq!(upstream.groups.ok_or("no groups")?.count, 0);
        eventually(SOON, "removed peers are gone", async || {
            let upstream = nginx.upstream().await?;
            ensure!(upstream.peers.is_empty(), "{} peers", upstream.peers.len());
            Ok(())
        })
        .await?;
    }
    // The reserve is larger or smaller by some steps of its growth.
    let (least, most) = (used.iter().min(), used.iter().max());
    let is_flat = least.zip(most).is_some_and(|(least, most)| most - least < least / 20);
    assert!(is_flat, "{used:?}");
    assert_eq!(nginx.workers()?, workers);
    nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_zone_leaves_the_services_whole_that_are_there() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    let configuration = Configuration::new()
        .workers(2)
        .http(&cluster("main", &etcd.url()))
        .http(&services("$http_x_service$arg_service", "zone=128k", "", ""));
    let first = (0..4).map(|number| (key(0, number), node.address().to_string()));
    etcd.put_all(first).await?;
    let nginx = Nginx::start(configuration).await?;
    nginx.applied(etcd.revision().await?).await?;
    let load = Load::start(&nginx.address(), "/?service=service-0", Clients::Fresh, 2);
    let revision = etcd.put_all(all(&node.address().to_string()).skip(NODES_OF_EACH)).await?;
    nginx.applied(revision).await?;
    let upstream = nginx.upstream().await?;
    ensure!(upstream.zone.full && upstream.zone.left_out > 1_000, "{:?}", upstream.zone);
    nginx.wait_for_log("is too small: ").await?;
    // What is there can change, and go, and what is left out comes in its place.
    let value = format!("{} weight=2", node.address());
    nginx.applied(etcd.put(key(0, 1), value).await?).await?;
    let peer = nginx.upstream().await?;
    assert_eq!(peer.peer("service-0/n1").map(|peer| peer.weight), Some(2));
    let keys = (1..SERVICES_OF_ALL - 3)
        .flat_map(|service| (0..NODES_OF_EACH).map(move |node| key(service, node)));
    nginx.applied(etcd.delete_each(keys).await?).await?;
    let last = format!("service-{}", SERVICES_OF_ALL - 1);
    eventually(SOON, "the last service serves", async || {
        let answer = ask(&mut nginx.connect().await?, &last).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    })
    .await?;
    load.stop().await?.without_failure()?;
    nginx.wait_for_log("zone has space for all").await?;
    Ok(())
}
