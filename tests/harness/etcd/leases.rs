//! Keys that go with a lease.

use etcd_client::PutOptions;

use crate::{Etcd, Node, Result, key};

impl Etcd {
    /// Grants a lease of `seconds`, which nobody keeps alive, and gives its id.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn grant(&self, seconds: i64) -> Result<i64> {
        Ok(self.client()?.lease_client().grant(seconds, None).await?.id())
    }

    /// Revokes a lease: its keys go, all at one revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn revoke(&self, lease: i64) -> Result<()> {
        self.client()?.lease_client().revoke(lease).await?;
        Ok(())
    }

    /// Writes a key that goes with a lease, and gives the revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn put_with_lease(&self, key: &str, value: &str, lease: i64) -> Result<i64> {
        let options = PutOptions::new().with_lease(lease);
        let response = self.client()?.put(key, value, Some(options)).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Writes a key for each node, with a lease of its own, and gives the leases.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn register_with_leases(&self, nodes: &[Node], seconds: i64) -> Result<Vec<i64>> {
        let mut leases = Vec::with_capacity(nodes.len());
        for node in nodes {
            let lease = self.grant(seconds).await?;
            self.put_with_lease(&key(node.name()), &node.address().to_string(), lease).await?;
            leases.push(lease);
        }
        Ok(leases)
    }
}
