//! The calls to etcd that a change takes.

use std::time::Duration;

use etcd_watch::{
    CallError, Cluster, Item,
    etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp},
};

use nginx_syntax::quoted;

use super::error::KeysError;
use crate::etcd::{Connection, list};

/// How long etcd may take for one call.
const DEADLINE: Duration = Duration::from_secs(5);

/// A key as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) value: Vec<u8>,
    pub(crate) mod_revision: i64,
    /// 0: none.
    pub(crate) lease: i64,
}

impl StoredKey {
    /// The value as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }
}

/// The cluster with the keys.
pub(crate) struct Store {
    cluster: Cluster,
    endpoints: usize,
    /// The task that lists the keys, for messages.
    pub(crate) list: &'static str,
}

impl Store {
    pub(crate) fn new(connection: &Connection, list: &'static str) -> Self {
        let endpoints = connection.config.endpoints.len();
        Self { cluster: connection.cluster(), endpoints, list }
    }

    /// A value as messages show it.
    pub(crate) fn shown(&self, value: &[u8]) -> String {
        quoted(&String::from_utf8_lossy(value))
    }

    /// The key that has to be there is not.
    pub(crate) fn missing(&self, key: &str) -> KeysError {
        KeysError::Missing { key: key.to_owned(), list: self.list }
    }

    /// Nobody knows whether the change was made.
    pub(crate) fn unknown(&self, reason: String) -> KeysError {
        KeysError::Unknown { reason, list: self.list }
    }

    /// How often a call is made in all: once for each endpoint, and once more, since an answer may
    /// get lost.
    pub(crate) fn attempts(&self) -> usize {
        self.endpoints + 1
    }

    /// All keys below the prefix, in their order.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Item>, KeysError> {
        list(&self.cluster, prefix).await.map_err(KeysError::Etcd)
    }

    /// The key as it is; `None` where there is none.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<StoredKey>, CallError> {
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
    pub(crate) async fn create(&self, key: &str, value: &[u8]) -> Result<Option<i64>, CallError> {
        let is_absent = Compare::create_revision(key, CompareOp::Equal, 0);
        self.change("put", key, is_absent, TxnOp::put(key, value, None)).await
    }

    /// Writes a key that is as it was seen, and leaves it its lease. Returns the revision, or
    /// `None` if it is not.
    pub(crate) async fn put(
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
    pub(crate) async fn delete(
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
