//! Where nothing is said: nginx keeps connections from 1.29.7 on, and there `etcd_keepalive` stands
//! in.

use harness::*;

/// More than the 32 connections that nginx keeps for a whole upstream by default.
const NODES: usize = 40;

/// Whether this is an nginx that keeps connections where nothing is said.
fn keeps() -> Result<bool> {
    Ok(nginx_version()? >= [1, 29, 7])
}

fn accepted(nodes: &[Node]) -> u64 {
    nodes.iter().map(|node| node.counts().accepted).sum()
}

async fn two_rounds(directives: &str) -> Result<Router> {
    let router = Router::with(NODES, |etcd| {
        Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", directives))
    })
    .await?;
    for _ in 0..2 * NODES {
        assert_eq!(router.nginx.get("/").await?.status, 200);
    }
    Ok(router)
}

#[tokio::test]
async fn connections_of_each_peer_are_kept_by_default() -> Result<()> {
    let router = two_rounds("").await?;
    // nginx's one list would be too short for the second round to find anything.
    let rounds = if keeps()? { 1 } else { 2 };
    assert_eq!(accepted(&router.nodes), rounds * NODES as u64);
    router.nginx.check_log()
}

#[tokio::test]
async fn nginxs_keepalive_is_left_where_it_is_configured() -> Result<()> {
    let router = two_rounds("keepalive 8;").await?;
    assert_eq!(accepted(&router.nodes), 2 * NODES as u64, "of one list of eight none is found");
    router.nginx.check_log()
}

#[tokio::test]
async fn limits_of_the_default_hold() -> Result<()> {
    let router = two_rounds("keepalive_requests 1;").await?;
    assert_eq!(accepted(&router.nodes), 2 * NODES as u64);
    router.nginx.check_log()
}

#[tokio::test]
async fn location_has_its_own_connections() -> Result<()> {
    let router = Router::with(1, |etcd| {
        let other = "location /other { proxy_pass http://firehose; proxy_http_version 1.1; \
                     proxy_set_header Connection \"\"; }";
        Configuration::firehose(etcd).workers(1).server(other)
    })
    .await?;
    for path in ["/", "/other", "/other", "/other"] {
        assert_eq!(router.nginx.get(path).await?.status, 200);
    }
    let expected = if keeps()? { 2 } else { 4 };
    assert_eq!(accepted(&router.nodes), expected);
    router.nginx.check_log()
}
