//! What the status and the metrics show of groups.

use harness::*;

use super::{ask, configuration, node_key, start};

#[tokio::test]
async fn all_peers_are_shown_whatever_their_group() -> Result<()> {
    let names = ["api-1", "web-1", "web-2"];
    let (nginx, nodes, etcd) = start(&names, |etcd| configuration(etcd, "", "")).await?;
    let upstream = nginx.upstream().await?;
    assert_eq!(upstream.keys(), ["api/api-1", "web/web-1", "web/web-2"]);
    assert_eq!(upstream.groups.map(|groups| groups.count), Some(2));
    let only = nginx.get("/etcd?upstream=firehose&peer=web/web-2").await?.text();
    let mut only: Status = serde_json::from_str(&only)?;
    let only = only.upstreams.remove(UPSTREAM).ok_or("no upstream")?;
    assert_eq!(only.keys(), ["web/web-2"]);

    // One that is gone is shown for as long as it has a connection.
    let session = nginx.websocket("/ws?service=api").await?;
    nginx.applied(etcd.delete(&node_key("api", "api-1")).await?).await?;
    let upstream = nginx.upstream().await?;
    let gone = upstream.peer("api/api-1").ok_or("it is not shown")?;
    assert_eq!((gone.state.as_str(), gone.connections), ("removed", 1));
    assert_eq!(upstream.groups.map(|groups| groups.count), Some(1));
    session.close().await?;
    eventually(SOON, "it is gone", async || {
        ensure!(nginx.upstream().await?.peer("api/api-1").is_none(), "still there");
        Ok(())
    })
    .await?;

    let mut connection = nginx.connect().await?;
    assert_eq!(ask(&mut connection, "api").await?.status, 502);
    let metrics = nginx.get("/etcd?format=prometheus").await?.text();
    for line in [
        "nginx_etcd_groups{upstream=\"firehose\"} 1",
        "nginx_etcd_refused_requests_total{upstream=\"firehose\",reason=\"unknown\"} 1",
        "nginx_etcd_refused_requests_total{upstream=\"firehose\",reason=\"empty\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    drop(nodes);
    nginx.check_log()
}
