//! Whether a watch that says nothing has missed anything.

use etcd_client::{Client, GetOptions};

use crate::backoff::LAST_DEADLINE;
use crate::connection::{Cluster, Connection};
use crate::listening_time::listening_timeout;
use crate::range::Part;
use crate::trouble::Trouble;
use crate::update::Cause;

/// What is known of a range.
#[derive(Clone, Debug)]
pub(super) struct KnownRange {
    pub(super) parts: Vec<Part>,
    /// Up to which revision all changes are known.
    pub(super) delivered: i64,
    /// The keys at that revision.
    pub(super) keys: usize,
}

/// Whether etcd has something else than what is known.
///
/// One read of each part tells: where no key was written after the revision, all keys that there
/// are are known ones, and where they are as many, none has gone.
pub(super) async fn differs(
    cluster: &Cluster,
    connection: &Connection,
    known: &KnownRange,
) -> Result<bool, Trouble> {
    cluster.with_token(connection, |client| read(client, known)).await
}

async fn read(client: Client, known: &KnownRange) -> Result<bool, Trouble> {
    let mut keys = 0;
    for part in &known.parts {
        match read_part(&client, part, known.delivered).await? {
            Some(count) => keys += count,
            None => return Ok(true),
        }
    }
    Ok(usize::try_from(keys) != Ok(known.keys))
}

/// How many keys there are; `None` where one was written after the revision.
async fn read_part(client: &Client, part: &Part, delivered: i64) -> Result<Option<i64>, Trouble> {
    let options = GetOptions::new()
        .with_range(part.end.clone())
        .with_min_mod_revision(delivered.saturating_add(1))
        .with_keys_only()
        .with_limit(1);
    let mut kv = client.kv_client();
    match listening_timeout(LAST_DEADLINE, kv.get(part.start.clone(), Some(options))).await {
        // etcd counts all keys of the range, whatever else is asked for.
        Ok(Ok(answer)) => Ok(answer.kvs().is_empty().then(|| answer.count())),
        Ok(Err(error)) => Err(Trouble::call("watch", &error, Cause::Broken)),
        Err(_) => Err(Trouble::late(Cause::Silent, "watch", LAST_DEADLINE)),
    }
}
