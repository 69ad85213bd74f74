//! `by=label:NAME`: subsets of a service, for canaries.

use std::time::Duration;

use harness::*;

use super::{SERVICES, configuration, names, served};

fn value(node: &Node, version: &str) -> String {
    format!(r#"{{"addr":"{}","labels":{{"version":"{version}"}}}}"#, node.address())
}

fn key_of(name: &str) -> String {
    format!("{SERVICES}{name}")
}

async fn start(directives: &str) -> Result<(Nginx, [Node; 3], Etcd)> {
    let etcd = Etcd::start().await?;
    let nodes = [Node::start("a").await?, Node::start("b").await?, Node::start("c").await?];
    for (node, version) in nodes.iter().zip(["v1", "v1", "v2"]) {
        etcd.put(key_of(node.name()), value(node, version)).await?;
    }
    let nginx = Nginx::start(configuration(&etcd, "by=label:version", directives)).await?;
    nginx.applied(etcd.revision().await?).await?;
    Ok((nginx, nodes, etcd))
}

#[tokio::test]
async fn a_label_says_the_group() -> Result<()> {
    let (nginx, nodes, etcd) = start("").await?;
    assert_eq!(names(&served(&nginx, "v1", 4).await?), ["a", "b"]);
    assert_eq!(names(&served(&nginx, "v2", 2).await?), ["c"]);
    // One without the label is in no group.
    nginx.applied(etcd.put(key_of("a"), nodes[0].address().to_string()).await?).await?;
    assert_eq!(names(&served(&nginx, "v1", 2).await?), ["b"]);
    nginx.applied(etcd.put(key_of("a"), value(&nodes[0], "v2")).await?).await?;
    assert_eq!(names(&served(&nginx, "v2", 4).await?), ["a", "c"]);
    nginx.check_log()
}

#[tokio::test]
async fn sessions_stay_with_a_node_that_goes_to_another_group() -> Result<()> {
    let (nginx, nodes, etcd) = start("etcd_drain timeout=0 spread=0;").await?;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(open_session(&nginx, "v2").await?);
    }
    assert!(sessions.iter().all(|session| session.node() == "c"));
    for version in ["v1", "v2", "v1"] {
        let revision = etcd.put(key_of("c"), value(&nodes[2], version)).await?;
        nginx.applied(revision).await?;
        let upstream = nginx.upstream().await?;
        let peer = upstream.peer("c").ok_or("no such peer")?;
        ensure!(peer.state == "up" && peer.connections == 6, "{peer:?}");
        for session in &mut sessions {
            session.echo("still there").await?;
        }
    }
    // Removed, the node is drained as any other.
    nginx.applied(etcd.delete(&key_of("c")).await?).await?;
    eventually(Duration::from_secs(20), "the sessions are drained", async || {
        let mut open = 0;
        for session in &mut sessions {
            open += usize::from(session.echo("still there").await.is_ok());
        }
        ensure!(open == 0, "{open}");
        Ok(())
    })
    .await?;
    Ok(())
}

/// A WebSocket of a service: its path says which.
async fn open_session(nginx: &Nginx, service: &str) -> Result<WebSocket> {
    nginx.websocket(&format!("/ws?service={service}")).await
}
