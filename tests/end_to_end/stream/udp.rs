//! Sessions of UDP while nodes come and go.

use futures_util::future::try_join_all;
use harness::*;

/// nginx before nodes that speak UDP.
struct Udp {
    nginx: Nginx,
    etcd: Etcd,
    nodes: Vec<UdpNode>,
    address: String,
}

impl Udp {
    /// `directives` are of the upstream, `server` of the server.
    async fn start(nodes: usize, directives: &str, server: &str) -> Result<Self> {
        let (etcd, port) = (Etcd::start().await?, free_port()?);
        let starts = (0..nodes).map(async |number| UdpNode::start(&format!("u{number}")).await);
        let nodes = try_join_all(starts).await?;
        let pairs = nodes.iter().map(|node| (key(node.name()), node.address()));
        etcd.put_all(pairs).await?;
        let revision = etcd.revision().await?;
        let server = format!("proxy_pass {SESSIONS}; {server}");
        let configuration = StreamRouter::without_server(&etcd)
            .stream(&sessions("zone=1m", directives))
            .stream(&stream_server(port, "udp reuseport", &server));
        let nginx = Nginx::start(configuration).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        Ok(Self { nginx, etcd, nodes, address: format!("127.0.0.1:{port}") })
    }

    async fn applied(&self, revision: i64) -> Result<Upstream> {
        self.nginx.applied_to(SESSIONS, revision).await
    }

    /// Opens as many sessions, and gives the node of each.
    async fn open(&self, count: usize) -> Result<Vec<(UdpClient, String)>> {
        let mut clients = Vec::new();
        for _ in 0..count {
            let client = UdpClient::open(&self.address).await?;
            let node = client.ask("hello").await?;
            clients.push((client, node));
        }
        Ok(clients)
    }
}

/// A new session goes to no removed node once that is published; one that is open stays, as without
/// a drain with TCP.
#[tokio::test]
async fn new_sessions_go_to_no_removed_node() -> Result<()> {
    let udp = Udp::start(3, "", "proxy_timeout 60s;").await?;
    let old = udp.open(9).await?;
    for node in &udp.nodes {
        assert_eq!(old.iter().filter(|(_, name)| name == node.name()).count(), 3);
    }
    let upstream = udp.nginx.upstream_of(SESSIONS).await?;
    assert!(upstream.peers.iter().all(|peer| peer.connections == 3), "{upstream:?}");
    udp.applied(udp.etcd.delete(&key("u1")).await?).await?;
    let before = udp.nodes[1].received();
    for (_, node) in udp.open(12).await? {
        assert_ne!(node, "u1");
    }
    assert_eq!(udp.nodes[1].received(), before);
    for (client, node) in &old {
        assert_eq!(client.ask("still there").await?, *node);
    }
    udp.nginx.check_log()
}

/// With a drain the sessions of a removed node end when its time is over, and the clients' next
/// datagrams begin new ones.
#[tokio::test]
async fn sessions_of_a_removed_node_end_by_time_and_begin_elsewhere() -> Result<()> {
    let directives = "etcd_drain timeout=3s spread=0;";
    let udp = Udp::start(2, directives, "proxy_timeout 60s;").await?;
    let clients = udp.open(20).await?;
    let own = clients.iter().filter(|(_, node)| node == "u0").count();
    udp.applied(udp.etcd.delete(&key("u0")).await?).await?;
    // The time is not over: a session goes on.
    let (client, node) = clients.iter().find(|(_, node)| node == "u0").ok_or("none")?;
    assert_eq!(client.ask("for a while").await?, *node);
    eventually(SOON, "the removed node is free", async || {
        let upstream = udp.nginx.upstream_of(SESSIONS).await?;
        ensure!(upstream.peers.len() == 1, "{upstream:?}");
        Ok(())
    })
    .await?;
    let before = udp.nodes[0].received();
    for (client, _) in &clients {
        assert_eq!(client.ask("and on").await?, "u1");
    }
    assert_eq!(udp.nodes[0].received(), before);
    let upstream = udp.nginx.upstream_of(SESSIONS).await?;
    assert_eq!((upstream.drained, upstream.peers[0].connections), (own as u64, 20), "{upstream:?}");
    udp.nginx.check_log()
}

/// A service that says that it speaks UDP, as Kitex registers it, is a peer here.
#[tokio::test]
async fn a_value_may_name_udp_as_its_network() -> Result<()> {
    let udp = Udp::start(2, "", "proxy_responses 1;").await?;
    let value = |network: &str, node: &UdpNode| {
        format!(r#"{{"network":"{network}","address":"{}","tags":null}}"#, node.address())
    };
    udp.etcd.put(key("u0"), value("udp", &udp.nodes[0])).await?;
    let revision = udp.etcd.put(key("u1"), value("quic", &udp.nodes[1])).await?;
    let upstream = udp.applied(revision).await?;
    let rejected: Vec<_> = upstream.rejected.iter().map(|rejected| rejected.key.clone()).collect();
    assert_eq!(rejected, [key("u1")], "{upstream:?}");
    let revision = udp.etcd.delete(&key("u1")).await?;
    udp.applied(revision).await?;
    for (_, node) in udp.open(4).await? {
        assert_eq!(node, "u0");
    }
    Ok(())
}

/// A session that ends with its answer holds no peer any longer.
#[tokio::test]
async fn answered_sessions_count_no_longer() -> Result<()> {
    let udp = Udp::start(2, "", "proxy_timeout 60s; proxy_responses 1;").await?;
    let clients = udp.open(10).await?;
    eventually(SOON, "all are counted out", async || {
        let upstream = udp.nginx.upstream_of(SESSIONS).await?;
        ensure!(upstream.peers.iter().all(|peer| peer.connections == 0), "{upstream:?}");
        let requests: u64 = upstream.peers.iter().map(|peer| peer.requests).sum();
        ensure!(requests == 10, "{upstream:?}");
        Ok(())
    })
    .await?;
    drop(clients);
    udp.nginx.check_log()
}
