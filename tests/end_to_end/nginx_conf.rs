//! The configurations that are shipped run as they stand.

use harness::*;
use hyper::Method;

#[tokio::test]
async fn minimal() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let nginx = Nginx::start(Configuration::shipped("minimal.conf", &etcd)?).await?;
    etcd.put("/app/upstream/a", nodes[0].address().to_string()).await?;
    etcd.put("/app/upstream/b", nodes[1].address().to_string()).await?;
    eventually(SOON, "both serve", async || {
        let answer = nginx.get("/path").await?;
        ensure!(answer.status == 200, "{answer:?}");
        ensure!(nodes.iter().all(|node| node.counts().requests > 0), "not both yet");
        Ok(())
    })
    .await?;
    assert_eq!(nginx.status().await?.upstreams["app"].keys(), ["a", "b"]);
    nginx.check_log()
}

#[tokio::test]
async fn firehose() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let nginx = Nginx::start(Configuration::shipped("firehose.conf", &etcd)?).await?;
    nginx.applied(etcd.register(&nodes).await?).await?;

    let mut session = nginx.websocket("/channel").await?;
    session.echo("hello").await?;
    let mut connection = nginx.connect().await?;
    let answer = connection.send(Method::PUT, "/channel", "message".into()).await?;
    let text = answer.text();
    assert_eq!(answer.status, 200, "{answer:?}");
    let host = format!("host: {}", nginx.address());
    for line in [
        "request: PUT /channel",
        "body: 7 bytes",
        &host,
        "x-real-ip: 127.0.0.1",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in {text}");
    }
    assert_eq!(connection.get("/poll?ms=50").await?.status, 204);
    assert_eq!(connection.get("/nginx-healthcheck").await?.status, 200);
    let status = connection.get("/nginx-status").await?;
    assert!(status.text().starts_with("Active connections:"), "{status:?}");
    assert_eq!(nginx.upstream().await?.keys(), ["n0", "n1"]);

    // A publish must not be sent twice: a failure is the client's to know of.
    let before: Vec<_> = nodes.iter().map(|node| node.counts().accepted).collect();
    for node in &nodes {
        node.set_fault(Fault::Close);
    }
    assert_eq!(nginx.get("/channel").await?.status, 502);
    let after = nodes.iter().map(|node| node.counts().accepted);
    assert_eq!(after.zip(before).map(|(after, before)| after - before).sum::<u64>(), 1);
    session.echo("still there").await?;
    nginx.check_log()
}

#[tokio::test]
async fn the_status_is_for_the_machine_itself() -> Result<()> {
    for name in ["minimal.conf", "firehose.conf"] {
        let text = Configuration::shipped_text(name)?;
        let location = text.split("etcd_status;").nth(1).ok_or("no etcd_status")?;
        let rules: Vec<_> = location.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
        assert_eq!(rules, ["allow 127.0.0.1;", "allow ::1;", "deny all;"], "{name}");
    }
    Ok(())
}
