//! What a watch's responses say.

use etcd_client::EventType;
use etcd_client::proto::{PbEvent, PbWatchResponse};
use tokio::time::Instant;

use crate::list::Listed;
use crate::range::Range;
use crate::trouble::{Kind, Trouble};
use crate::update::{Cause, Event, Update};

/// What a watch says.
#[derive(Debug)]
pub(crate) enum Word {
    Alive { revision: i64 },
    Changed { revision: i64, events: Vec<Event>, arrived: Instant },
    Noted { text: String },
}

impl From<Word> for Update {
    fn from(word: Word) -> Self {
        match word {
            Word::Alive { revision } => Self::Alive { revision },
            Word::Changed { revision, events, arrived } => {
                Self::Changed { revision, events, arrived }
            }
            Word::Noted { text } => Self::Noted { text },
        }
    }
}

/// Makes words of responses.
pub(crate) struct Reader<'a> {
    pub(super) range: &'a Range,
    pub(super) cluster_id: u64,
    /// The highest revision named so far.
    pub(super) revision: i64,
    /// Up to where all changes of the range have come: the last one's revision, or the list's.
    pub(super) delivered: i64,
    /// How many keys the range has at that revision.
    pub(super) keys: usize,
    /// How many it may have.
    limit: usize,
    /// Where it has had more since the list, the last revision before that: what was made later is
    /// left out.
    whole_until: Option<i64>,
}

impl<'a> Reader<'a> {
    /// Of a watch that follows a list.
    pub(crate) fn after(range: &'a Range, listed: Listed, limit: usize) -> Self {
        let Listed { cluster_id, revision, keys } = listed;
        Self { range, cluster_id, revision, delivered: revision, keys, limit, whole_until: None }
    }

    /// Whether keys are left out that would not have to be any more.
    pub(super) fn could_be_whole(&self) -> bool {
        self.whole_until.is_some() && self.keys <= self.limit
    }

    /// Whether keys are left out.
    pub(super) fn is_limited(&self) -> bool {
        self.whole_until.is_some()
    }

    /// Takes note of where the store is.
    pub(super) fn note_revision(&mut self, revision: i64) {
        self.revision = self.revision.max(revision);
    }

    /// Reads the first response.
    pub(crate) fn created(&mut self, response: PbWatchResponse) -> Result<Word, Trouble> {
        let listed = self.revision;
        check_canceled(&response)?;
        if !response.created || !response.events.is_empty() {
            return Err(Trouble::nonsense("watch: etcd did not confirm its creation"));
        }
        // A watch from a revision that this store has not reached would be silent until it does:
        // the store was restored between list and watch.
        let header = response.header.as_ref();
        if header.is_some_and(|header| header.revision < listed) {
            return Err(Trouble::nonsense("watch: etcd is behind the list's revision"));
        }
        self.read(response)
    }

    /// Reads a response that has just come.
    pub(crate) fn read(&mut self, mut response: PbWatchResponse) -> Result<Word, Trouble> {
        let arrived = Instant::now();
        check_canceled(&response)?;
        let nonsense = Trouble::nonsense;
        let header =
            response.header.ok_or_else(|| nonsense("watch: etcd's response has no header"))?;
        if header.cluster_id != self.cluster_id {
            return Err(nonsense("watch: another cluster answers"));
        }
        self.note_revision(header.revision);
        // The watch is one of the whole range.
        let range = self.range;
        response
            .events
            .retain(|event| !event.kv.as_ref().is_some_and(|pair| range.leaves_out(&pair.key)));
        self.count(&response.events);
        let mut events = Vec::with_capacity(response.events.len());
        for event in response.events {
            events.extend(self.event(event)?);
        }
        let revision = self.revision;
        Ok(if events.is_empty() {
            Word::Alive { revision }
        } else {
            Word::Changed { revision, events, arrived }
        })
    }

    /// Counts the keys after these events. All events of a revision are in one response, so that
    /// what is left out begins with a revision.
    fn count(&mut self, events: &[PbEvent]) {
        let mut keys = self.keys;
        for event in events {
            let made =
                event.kv.as_ref().is_some_and(|pair| pair.create_revision == pair.mod_revision);
            if event.r#type == EventType::Delete as i32 {
                keys = keys.saturating_sub(1);
            } else if made {
                keys += 1;
            }
        }
        self.keys = keys;
        if keys > self.limit && self.whole_until.is_none() {
            self.whole_until = Some(self.delivered);
        }
    }

    /// The event; none where its key is left out.
    fn event(&mut self, event: PbEvent) -> Result<Option<Event>, Trouble> {
        let nonsense = Trouble::nonsense;
        let pair = event.kv.ok_or_else(|| nonsense("watch: etcd sent an event without a key"))?;
        self.note_revision(pair.mod_revision);
        self.delivered = self.delivered.max(pair.mod_revision);
        // Not `Event::event_type`, which panics on a type that it does not know.
        if event.r#type == EventType::Put as i32 {
            let is_left_out =
                self.whole_until.is_some_and(|revision| pair.create_revision > revision);
            let item = self.range.item(pair)?;
            Ok((!is_left_out).then_some(Event::Put(item)))
        } else if event.r#type == EventType::Delete as i32 {
            Ok(Some(Event::Delete {
                key: self.range.below(pair.key)?,
                mod_revision: pair.mod_revision,
            }))
        } else {
            Err(nonsense("watch: etcd sent an event of an unknown type"))
        }
    }
}

/// etcd cancels a watch by a response, on a stream that stays open.
pub(super) fn check_canceled(response: &PbWatchResponse) -> Result<(), Trouble> {
    if response.compact_revision != 0 {
        let reason =
            format!("watch: etcd has compacted the revisions before {}", response.compact_revision);
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

    use super::{Reader, Word};
    use crate::list::Listed;
    use crate::range::Range;
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
        let listed = Listed { cluster_id: CLUSTER, revision: 10, keys: 2 };
        run(&mut Reader::after(&range, listed, 3))
    }

    fn cause<T>(result: Result<T, Trouble>) -> Option<(Cause, bool)> {
        result.err().map(|trouble| (trouble.cause, trouble.turn))
    }

    #[test]
    fn creation_must_be_confirmed_first() {
        let created = PbWatchResponse { created: true, ..response(12, vec![]) };
        let word = with_reader(|reader| reader.created(created));
        assert!(matches!(word, Ok(Word::Alive { revision: 12 })));

        let not_created = with_reader(|reader| reader.created(response(12, vec![])));
        assert_eq!(cause(not_created), Some((Cause::Broken, true)));

        let behind = PbWatchResponse { created: true, ..response(9, vec![]) };
        assert_eq!(
            cause(with_reader(|reader| reader.created(behind))),
            Some((Cause::Broken, true))
        );

        let refused = PbWatchResponse { created: true, canceled: true, ..response(12, vec![]) };
        assert_eq!(
            cause(with_reader(|reader| reader.created(refused))),
            Some((Cause::Canceled, false))
        );
    }

    #[test]
    fn cancellation_ends_the_watch() {
        let compacted =
            PbWatchResponse { canceled: true, compact_revision: 11, ..response(12, vec![]) };
        assert_eq!(
            cause(with_reader(|reader| reader.read(compacted))),
            Some((Cause::Compacted, false))
        );
        let canceled = PbWatchResponse {
            canceled: true,
            cancel_reason: "a\nb".to_owned(),
            ..response(12, vec![])
        };
        let reason = with_reader(|reader| reader.read(canceled)).err().map(|trouble| trouble.said);
        assert_eq!(reason.as_deref(), Some("watch: etcd canceled it: a b"));
    }

    /// The keys of the changes.
    fn keys(word: Result<Word, Trouble>) -> Vec<Vec<u8>> {
        match word {
            Ok(Word::Changed { events, .. }) => events
                .into_iter()
                .map(|event| match event {
                    Event::Put(item) => item.key,
                    Event::Delete { key, .. } => key,
                })
                .collect(),
            Ok(Word::Alive { .. }) => vec![],
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn what_comes_to_be_beyond_the_limit_is_left_out() {
        with_reader(|reader| {
            let written = |key: &str, made: i64, at: i64| {
                let event = put(key, at, 1);
                let kv = event.kv.map(|pair| PbKeyValue { create_revision: made, ..pair });
                PbEvent { kv, ..event }
            };
            let delete = |key: &str, at: i64| PbEvent { r#type: 1, ..put(key, at, 0) };
            assert_eq!(keys(reader.read(response(11, vec![put("/a/x", 11, 1)]))), [b"x"]);
            assert!(!reader.is_limited());
            // Two more are one too many, and both are left out; what was there before goes on.
            let word = reader.read(response(
                12,
                vec![put("/a/y", 12, 1), put("/a/z", 12, 1), written("/a/x", 11, 12)],
            ));
            assert_eq!(keys(word), [b"x"]);
            assert!(reader.is_limited() && !reader.could_be_whole());
            assert!(keys(reader.read(response(13, vec![written("/a/y", 12, 13)]))).is_empty());
            assert_eq!(keys(reader.read(response(14, vec![delete("/a/y", 14)]))), [b"y"]);
            assert!(!reader.could_be_whole());
            assert_eq!(keys(reader.read(response(15, vec![delete("/a/x", 15)]))), [b"x"]);
            assert!(reader.could_be_whole());
            // It stays so until there is a list.
            assert!(keys(reader.read(response(16, vec![put("/a/w", 16, 1)]))).is_empty());
            assert!(!reader.could_be_whole() && reader.keys == 4);
        });
    }

    #[test]
    fn keys_in_a_gap_are_neither_told_of_nor_counted() {
        let range = Range::new(b"/a/").without(b"/a/m/");
        let listed = Listed { cluster_id: CLUSTER, revision: 10, keys: 2 };
        let mut reader = Reader::after(&range, listed, 3);
        let many = (0..9).map(|number| put(&format!("/a/m/{number}"), 11, 1)).collect();
        let word = reader.read(response(11, many));
        assert!(matches!(word, Ok(Word::Alive { revision: 11 })), "{word:?}");
        let word = reader.read(response(12, vec![put("/a/m/x", 12, 1), put("/a/m", 12, 1)]));
        assert_eq!(keys(word), [b"m"]);
        assert!(!reader.is_limited() && reader.keys == 3);
    }

    #[test]
    fn as_many_may_come_as_go() {
        with_reader(|reader| {
            let gone = |key: &str| PbEvent { r#type: 1, ..put(key, 11, 0) };
            let events = vec![
                put("/a/x", 11, 1),
                put("/a/y", 11, 1),
                put("/a/z", 11, 1),
                gone("/a/1"),
                gone("/a/2"),
            ];
            assert_eq!(keys(reader.read(response(11, events))).len(), 5);
            assert!(!reader.is_limited() && reader.keys == 3);
        });
    }

    #[test]
    fn revisions_do_not_go_down() {
        with_reader(|reader| {
            assert!(matches!(reader.read(response(15, vec![])), Ok(Word::Alive { revision: 15 })));
            let word = reader.read(response(13, vec![put("/a/x", 13, 1)]));
            assert!(matches!(word, Ok(Word::Changed { revision: 15, .. })));
        });
    }

    #[test]
    fn events_are_taken_as_they_come() {
        with_reader(|reader| {
            let delete = PbEvent { r#type: 1, ..put("/a/x", 11, 0) };
            let word = reader.read(response(11, vec![put("/a/", 11, 0), delete]));
            let Ok(Word::Changed { events, .. }) = word else { unreachable!("{word:?}") };
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
            assert_eq!(
                cause(with_reader(|reader| reader.read(response))),
                Some((Cause::Broken, true))
            );
        }
    }
}
