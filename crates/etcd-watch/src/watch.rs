//! One watch: its creation, its words, its silence.

use std::time::Duration;

use etcd_client::proto::{PbEvent, PbWatchResponse};
use etcd_client::{Client, EventType, WatchOptions, WatchStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::connection::{Cluster, Connection};
use crate::list::{List, MESSAGE_LIMIT, Range};
use crate::patience::timeout;
use crate::quorum::{Question, Store, verify};
use crate::trouble::{Kind, Trouble};
use crate::update::{Cause, Event, Update};

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

/// How much of one revision's fragments is joined, in bytes, before it is passed on in parts. Larger than anything
/// that one transaction of etcd's default limits (128 operations, 1.5 MB a request) puts into a prefix.
const JOIN_LIMIT: usize = 16 << 20;

/// What a watch says.
#[derive(Debug)]
pub(crate) enum Word {
    Alive { revision: i64 },
    Changed { revision: i64, events: Vec<Event> },
}

impl From<Word> for Update {
    fn from(word: Word) -> Self {
        match word {
            Word::Alive { revision } => Self::Alive { revision },
            Word::Changed { revision, events } => Self::Changed { revision, events },
        }
    }
}

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
            if let Some(word) = self.reader.read(response)? {
                return Ok(word);
            }
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
    let options = WatchOptions::new()
        .with_range(range.end.clone())
        .with_start_revision(listed.saturating_add(1))
        .with_fragment();
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
        Err(error) => Err(Trouble::call("watch", &error, Cause::Broken)),
    }
}

/// Makes words of responses.
pub(crate) struct Reader<'a> {
    range: &'a Range,
    cluster_id: u64,
    /// The highest revision named so far.
    revision: i64,
    /// Fragments whose last one is still to come.
    events: Vec<Event>,
    bytes: usize,
}

impl<'a> Reader<'a> {
    /// Of a watch that follows a list.
    pub(crate) fn after(range: &'a Range, cluster_id: u64, revision: i64) -> Self {
        Self { range, cluster_id, revision, events: Vec::new(), bytes: 0 }
    }

    /// Reads the first response.
    pub(crate) fn created(&mut self, response: PbWatchResponse) -> Result<Word, Trouble> {
        let listed = self.revision;
        check_canceled(&response)?;
        if !response.created || !response.events.is_empty() {
            return Err(Trouble::broken("watch: etcd did not say that it was created"));
        }
        // A watch from a revision that this store has not reached would be silent until it does: the store was
        // restored between list and watch.
        let header = response.header.as_ref();
        if header.is_some_and(|header| header.revision < listed) {
            return Err(Trouble::broken("watch: etcd is behind the list's revision"));
        }
        let word = self.read(response)?;
        word.ok_or_else(|| Trouble::broken("watch: etcd's first response is a fragment"))
    }

    /// Reads a response; none for a fragment that is not the last.
    pub(crate) fn read(&mut self, response: PbWatchResponse) -> Result<Option<Word>, Trouble> {
        check_canceled(&response)?;
        let broken = Trouble::broken;
        let header = response.header.ok_or_else(|| broken("watch: etcd's response has no header"))?;
        if header.cluster_id != self.cluster_id {
            return Err(broken("watch: another cluster answers"));
        }
        self.revision = self.revision.max(header.revision);
        for event in response.events {
            let event = self.event(event)?;
            self.events.push(event);
        }
        if response.fragment && self.bytes < JOIN_LIMIT {
            return Ok(None);
        }
        self.bytes = 0;
        let (revision, events) = (self.revision, std::mem::take(&mut self.events));
        Ok(Some(if events.is_empty() {
            Word::Alive { revision }
        } else {
            Word::Changed { revision, events }
        }))
    }

    fn event(&mut self, event: PbEvent) -> Result<Event, Trouble> {
        let broken = Trouble::broken;
        let pair = event.kv.ok_or_else(|| broken("watch: etcd sent an event without a key"))?;
        self.revision = self.revision.max(pair.mod_revision);
        self.bytes += pair.key.len() + pair.value.len() + size_of::<Event>();
        // Not `Event::event_type`, which panics on a type that it does not know.
        if event.r#type == EventType::Put as i32 {
            Ok(Event::Put(self.range.item(pair)?))
        } else if event.r#type == EventType::Delete as i32 {
            Ok(Event::Delete { key: self.range.below(pair.key)?, mod_revision: pair.mod_revision })
        } else {
            Err(broken("watch: etcd sent an event of an unknown type"))
        }
    }
}

/// etcd cancels a watch by a response, on a stream that stays open.
fn check_canceled(response: &PbWatchResponse) -> Result<(), Trouble> {
    if response.compact_revision != 0 {
        let reason =
            format!("watch: etcd has compacted what is before revision {}", response.compact_revision);
        return Err(Trouble::refused(Cause::Compacted, Kind::Compacted, &reason));
    }
    if response.canceled {
        let reason = match response.cancel_reason.as_str() {
            "" => "watch: etcd canceled it",
            reason => &format!("watch: etcd canceled it: {reason}"),
        };
        let kind = Kind::of_message(reason).unwrap_or(Kind::Other);
        return Err(Trouble::refused(Cause::Canceled, kind, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use etcd_client::proto::{PbEvent, PbKeyValue, PbResponseHeader, PbWatchResponse};

    use super::{JOIN_LIMIT, Reader, Word};
    use crate::list::Range;
    use crate::trouble::Trouble;
    use crate::update::{Cause, Event};

    const CLUSTER: u64 = 9;

    fn response(revision: i64, events: Vec<PbEvent>) -> PbWatchResponse {
        let header = PbResponseHeader { cluster_id: CLUSTER, revision, ..Default::default() };
        PbWatchResponse { header: Some(header), events, ..Default::default() }
    }

    fn put(key: &str, mod_revision: i64, size: usize) -> PbEvent {
        let kv = PbKeyValue {
            key: key.as_bytes().to_vec(),
            value: vec![b'x'; size],
            mod_revision,
            create_revision: mod_revision,
            ..Default::default()
        };
        PbEvent { r#type: 0, kv: Some(kv), prev_kv: None }
    }

    fn with_reader<T>(run: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let range = Range::new(b"/a/");
        run(&mut Reader::after(&range, CLUSTER, 10))
    }

    fn cause<T>(result: Result<T, Trouble>) -> Option<(Cause, bool)> {
        result.err().map(|trouble| (trouble.cause, trouble.turn))
    }

    #[test]
    fn creation() {
        let created = PbWatchResponse { created: true, ..response(12, vec![]) };
        let word = with_reader(|reader| reader.created(created));
        assert!(matches!(word, Ok(Word::Alive { revision: 12 })));

        let not_created = with_reader(|reader| reader.created(response(12, vec![])));
        assert_eq!(cause(not_created), Some((Cause::Broken, true)));

        let behind = PbWatchResponse { created: true, ..response(9, vec![]) };
        assert_eq!(cause(with_reader(|reader| reader.created(behind))), Some((Cause::Broken, true)));

        let refused = PbWatchResponse { created: true, canceled: true, ..response(12, vec![]) };
        assert_eq!(cause(with_reader(|reader| reader.created(refused))), Some((Cause::Canceled, false)));
    }

    #[test]
    fn cancellation() {
        let compacted = PbWatchResponse { canceled: true, compact_revision: 11, ..response(12, vec![]) };
        assert_eq!(cause(with_reader(|reader| reader.read(compacted))), Some((Cause::Compacted, false)));
        let canceled =
            PbWatchResponse { canceled: true, cancel_reason: "a\nb".to_owned(), ..response(12, vec![]) };
        let reason = with_reader(|reader| reader.read(canceled)).err().map(|trouble| trouble.said);
        assert_eq!(reason.as_deref(), Some("watch: etcd canceled it: a b"));
    }

    #[test]
    fn fragments_are_joined() {
        with_reader(|reader| {
            let first = PbWatchResponse { fragment: true, ..response(11, vec![put("/a/x", 11, 1)]) };
            assert!(matches!(reader.read(first), Ok(None)));
            let word = reader.read(response(11, vec![put("/a/y", 11, 1)]));
            assert!(matches!(word, Ok(Some(Word::Changed { revision: 11, events })) if events.len() == 2));
            let word = reader.read(response(12, vec![put("/a/z", 12, 1)]));
            assert!(matches!(word, Ok(Some(Word::Changed { revision: 12, events })) if events.len() == 1));
        });
    }

    #[test]
    fn large_fragments_are_passed_on_in_parts() {
        with_reader(|reader| {
            for key in ["/a/x", "/a/y"] {
                let events = vec![put(key, 11, JOIN_LIMIT)];
                let word = reader.read(PbWatchResponse { fragment: true, ..response(11, events) });
                assert!(
                    matches!(word, Ok(Some(Word::Changed { revision: 11, events })) if events.len() == 1)
                );
            }
            let word = reader.read(response(11, vec![put("/a/z", 11, 1)]));
            assert!(matches!(word, Ok(Some(Word::Changed { events, .. })) if events.len() == 1));
        });
    }

    #[test]
    fn revisions_do_not_go_down() {
        with_reader(|reader| {
            assert!(matches!(reader.read(response(15, vec![])), Ok(Some(Word::Alive { revision: 15 }))));
            let word = reader.read(response(13, vec![put("/a/x", 13, 1)]));
            assert!(matches!(word, Ok(Some(Word::Changed { revision: 15, .. }))));
        });
    }

    #[test]
    fn events_are_taken_as_they_come() {
        with_reader(|reader| {
            let delete = PbEvent { r#type: 1, ..put("/a/x", 11, 0) };
            let word = reader.read(response(11, vec![put("/a/", 11, 0), delete]));
            let Ok(Some(Word::Changed { events, .. })) = word else { unreachable!("{word:?}") };
            assert!(matches!(&events[0], Event::Put(item) if item.key.is_empty()));
            assert_eq!(events[1], Event::Delete { key: b"x".to_vec(), mod_revision: 11 });
        });
    }

    #[test]
    fn nonsense_is_broken() {
        let nonsense = [
            response(11, vec![put("/b/x", 11, 1)]),
            response(11, vec![PbEvent { kv: None, ..put("/a/x", 11, 1) }]),
            response(11, vec![PbEvent { r#type: 2, ..put("/a/x", 11, 1) }]),
            PbWatchResponse { header: None, ..response(11, vec![]) },
            PbWatchResponse {
                header: Some(PbResponseHeader {
                    cluster_id: CLUSTER + 1,
                    revision: 11,
                    ..Default::default()
                }),
                ..response(11, vec![])
            },
        ];
        for response in nonsense {
            assert_eq!(cause(with_reader(|reader| reader.read(response))), Some((Cause::Broken, true)));
        }
    }
}
