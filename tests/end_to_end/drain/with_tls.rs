//! Drains where there is TLS between nginx and the node, and between the client and nginx.

use harness::*;

use crate::keepalive::certificate;

const SESSIONS: usize = 60;

/// Nobody talks here while it is drained: the outermost nginx, which drains nobody, would reset
/// such a client as any nginx does when a node closes.
///
/// A session through nginx to nginx itself, which stands before the node with TLS: the first is
/// what is drained.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_sessions_end_in_order() -> Result<()> {
    let (etcd, folder) = (Etcd::start().await?, Folder::new("tls")?);
    let (secure, outer) = (free_port()?, free_port()?);
    let node = Node::start("behind").await?;
    let (private, certificate) = certificate(&folder)?;
    let upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
        proxy_set_header Connection $connection_upgrade;
        proxy_read_timeout 1h;";
    // Client, without TLS: `outer`, which speaks TLS to `/tls` of this nginx, which speaks TLS to
    // its peer, which is this nginx before the node.
    let servers = format!(
        "server {{ listen 127.0.0.1:{secure} ssl; ssl_certificate {certificate}; \
        ssl_certificate_key {private}; {upgrade}
            location / {{ proxy_pass http://{}; }}
            location /tls {{ rewrite ^ /ws break; proxy_pass https://firehose; }} }}
         server {{ listen 127.0.0.1:{outer}; location / {{ {upgrade} proxy_pass \
         https://127.0.0.1:{secure}; }} }}",
        node.address()
    );
    let nginx = Nginx::start(
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", "etcd_drain timeout=0 spread=500ms;"))
            .http(&servers),
    )
    .await?;
    nginx.applied(etcd.put(key("tls"), format!("127.0.0.1:{secure}")).await?).await?;
    let fleet = Fleet::open(&format!("127.0.0.1:{outer}"), "/tls", SESSIONS).await?;
    assert_eq!(nginx.upstream().await?.peer("tls").ok_or("no peer")?.upgraded, SESSIONS as u64);
    for _ in 0..20 {
        node.broadcast(2_000);
    }
    let last = node.broadcast(2_000);
    fleet.received(last).await?;
    etcd.delete(&key("tls")).await?;
    let ends = fleet.ended(SOON).await?;
    assert_eq!(ends.len(), SESSIONS);
    fleet.in_order()?;
    assert_eq!(nginx.upstream().await?.drained, SESSIONS as u64);
    nginx.check_log()
}
