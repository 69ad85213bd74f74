//! How open connections to nodes that leave a service come to an end.

use harness::*;

use super::{SERVICES, configuration, set, start};

/// Opens a WebSocket to a service of one node.
async fn open(nginx: &Nginx, service: &str) -> Result<WebSocket> {
    nginx.websocket(&format!("/ws?service={service}")).await
}

/// Waits until the socket is closed.
async fn ends(socket: &mut WebSocket) -> Result<()> {
    eventually(SOON, "the socket is closed", async || {
        ensure!(socket.echo("still there").await.is_err(), "open");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_service_drains_as_it_says_and_others_do_not() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "");
    let (nginx, _nodes, etcd) = start(&["api-1", "web-1"], configure).await?;
    set(&etcd, "web", r#"{"drain":{"timeout":"0","spread":"0"}}"#).await?;
    nginx.wait_for_log("settings of 1 group").await?;
    let (mut web, mut api) = (open(&nginx, "web").await?, open(&nginx, "api").await?);
    for service in ["web", "api"] {
        nginx.applied(etcd.delete_all(&format!("{SERVICES}{service}/")).await?).await?;
    }
    ends(&mut web).await?;
    api.echo("still there").await?;
    let upstream = nginx.upstream().await?;
    let closes_in = upstream.peer("api/api-1").ok_or("it is gone")?.closes_in;
    assert_eq!(closes_in, None);
    api.close().await?;
    nginx.check_log()
}

#[tokio::test]
async fn a_service_can_be_without_the_drain_of_the_upstream() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "etcd_drain timeout=0 spread=0;");
    let (nginx, _nodes, etcd) = start(&["api-1", "web-1"], configure).await?;
    set(&etcd, "web", r#"{"drain":"off"}"#).await?;
    nginx.wait_for_log("settings of 1 group").await?;
    let (mut web, mut api) = (open(&nginx, "web").await?, open(&nginx, "api").await?);
    for service in ["web", "api"] {
        nginx.applied(etcd.delete_all(&format!("{SERVICES}{service}/")).await?).await?;
    }
    ends(&mut api).await?;
    web.echo("still there").await?;
    web.close().await?;
    nginx.check_log()
}

#[tokio::test]
async fn too_many_different_drains_are_told_and_the_last_is_that_of_the_upstream() -> Result<()> {
    let (nginx, nodes, etcd) = start(&["web-1"], |etcd| configuration(etcd, "")).await?;
    for service in 0..40 {
        let settings = format!(r#"{{"drain":{{"timeout":"{service}s"}},"max_conns":5}}"#);
        set(&etcd, &format!("s{service}"), &settings).await?;
        let key = format!("{SERVICES}s{service}/1");
        etcd.put(key, nodes[0].address().to_string()).await?;
    }
    nginx.applied(etcd.revision().await?).await?;
    let line = nginx.wait_for_log("\"drain\" of group").await?;
    assert!(line.contains("the drain of the upstream holds"), "{line}");
    // Once others are gone there is room, and nobody has to say it again.
    let key = format!("{SERVICES}s39/1");
    etcd.put(key, format!("{} drain", nodes[0].address())).await?;
    for service in 10..30 {
        etcd.delete_all(&format!("{}s{service}", super::SETTINGS)).await?;
    }
    eventually(SOON, "the last one drains as it says", async || {
        let closes_in = nginx.upstream().await?.peer("s39/1").ok_or("no peer")?.closes_in;
        ensure!(closes_in.is_some_and(|left| left <= 39.0), "{closes_in:?}");
        Ok(())
    })
    .await?;
    for service in 10..30 {
        let settings = r#"{"drain":{"timeout":"1s"},"max_conns":5}"#;
        set(&etcd, &format!("s{service}"), settings).await?;
    }
    // The rest of such settings holds.
    eventually(SOON, "all have the limit", async || {
        let peers = nginx.upstream().await?.peers;
        let limited = peers.iter().filter(|peer| peer.max_conns == 5).count();
        ensure!(limited == 40, "{limited}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nodes_that_have_left_are_drained_as_the_service_says_then() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "");
    let (nginx, _nodes, etcd) = start(&["api-1", "web-1"], configure).await?;
    set(&etcd, "web", r#"{"drain":{"timeout":"1h"}}"#).await?;
    nginx.wait_for_log("settings of 1 group").await?;
    let (mut web, mut api) = (open(&nginx, "web").await?, open(&nginx, "api").await?);
    for service in ["web", "api"] {
        nginx.applied(etcd.delete_all(&format!("{SERVICES}{service}/")).await?).await?;
    }
    let closes = async |nginx: &Nginx, service: &str, expected: bool| {
        eventually(SOON, "the node is drained, or is not", async || {
            let key = format!("{service}/{service}-1");
            let closes_in = nginx.upstream().await?.peer(&key).ok_or("no peer")?.closes_in;
            ensure!(closes_in.is_some() == expected, "{service}: {closes_in:?}");
            Ok(())
        })
        .await
    };
    closes(&nginx, "web", true).await?;
    closes(&nginx, "api", false).await?;
    set(&etcd, "web", r#"{"drain":"off"}"#).await?;
    closes(&nginx, "web", false).await?;
    nginx.reload().await?;
    set(&etcd, "web", r#"{"drain":{"timeout":"1h"}}"#).await?;
    closes(&nginx, "web", true).await?;
    web.echo("still there").await?;
    for (service, socket) in [("web", &mut web), ("api", &mut api)] {
        set(&etcd, service, r#"{"drain":{"timeout":"0","spread":"0"}}"#).await?;
        ends(socket).await?;
    }
    nginx.check_log()
}
