//! Keys that go with a lease.

use etcd_client::{PutOptions, Txn, TxnOp};
use tokio::task::JoinSet;

use super::keys::OPERATIONS;
use crate::{Etcd, Node, Result, key};

/// Who write many leases write as many at a time: etcd answers one request at a time to each, once
/// it is on the disk.
const WRITERS: usize = 64;

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

    /// Writes many keys, each with a lease of its own of `seconds`, and gives the leases.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn put_each_with_lease(
        &self,
        pairs: Vec<(String, String)>,
        seconds: i64,
    ) -> Result<Vec<i64>> {
        let mut writers = JoinSet::new();
        for part in pairs.chunks(pairs.len().div_ceil(WRITERS).max(1)) {
            let (part, client) = (part.to_vec(), self.client()?);
            writers.spawn(async move {
                let mut leases = Vec::with_capacity(part.len());
                for pairs in part.chunks(OPERATIONS) {
                    let mut operations = Vec::with_capacity(pairs.len());
                    for (key, value) in pairs {
                        let lease = client.lease_client().grant(seconds, None).await?.id();
                        leases.push(lease);
                        let options = PutOptions::new().with_lease(lease);
                        operations.push(TxnOp::put(key.as_str(), value.as_str(), Some(options)));
                    }
                    client.kv_client().txn(Txn::new().and_then(operations)).await?;
                }
                Ok::<_, etcd_client::Error>(leases)
            });
        }
        let mut leases = Vec::with_capacity(pairs.len());
        while let Some(written) = writers.join_next().await {
            leases.extend(written??);
        }
        Ok(leases)
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
