//! Limits and weights of peers from etcd.

use harness::*;

use super::source::{Route, Source, count, nodes_of};

/// What the status says of a peer's connections is what there is.
#[tokio::test]
async fn max_conns_holds_for_all_workers_of_a_zone() -> Result<()> {
    let router = StreamRouter::start(3, 2, "").await?;
    let value = |number: usize, words: &str| format!("{} {words}", router.nodes[number].address());
    router.etcd.put(key("n0"), value(0, "max_conns=7")).await?;
    router.applied(router.etcd.put(key("n1"), value(1, "max_conns=5")).await?).await?;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.extend(TcpSession::open(&router.address()).await.ok());
    }
    assert_eq!(count(&nodes_of(&held)), [("n0", 7), ("n1", 5)].into());
    let upstream = router.nginx.upstream_of(SESSIONS).await?;
    let connections: Vec<_> = upstream.peers.iter().map(|peer| peer.connections).collect();
    assert_eq!(connections, [7, 5], "{upstream:?}");
    drop(held);
    eventually(SOON, "all are counted out", async || {
        let upstream = router.nginx.upstream_of(SESSIONS).await?;
        ensure!(upstream.peers.iter().all(|peer| peer.connections == 0), "{upstream:?}");
        Ok(())
    })
    .await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn zero_weight_of_a_peer_in_etcd_gets_no_session() -> Result<()> {
    let nodes = start_tcp_nodes(2).await?;
    let peers = [(nodes[0].address(), "weight=0"), (nodes[1].address(), "")];
    let rig = Source::Etcd.start(&[Route::new("u", "", peers)], "").await?;
    assert_eq!(count(&rig.ask("u", 4).await?), [("n1", 4)].into());
    rig.nginx.check_log()
}
/// A peer without a port is none: there is no port that sessions go to by themselves.
#[tokio::test]
async fn address_without_a_port_is_rejected_with_its_key() -> Result<()> {
    let router = StreamRouter::start(1, 1, "").await?;
    let upstream = router.applied(router.etcd.put(key("portless"), "127.0.0.9").await?).await?;
    assert_eq!((upstream.keys(), upstream.rejected_total), (vec!["n0"], 1), "{upstream:?}");
    assert_eq!(upstream.rejected[0].key, key("portless"));
    assert!(upstream.rejected[0].reason.contains("port"), "{upstream:?}");
    router.nginx.check_log()
}
