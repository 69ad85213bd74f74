//! A follower under test and the table that its words add up to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{GetOptions, KvClient};
use etcd_watch::{
    Cause, Cluster, ClusterConfig, Event, Item, Keys, Limits, Login, OwnFiles, SettingNames, Tls,
    Update, follow,
};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;
use tokio::time::{Instant, timeout};

use crate::etcd::{DEADLINE, Etcd};

pub const PREFIX: &str = "/firehose/upstream/";

/// Key below the prefix → value and revision of its last put.
pub type Table = BTreeMap<Vec<u8>, (Vec<u8>, i64)>;

pub fn cluster(endpoints: &[String]) -> Cluster {
    cluster_with(endpoints, Tls::default(), None)
}

pub fn cluster_with(endpoints: &[String], tls: Tls, login: Option<Login>) -> Cluster {
    let config = ClusterConfig {
        name: "main".to_owned(),
        endpoints: endpoints.to_vec(),
        connect_timeout: Duration::from_secs(2),
        tls,
        login,
        setting_names: SettingNames::DIRECTIVES,
    };
    Cluster::new(config, Arc::new(OwnFiles))
}

pub fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// What etcd holds below the prefix at a revision (0: now).
pub async fn held(kv: &mut KvClient, prefix: &str, revision: i64) -> Table {
    let options = GetOptions::new().with_prefix().with_revision(revision);
    let response = kv.get(prefix, Some(options)).await.expect("a list");
    let pairs = response.kvs().iter();
    let below = |key: &[u8]| key.strip_prefix(prefix.as_bytes()).expect("the prefix").to_vec();
    pairs.map(|pair| (below(pair.key()), (pair.value().to_vec(), pair.mod_revision()))).collect()
}

pub struct Followed {
    pub receiver: Receiver<Update>,
    pub task: JoinHandle<()>,
    pub table: Table,
    /// The causes of all lists so far.
    pub causes: Vec<Cause>,
    /// What was lost, and why.
    pub losses: Vec<(Cause, String)>,
    pub revision: i64,
    pub cluster_id: u64,
    /// Why keys are left out, if any are.
    pub limited: Option<String>,
    /// What was noted of endpoints.
    pub notes: Vec<String>,
    listed: bool,
    outage: Option<Cause>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followed {
    pub fn of(etcd: &Etcd) -> Self {
        Self::start(&cluster(&[etcd.url()]), PREFIX)
    }

    pub fn start(cluster: &Cluster, prefix: &str) -> Self {
        Self::within(Limits::default(), cluster, prefix)
    }

    pub fn within(limits: Limits, cluster: &Cluster, prefix: &str) -> Self {
        Self::keys(Keys::Below(prefix.to_owned()), limits, cluster)
    }

    pub fn keys(keys: Keys, limits: Limits, cluster: &Cluster) -> Self {
        let (sender, receiver) = channel(16);
        let task = tokio::spawn(follow(cluster.clone(), keys, limits, sender));
        Self::new(receiver, task)
    }

    pub fn new(receiver: Receiver<Update>, task: JoinHandle<()>) -> Self {
        Self {
            receiver,
            task,
            table: Table::new(),
            causes: vec![],
            losses: vec![],
            revision: 0,
            cluster_id: 0,
            limited: None,
            notes: vec![],
            listed: false,
            outage: None,
        }
    }

    /// The next word, which must keep to what is promised of it.
    pub async fn next(&mut self) -> Update {
        let update = timeout(DEADLINE, self.receiver.recv())
            .await
            .expect("a word in time")
            .expect("a sender");
        self.apply(&update);
        update
    }

    /// Takes a word if there is one.
    pub fn take_one(&mut self) -> bool {
        let update = self.receiver.try_recv();
        update.iter().for_each(|update| self.apply(update));
        update.is_ok()
    }

    fn apply(&mut self, update: &Update) {
        match update {
            Update::Listed { cause, cluster_id, revision, items } => {
                let otherwise =
                    if self.limited.take().is_some() { Cause::TooLarge } else { Cause::Start };
                assert_eq!(*cause, self.outage.unwrap_or(otherwise));
                assert!(items.is_sorted_by(|a, b| a.key < b.key), "keys out of order");
                assert!(items.iter().all(|item| item.mod_revision <= *revision));
                self.table = items.iter().map(entry).collect();
                self.causes.push(*cause);
                (self.revision, self.cluster_id, self.listed) = (*revision, *cluster_id, true);
            }
            Update::Changed { revision, events, .. } => {
                assert!(self.listed && self.outage.is_none() && *revision >= self.revision);
                assert!(!events.is_empty() && events.is_sorted_by_key(mod_revision));
                assert!(events.iter().all(|event| mod_revision(event) <= *revision));
                for event in events {
                    match event {
                        Event::Put(item) => self.table.extend([entry(item)]),
                        Event::Delete { key, .. } => drop(self.table.remove(key)),
                    }
                }
                self.revision = *revision;
            }
            Update::Alive { revision } => {
                assert!(self.listed && *revision >= self.revision);
                (self.revision, self.outage) = (*revision, None);
            }
            Update::Lost { cause, reason } => {
                assert!(
                    self.outage.is_none()
                        || self.losses.last().is_some_and(|last| last.1 != *reason)
                );
                assert!(reason.chars().count() <= 300 && !reason.contains(char::is_control));
                eprintln!("lost: {cause}: {reason}");
                self.outage.get_or_insert(*cause);
                self.losses.push((*cause, reason.clone()));
            }
            Update::Limited { reason } => {
                assert!(
                    self.listed && self.limited.is_none() && !reason.contains(char::is_control)
                );
                self.limited = Some(reason.clone());
            }
            Update::Noted { text } => {
                assert!(!text.contains(char::is_control));
                self.notes.push(text.clone());
            }
        }
    }

    /// Takes words until one is as wanted.
    pub async fn until(&mut self, wanted: impl Fn(&Update) -> bool) -> Update {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let update = timeout_at(deadline, self.next()).await.expect("the word in time");
            if wanted(&update) {
                return update;
            }
        }
    }

    pub async fn until_lost(&mut self) -> Cause {
        self.until(|update| matches!(update, Update::Lost { .. })).await;
        self.losses.last().expect("a loss").0
    }

    /// Takes words until a loss is told of whose reason has all the words.
    pub async fn until_lost_for(&mut self, words: &[&str]) -> Cause {
        let is_it = |reason: &str| words.iter().all(|word| reason.contains(word));
        self.until(|update| matches!(update, Update::Lost { reason, .. } if is_it(reason))).await;
        self.losses.last().expect("a loss").0
    }

    pub async fn until_alive(&mut self) {
        self.until(|update| matches!(update, Update::Alive { .. })).await;
    }

    /// Takes words until the table is the same as etcd's.
    pub async fn until_exact(&mut self, etcd: &Etcd) {
        self.until_exact_as(&mut etcd.kv().await).await;
    }

    /// The same, by a client that may read it.
    pub async fn until_exact_as(&mut self, kv: &mut KvClient) {
        let mut wanted = held(kv, PREFIX, 0).await;
        // The mark of a folder is not followed.
        wanted.remove([].as_slice());
        let deadline = Instant::now() + DEADLINE;
        while self.table != wanted || self.outage.is_some() {
            let next = timeout_at(deadline, self.next()).await;
            assert!(
                next.is_ok(),
                "the tables differ: {} and {} keys, {:?}",
                self.table.len(),
                wanted.len(),
                self.losses
            );
        }
    }
}

fn entry(item: &Item) -> (Vec<u8>, (Vec<u8>, i64)) {
    (item.key.clone(), (item.value.clone(), item.mod_revision))
}

fn mod_revision(event: &Event) -> i64 {
    match event {
        Event::Put(item) => item.mod_revision,
        Event::Delete { mod_revision, .. } => *mod_revision,
    }
}
