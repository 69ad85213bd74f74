//! When every peer fails its checks.

use harness::*;

use super::*;

const PANIC: &str = "all peers are unhealthy: health checks are ignored";
const NO_PANIC: &str = "not all peers are unhealthy: health checks are in effect again";

async fn panics(nginx: &Nginx, expected: bool) -> Result<Upstream> {
    eventually(SOON, &format!("panic is {expected}"), async || {
        let upstream = nginx.upstream().await?;
        ensure!(upstream.panic == expected, "{upstream:?}");
        Ok(upstream)
    })
    .await
}

fn set_all(nodes: &[Node], health: u16) {
    nodes.iter().for_each(|node| node.set_health(health));
}

#[tokio::test]
async fn all_peers_are_used_when_all_checks_fail() -> Result<()> {
    let router = Router::with(2, |etcd| checking(etcd, HEALTHZ)).await?;
    let nginx = &router.nginx;
    set_all(&router.nodes, 500);
    let upstream = panics(nginx, true).await?;
    assert!(upstream.peers.iter().all(|peer| peer.state == "unhealthy"), "{upstream:?}");
    nginx.wait_for_log(PANIC).await?;
    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n1", 12)]));

    router.nodes[1].set_health(200);
    panics(nginx, false).await?;
    nginx.wait_for_log(NO_PANIC).await?;
    assert_eq!(served(nginx).await?, shares([("n1", 24)]));
    checked(&router.nodes[0]).await?;
    assert_eq!(
        (nginx.log_lines(PANIC).len(), nginx.log_lines(NO_PANIC).len()),
        (1, 1),
        "{}",
        nginx.log()
    );

    // A peer that is deleted may be the last one that was well, and one that comes the first.
    nginx.applied(router.etcd.delete(&key("n1")).await?).await?;
    panics(nginx, true).await?;
    assert_eq!(served(nginx).await?, shares([("n0", 24)]));
    nginx.applied(router.etcd.register(&router.nodes[1..]).await?).await?;
    panics(nginx, false).await?;
    assert_eq!(served(nginx).await?, shares([("n1", 24)]));
    nginx.check_log()
}

#[tokio::test]
async fn no_peer_is_used_when_all_checks_fail_without_panic() -> Result<()> {
    let check = format!("{HEALTHZ} panic=0");
    let router = Router::with(2, |etcd| checking(etcd, &check)).await?;
    let nginx = &router.nginx;
    set_all(&router.nodes, 500);
    for node in ["n0", "n1"] {
        becomes(nginx, node, "unhealthy").await?;
    }
    for mut connection in nginx.connect_to_each().await? {
        assert_eq!(connection.get("/").await?.status, 502);
    }
    let upstream = nginx.upstream().await?;
    assert!(
        !upstream.panic && upstream.peers.iter().all(|peer| peer.requests == 0),
        "{upstream:?}"
    );
    set_all(&router.nodes, 200);
    becomes(nginx, "n0", "up").await?;
    becomes(nginx, "n1", "up").await?;
    assert_eq!(served(nginx).await?, shares([("n0", 12), ("n1", 12)]));
    assert!(nginx.log_lines(PANIC).is_empty(), "{}", nginx.log());
    nginx.check_log()
}
