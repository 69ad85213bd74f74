//! Following a prefix: list, watch, and again after any trouble.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::backoff::{Backoff, LONGEST};
use crate::connection::{Cluster, Connection};
use crate::list::{Range, list};
use crate::trouble::Trouble;
use crate::update::{Cause, Update};
use crate::watch::{Watch, Word};

/// How long a watch must have lasted for its loss to be answered at once. As long as the longest wait, so that a
/// server which accepts every watch and ends it does not get more attempts than one that accepts none.
const LASTING: Duration = LONGEST;

/// Follows `prefix` until the receiver is dropped, then returns; it never ends otherwise.
///
/// The first word is [`Update::Listed`], or [`Update::Lost`] when no endpoint can be reached. After any trouble the
/// prefix is listed anew: at once where a watch had lasted, at the next endpoint where the endpoint is at fault, and
/// after a wait of 50 ms to 2 s where that did not help.
///
/// A prefix of "" stands for all keys. The connection is shared with the other prefixes of the cluster, and with its
/// flow control: a receiver that stays full for long holds them up, too.
pub async fn follow(cluster: Cluster, prefix: String, updates: Sender<Update>) {
    let range = Range::new(prefix.as_bytes());
    let backoff = Backoff::new(cluster.endpoints());
    let follower = Follower {
        cluster,
        range: &range,
        updates: &updates,
        backoff,
        listed: false,
        outage: None,
        lasted: false,
    };
    tokio::select! {
        () = updates.closed() => {}
        () = follower.run() => {}
    }
}

struct Follower<'a> {
    cluster: Cluster,
    range: &'a Range,
    updates: &'a Sender<Update>,
    backoff: Backoff,
    /// Whether there was a list yet.
    listed: bool,
    /// What began the outage that goes on.
    outage: Option<Cause>,
    /// Whether the last attempt's watch lasted.
    lasted: bool,
}

/// Why an attempt ended.
enum End {
    Trouble(Trouble),
    ReceiverDropped,
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Follower<'_> {
    async fn run(mut self) {
        loop {
            let Connection { generation, client } = self.cluster.connection().await;
            self.lasted = false;
            let end = match client {
                Ok(client) => match self.attempt(&client).await {
                    Ok(never) => match never {},
                    Err(end) => end,
                },
                Err(error) => End::Trouble(Trouble::call("connect", &error, Cause::Unreachable)),
            };
            let End::Trouble(trouble) = end else { return };
            if trouble.turn {
                self.cluster.turn(generation).await;
            }
            let wait = self.wait(&trouble);
            if self.report(trouble, wait).await.is_err() {
                return;
            }
            if wait.is_zero() {
                // So that the other tasks of the thread have their turn, even if the next attempt fails without waiting.
                yield_now().await;
            } else {
                sleep(wait).await;
            }
        }
    }

    fn wait(&mut self, trouble: &Trouble) -> Duration {
        if self.lasted {
            self.backoff.reset();
            Duration::ZERO
        } else if trouble.turn {
            self.backoff.after_endpoint()
        } else {
            self.backoff.after_refusal()
        }
    }

    /// Tells of the beginning of an outage. At a start it begins when every endpoint was tried.
    async fn report(&mut self, trouble: Trouble, wait: Duration) -> Result<(), End> {
        let more_endpoints = !self.listed && wait.is_zero();
        if self.outage.is_some() || more_endpoints {
            return Ok(());
        }
        self.outage = Some(trouble.cause);
        self.send(Update::Lost { cause: trouble.cause, reason: trouble.reason }).await
    }

    /// Lists and watches until there is trouble.
    async fn attempt(&mut self, client: &etcd_client::Client) -> Result<Infallible, End> {
        let mut list = list(client, self.range).await?;
        let items = std::mem::take(&mut list.items);
        let cause = self.outage.unwrap_or(Cause::Start);
        self.send(Update::Listed { cause, cluster_id: list.cluster_id, revision: list.revision, items })
            .await?;
        self.listed = true;

        let (mut watch, mut word) = Watch::create(client, self.range, &list).await?;
        self.outage = None;
        let created = Instant::now();
        loop {
            self.send(match word {
                Word::Alive { revision } => Update::Alive { revision },
                Word::Changed { revision, events } => Update::Changed { revision, events },
            })
            .await?;
            word = match watch.next().await {
                Ok(word) => word,
                Err(trouble) => {
                    self.lasted = created.elapsed() >= LASTING;
                    return Err(trouble.into());
                }
            };
        }
    }

    async fn send(&self, update: Update) -> Result<(), End> {
        self.updates.send(update).await.map_err(|_| End::ReceiverDropped)
    }
}
