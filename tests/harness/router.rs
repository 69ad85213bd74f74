//! What most tests begin with: etcd, nodes that are registered, and nginx that routes to them.

use crate::{Configuration, Etcd, Nginx, Node, Result, SOON, Upstream, ensure, eventually};

/// How many of those who differ a message names.
const SHOWN: usize = 5;

/// All three, ended in this order.
pub struct Router {
    /// nginx with the module.
    pub nginx: Nginx,
    /// The nodes that were registered at the start: `n0`, `n1`, …
    pub nodes: Vec<Node>,
    /// etcd.
    pub etcd: Etcd,
}

impl Router {
    /// Starts nginx with [`Configuration::firehose`] and a number of workers, before a number of
    /// nodes.
    ///
    /// # Errors
    ///
    /// Those of each start.
    pub async fn start(workers: usize, nodes: usize) -> Result<Self> {
        Self::with(nodes, |etcd| Configuration::firehose(etcd).workers(workers)).await
    }

    /// Starts nginx with a configuration that takes its peers from the etcd it is given.
    ///
    /// # Errors
    ///
    /// Those of each start.
    pub async fn with(
        nodes: usize,
        configuration: impl FnOnce(&Etcd) -> Configuration,
    ) -> Result<Self> {
        let etcd = Etcd::start().await?;
        let nodes = start_nodes(nodes).await?;
        etcd.register(&nodes).await?;
        let revision = etcd.revision().await?;
        let nginx = Nginx::start(configuration(&etcd)).await?;
        nginx.applied(revision).await?;
        Ok(Self { nginx, nodes, etcd })
    }

    /// Waits until nginx has exactly the members that etcd has, whose values must be plain
    /// addresses.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn settled(&self) -> Result<Upstream> {
        settled(&self.nginx, &self.etcd).await
    }
}

/// Waits until nginx has exactly the members that etcd has, whose values must be plain addresses.
///
/// # Errors
///
/// When it does not soon.
pub async fn settled(nginx: &Nginx, etcd: &Etcd) -> Result<Upstream> {
    eventually(SOON, "nginx has what etcd has", async || {
        let (members, upstream) = (etcd.members().await?, nginx.upstream().await?);
        let peers = upstream.peers.iter().filter(|peer| peer.state != "removed");
        let peers: Vec<_> =
            peers.filter_map(|peer| Some((peer.key.clone()?, peer.address.clone()))).collect();
        let lacking: Vec<_> =
            members.iter().filter(|member| !peers.contains(member)).take(SHOWN).collect();
        let surplus: Vec<_> =
            peers.iter().filter(|peer| !members.contains(peer)).take(SHOWN).collect();
        ensure!(
            upstream.connected && peers == members,
            "connected {}, revision {}, {:?}, {} of {} peers; lacking {lacking:?}, surplus \
             {surplus:?}",
            upstream.connected,
            upstream.revision,
            upstream.zone,
            peers.len(),
            members.len()
        );
        Ok(upstream)
    })
    .await
}

/// Starts nodes with the names `n0`, `n1`, …
///
/// # Errors
///
/// Those of binding.
pub async fn start_nodes(count: usize) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for number in 0..count {
        nodes.push(Node::start(&format!("n{number}")).await?);
    }
    Ok(nodes)
}
