//! The settings as etcd tells of them.

use std::{collections::BTreeSet, time::Duration};

use etcd_watch::{Cluster, Keys, Limits, Update, follow};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::known::{Brought, Known};

/// Updates that may wait; more wait in etcd's stream.
const MAX_WAITING: usize = 64;

/// Lines of which it is known that they were said; a script that writes nonsense all day must not fill the memory.
const MAX_SAID: usize = 1_000;

/// For how long settings outlive a wiped etcd: as long as the nodes do.
const HOLD: Duration = Duration::from_secs(60);

/// How much is taken: most of it may be networks below `put_allow/`.
const LIMITS: Limits = Limits { keys: 200_000, bytes: 64 << 20, remedy: "delete those that are no settings" };

/// The settings, and whether etcd has been heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) known: Known,
    /// Why nothing could be heard, if nothing was heard yet; in words.
    pub(crate) trouble: Option<String>,
    pub(crate) has_listed: bool,
}

/// Follows the settings below `prefix`, beginning with what is known. It ends with the last receiver.
pub(crate) fn start(
    cluster: Cluster,
    prefix: String,
    known: Known,
) -> (watch::Receiver<Heard>, JoinHandle<()>) {
    let (sender, receiver) = watch::channel(Heard { known: known.clone(), ..Heard::default() });
    let task = tokio::spawn(async move {
        let (updates, mut received) = mpsc::channel(MAX_WAITING);
        let follower = Follower {
            prefix: prefix.clone(),
            known,
            cluster_id: 0,
            revision: 0,
            held: None,
            is_lost: false,
            has_news: false,
            said: BTreeSet::new(),
            sender,
        };
        tokio::select! {
            // Cancel safe: either ends when nobody listens any more.
            () = follow(cluster, Keys::Below(prefix), LIMITS, updates) => {}
            () = follower.run(&mut received) => {}
        }
    });
    (receiver, task)
}

struct Follower {
    prefix: String,
    known: Known,
    cluster_id: u64,
    revision: i64,
    /// Until when the settings outlive a wiped etcd, and what it has.
    held: Option<(Instant, Known)>,
    is_lost: bool,
    /// Whether there is something to publish.
    has_news: bool,
    /// What has been said of keys: once for each value.
    said: BTreeSet<String>,
    sender: watch::Sender<Heard>,
}

impl Follower {
    async fn run(mut self, updates: &mut mpsc::Receiver<Update>) {
        loop {
            let until = self.held.as_ref().map(|(until, _)| *until);
            tokio::select! {
                // Cancel safe: `recv` gives what it takes in the same poll, and the moment is an absolute one.
                update = updates.recv() => {
                    let Some(update) = update else { return };
                    self.take(update);
                    // What has come with it is told together: there may be many keys.
                    while let Ok(update) = updates.try_recv() {
                        self.take(update);
                    }
                    if std::mem::take(&mut self.has_news) {
                        self.publish();
                    }
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    if let Some((_, known)) = self.held.take() {
                        tracing::warn!("the settings in hand have outlived a wiped etcd for {} s: they are given up", HOLD.as_secs());
                        self.known = known;
                        self.publish();
                    }
                }
            }
        }
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Listed { cluster_id, revision, items, .. } => {
                let is_other = self.cluster_id != 0 && self.cluster_id != cluster_id;
                let is_older = self.cluster_id == cluster_id && revision < self.revision;
                (self.cluster_id, self.revision) = (cluster_id, revision);
                if items.is_empty() && (is_other || is_older) && !self.known.is_empty() {
                    tracing::warn!(
                        "etcd is {} than before, without a key below {}: the settings in hand stay until it has one, at most for {} s",
                        if is_other { "another cluster" } else { "an older state" },
                        self.prefix,
                        HOLD.as_secs()
                    );
                    self.held = Some((Instant::now() + HOLD, Known::heard_of_none()));
                    return;
                }
                self.held = None;
                let brought = self.known.replace(&items);
                self.said.retain(|said| {
                    items.iter().any(|item| said.contains(&*String::from_utf8_lossy(&item.key)))
                });
                self.say(brought);
                self.has_news = true;
            }
            Update::Changed { revision, events } => {
                self.revision = revision;
                for event in &events {
                    let brought = match &mut self.held {
                        Some((_, new)) => new.apply(event),
                        None => self.known.apply(event),
                    };
                    self.say(brought);
                    if let Some((_, new)) = self.held.take_if(|(_, new)| !new.is_empty()) {
                        self.known = new;
                    }
                }
                self.has_news = true;
            }
            Update::Alive { revision } => {
                self.revision = self.revision.max(revision);
                if std::mem::take(&mut self.is_lost) {
                    tracing::info!(
                        "the settings below {} are followed again, revision {revision}",
                        self.prefix
                    );
                }
            }
            Update::Lost { reason, .. } => {
                let what = if self.is_lost { "still not followed" } else { "not followed" };
                self.is_lost = true;
                tracing::warn!(
                    "the settings below {} are {what} ({reason}): those in hand stay",
                    self.prefix
                );
                self.sender.send_modify(|heard| heard.trouble = Some(reason));
            }
            Update::Limited { reason } => tracing::error!("{reason}"),
            Update::Noted { text } => tracing::info!("{text}"),
        }
    }

    fn say(&mut self, brought: Brought) {
        if self.said.len() > MAX_SAID {
            self.said.clear();
        }
        for rejected in brought.rejected {
            if self.said.insert(rejected.clone()) {
                tracing::error!("key \"{}{rejected}", self.prefix);
            }
        }
        for unknown in brought.unknown {
            if self.said.insert(unknown.clone()) {
                tracing::warn!("key \"{}{unknown}\" is no setting of this router's", self.prefix);
            }
        }
    }

    fn publish(&self) {
        let known = self.known.clone();
        self.sender.send_replace(Heard { known, trouble: None, has_listed: true });
    }
}
