//! Active checks of one service, and none of another.

use harness::*;

use super::{NODES, SERVICES, SETTINGS, by_name, configuration, set, start};

/// Waits until the peers whose checks fail are these.
async fn failing(nginx: &Nginx, expected: &[&str]) -> Result<()> {
    eventually(SOON, "those that fail", async || {
        let upstream = nginx.upstream().await?;
        let failing = upstream.peers.iter().filter(|peer| peer.health == "failing");
        let failing: Vec<_> = failing.filter_map(|peer| peer.key.as_deref()).collect();
        ensure!(failing == expected, "{failing:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_service_is_checked_as_it_says_and_others_are_not() -> Result<()> {
    let (nginx, nodes, etcd) = start(&NODES, |etcd| configuration(etcd, "")).await?;
    for name in ["api-1", "web-1"] {
        by_name(&nodes, name)?.set_health(503);
    }
    let check = r#"{"check":{"uri":"/healthz","interval":"50ms","timeout":"10s","fall":1}}"#;
    set(&etcd, "web", check).await?;
    failing(&nginx, &["web/web-1"]).await?;
    let health = async |key: &str| -> Result<String> {
        let upstream = nginx.upstream().await?;
        Ok(upstream.peer(key).ok_or("no such peer")?.health.clone())
    };
    eventually(SOON, "the others pass", async || {
        let health = health("web/web-2").await?;
        ensure!(health == "passing", "{health}");
        Ok(())
    })
    .await?;
    assert_eq!(health("api/api-1").await?, "unchecked");
    // Another page, which all have.
    set(&etcd, "web", r#"{"check":{"uri":"/","interval":"50ms","rise":1}}"#).await?;
    failing(&nginx, &[]).await?;
    set(&etcd, "web", check).await?;
    set(&etcd, "api", check).await?;
    failing(&nginx, &["api/api-1", "web/web-1"]).await?;
    // What is not checked does not fail.
    etcd.delete_all(SETTINGS).await?;
    failing(&nginx, &[]).await?;
    assert_eq!(health("web/web-2").await?, "unchecked");
    Ok(())
}

#[tokio::test]
async fn a_service_can_be_without_the_checks_of_the_upstream() -> Result<()> {
    let check = "etcd_check http uri=/healthz interval=50ms timeout=10s fall=1 rise=1;";
    let (nginx, nodes, etcd) = start(&NODES, |etcd| configuration(etcd, check)).await?;
    for name in ["api-1", "web-1", "web-2", "web-3"] {
        by_name(&nodes, name)?.set_health(503);
    }
    failing(&nginx, &["api/api-1", "web/web-1", "web/web-2", "web/web-3"]).await?;
    assert!(nginx.upstream().await?.panic, "all of one service fail");
    set(&etcd, "web", r#"{"check":"off"}"#).await?;
    failing(&nginx, &["api/api-1"]).await?;
    eventually(SOON, "the panic is over", async || {
        ensure!(!nginx.upstream().await?.panic, "still");
        Ok(())
    })
    .await?;
    // What it does not say of its own is as the upstream says.
    set(&etcd, "web", r#"{"check":{"panic":0}}"#).await?;
    failing(&nginx, &["api/api-1", "web/web-1", "web/web-2", "web/web-3"]).await?;
    let mut connection = nginx.connect().await?;
    eventually(SOON, "none of it is used", async || {
        let answer = connection.get_with("/", &[("X-Service", "web")]).await?;
        ensure!(answer.status == 502, "{answer:?}");
        Ok(())
    })
    .await?;
    assert!(!nginx.upstream().await?.panic);
    Ok(())
}

/// A failed check decides nothing here: what was never passed stays so.
const MANDATORY: &str = r#"{"check":{"type":"http","uri":"/healthz","interval":"50ms",
    "fall":100000,"mandatory":true,"panic":0}}"#;

/// nginx never sends a request to a node before that has passed a check, if its service says so,
/// and so it was when the node came: whichever of the two keys is seen first.
#[tokio::test]
async fn mandatory_checks_hold_for_nodes_that_come_with_the_settings_or_later() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(5).await?;
    nodes.iter().for_each(|node| node.set_health(503));
    let key = |service: &str| format!("{SERVICES}{service}/1");
    let settings = |service: &str| format!("{SETTINGS}{service}");
    let address = |node: usize| nodes[node].address().to_string();
    etcd.put(key("older"), address(0)).await?;
    etcd.put(settings("first"), MANDATORY).await?;
    etcd.put(key("first"), address(1)).await?;
    // Settings that are younger than the node hold for it as well when nginx starts.
    etcd.put(settings("older"), MANDATORY).await?;
    etcd.put(key("plain"), address(2)).await?;
    let nginx = Nginx::start(configuration(&etcd, "")).await?;
    nginx.applied(etcd.revision().await?).await?;
    let status = async |service: &str| -> Result<u16> {
        Ok(nginx.get(&format!("/?service={service}")).await?.status)
    };
    let health = async |service: &str| -> Result<String> {
        let upstream = nginx.upstream().await?;
        Ok(upstream.peer(&format!("{service}/1")).ok_or("no such peer")?.health.clone())
    };
    for service in ["older", "first"] {
        assert_eq!((&*health(service).await?, status(service).await?), ("pending", 502));
    }
    assert_eq!((&*health("plain").await?, status("plain").await?), ("unchecked", 200));
    for round in 0..10 {
        let (one, other) = (format!("one{round}"), format!("other{round}"));
        etcd.put_all([(settings(&one), MANDATORY.to_owned()), (key(&one), address(3))]).await?;
        etcd.put(settings(&other), MANDATORY).await?;
        etcd.put(key(&other), address(4)).await?;
        for service in [one, other] {
            eventually(SOON, "it has to pass a check first", async || {
                let health = health(&service).await?;
                ensure!(health == "pending", "{health}");
                Ok(())
            })
            .await?;
            assert_eq!(status(&service).await?, 502);
        }
    }
    // A node that serves already is not put out of service.
    set(&etcd, "plain", MANDATORY).await?;
    eventually(SOON, "it is checked", async || {
        let text = nginx.get("/etcd?format=prometheus").await?.text();
        let is_its = |line: &&str| {
            line.starts_with("nginx_etcd_peer_checks_total{") && line.contains("\"plain/1\"")
        };
        let made: Vec<_> = text.lines().filter(is_its).collect();
        ensure!(made.iter().any(|line| !line.ends_with(" 0")), "{made:?}");
        Ok(())
    })
    .await?;
    assert_eq!((&*health("plain").await?, status("plain").await?), ("unchecked", 200));
    nodes[3].set_health(200);
    eventually(SOON, "who passes a check serves", async || {
        let status = status("one0").await?;
        ensure!(status == 200, "{status}");
        Ok(())
    })
    .await
}
