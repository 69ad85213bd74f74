//! The calls to etcd that a change takes.

use std::time::Duration;

use etcd_watch::{
    CallError, Cluster, Item, Keys,
    etcd_client::{Compare, CompareOp, DeleteOptions, PutOptions, Txn, TxnOp},
};

use nginx_syntax::quoted;

use super::{error::KeysError, names::names};
use crate::etcd::{Connection, list};

/// How long etcd may take for one call.
const DEADLINE: Duration = Duration::from_secs(5);

/// A key as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) value: Vec<u8>,
    pub(crate) create_revision: i64,
    pub(crate) mod_revision: i64,
    /// 0: none.
    pub(crate) lease: i64,
}

/// The keys below a prefix as they were read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'p> {
    /// With a slash at its end.
    pub(crate) prefix: &'p str,
    /// The revision of the last put.
    pub(crate) newest: i64,
}

impl StoredKey {
    /// The value as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }
}

/// How values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// As they are.
    Values,
    /// By their lengths, since they are secrets.
    Lengths,
}

/// The cluster with the keys.
pub(crate) struct Store {
    cluster: Cluster,
    endpoints: usize,
    /// The task that lists the keys, for messages.
    pub(crate) list: &'static str,
    shows: Shows,
}

impl Store {
    pub(crate) fn new(connection: &Connection, list: &'static str, shows: Shows) -> Self {
        let endpoints = connection.config.endpoints.len();
        Self { cluster: connection.cluster(), endpoints, list, shows }
    }

    /// A value as messages show it.
    pub(crate) fn shown(&self, value: &[u8]) -> String {
        match self.shows {
            Shows::Values => quoted(&String::from_utf8_lossy(value)),
            Shows::Lengths if value.len() == 1 => "(1 byte)".to_owned(),
            Shows::Lengths => format!("({} bytes)", value.len()),
        }
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
        let keys = Keys::Below(prefix.to_owned());
        list(&self.cluster, keys).await.map_err(KeysError::Etcd)
    }

    /// The same with the key that is the prefix itself, whose name is empty.
    pub(crate) async fn list_with_prefix(&self, prefix: &str) -> Result<Vec<Item>, KeysError> {
        let keys = Keys::Beginning(prefix.to_owned());
        list(&self.cluster, keys).await.map_err(KeysError::Etcd)
    }

    /// The names of these keys, without their values.
    pub(crate) async fn names(&self, prefix: &str) -> Result<Vec<Vec<u8>>, KeysError> {
        names(&self.cluster, prefix, self.attempts()).await.map_err(KeysError::Etcd)
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
                        create_revision: pair.create_revision(),
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

    /// Deletes a key and all keys below it, if none of them, and none of `unchanged`, is newer than
    /// it was seen. Returns the revision, or `None` if one is.
    pub(crate) async fn delete_all(
        &self,
        key: &str,
        newest: i64,
        unchanged: Option<&Seen<'_>>,
    ) -> Result<Option<i64>, CallError> {
        let below = format!("{key}/");
        let mut conditions = vec![
            Compare::mod_revision(key, CompareOp::Less, newest + 1),
            Compare::mod_revision(below.as_str(), CompareOp::Less, newest + 1).with_prefix(),
        ];
        conditions.extend(unchanged.map(|seen| {
            let newest = seen.newest + 1;
            Compare::mod_revision(seen.prefix, CompareOp::Less, newest).with_prefix()
        }));
        let all = Some(DeleteOptions::new().with_prefix());
        let operations = vec![TxnOp::delete(key, None), TxnOp::delete(below.as_str(), all)];
        self.change_all("delete", &below, conditions, operations).await
    }

    async fn change(
        &self,
        what: &'static str,
        key: &str,
        condition: Compare,
        operation: TxnOp,
    ) -> Result<Option<i64>, CallError> {
        self.change_all(what, key, vec![condition], vec![operation]).await
    }

    async fn change_all(
        &self,
        what: &'static str,
        keys: &str,
        conditions: Vec<Compare>,
        operations: Vec<TxnOp>,
    ) -> Result<Option<i64>, CallError> {
        let change = &Txn::new().when(conditions).and_then(operations);
        let changed = self.cluster.call_for_change(what, keys, DEADLINE, |client| async move {
            client.kv_client().txn(change.clone()).await
        });
        let answer = changed.await?;
        let revision = answer.header().map_or(0, |header| header.revision());
        Ok(answer.succeeded().then_some(revision))
    }
}

fn as_seen(key: &str, mod_revision: i64) -> Compare {
    Compare::mod_revision(key, CompareOp::Equal, mod_revision)
}
