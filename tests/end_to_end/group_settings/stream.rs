//! Settings of groups in `stream {}`.

use std::collections::BTreeSet;

use harness::*;

use super::{SERVICES, SETTINGS, set};

#[tokio::test]
async fn sessions_of_a_service_go_by_its_method() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut nodes = Vec::new();
    for name in ["db-1", "db-2", "db-3"] {
        let node = TcpNode::start(name).await?;
        etcd.put(format!("{SERVICES}db/{name}"), node.address()).await?;
        nodes.push(node);
    }
    let port = free_port()?;
    let stream = format!(
        "{} upstream sessions {{ etcd main {SERVICES} zone=1m; \
         etcd_group db settings={SETTINGS}; }} \
         server {{ listen 127.0.0.1:{port}; proxy_pass sessions; }}",
        cluster("main", &etcd.url()),
    );
    let nginx = Nginx::start(
        Configuration::new()
            .stream(&stream)
            .http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:1; }}")),
    )
    .await?;
    nginx.applied_to("sessions", etcd.revision().await?).await?;
    let address = format!("127.0.0.1:{port}");
    let served = async |from: &str| -> Result<BTreeSet<String>> {
        let mut served = BTreeSet::new();
        for _ in 0..6 {
            let session = TcpSession::open_from(Some(from.parse()?), &address, b"").await?;
            served.insert(session.node().to_owned());
        }
        Ok(served)
    };
    assert_eq!(served("127.0.0.2").await?.len(), 3);
    // `ip_hash` is HTTP's alone.
    set(&etcd, "db", r#"{"balance":"ip_hash"}"#).await?;
    nginx.wait_for_log("key \"/services-settings/db\" rejected").await?;
    set(&etcd, "db", r#"{"balance":"hash $remote_addr consistent"}"#).await?;
    eventually(SOON, "each address has a node", async || {
        let mut all = BTreeSet::new();
        for from in 2..12 {
            let served = served(&format!("127.0.0.{from}")).await?;
            ensure!(served.len() == 1, "{served:?}");
            all.extend(served);
        }
        ensure!(all.len() > 1, "{all:?}");
        Ok(())
    })
    .await
}
