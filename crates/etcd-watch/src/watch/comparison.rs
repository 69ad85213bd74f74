//! Whether a watch that says nothing has missed anything.

use etcd_client::{Client, GetOptions};

use crate::backoff::LAST_DEADLINE;
use crate::connection::{Cluster, Connection};
use crate::patience::timeout;
use crate::trouble::Trouble;
use crate::update::Cause;

/// What is known of a range.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
    /// Up to which revision all changes are known.
    pub(super) delivered: i64,
    /// The keys at that revision.
    pub(super) keys: usize,
}

/// Whether etcd has something else than what is known.
///
/// One read tells: where no key was written after the revision, all keys that there are are known
/// ones, and where they are as many, none has gone.
pub(super) async fn differs(
    cluster: &Cluster,
    connection: &Connection,
    known: &Known,
) -> Result<bool, Trouble> {
    cluster.with_token(connection, |client| read(client, known)).await
}

async fn read(client: Client, known: &Known) -> Result<bool, Trouble> {
    let options = GetOptions::new()
        .with_range(known.end.clone())
        .with_min_mod_revision(known.delivered.saturating_add(1))
        .with_keys_only()
        .with_limit(1);
    let mut kv = client.kv_client();
    match timeout(LAST_DEADLINE, kv.get(known.start.clone(), Some(options))).await {
        // etcd counts all keys of the range, whatever else is asked for.
        Ok(Ok(answer)) => {
            Ok(!answer.kvs().is_empty() || usize::try_from(answer.count()) != Ok(known.keys))
        }
        Ok(Err(error)) => Err(Trouble::call("watch", &error, Cause::Broken)),
        Err(_) => Err(Trouble::late(Cause::Silent, "watch", LAST_DEADLINE)),
    }
}
