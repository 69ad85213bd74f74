//! Keys: written, read and deleted.

use etcd_client::{DeleteOptions, GetOptions, Txn, TxnOp};

use crate::{Etcd, Node, PREFIX, Result, ensure, key};

/// Operations per transaction: etcd's own limit, `--max-txn-ops`.
pub(super) const OPERATIONS: usize = 128;

impl Etcd {
    /// Writes a key, and gives the revision of the write.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<i64> {
        let response = self.client()?.put(key.as_ref(), value.as_ref(), None).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// A key's value with its lease, if there is such a key.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn look_up(&self, key: &str) -> Result<Option<(String, i64)>> {
        let response = self.client()?.get(key, None).await?;
        let pair = response.kvs().first();
        pair.map(|pair| Ok((pair.value_str()?.to_owned(), pair.lease()))).transpose()
    }

    /// The revision at which a key came to be.
    ///
    /// # Errors
    ///
    /// Those of etcd, and no such key.
    pub async fn create_revision(&self, key: &str) -> Result<i64> {
        let response = self.client()?.get(key, None).await?;
        Ok(response.kvs().first().ok_or_else(|| format!("no key {key}"))?.create_revision())
    }

    /// Deletes a key, which must be there, and gives the revision.
    ///
    /// # Errors
    ///
    /// Those of etcd, and no such key.
    pub async fn delete(&self, key: &str) -> Result<i64> {
        let response = self.client()?.delete(key, None).await?;
        ensure!(response.deleted() == 1, "no key {key}");
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Deletes all keys that begin with `prefix`, and gives the revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn delete_all(&self, prefix: &str) -> Result<i64> {
        let response =
            self.client()?.delete(prefix, Some(DeleteOptions::new().with_prefix())).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Writes many keys, a hundred or so per revision, and gives the last revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn put_all(&self, pairs: impl IntoIterator<Item = (String, String)>) -> Result<i64> {
        let operations: Vec<_> =
            pairs.into_iter().map(|(key, value)| TxnOp::put(key, value, None)).collect();
        self.transactions(operations).await
    }

    /// Deletes many keys, a hundred or so per revision, and gives the last revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn delete_each(&self, keys: impl IntoIterator<Item = String>) -> Result<i64> {
        let operations: Vec<_> = keys.into_iter().map(|key| TxnOp::delete(key, None)).collect();
        self.transactions(operations).await
    }

    /// Writes keys, or deletes those without a value, a hundred or so per revision, and gives the
    /// last revision. No key may come twice.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn change_all(
        &self,
        changes: impl IntoIterator<Item = (String, Option<String>)>,
    ) -> Result<i64> {
        let operation = |(key, value)| match value {
            Some(value) => TxnOp::put(key, value, None),
            None => TxnOp::delete(key, None),
        };
        self.transactions(changes.into_iter().map(operation).collect()).await
    }

    async fn transactions(&self, operations: Vec<TxnOp>) -> Result<i64> {
        let mut client = self.client()?;
        let mut revision = 0;
        for chunk in operations.chunks(OPERATIONS) {
            let response = client.txn(Txn::new().and_then(chunk)).await?;
            revision = response.header().ok_or("no header")?.revision();
        }
        Ok(revision)
    }

    /// Writes a key for each node, its name below [`PREFIX`], and gives the last revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn register(&self, nodes: &[Node]) -> Result<i64> {
        self.put_all(nodes.iter().map(|node| (key(node.name()), node.address().to_string()))).await
    }

    /// The names below [`PREFIX`] and their values, in the order of the keys' bytes.
    ///
    /// # Errors
    ///
    /// Those of etcd, and a key or value that is no text.
    pub async fn members(&self) -> Result<Vec<(String, String)>> {
        let response = self.client()?.get(PREFIX, Some(GetOptions::new().with_prefix())).await?;
        let pairs = response.kvs().iter();
        pairs
            .map(|pair| {
                Ok((pair.key_str()?[PREFIX.len()..].to_owned(), pair.value_str()?.to_owned()))
            })
            .collect()
    }

    /// All keys that begin with `prefix`, whole, and their values, in the order of the keys' bytes.
    ///
    /// # Errors
    ///
    /// Those of etcd, and a key or value that is no text.
    pub async fn all_below(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        let response = self.client()?.get(prefix, Some(GetOptions::new().with_prefix())).await?;
        let pairs = response.kvs().iter();
        pairs.map(|pair| Ok((pair.key_str()?.to_owned(), pair.value_str()?.to_owned()))).collect()
    }
}
