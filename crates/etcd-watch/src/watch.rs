//! One watch: its creation, its words, its silence.

use std::time::Duration;

use etcd_client::proto::PbWatchResponse;
use etcd_client::{Client, WatchOptions, WatchStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::connection::{Cluster, Connection};
use crate::list::{Listed, MESSAGE_LIMIT};
use crate::listening_time::listening_timeout;
use crate::quorum::{Question, verify};
use crate::quorum_state::Store;
use crate::range::Range;
use crate::trouble::{Kind, Trouble, is_too_large};
use crate::update::Cause;

mod compaction;
mod comparison;
mod reader;

use compaction::Compactions;
use comparison::{KnownRange, differs, failed};
use reader::check_canceled;
pub(crate) use reader::{Reader, Word};

/// How often etcd is asked for its progress, and whether it reaches its quorum.
///
/// The answers are some 100 bytes, and "the time since the last word" stays below this. Together
/// with the first deadline of an answer, 2 s, a member is left within 5 s that has no quorum, is
/// stopped, or is black-holed.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(1_500);

/// How often a prefix asks for itself whether etcd answers, where the connection is shared: within
/// this time it notices that it may not be read any more, which its watch does not. Hundreds of
/// prefixes make for some ten reads of one key a second.
const OWN_INTERVAL: Duration = Duration::from_secs(30);

/// How long etcd may be silent once it was asked. A newer etcd than 3.4 answers only when the watch
/// has caught up, but then it sends events meanwhile, and any word counts. Where it answers reads
/// all the same, what it has is compared with what is known: a watch that has missed nothing is a
/// good one. It has as long again to tell of what it lacks.
const SILENCE: Duration = Duration::from_secs(5);

/// How often what etcd has is compared with what is known behind an endpoint that never answers for
/// its progress, if the store has moved at all: etcd's grpc-proxy. The comparison has etcd look at
/// all keys of the prefix.
const COMPARISON_INTERVAL: Duration = Duration::from_secs(30);

/// For how long a request must have gone unanswered when the connection ends, for silence to be its
/// cause: the connection's keep-alive, which notices a server that is stopped or black-holed, says
/// so to nobody. etcd answers in milliseconds.
const UNANSWERED: Duration = Duration::from_secs(1);

/// A watch that was created.
pub(crate) struct Watch<'a> {
    stream: WatchStream,
    reader: Reader<'a>,
    /// The list's revision. Until the store has come past it, nothing can be missed, and etcd
    /// 3.5.30 answers no progress request.
    listed: i64,
    next_request: Instant,
    /// Since when a request is unanswered, if etcd has not spoken since.
    asked_at: Option<Instant>,
    cluster: Cluster,
    connection: Connection,
    /// How long etcd's answers may take.
    deadline: Duration,
    /// The question whether the member reaches its quorum, while it is asked: a task, so that who
    /// does not listen to this watch for a while holds no others up that wait for the answer.
    question: JoinSet<Result<Store, Trouble>>,
    /// When the next one is to be asked for this prefix itself.
    own_at: Instant,
    is_verified: bool,
    /// When the last such question was answered, and where the store was.
    answered: Option<(Instant, i64)>,
    /// The comparison that is made, with what was known when it began.
    comparison: JoinSet<(KnownRange, Result<bool, Trouble>)>,
    compare_at: Option<Instant>,
    /// Up to where changes had come when etcd was found to have more.
    behind: Option<i64>,
    /// Whether a compaction has taken something.
    compactions: Compactions,
}

impl<'a> Watch<'a> {
    /// Watches the range from the list's revision + 1, and returns with the response that says so.
    pub(crate) async fn create(
        cluster: &Cluster,
        connection: &Connection,
        range: &'a Range,
        listed: Listed,
        limit: usize,
        deadline: Duration,
    ) -> Result<(Self, Word), Trouble> {
        let has_login = cluster.config().login.is_some();
        let created = cluster.with_token(connection, |client| async move {
            let created = listening_timeout(deadline, create(client, range, listed.revision)).await;
            let mut created =
                created.unwrap_or_else(|_| Err(Trouble::late(Cause::Broken, "watch", deadline)));
            // The list was permitted just now. etcd 3.4 says nothing else where the token became
            // void meanwhile.
            if let Err(trouble) = &mut created
                && trouble.kind == Kind::PermissionDenied
                && has_login
            {
                trouble.kind = Kind::TokenVoid;
            }
            created
        });
        let (stream, response) = created.await.map_err(|trouble| Trouble {
            kind: Kind::of_message(&trouble.said).unwrap_or(trouble.kind),
            ..trouble
        })?;
        let compactions = Compactions::after(listed.revision);
        let mut reader = Reader::after(range, listed, limit);
        let word = reader.created(response)?;
        let now = Instant::now();
        let watch = Self {
            stream,
            reader,
            listed: listed.revision,
            next_request: now + PROGRESS_INTERVAL,
            asked_at: None,
            cluster: cluster.clone(),
            connection: connection.clone(),
            deadline,
            question: JoinSet::new(),
            // Prefixes that began together are not to ask together.
            own_at: now + OWN_INTERVAL.mul_f64(0.5 + fastrand::f64() / 2.0),
            is_verified: false,
            answered: None,
            comparison: JoinSet::new(),
            compare_at: None,
            behind: None,
            compactions,
        };
        Ok((watch, word))
    }

    /// Whether the member was found to reach its quorum since the watch was created.
    pub(crate) fn is_verified(&self) -> bool {
        self.is_verified
    }

    /// Whether the keys of the range are more than the limit, or were, so that some are left out.
    pub(crate) fn is_limited(&self) -> bool {
        self.reader.is_limited()
    }

    /// Whether a new list would leave none out.
    pub(crate) fn could_be_whole(&self) -> bool {
        self.reader.could_be_whole()
    }

    /// Waits for the next word. The time between two calls does not count as silence.
    pub(crate) async fn next(&mut self) -> Result<Word, Trouble> {
        loop {
            let silent_at = self.asked_at.unwrap_or(self.next_request) + SILENCE;
            let compare_at = self.compare_at.unwrap_or(silent_at);
            // Any branch may be dropped: a message that has not come as a whole stays in the
            // stream, a task's answer in its set, and the times are kept here. `ask` is awaited
            // behind the branch.
            let response = tokio::select! {
                // Cancel safe: the stream keeps what it has of a message, `join_next` gives an end
                // in the poll that takes it, and the moments are absolute ones. What has come
                // already is read before silence is complained of.
                biased;
                response = receive(&mut self.stream) => {
                    response.map_err(|trouble| self.broken(trouble))?
                }
                () = sleep_until(self.next_request) => {
                    self.ask().await?;
                    continue;
                }
                Some(answer) = self.question.join_next(), if !self.question.is_empty() => {
                    match self.verified(answer)? {
                        Some(word) => return Ok(word),
                        None => continue,
                    }
                }
                Some(answer) = self.comparison.join_next(), if !self.comparison.is_empty() => {
                    match self.compared(answer).await? {
                        Some(word) => return Ok(word),
                        None => continue,
                    }
                }
                () = sleep_until(compare_at), if self.compare_at.is_some() => {
                    self.compare();
                    continue;
                }
                missed = self.compactions.missed(&self.cluster, &self.connection, &self.reader) => {
                    return Err(missed);
                }
                () = sleep_until(silent_at), if self.asked_at.is_some() => {
                    self.fell_silent()?;
                    continue;
                }
            };
            self.asked_at = None;
            self.behind = None;
            if response.events.is_empty() {
                self.connection.progress.answered();
                self.compare_at = None;
            }
            return self.reader.read(response);
        }
    }

    /// Progress is not answered. Where reads are, that alone says nothing of what the watch is
    /// worth.
    fn fell_silent(&mut self) -> Result<(), Trouble> {
        if self.answered.is_none_or(|(at, _)| self.asked_at.is_some_and(|asked_at| at < asked_at)) {
            return Err(silent());
        }
        self.asked_at = None;
        self.compare();
        Ok(())
    }

    /// Has what etcd has compared with what is known.
    fn compare(&mut self) {
        self.compare_at = None;
        if !self.comparison.is_empty() {
            return;
        }
        let known = KnownRange::of(&self.reader);
        let has_moved = self.answered.is_none_or(|(_, revision)| revision > known.delivered);
        let (cluster, connection) = (self.cluster.clone(), self.connection.clone());
        self.comparison.spawn(async move {
            // Nothing at all has been written since.
            let differs =
                if has_moved { differs(&cluster, &connection, &known).await } else { Ok(false) };
            (known, differs)
        });
    }

    /// Takes the comparison: nothing is missed, or the watch is behind, for a while or for good.
    async fn compared(
        &mut self,
        answer: Result<(KnownRange, Result<bool, Trouble>), JoinError>,
    ) -> Result<Option<Word>, Trouble> {
        let Ok((known, differs)) = answer else {
            return Err(failed());
        };
        let now = Instant::now();
        if differs? && self.reader.delivered == known.delivered {
            if self.behind.replace(known.delivered) == Some(known.delivered) {
                let said = "watch: etcd answers reads, but does not send changes that it has";
                return Err(Trouble::endpoint(Cause::Silent, Kind::Nonsense, said));
            }
            self.compare_at = Some(now + SILENCE);
            return Ok(None);
        }
        self.behind = None;
        let is_news = self.connection.progress.unanswered()
            && self.cluster.note_proxy(&self.connection).await;
        Ok(is_news.then(|| {
            let endpoint = &self.connection.endpoint;
            let seconds = COMPARISON_INTERVAL.as_secs();
            let text = format!(
                "{endpoint} does not answer progress requests, as is usual for etcd's grpc-proxy: \
                 the keys are compared every {seconds} s instead"
            );
            Word::Noted { text }
        }))
    }

    /// The stream's end as seen in the light of what was asked.
    fn broken(&self, trouble: Trouble) -> Trouble {
        match self.asked_at {
            Some(at) if at.elapsed() >= UNANSWERED => {
                let said = format!("{}, after etcd had stopped answering", trouble.said);
                Trouble::endpoint(Cause::Silent, Kind::Late, &said)
            }
            _ => trouble,
        }
    }

    /// Takes the answer to the question whether the member reaches its quorum.
    fn verified(
        &mut self,
        answer: Result<Result<Store, Trouble>, JoinError>,
    ) -> Result<Option<Word>, Trouble> {
        let is_proxied = self.connection.progress.is_never_answered();
        let is_silent = is_proxied || self.asked_at.is_some_and(|at| at.elapsed() >= UNANSWERED);
        match answer {
            Ok(Ok(store)) => {
                self.is_verified = true;
                self.answered = Some((Instant::now(), store.revision));
                if !is_proxied && store.revision > self.listed {
                    return Ok(None);
                }
                // In the place of the answer to a progress request.
                self.asked_at = None;
                self.reader.note_revision(store.revision);
                Ok(Some(Word::Alive { revision: self.reader.revision }))
            }
            // It is not only the quorum that does not answer.
            Ok(Err(trouble)) if trouble.is_late && is_silent => {
                Err(Trouble { is_late: true, ..silent() })
            }
            Ok(Err(trouble)) => Err(trouble),
            Err(_) => {
                Err(Trouble::nonsense("quorum: internal error: the task that checks it failed"))
            }
        }
    }

    async fn ask(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        self.next_request = now + PROGRESS_INTERVAL;
        let is_proxied = self.connection.progress.is_never_answered();
        if !is_proxied {
            self.asked_at.get_or_insert(now);
        } else if self.compare_at.is_none() && self.comparison.is_empty() {
            self.compare_at = Some(now + COMPARISON_INTERVAL);
        }
        if self.question.is_empty() {
            let is_own = now >= self.own_at;
            if is_own {
                self.own_at = now + OWN_INTERVAL;
            }
            let question = Question {
                key: self.reader.range.start.clone(),
                known: Store { cluster_id: self.reader.cluster_id, revision: self.reader.revision },
                is_own,
                deadline: self.deadline,
            };
            let (cluster, connection) = (self.cluster.clone(), self.connection.clone());
            self.question.spawn(async move { verify(&cluster, &connection, question).await });
        }
        if is_proxied {
            return Ok(());
        }
        // The client's queue holds 100 requests, and silence ends the watch after three: this does
        // not wait.
        let asked = self.stream.request_progress().await;
        asked.map_err(|error| Trouble::call("watch", &error, Cause::Broken))
    }
}

async fn create(
    client: Client,
    range: &Range,
    listed: i64,
) -> Result<(WatchStream, PbWatchResponse), Trouble> {
    // No fragments: etcd computes the size of a growing fragment again after each event, which is
    // quadratic. 50 000 keys deleted at once take it a minute, and one message a moment.
    let options = WatchOptions::new()
        .with_range(range.end.clone())
        .with_start_revision(listed.saturating_add(1));
    let mut watch = client.watch_client().max_decoding_message_size(MESSAGE_LIMIT);
    let stream = watch.watch(range.start.clone(), Some(options)).await;
    let mut stream = stream.map_err(|error| Trouble::call("watch", &error, Cause::Broken))?;
    let response = receive(&mut stream).await?;
    check_canceled(&response)?;
    Ok((stream, response))
}

fn silent() -> Trouble {
    Trouble::endpoint(Cause::Silent, Kind::Late, "watch: etcd has stopped answering")
}

async fn receive(stream: &mut WatchStream) -> Result<PbWatchResponse, Trouble> {
    match stream.message().await {
        Ok(Some(response)) => Ok(response.0),
        Ok(None) => Err(Trouble::broken("watch: etcd closed the stream")),
        // A change of very many keys at once. A list has pages.
        Err(error) if is_too_large(&error) => Err(too_large()),
        Err(error) => Err(Trouble::call("watch", &error, Cause::Broken)),
    }
}

fn too_large() -> Trouble {
    let said = format!(
        "watch: one change is larger than {} MiB; the keys are listed instead",
        MESSAGE_LIMIT >> 20
    );
    Trouble::refused(Cause::TooLarge, Kind::TooMany, &said)
}
