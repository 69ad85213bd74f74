//! What happens in an etcd, and what it says of that to one watch after another.

use std::collections::HashMap;

use etcd_client::proto::{PbEvent, PbKeyValue, PbResponseHeader, PbWatchResponse};
use libfuzzer_sys::arbitrary::{self, Arbitrary};

use crate::follower::{CLUSTER, LISTED, PREFIX};

const KEYS: [&[u8]; 8] = [b"a", b"b", b"a/b", b"10.0.0.1:80", b"10.0.0.2:80", b"", b"b\n", b"\xff"];

const VALUES: [&[u8]; 14] = [
    b"10.0.0.1:80",
    b"10.0.0.1",
    b"10.0.0.2 weight=2",
    b"10.0.0.2 down",
    b"[::ffff:10.0.0.1]:80",
    b"unix:/run/a.sock",
    b"node.example",
    b"node.example weight=3",
    b"Other.example:81",
    br#"{"addr":"10.0.0.1"}"#,
    br#"{"host":"node.example","port":81,"weight":2}"#,
    b"",
    b"{",
    b"10.0.0.1:0",
];

#[derive(Arbitrary, Debug)]
pub struct Story {
    watches: Vec<Vec<Step>>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// What one response tells.
    Changes {
        changes: Vec<Change>,
        is_fragment: bool,
    },
    /// The answer to a request for progress.
    Progress,
    Nonsense(Nonsense),
}

#[derive(Arbitrary, Debug)]
enum Change {
    Put(Key, Value),
    Delete(Key),
}

#[derive(Arbitrary, Debug)]
enum Key {
    Known(u8),
    Other(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Value {
    Known(u8),
    Other(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Nonsense {
    Canceled(String),
    Compacted(i64),
    AnotherCluster(u64),
    NoHeader,
    OldRevision(i64),
    EventWithoutKey,
    EventOfAnotherType(i32),
    KeyOutside(Vec<u8>),
    CreatedAgain,
}

/// The store, as far as responses tell of it.
struct Store {
    revision: i64,
    /// When the keys were made that are there.
    made: HashMap<Vec<u8>, i64>,
}

impl Story {
    /// What is said to each watch.
    pub fn responses(&self) -> Vec<Vec<PbWatchResponse>> {
        let mut store = Store { revision: LISTED, made: HashMap::new() };
        let mut watch = |steps: &Vec<Step>| {
            let created = PbWatchResponse { created: true, ..store.response(Vec::new()) };
            let steps = steps.iter().map(|step| store.step(step));
            [created].into_iter().chain(steps).collect()
        };
        self.watches.iter().map(&mut watch).collect()
    }
}

impl Store {
    fn response(&self, events: Vec<PbEvent>) -> PbWatchResponse {
        let header = PbResponseHeader {
            cluster_id: CLUSTER,
            revision: self.revision,
            ..PbResponseHeader::default()
        };
        PbWatchResponse { header: Some(header), events, ..PbWatchResponse::default() }
    }

    fn step(&mut self, step: &Step) -> PbWatchResponse {
        match step {
            Step::Changes { changes, is_fragment } => {
                let events = changes.iter().map(|change| self.change(change)).collect();
                PbWatchResponse { fragment: *is_fragment, ..self.response(events) }
            }
            Step::Progress => self.response(Vec::new()),
            Step::Nonsense(nonsense) => self.nonsense(nonsense),
        }
    }

    fn change(&mut self, change: &Change) -> PbEvent {
        self.revision += 1;
        match change {
            Change::Put(key, value) => {
                let (key, value) = (key.bytes(), value.bytes());
                let create_revision = *self.made.entry(key.clone()).or_insert(self.revision);
                self.event(0, &key, value, create_revision)
            }
            Change::Delete(key) => {
                let key = key.bytes();
                self.made.remove(&key);
                self.event(1, &key, Vec::new(), 0)
            }
        }
    }

    fn event(&self, r#type: i32, key: &[u8], value: Vec<u8>, create_revision: i64) -> PbEvent {
        let kv = PbKeyValue {
            key: [PREFIX, key].concat(),
            value,
            create_revision,
            mod_revision: self.revision,
            ..PbKeyValue::default()
        };
        PbEvent { r#type, kv: Some(kv), prev_kv: None }
    }

    fn nonsense(&self, nonsense: &Nonsense) -> PbWatchResponse {
        let plain = self.response(Vec::new());
        match nonsense {
            Nonsense::Canceled(reason) => {
                PbWatchResponse { canceled: true, cancel_reason: reason.clone(), ..plain }
            }
            Nonsense::Compacted(revision) => {
                PbWatchResponse { compact_revision: *revision, ..plain }
            }
            Nonsense::AnotherCluster(cluster_id) => {
                let header =
                    PbResponseHeader { cluster_id: *cluster_id, ..PbResponseHeader::default() };
                PbWatchResponse { header: Some(header), ..plain }
            }
            Nonsense::NoHeader => PbWatchResponse { header: None, ..plain },
            Nonsense::OldRevision(revision) => {
                let header = PbResponseHeader {
                    cluster_id: CLUSTER,
                    revision: *revision,
                    ..PbResponseHeader::default()
                };
                PbWatchResponse { header: Some(header), ..plain }
            }
            Nonsense::EventWithoutKey => self.response(vec![PbEvent::default()]),
            Nonsense::EventOfAnotherType(r#type) => self.response(vec![self.event(
                *r#type,
                b"a",
                b"10.0.0.7:80".to_vec(),
                self.revision,
            )]),
            Nonsense::KeyOutside(key) => {
                let kv = PbKeyValue { key: key.clone(), ..PbKeyValue::default() };
                self.response(vec![PbEvent { r#type: 0, kv: Some(kv), prev_kv: None }])
            }
            Nonsense::CreatedAgain => PbWatchResponse { created: true, ..plain },
        }
    }
}

impl Key {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Known(index) => KEYS[usize::from(*index) % KEYS.len()].to_vec(),
            Self::Other(key) => key.clone(),
        }
    }
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Known(index) => VALUES[usize::from(*index) % VALUES.len()].to_vec(),
            Self::Other(value) => value.clone(),
        }
    }
}
