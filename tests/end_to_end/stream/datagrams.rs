//! Datagrams through `stream {}` while nodes come and go.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use harness::{
    DatagramLoad, DatagramNode, Etcd, Nginx, Result, SESSIONS, SOON, StreamRouter, ensure,
    eventually, free_port, key, sessions, stream_server,
};

const NODES: usize = 8;
/// Datagrams a second.
const RATE: u32 = 2_000;
/// Fewer than a worker's socket has room for.
const CLIENTS: usize = 100;
/// Nodes that are removed and added again.
const CHANGES: usize = 24;
/// Datagrams between two changes.
const BETWEEN: u64 = 50;
/// How long all of it may take: it takes a second.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until some more datagrams have been sent.
async fn some_more(load: &DatagramLoad) -> Result<()> {
    let before = load.sent();
    eventually(SOON, "datagrams are sent", async || {
        ensure!(load.sent() >= before + BETWEEN, "{} since then", load.sent() - before);
        Ok(())
    })
    .await
}

/// Each datagram is a session, which its answer ends. None is lost while nodes come and go, and
/// none is sent to a node after the module has published that the node is removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_datagram_goes_to_a_removed_node() -> Result<()> {
    let (etcd, port, began) = (Etcd::start().await?, free_port()?, Instant::now());
    let name = |number: usize| key(&format!("n{number}"));
    let mut nodes = Vec::new();
    for number in 0..NODES {
        let node = DatagramNode::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        etcd.put(name(number), node.address().to_string()).await?;
        nodes.push(node);
    }
    let directives = format!("proxy_pass {SESSIONS}; proxy_responses 1;");
    let configuration = StreamRouter::without_server(&etcd)
        .stream(&sessions("zone=1m", ""))
        .stream(&stream_server(port, "udp reuseport", &directives));
    let nginx = Nginx::start(configuration).await?;
    nginx.wait_for_log(&format!("{NODES} peers (+{NODES} ")).await?;
    let load = DatagramLoad::start(&format!("127.0.0.1:{port}"), RATE, CLIENTS)?;
    for (number, node) in nodes.iter().enumerate().cycle().take(CHANGES) {
        some_more(&load).await?;
        let revision = etcd.delete(&name(number)).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        node.leave();
        some_more(&load).await?;
        node.join();
        etcd.put(name(number), node.address().to_string()).await?;
        ensure!(began.elapsed() < DEADLINE, "only {number} nodes in {DEADLINE:?}");
    }
    let report = load.stop().await?;
    let late: u64 = nodes.iter().map(DatagramNode::late).sum();
    assert_eq!((report.lost, late), (0, 0), "of {} datagrams", report.sent);
    assert!(nodes.iter().all(|node| node.received() > 0));
    nginx.check_log()
}
