//! One watch: its creation, its words, its silence.

use std::time::Duration;

use etcd_client::proto::PbWatchResponse;
use etcd_client::{Client, WatchOptions, WatchStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::connection::{Cluster, Connection};
use crate::list::{List, MESSAGE_LIMIT, Range};
use crate::patience::timeout;
use crate::quorum::{Question, Store, verify};
use crate::trouble::{Kind, Trouble, is_too_large};
use crate::update::Cause;

mod reader;

use reader::check_canceled;
pub(crate) use reader::{Reader, Word};

/// How often etcd is asked for its progress, and whether it reaches its quorum.
///
/// The answers are some 100 bytes, and "the time since the last word" stays below this. Together with the first deadline
/// of an answer, 2 s, a member without its quorum is left within 5 s. A third use is to keep etcd from ending the
/// connection: etcd (gRPC for Go) sends `too_many_pings` to a client that pings more often than every 5 s while there is
/// no other traffic. No more than the interval of the connection's keep-alive, therefore.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(1_500);

/// How often a prefix asks for itself whether etcd answers, where the connection is shared: within this time it notices
/// that it may not be read any more, which its watch does not. Hundreds of prefixes make for some ten reads of one key a
/// second.
const OWN_INTERVAL: Duration = Duration::from_secs(30);

/// How long etcd may be silent once it was asked. A newer etcd than 3.4 answers only when the watch has caught up,
/// but then it sends events meanwhile, and any word counts.
const SILENCE: Duration = Duration::from_secs(5);

/// For how long a request must have gone unanswered when the connection ends, for silence to be its cause: the
/// connection's keep-alive, which notices a server that is stopped or black-holed, says so to nobody. etcd answers in
/// milliseconds; keep-alive ends the connection 2 s after the request.
const UNANSWERED: Duration = Duration::from_secs(1);

/// A watch that was created.
pub(crate) struct Watch<'a> {
    stream: WatchStream,
    reader: Reader<'a>,
    next_request: Instant,
    /// Since when a request is unanswered, if etcd has not spoken since.
    asked_at: Option<Instant>,
    cluster: Cluster,
    connection: Connection,
    /// How long etcd's answers may take.
    deadline: Duration,
    /// The question whether the member reaches its quorum, while it is asked: a task, so that who does not listen to this
    /// watch for a while holds no others up that wait for the answer.
    question: JoinSet<Result<Store, Trouble>>,
    /// When the next one is to be asked for this prefix itself.
    own_at: Instant,
    is_verified: bool,
}

impl<'a> Watch<'a> {
    /// Watches the range from the list's revision + 1, and returns with the response that says so.
    pub(crate) async fn create(
        cluster: &Cluster,
        connection: &Connection,
        range: &'a Range,
        list: &List,
        deadline: Duration,
    ) -> Result<(Self, Word), Trouble> {
        let has_login = cluster.config().login.is_some();
        let listed = list.revision;
        let created = cluster.with_token(connection, |client| async move {
            let created = timeout(deadline, create(client, range, listed)).await;
            let mut created =
                created.unwrap_or_else(|_| Err(Trouble::late(Cause::Broken, "watch", deadline)));
            // The list was permitted just now. etcd 3.4 says nothing else where the token became void meanwhile.
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
        let mut reader = Reader::after(range, list.cluster_id, list.revision);
        let word = reader.created(response)?;
        let now = Instant::now();
        let watch = Self {
            stream,
            reader,
            next_request: now + PROGRESS_INTERVAL,
            asked_at: None,
            cluster: cluster.clone(),
            connection: connection.clone(),
            deadline,
            question: JoinSet::new(),
            // Prefixes that began together are not to ask together.
            own_at: now + OWN_INTERVAL.mul_f64(0.5 + fastrand::f64() / 2.0),
            is_verified: false,
        };
        Ok((watch, word))
    }

    /// Whether the member was found to reach its quorum since the watch was created.
    pub(crate) fn is_verified(&self) -> bool {
        self.is_verified
    }

    /// Waits for the next word. The time between two calls does not count as silence.
    pub(crate) async fn next(&mut self) -> Result<Word, Trouble> {
        loop {
            let silent_at = self.asked_at.unwrap_or(self.next_request) + SILENCE;
            let response = tokio::select! {
                // Cancel safe: the stream keeps what it has of a message, `join_next` gives an end in the poll that takes it, and the moments are absolute ones.
                // What has come already is read before silence is complained of.
                biased;
                response = receive(&mut self.stream) => response.map_err(|trouble| self.broken(trouble))?,
                () = sleep_until(self.next_request) => {
                    self.ask().await?;
                    continue;
                }
                Some(answer) = self.question.join_next(), if !self.question.is_empty() => {
                    self.verified(answer)?;
                    continue;
                }
                () = sleep_until(silent_at), if self.asked_at.is_some() => return Err(silent()),
            };
            self.asked_at = None;
            return self.reader.read(response);
        }
    }

    /// The stream's end as seen in the light of what was asked.
    fn broken(&self, trouble: Trouble) -> Trouble {
        match self.asked_at {
            Some(at) if at.elapsed() >= UNANSWERED => {
                let said = format!("{}, after etcd had fallen silent", trouble.said);
                Trouble::endpoint(Cause::Silent, Kind::Late, &said)
            }
            _ => trouble,
        }
    }

    /// Takes the answer to the question whether the member reaches its quorum.
    fn verified(&mut self, answer: Result<Result<Store, Trouble>, JoinError>) -> Result<(), Trouble> {
        let is_silent = self.asked_at.is_some_and(|at| at.elapsed() >= UNANSWERED);
        match answer {
            Ok(Ok(_)) => {
                self.is_verified = true;
                Ok(())
            }
            // It is not only the quorum that does not answer.
            Ok(Err(trouble)) if trouble.is_late && is_silent => Err(Trouble { is_late: true, ..silent() }),
            Ok(Err(trouble)) => Err(trouble),
            Err(_) => Err(Trouble::broken("quorum: the task that asks for it has failed")),
        }
    }

    async fn ask(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        self.next_request = now + PROGRESS_INTERVAL;
        self.asked_at.get_or_insert(now);
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
        // The client's queue holds 100 requests, and silence ends the watch after three: this does not wait.
        let asked = self.stream.request_progress().await;
        asked.map_err(|error| Trouble::call("watch", &error, Cause::Broken))
    }
}

async fn create(
    client: Client,
    range: &Range,
    listed: i64,
) -> Result<(WatchStream, PbWatchResponse), Trouble> {
    // No fragments: etcd takes the size of a growing fragment anew after each event, which is quadratic. 50 000 keys deleted
    // at once take it a minute, and one message a moment.
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
    Trouble::endpoint(Cause::Silent, Kind::Late, "watch: etcd does not answer any more")
}

async fn receive(stream: &mut WatchStream) -> Result<PbWatchResponse, Trouble> {
    match stream.message().await {
        Ok(Some(response)) => Ok(response.0),
        Ok(None) => Err(Trouble::broken("watch: etcd ended it")),
        // A change of very many keys at once. A list has pages.
        Err(error) if is_too_large(&error) => Err(too_large()),
        Err(error) => Err(Trouble::call("watch", &error, Cause::Broken)),
    }
}

fn too_large() -> Trouble {
    let said = format!("watch: one change has more than {} MiB, and is listed instead", MESSAGE_LIMIT >> 20);
    Trouble::refused(Cause::TooLarge, Kind::Other, &said)
}
