//! Servers of Firehose, as their operators check them: any GET waits there for a message, HEAD says
//! how they are.

use super::*;

/// Starts nodes that answer as servers of Firehose do.
async fn firehoses(count: usize) -> Result<Vec<Node>> {
    let nodes = start_nodes(count).await?;
    for node in &nodes {
        node.set_firehose(Some(FIREHOSE_POLL));
    }
    Ok(nodes)
}

/// Waits until the peers' health is this, in the order of their keys.
async fn health_is(nginx: &Nginx, expected: &[&str]) -> Result<()> {
    eventually(SOON, &format!("{expected:?}"), async || {
        let upstream = nginx.upstream().await?;
        let health: Vec<_> = upstream.peers.iter().map(|peer| peer.health.as_str()).collect();
        ensure!(health == expected, "{upstream:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn firehose_nodes_pass_by_head_or_by_their_metrics() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, firehoses(2).await?);
    let revision = etcd.register(&nodes).await?;
    for check in ["method=HEAD", "method=HEAD uri=/any/channel", "uri=/metrics@firehose method=GET"]
    {
        let check = format!("http {check} interval=50ms timeout=10s rise=1");
        let nginx = Nginx::start(checking(&etcd, &check).workers(1)).await?;
        nginx.applied(revision).await?;
        health_is(&nginx, &["passing", "passing"]).await?;
        assert!(nginx.log_lines("is unhealthy").is_empty(), "{}", nginx.log());
        nginx.check_log()?;
    }
    // What a GET would get there is the poll's end, long after the check's.
    let nginx = Nginx::start(checking(&etcd, &format!("http {IMPATIENT}")).workers(1)).await?;
    nginx.applied(revision).await?;
    health_is(&nginx, &["failing", "failing"]).await?;
    nginx.wait_for_log("is unhealthy: timed out after 400ms").await?;
    Ok(())
}

#[tokio::test]
async fn firehose_node_that_is_not_well_gets_no_request() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, firehoses(2).await?);
    let revision = etcd.register(&nodes).await?;
    let nginx = Nginx::start(checking(&etcd, "http method=HEAD interval=50ms timeout=10s")).await?;
    nginx.applied(revision).await?;
    // Its redis is away.
    nodes[0].set_health(503);
    becomes(&nginx, "n0", "unhealthy").await?;
    nginx.wait_for_log("is unhealthy: status 503").await?;
    for mut connection in nginx.connect_to_each().await? {
        for _ in 0..4 {
            let answer = connection.send(hyper::Method::PUT, "/channel", "message".into()).await?;
            assert_eq!((answer.status, answer.node()), (202, "n1"));
        }
    }
    checked(&nodes[0]).await?;
    nodes[0].set_health(200);
    becomes(&nginx, "n0", "up").await?;
    nginx.check_log()
}

#[tokio::test]
async fn firehose_node_is_announced_as_long_as_it_answers_head() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, firehoses(1).await?);
    let address = nodes[0].address().to_string();
    let arguments =
        ["announce", "--key", "node", "--addr", &address, "--check", "http:///", "--drain", "0"];
    let (url, head) = (etcd.url(), ("ANNOUNCE_CHECK_METHOD", "HEAD"));
    let often = [
        ("ANNOUNCE_CHECK_INTERVAL", "50ms"),
        ("ANNOUNCE_CHECK_TIMEOUT", "1s"),
        ("ANNOUNCE_FALL", "2"),
        ("ANNOUNCE_RISE", "2"),
        ("ETCD_ENDPOINTS", &url),
    ];
    let is_there = async |expected: bool| {
        eventually(SOON, &format!("the key is there: {expected}"), async || {
            let found = etcd.look_up(&key("node")).await?;
            ensure!(found.is_some() == expected, "{found:?}");
            Ok(())
        })
        .await
    };
    let by_get = Program::start(&arguments, &often)?;
    by_get.wait_for_log("the node does not answer yet: timed out after 1s").await?;
    assert_eq!(etcd.look_up(&key("node")).await?, None);
    drop(by_get);
    let by_head = Program::start(&arguments, &[&often[..], &[head]].concat())?;
    is_there(true).await?;
    nodes[0].set_health(503);
    is_there(false).await?;
    by_head.wait_for_log("the node does not answer: status 503").await?;
    nodes[0].set_health(200);
    is_there(true).await
}

#[tokio::test]
async fn serve_checks_firehose_nodes_by_its_settings() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, firehoses(2).await?);
    etcd.register(&nodes).await?;
    etcd.put("/firehose/nginx/healthcheck_method", "head").await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let pass = async |line: &str| {
        eventually(SOON, &format!("{line} passes"), async || {
            let (configuration, status) = (router.configuration()?, router.status()?);
            ensure!(configuration.contains(line), "{configuration}");
            let upstream = &status.upstreams["firehose"];
            ensure!(upstream.keys() == ["n0", "n1"], "{upstream:?}");
            let pass = upstream.peers.iter().all(|peer| peer.health == "passing");
            ensure!(pass && !upstream.panic, "{upstream:?}");
            Ok(())
        })
        .await
    };
    pass("etcd_check http method=HEAD;").await?;
    etcd.put("/firehose/nginx/healthcheck_path", "/any").await?;
    pass("etcd_check http method=HEAD uri=/any;").await?;
    etcd.delete("/firehose/nginx/healthcheck_method").await?;
    etcd.put("/firehose/nginx/healthcheck_path", "/metrics@firehose").await?;
    pass("etcd_check http uri=/metrics@firehose;").await
}
