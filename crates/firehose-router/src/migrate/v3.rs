//! etcd's v3 keys.

use std::time::Duration;

use etcd_watch::{
    Cluster, Item, Keys,
    etcd_client::{Compare, CompareOp, Txn, TxnOp},
};

use super::plan::Put;
use crate::etcd::{Etcd, list};

/// How long etcd may take to write some of them.
const WRITING: Duration = Duration::from_secs(10);

/// Keys that are written together: etcd takes 128 in a transaction by default (`--max-txn-ops`).
const TOGETHER: usize = 100;

/// Bytes that are written together: etcd takes 1.5 MiB in a request by default
/// (`--max-request-bytes`).
const BYTES_TOGETHER: usize = 1 << 20;

/// The keys below a prefix.
pub(super) struct Store {
    pub(super) etcd: Etcd,
    cluster: Cluster,
}

impl Store {
    pub(super) fn new(etcd: Etcd) -> Self {
        Self { cluster: etcd.cluster(), etcd }
    }

    /// Its endpoints, as lines name them.
    pub(super) fn endpoints(&self) -> String {
        self.etcd.config.endpoints.join(",")
    }

    /// Without a slash at its end.
    pub(super) fn prefix(&self) -> &str {
        &self.etcd.prefix
    }

    fn folder(&self) -> String {
        format!("{}/", self.etcd.prefix)
    }

    /// All keys, below the prefix.
    pub(super) async fn list(&self) -> Result<Vec<Item>, String> {
        list(&self.cluster, Keys::Below(self.folder())).await
    }

    /// Writes keys that are as they were seen, and says how many.
    pub(super) async fn put_all(&self, puts: &[Put<'_>]) -> Result<usize, String> {
        let mut written = 0;
        while written < puts.len() {
            let rest = &puts[written..];
            let mut bytes = 0;
            let fit = rest.iter().take_while(|put| {
                bytes += put.entry.key.len() + put.entry.value.len();
                bytes <= BYTES_TOGETHER
            });
            let count = fit.take(TOGETHER).count().max(1);
            self.put_together(&rest[..count]).await.map_err(|error| {
                format!("{error}; {written} keys were written: run this again for the rest")
            })?;
            written += count;
        }
        Ok(written)
    }

    async fn put_together(&self, puts: &[Put<'_>]) -> Result<(), String> {
        let folder = self.folder();
        let key = |put: &Put<'_>| [folder.as_bytes(), &put.entry.key].concat();
        let answer = self.cluster.call("put", &folder, WRITING, |client| {
            let as_seen =
                puts.iter().map(|put| Compare::mod_revision(key(put), CompareOp::Equal, put.at));
            let ops = puts.iter().map(|put| TxnOp::put(key(put), put.entry.value.clone(), None));
            let txn =
                Txn::new().when(as_seen.collect::<Vec<_>>()).and_then(ops.collect::<Vec<_>>());
            async move { client.kv_client().txn(txn).await }
        });
        if answer.await?.succeeded() {
            Ok(())
        } else {
            Err("the keys were changed by another client; run this again".to_owned())
        }
    }
}
