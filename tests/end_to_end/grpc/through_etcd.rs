//! etcd itself as the node behind nginx: a gRPC server that nobody here wrote, with streams in both
//! directions.

use etcd_client::{Client, EventType, WatchStream};
use harness::*;
use tokio::time::timeout;

use super::server;

/// nginx before one member, which is another etcd than the one that has the peers.
struct Behind {
    nginx: Nginx,
    etcd: Etcd,
    member: Etcd,
    client: Client,
}

impl Behind {
    async fn start(directives: &str) -> Result<Self> {
        let (etcd, member, port) = (Etcd::start().await?, Etcd::start().await?, free_port()?);
        let configuration = Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("zone=1m", directives))
            .http(&server(port, "grpc_read_timeout 1h; grpc_send_timeout 1h;")?);
        let nginx = Nginx::start(configuration).await?;
        nginx.applied(etcd.put(key("member"), member.address()).await?).await?;
        let client = Client::connect([format!("http://127.0.0.1:{port}")], None).await?;
        Ok(Self { nginx, etcd, member, client })
    }

    /// Watches a key; etcd has answered that it does.
    async fn watch(&mut self, key: &str) -> Result<WatchStream> {
        let mut watch = self.client.watch(key, None).await?;
        let first = timeout(SOON, watch.message()).await??.ok_or("the watch has ended")?;
        ensure!(first.created(), "{first:?}");
        Ok(watch)
    }
}

#[tokio::test]
async fn etcd_is_written_read_and_watched_through_nginx() -> Result<()> {
    let mut behind = Behind::start("etcd_keepalive 4;").await?;
    let mut watch = behind.watch("key").await?;
    let lease = behind.client.lease_grant(60, None).await?.id();
    let (mut keeper, mut kept) = behind.client.lease_keep_alive(lease).await?;
    for number in 0..20 {
        // The peers change while the streams run.
        let other = Etcd::absent()?;
        let value = format!("{} down weight={}", other.address(), 1 + number % 3);
        behind.nginx.applied(behind.etcd.put(key("other"), value).await?).await?;
        let value = format!("value {number}");
        behind.client.put("key", value.as_str(), None).await?;
        let read = behind.client.get("key", None).await?;
        assert_eq!(read.kvs()[0].value_str()?, value);
        let response = timeout(SOON, watch.message()).await??.ok_or("the watch has ended")?;
        let event = &response.events()[0];
        assert_eq!(event.event_type(), EventType::Put);
        assert_eq!(event.kv().ok_or("no pair")?.value_str()?, value);
        keeper.keep_alive().await?;
        let response = timeout(SOON, kept.message()).await??.ok_or("the lease has ended")?;
        assert_eq!(response.id(), lease);
    }
    assert_eq!(behind.member.revision().await?, 21);
    let upstream = behind.nginx.upstream().await?;
    let peer = upstream.peer("member").ok_or("no such peer")?;
    assert_eq!((peer.connections, peer.failures), (2, 0), "{peer:?}");
    behind.nginx.check_log()
}

#[tokio::test]
async fn drain_ends_a_watch_of_etcd() -> Result<()> {
    let mut behind = Behind::start("etcd_drain timeout=500ms spread=0;").await?;
    let mut watch = behind.watch("key").await?;
    behind.client.put("key", "value", None).await?;
    timeout(SOON, watch.message()).await??.ok_or("the watch has ended")?;
    behind.nginx.applied(behind.etcd.delete(&key("member")).await?).await?;
    let end = timeout(SOON, watch.message()).await?;
    assert!(!matches!(end, Ok(Some(_))), "{end:?}");
    assert_eq!(behind.nginx.upstream().await?.drained, 1);
    behind.nginx.check_log()
}
