//! What most tests of `stream {}` begin with: etcd, nodes that are registered, and nginx that
//! passes sessions to them.

use crate::{
    Configuration, Etcd, Nginx, PREFIX, Result, SOON, TcpNode, UPSTREAM, Upstream, cluster, ensure,
    eventually, free_port, key,
};

/// The upstream of `stream {}` in these tests; its prefix is [`PREFIX`].
pub const SESSIONS: &str = "sessions";

/// The usual upstream in `stream {}`, with the given parameters of `etcd` and further directives.
pub fn sessions(parameters: &str, directives: &str) -> String {
    format!("upstream {SESSIONS} {{ etcd main {PREFIX} {parameters}; {directives} }}")
}

/// A server in `stream {}` that listens with these parameters and has these directives.
pub fn stream_server(port: u16, parameters: &str, directives: &str) -> String {
    format!("server {{ listen 127.0.0.1:{port} {parameters}; {directives} }}")
}

/// All three, ended in this order.
pub struct StreamRouter {
    /// nginx with the module.
    pub nginx: Nginx,
    /// The nodes that were registered at the start: `n0`, `n1`, …
    pub nodes: Vec<TcpNode>,
    /// etcd.
    pub etcd: Etcd,
    port: u16,
}

impl StreamRouter {
    /// Starts nginx with the usual upstream in `stream {}`, before a number of nodes. `directives`
    /// are of the upstream.
    ///
    /// # Errors
    ///
    /// Those of each start.
    pub async fn start(workers: usize, nodes: usize, directives: &str) -> Result<Self> {
        Self::with(nodes, |etcd, port| Self::configuration(etcd, port, directives).workers(workers))
            .await
    }

    /// Starts nginx with a configuration that takes its peers from the etcd it is given, and
    /// listens on the port it is given.
    ///
    /// # Errors
    ///
    /// Those of each start.
    pub async fn with(
        nodes: usize,
        configuration: impl FnOnce(&Etcd, u16) -> Configuration,
    ) -> Result<Self> {
        let (etcd, port) = (Etcd::start().await?, free_port()?);
        let nodes = start_tcp_nodes(nodes).await?;
        let pairs = nodes.iter().map(|node| (key(node.name()), node.address()));
        etcd.put_all(pairs).await?;
        let revision = etcd.revision().await?;
        let nginx = Nginx::start(configuration(&etcd, port)).await?;
        nginx.applied_to(SESSIONS, revision).await?;
        Ok(Self { nginx, nodes, etcd, port })
    }

    /// The usual configuration.
    pub fn configuration(etcd: &Etcd, port: u16, directives: &str) -> Configuration {
        Self::without_server(etcd).stream(&sessions("zone=1m", directives)).stream(&stream_server(
            port,
            "reuseport",
            &format!("proxy_pass {SESSIONS};"),
        ))
    }

    /// The cluster at the top level, and what the tests' `http {}` cannot do without.
    pub fn without_server(etcd: &Etcd) -> Configuration {
        Configuration::new()
            .main(&cluster("main", &etcd.url()))
            .http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:9; }}"))
    }

    /// Where nginx listens for sessions: `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The same, the port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until the upstream has this revision, and gives its status.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn applied(&self, revision: i64) -> Result<Upstream> {
        self.nginx.applied_to(SESSIONS, revision).await
    }

    /// Waits until the upstream has exactly the members that etcd has, whose values must be plain
    /// addresses.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn settled(&self) -> Result<Upstream> {
        eventually(SOON, "nginx has what etcd has", async || {
            let members = self.etcd.members().await?;
            let upstream = self.nginx.upstream_of(SESSIONS).await?;
            let peers = upstream.peers.iter().filter(|peer| peer.state != "removed");
            let peers: Vec<_> =
                peers.filter_map(|peer| Some((peer.key.clone()?, peer.address.clone()))).collect();
            ensure!(
                upstream.connected && peers == members,
                "{}, of {} members",
                upstream.summary(),
                members.len()
            );
            Ok(upstream)
        })
        .await
    }
}

/// Starts nodes with the names `n0`, `n1`, …
///
/// # Errors
///
/// Those of listening.
pub async fn start_tcp_nodes(count: usize) -> Result<Vec<TcpNode>> {
    let mut nodes = Vec::new();
    for number in 0..count {
        nodes.push(TcpNode::start(&format!("n{number}")).await?);
    }
    Ok(nodes)
}
