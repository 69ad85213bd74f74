//! The calls to etcd that a node's key takes.

use std::time::Duration;

use etcd_watch::{
    CallError, Cluster, Item,
    etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp},
};

use crate::etcd::{Etcd, list};

/// How long etcd may take for one call.
const DEADLINE: Duration = Duration::from_secs(5);

/// A key as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredKey {
    pub(super) value: Vec<u8>,
    pub(super) mod_revision: i64,
    /// 0: none.
    pub(super) lease: i64,
}

impl StoredKey {
    /// The value as text, for people.
    pub(super) fn shown_value(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }
}

/// The cluster with the keys.
pub(super) struct Store {
    cluster: Cluster,
    endpoints: usize,
}

impl Store {
    pub(super) fn new(etcd: &Etcd) -> Self {
        Self { cluster: etcd.cluster(), endpoints: etcd.config.endpoints.len() }
    }

    /// How often a call is made in all: once for each endpoint, and once more, since an answer may
    /// get lost.
    pub(super) fn attempts(&self) -> usize {
        self.endpoints + 1
    }

    /// All keys below the prefix, in their order.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Item>, String> {
        list(&self.cluster, prefix).await
    }

    /// The key as it is; `None` where there is none.
    pub(super) async fn read(&self, key: &str) -> Result<Option<StoredKey>, CallError> {
        let mut attempt = 1;
        loop {
            let read = self.cluster.call_for_change("get", key, DEADLINE, |client| async move {
                client.kv_client().get(key, None).await
            });
            match read.await {
                Ok(answer) => {
                    return Ok(answer.kvs().first().map(|pair| StoredKey {
                        value: pair.value().to_vec(),
                        mod_revision: pair.mod_revision(),
                        lease: pair.lease(),
                    }));
                }
                Err(error) if error.is_refusal || attempt == self.attempts() => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    /// Writes a key that is not there. Returns the revision, or `None` if it is.
    pub(super) async fn create(&self, key: &str, value: &[u8]) -> Result<Option<i64>, CallError> {
        let is_absent = Compare::create_revision(key, CompareOp::Equal, 0);
        self.change("put", key, is_absent, TxnOp::put(key, value, None)).await
    }

    /// Writes a key that is as it was seen, and leaves it its lease. Returns the revision, or
    /// `None` if it is not.
    pub(super) async fn put(
        &self,
        key: &str,
        value: &[u8],
        mod_revision: i64,
    ) -> Result<Option<i64>, CallError> {
        let options = PutOptions::new().with_ignore_lease();
        let put = TxnOp::put(key, value, Some(options));
        self.change("put", key, as_seen(key, mod_revision), put).await
    }

    /// Deletes a key that is as it was seen. Returns the revision, or `None` if it is not.
    pub(super) async fn delete(
        &self,
        key: &str,
        mod_revision: i64,
    ) -> Result<Option<i64>, CallError> {
        self.change("delete", key, as_seen(key, mod_revision), TxnOp::delete(key, None)).await
    }

    async fn change(
        &self,
        what: &'static str,
        key: &str,
        condition: Compare,
        operation: TxnOp,
    ) -> Result<Option<i64>, CallError> {
        let (condition, operation) = (&condition, &operation);
        let changed = self.cluster.call_for_change(what, key, DEADLINE, |client| async move {
            let change = Txn::new().when([condition.clone()]).and_then([operation.clone()]);
            client.kv_client().txn(change).await
        });
        let answer = changed.await?;
        let revision = answer.header().map_or(0, |header| header.revision());
        Ok(answer.succeeded().then_some(revision))
    }
}

fn as_seen(key: &str, mod_revision: i64) -> Compare {
    Compare::mod_revision(key, CompareOp::Equal, mod_revision)
}
