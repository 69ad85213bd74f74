//! Whether a compaction has taken a deletion from the watch.
//!
//! etcd cancels a watch for which it has compacted revisions that it has yet to send. Before 3.5.16
//! it does not where the next revision to send is the compacted one itself, and then says nothing
//! of a key that was deleted in it (github.com/etcd-io/etcd/issues/18089). That happens to a watch
//! that begins, for about 100 ms after it was created, and to one whose receiver is slow.

use std::time::Duration;

use etcd_client::{Client, GetOptions};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::comparison::{KnownRange, failed, get, read};
use super::reader::Reader;
use crate::connection::{Cluster, Connection};
use crate::range::Part;
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// How long after its creation a watch is looked at first, and again where that did not tell: until
/// then etcd has sent what it had, if it is not very busy. If it is, a later look tells.
const SOON: Duration = Duration::from_secs(2);

/// The longest time from one look to the next. Each is a read of one key.
const INTERVAL: Duration = Duration::from_secs(30);

/// Looks for compactions beyond what is known for certain. Only where there was one, which is rare,
/// are the keys compared.
pub(super) struct Compactions {
    /// Up to which revision nothing is missed.
    complete: i64,
    next_at: Instant,
    look: JoinSet<(KnownRange, Result<Finding, Trouble>)>,
    /// Up to where changes had come when something seemed to be missed.
    behind: Option<i64>,
}

/// What a look has found.
enum Finding {
    /// Nothing is missed up to this revision.
    Complete(i64),
    /// Something is missed, or yet to come.
    Differs,
    /// Something is missed.
    Missed,
}

impl Compactions {
    /// Of a watch that follows a list of this revision.
    pub(super) fn after(listed: i64) -> Self {
        let next_at = Instant::now() + SOON;
        Self { complete: listed, next_at, look: JoinSet::new(), behind: None }
    }

    /// Looks from time to time, and returns when the watch has missed something. Cancel safe.
    pub(super) async fn missed(
        &mut self,
        cluster: &Cluster,
        connection: &Connection,
        reader: &Reader<'_>,
    ) -> Trouble {
        loop {
            if let Some(answer) = self.look.join_next().await {
                if let Some(trouble) = self.judge(answer, reader.delivered) {
                    return trouble;
                }
                continue;
            }
            sleep_until(self.next_at).await;
            let (cluster, connection) = (cluster.clone(), connection.clone());
            let (known, complete) = (KnownRange::of(reader), self.complete);
            self.look.spawn(async move {
                let looking = |client| look(client, &known, complete);
                let finding = cluster.with_token(&connection, looking).await;
                (known, finding)
            });
        }
    }

    /// The end of the watch, if this shows that it has missed something.
    fn judge(
        &mut self,
        answer: Result<(KnownRange, Result<Finding, Trouble>), JoinError>,
        delivered: i64,
    ) -> Option<Trouble> {
        let now = Instant::now();
        self.next_at = now + SOON;
        let Ok((known, finding)) = answer else { return Some(failed()) };
        let before = self.behind.take();
        match finding {
            Ok(Finding::Complete(revision)) => {
                self.complete = self.complete.max(revision);
                // Watches that began together are not to look together.
                self.next_at = now + INTERVAL.mul_f64(0.5 + fastrand::f64() / 2.0);
                None
            }
            Ok(Finding::Differs) if delivered != known.delivered => None,
            Ok(Finding::Differs) if before != Some(delivered) => {
                self.behind = Some(delivered);
                None
            }
            Ok(Finding::Differs | Finding::Missed) => {
                let said = "watch: etcd has compacted changes that it had not sent";
                Some(Trouble::refused(Cause::Compacted, Kind::Compacted, said))
            }
            // What an error means for the endpoint or the permission, the question for the quorum
            // finds out.
            Err(_) => {
                self.behind = before;
                None
            }
        }
    }
}

/// Where nothing beyond `complete` is compacted, nothing is missed. Otherwise the keys are counted
/// at the revision up to which changes have come, or, where that is compacted as well, what there
/// is now is compared with what is known.
async fn look(client: Client, known: &KnownRange, complete: i64) -> Result<Finding, Trouble> {
    // A key that who may read the range may read.
    let first = known.parts.first().map(|part| Part { start: part.start.clone(), end: vec![] });
    if count(&client, first.as_slice(), complete).await?.is_some() {
        return Ok(Finding::Complete(complete));
    }
    if let Some(keys) = count(&client, &known.parts, known.delivered).await? {
        return Ok(match usize::try_from(keys) == Ok(known.keys) {
            true => Finding::Complete(known.delivered),
            false => Finding::Missed,
        });
    }
    Ok(read(client, known).await?.map_or(Finding::Differs, Finding::Complete))
}

/// How many keys there were at a revision; `None` where a later one is compacted.
async fn count(client: &Client, parts: &[Part], revision: i64) -> Result<Option<i64>, Trouble> {
    let mut keys = 0;
    for part in parts {
        let options = GetOptions::new().with_revision(revision).with_count_only();
        match get(client, part, options).await {
            Ok(answer) => keys += answer.count(),
            Err(trouble) if trouble.kind == Kind::Compacted => return Ok(None),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(Some(keys))
}

#[cfg(test)]
mod tests {
    use super::{Compactions, Finding, KnownRange};
    use crate::trouble::Trouble;
    use crate::update::Cause;

    /// What a look that began when changes had come up to `known` means, now that they have come up
    /// to `delivered`.
    fn judge(
        compactions: &mut Compactions,
        finding: Result<Finding, Trouble>,
        known: i64,
        delivered: i64,
    ) -> Option<Cause> {
        let known = KnownRange { parts: vec![], delivered: known, keys: 1 };
        compactions.judge(Ok((known, finding)), delivered).map(|trouble| trouble.cause)
    }

    #[tokio::test]
    async fn what_is_yet_to_come_is_waited_for() {
        let mut compactions = Compactions::after(5);
        // It has come meanwhile, once during the look, once after it.
        assert_eq!(judge(&mut compactions, Ok(Finding::Differs), 5, 6), None);
        assert_eq!(judge(&mut compactions, Ok(Finding::Differs), 6, 6), None);
        assert_eq!(judge(&mut compactions, Ok(Finding::Differs), 7, 7), None);
        assert_eq!(judge(&mut compactions, Ok(Finding::Complete(9)), 7, 7), None);
        assert_eq!(compactions.complete, 9);
        // It does not come.
        assert_eq!(judge(&mut compactions, Ok(Finding::Differs), 7, 7), None);
        assert_eq!(judge(&mut compactions, Err(Trouble::broken("lost")), 7, 7), None);
        assert_eq!(judge(&mut compactions, Ok(Finding::Differs), 7, 7), Some(Cause::Compacted));
        assert_eq!(compactions.complete, 9);
    }

    #[tokio::test]
    async fn what_is_missed_for_certain_ends_the_watch() {
        let mut compactions = Compactions::after(5);
        assert_eq!(judge(&mut compactions, Ok(Finding::Missed), 6, 7), Some(Cause::Compacted));
        let mut compactions = Compactions::after(5);
        assert_eq!(judge(&mut compactions, Ok(Finding::Complete(3)), 3, 3), None);
        assert_eq!(compactions.complete, 5);
    }
}
