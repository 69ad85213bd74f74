//! Following a prefix: list, watch, and again after any trouble.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::advice::reason;
use crate::backoff::{AnswerDeadline, Backoff, LONGEST};
use crate::connection::{Cluster, Connection};
use crate::limits::Limits;
use crate::list::list;
use crate::outage::Outage;
use crate::range::Range;
use crate::trouble::{Kind, Trouble};
use crate::update::{Cause, Update};
use crate::watch::Watch;

/// How long a watch must have lasted for its loss to be answered at once. As long as the longest
/// wait, so that a server which accepts every watch and ends it does not get more attempts than one
/// that accepts none.
const LASTING: Duration = LONGEST;

/// How long a list lies back at least when another is made for the keys that the watch has left out
/// since: a prefix that is full to the brim is not to be listed at each change.
const WHOLE_AGAIN: Duration = Duration::from_secs(10);

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// All keys that begin with this, but for a key that is no longer than it.
    Below(String),
    /// All keys that begin with `prefix`, but for a key that is no longer than it, and but for
    /// those that begin with `prefix` and `without` behind it. These count against no limit; who
    /// may read the others must be allowed to read them, too.
    BelowWithout {
        /// What all keys begin with.
        prefix: String,
        /// What those that are left out have behind it.
        without: String,
    },
    /// All keys that begin with this, the one among them that is no longer than it; that one is
    /// told of as the key "".
    Beginning(String),
    /// One key; it is told of as the key "".
    One(String),
}

impl Keys {
    fn range(&self) -> Range {
        match self {
            Self::Below(prefix) => Range::new(prefix.as_bytes()),
            Self::BelowWithout { prefix, without } => {
                let gap = format!("{prefix}{without}");
                Range::new(prefix.as_bytes()).without(gap.as_bytes())
            }
            Self::Beginning(prefix) => Range::beginning(prefix.as_bytes()),
            Self::One(key) => Range::of_key(key.as_bytes()),
        }
    }
}

/// Follows `keys`, within `limits`, until the receiver is dropped, then returns; it never ends
/// otherwise.
///
/// The first word is [`Update::Listed`], or [`Update::Lost`] when no endpoint can be reached. After
/// any trouble the prefix is listed again: at once where a watch had lasted, at the next endpoint
/// where the endpoint is at fault, and after a wait of 50 ms to 2 s where that did not help, or of
/// up to 5 s where etcd refused.
///
/// A prefix of "" stands for all keys. The connection is shared with the other prefixes of the
/// cluster, and with its flow control: a receiver that stays full for long holds them up, too.
pub async fn follow(cluster: Cluster, keys: Keys, limits: Limits, updates: Sender<Update>) {
    let range = keys.range();
    let backoff = Backoff::new(cluster.config().endpoints.len());
    let follower = Follower {
        cluster,
        range: &range,
        limits,
        updates: &updates,
        backoff,
        answer_deadline: AnswerDeadline::default(),
        listed: false,
        outage: None,
        lasted: false,
        is_limited: false,
    };
    // Once the receiver is dropped, nobody wants what the follower has under way.
    tokio::select! {
        // Cancel safe: nobody is left who would hear what is dropped.
        () = updates.closed() => {}
        () = follower.run() => {}
    }
}

struct Follower<'a> {
    cluster: Cluster,
    range: &'a Range,
    limits: Limits,
    updates: &'a Sender<Update>,
    backoff: Backoff,
    answer_deadline: AnswerDeadline,
    /// Whether there was a list yet.
    listed: bool,
    /// The outage that goes on.
    outage: Option<Outage>,
    /// Whether the last attempt's watch lasted.
    lasted: bool,
    /// Whether keys are left out.
    is_limited: bool,
}

/// How long to wait until the next attempt, and whether all endpoints have been tried before that.
struct Wait {
    wait: Duration,
    is_round_complete: bool,
}

impl Wait {
    fn new(wait: Duration) -> Self {
        Self { wait, is_round_complete: !wait.is_zero() }
    }
}

/// Why an attempt ended.
enum End {
    Trouble(Trouble),
    /// What the watch has left out is to be listed.
    Whole,
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
            self.lasted = false;
            let trouble = match self.cluster.connection().await {
                Ok(connection) => match self.attempt(&connection).await {
                    Ok(never) => match never {},
                    Err(End::Trouble(trouble)) => {
                        if trouble.turn {
                            self.cluster.turn(&connection).await;
                        }
                        let kind = match trouble.kind {
                            // etcd did speak it, and is away.
                            Kind::NoHttp2 if connection.has_answered() => Kind::Broken,
                            kind => kind,
                        };
                        Trouble {
                            kind,
                            endpoint: trouble.endpoint.or(Some(connection.endpoint)),
                            ..trouble
                        }
                    }
                    Err(End::Whole) => {
                        yield_now().await;
                        continue;
                    }
                    Err(End::ReceiverDropped) => return,
                },
                Err(trouble) => trouble,
            };
            self.note_endpoint(&trouble);
            let Wait { wait, is_round_complete } = self.wait(&trouble);
            if self.report(trouble, is_round_complete).await.is_err() {
                return;
            }
            if wait.is_zero() {
                // So that the other tasks of the thread have their turn, even if the next attempt
                // fails without waiting.
                yield_now().await;
            } else {
                sleep(wait).await;
            }
        }
    }

    /// Takes note of what is wrong with an endpoint, unless it would be so at any.
    fn note_endpoint(&self, trouble: &Trouble) {
        let kind = trouble.kind;
        if let Some(url) = &trouble.endpoint
            && !matches!(kind, Kind::Compacted | Kind::TooMany)
        {
            let reason = || reason(trouble, self.cluster.config(), self.range);
            self.cluster.known_endpoints().note_trouble(url, kind, reason);
        }
    }

    fn wait(&mut self, trouble: &Trouble) -> Wait {
        if trouble.is_late {
            self.answer_deadline.note_late();
        }
        if let Some(at) = trouble.retry_at {
            // All that share the connection share the wait.
            return Wait::new(at.saturating_duration_since(Instant::now()));
        }
        if self.lasted {
            return Wait {
                wait: self.backoff.after_lasting(trouble.turn),
                is_round_complete: true,
            };
        }
        if !trouble.turn {
            return Wait::new(self.backoff.after_refusal());
        }
        let wait = Wait::new(self.backoff.after_endpoint());
        if wait.is_round_complete {
            self.answer_deadline.end_round();
        }
        wait
    }

    /// Tells of an outage as it begins, and where its trouble changes. At a start it begins when
    /// every endpoint was tried.
    async fn report(&mut self, trouble: Trouble, is_round_complete: bool) -> Result<(), End> {
        let news = match &mut self.outage {
            Some(outage) => outage.goes_on(trouble, is_round_complete),
            None if !self.listed && !is_round_complete => None,
            none => {
                *none = Some(Outage::begin(&trouble));
                Some(trouble)
            }
        };
        let Some(trouble) = news else { return Ok(()) };
        let reason = reason(&trouble, self.cluster.config(), self.range);
        self.send(Update::Lost { cause: trouble.cause, reason }).await
    }

    /// Lists and watches until there is trouble.
    async fn attempt(&mut self, connection: &Connection) -> Result<Infallible, End> {
        let (cluster, range, limits) = (self.cluster.clone(), self.range, self.limits);
        let deadline = self.answer_deadline.current();
        let listing = cluster.with_token(connection, |client| async move {
            list(&client, range, &limits, deadline).await
        });
        let list = listing.await?;
        cluster.note_answer(connection).await;
        let (listed, listed_at) = (list.listed(), Instant::now());
        let cause = match &self.outage {
            Some(outage) => outage.cause,
            None if self.is_limited => Cause::TooLarge,
            None => Cause::Start,
        };
        let (cluster_id, revision) = (listed.cluster_id, listed.revision);
        self.send(Update::Listed { cause, cluster_id, revision, items: list.items }).await?;
        self.listed = true;
        self.is_limited = false;

        let watching = Watch::create(&cluster, connection, range, listed, limits.keys, deadline);
        let (mut watch, mut word) = watching.await?;
        self.outage = None;
        let created = Instant::now();
        loop {
            self.send(word.into()).await?;
            if watch.is_limited() && !std::mem::replace(&mut self.is_limited, true) {
                let reason = format!(
                    "{range} has more than {} keys, new ones are ignored: {}",
                    limits.keys, limits.remedy
                );
                self.send(Update::Limited { reason }).await?;
            }
            if watch.could_be_whole() && listed_at.elapsed() >= WHOLE_AGAIN {
                return Err(End::Whole);
            }
            word = match watch.next().await {
                Ok(word) => word,
                Err(trouble) => {
                    self.lasted = created.elapsed() >= LASTING;
                    if watch.is_verified() {
                        self.answer_deadline = AnswerDeadline::default();
                    }
                    return Err(trouble.into());
                }
            };
        }
    }

    async fn send(&self, update: Update) -> Result<(), End> {
        self.updates.send(update).await.map_err(|_| End::ReceiverDropped)
    }
}
