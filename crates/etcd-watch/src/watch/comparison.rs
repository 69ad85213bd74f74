//! Whether a watch that says nothing has missed anything.

use etcd_client::{Client, GetOptions, GetResponse};

use super::reader::Reader;
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

impl KnownRange {
    pub(super) fn of(reader: &Reader<'_>) -> Self {
        let Reader { range, delivered, keys, .. } = *reader;
        Self { parts: range.parts(), delivered, keys }
    }
}

/// Whether etcd has something else than what is known.
pub(super) async fn differs(
    cluster: &Cluster,
    connection: &Connection,
    known: &KnownRange,
) -> Result<bool, Trouble> {
    let at = cluster.with_token(connection, |client| read(client, known)).await?;
    Ok(at.is_none())
}

/// The revision at which etcd has what is known, and nothing else; `None` if it has something else.
///
/// One read of each part tells: where no key was written after the revision, all keys that there
/// are are known ones, and where they are as many, none has gone.
pub(super) async fn read(client: Client, known: &KnownRange) -> Result<Option<i64>, Trouble> {
    let (mut keys, mut revision) = (0, i64::MAX);
    for part in &known.parts {
        let options = GetOptions::new()
            .with_min_mod_revision(known.delivered.saturating_add(1))
            .with_keys_only()
            .with_limit(1);
        let answer = get(&client, part, options).await?;
        if !answer.kvs().is_empty() {
            return Ok(None);
        }
        // etcd counts all keys of the range, whatever else is asked for.
        keys += answer.count();
        revision =
            revision.min(answer.header().map_or(known.delivered, |header| header.revision()));
    }
    Ok((usize::try_from(keys) == Ok(known.keys)).then_some(revision))
}

/// Reads a part.
pub(super) async fn get(
    client: &Client,
    part: &Part,
    options: GetOptions,
) -> Result<GetResponse, Trouble> {
    let options = options.with_range(part.end.clone());
    let mut kv = client.kv_client();
    match listening_timeout(LAST_DEADLINE, kv.get(part.start.clone(), Some(options))).await {
        Ok(answer) => answer.map_err(|error| Trouble::call("watch", &error, Cause::Broken)),
        Err(_) => Err(Trouble::late(Cause::Silent, "watch", LAST_DEADLINE)),
    }
}

/// The task that makes a comparison has panicked.
pub(super) fn failed() -> Trouble {
    Trouble::nonsense("watch: internal error: the task that compares the keys failed")
}
