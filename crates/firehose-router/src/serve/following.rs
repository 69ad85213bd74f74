//! The settings as etcd tells of them.

use std::{collections::BTreeSet, time::Duration};

use etcd_watch::{Cluster, Event, Item, Keys, Limits, Update, follow};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    known::{Brought, Known, Origin},
    settings::{PUT_ALLOW, Setting},
};

/// Updates that may wait; more wait in etcd's stream.
const MAX_WAITING: usize = 64;

/// Lines of which it is known that they were said; a script that writes nonsense all day must not
/// fill the memory.
const MAX_SAID: usize = 1_000;

/// For how long settings outlive a wiped etcd: as long as the nodes do.
const HOLD: Duration = Duration::from_secs(60);

/// How often the file is written because etcd has come further, and for nothing else.
const NOTE_PERIOD: Duration = Duration::from_secs(60);

/// How much is taken: most of it may be networks below `put_allow/`.
const LIMITS: Limits =
    Limits { keys: 200_000, bytes: 64 << 20, remedy: "delete those that are no settings" };

/// The settings, and whether etcd has been heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) known: Known,
    /// Why nothing could be heard, if nothing was heard yet; in words.
    pub(crate) trouble: Option<String>,
    pub(crate) has_listed: bool,
}

/// Follows the settings below `prefix`, beginning with what is known. It ends with the last
/// receiver.
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
            held: None,
            noted: None,
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
    /// What outlives a wiped etcd.
    held: Option<Held>,
    /// When what is known was last published, with how far etcd was.
    noted: Option<Instant>,
    is_lost: bool,
    /// Whether there is something to publish.
    has_news: bool,
    /// What has been said of keys: once for each value.
    said: BTreeSet<String>,
    sender: watch::Sender<Heard>,
}

/// What outlives a wiped etcd, until when, and what that one has.
struct Held {
    until: Instant,
    /// Whether it is the settings, but for who may publish.
    settings: bool,
    /// Whether it is who may publish.
    put_allow: bool,
    new: Known,
}

impl Held {
    /// In words.
    fn what(&self) -> &'static str {
        match (self.settings, self.put_allow) {
            (true, true) => "the settings and the networks that may publish",
            (true, false) => "the settings",
            (false, _) => "the networks that may publish",
        }
    }
}

impl Origin {
    /// Whether an etcd that is there now is another one, or the same in an older state.
    fn is_unlike(self, now: Self) -> bool {
        self.cluster_id != now.cluster_id || now.revision < self.revision
    }
}

/// Whether a key says who may publish.
fn is_put_allow(key: &[u8]) -> bool {
    key.starts_with(PUT_ALLOW.as_bytes()) || key == Setting::PutAllow.key().as_bytes()
}

/// Whether a key among them is a setting with a good value, beside who may publish.
fn has_settings(items: &[Item]) -> bool {
    let mut all = Known::default();
    let _ = all.replace(items);
    all.has_settings()
}

impl Follower {
    async fn run(mut self, updates: &mut mpsc::Receiver<Update>) {
        loop {
            // What etcd has is not known while it cannot be followed.
            let until = self.held.as_ref().filter(|_| !self.is_lost).map(|held| held.until);
            tokio::select! {
                // Cancel safe: `recv` gives what it takes in the same poll, and the moment is an
                // absolute one.
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
                    if let Some(held) = self.held.take() {
                        tracing::warn!(
                            "{} in hand have outlived a wiped etcd for {} s: they are given up",
                            held.what(),
                            HOLD.as_secs()
                        );
                        if held.settings {
                            self.known.take_settings(&held.new);
                        }
                        if held.put_allow {
                            self.known.take_put_allow(&held.new);
                        }
                        self.publish();
                    }
                }
            }
        }
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Listed { cluster_id, revision, items, .. } => {
                self.list(Origin { cluster_id, revision }, &items);
                self.said.retain(|said| {
                    items.iter().any(|item| said.contains(&*String::from_utf8_lossy(&item.key)))
                });
                self.has_news = true;
            }
            Update::Changed { revision, events } => {
                self.note_revision(revision);
                for event in &events {
                    let brought = self.change(event);
                    self.say(brought);
                    self.adopt();
                }
                self.has_news = true;
            }
            Update::Alive { revision } => {
                self.note_revision(revision);
                // The file is to know how far etcd has come, though nothing else changes.
                if self.noted.is_some_and(|at| at.elapsed() >= NOTE_PERIOD)
                    && self.has_come_further()
                {
                    self.has_news = true;
                }
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

    /// What etcd has takes the place of what is in hand. Where it is another etcd, or an older
    /// state, what it has none of stays for a while: settings, and who may publish, each for
    /// itself.
    fn list(&mut self, now: Origin, items: &[Item]) {
        let before = self.held.take();
        let was_held = |part: fn(&Held) -> bool| before.as_ref().is_some_and(part);
        let is_new = |origin: Option<Origin>| origin.is_some_and(|origin| origin.is_unlike(now));
        // What is held stays so for its time: the new etcd may have come past the old one's
        // revision.
        let new_settings = was_held(|held| held.settings) || is_new(self.known.origin);
        let new_put_allow = was_held(|held| held.put_allow) || is_new(self.known.put_allow_origin);
        let mut next = self.known.clone();
        if new_put_allow {
            next.take_put_allow(&Known::default());
        }
        let brought = next.replace(items);
        (next.origin, next.put_allow_origin) = (Some(now), Some(now));
        let settings = new_settings && self.known.has_settings() && !has_settings(items);
        let put_allow =
            new_put_allow && self.known.restricts_publishing() && next.put_allow.count() == 0;
        if !settings {
            self.known.take_settings(&next);
        }
        if put_allow {
            self.known.take_put_allow_key(&next);
        } else {
            self.known.take_put_allow(&next);
        }
        self.known.is_heard = true;
        self.say(brought);
        if settings || put_allow {
            if settings {
                next.values.retain(|setting, _| *setting == Setting::PutAllow);
            }
            let until = before.as_ref().map_or_else(|| Instant::now() + HOLD, |held| held.until);
            let held = Held { until, settings, put_allow, new: next };
            if before.is_none() {
                let is_other = [self.known.origin, self.known.put_allow_origin]
                    .iter()
                    .flatten()
                    .any(|origin| origin.cluster_id != now.cluster_id);
                tracing::warn!(
                    "etcd is {} than before, without {} below {}: those in hand stay until it has \
                     one, at most for {} s",
                    if is_other { "another cluster" } else { "an older state" },
                    held.what(),
                    self.prefix,
                    HOLD.as_secs()
                );
            }
            self.held = Some(held);
        }
    }

    /// Takes an event.
    fn change(&mut self, event: &Event) -> Brought {
        let (key, is_deletion) = match event {
            Event::Put(item) => (&item.key, false),
            Event::Delete { key, .. } => (key, true),
        };
        let is_put_allow = is_put_allow(key);
        let Some(held) = self
            .held
            .as_mut()
            .filter(|held| if is_put_allow { held.put_allow } else { held.settings })
        else {
            return self.known.apply(event);
        };
        if is_deletion {
            // Whoever deletes a key means it, whichever etcd it came from.
            let _ = self.known.apply(event);
        }
        held.new.apply(event)
    }

    /// What the new etcd has takes the place of what is held.
    fn adopt(&mut self) {
        let Some(held) = &mut self.held else { return };
        if held.settings && (held.new.has_settings() || !self.known.has_settings()) {
            held.settings = false;
            self.known.take_settings(&held.new);
        }
        if held.put_allow && (held.new.put_allow.count() > 0 || !self.known.restricts_publishing())
        {
            held.put_allow = false;
            self.known.take_put_allow(&held.new);
        } else if held.put_allow {
            self.known.take_put_allow_key(&held.new);
        }
        if !held.settings && !held.put_allow {
            self.held = None;
        }
    }

    /// How far etcd has come. What is held is not of this etcd.
    fn note_revision(&mut self, revision: i64) {
        let note = |origin: &mut Option<Origin>| {
            if let Some(origin) = origin {
                origin.revision = origin.revision.max(revision);
            }
        };
        let (settings, put_allow) =
            self.held.as_ref().map_or((false, false), |held| (held.settings, held.put_allow));
        if !settings {
            note(&mut self.known.origin);
        }
        if !put_allow {
            note(&mut self.known.put_allow_origin);
        }
        if let Some(held) = &mut self.held {
            note(&mut held.new.origin);
            note(&mut held.new.put_allow_origin);
        }
    }

    /// Whether etcd has come further than was last published.
    fn has_come_further(&self) -> bool {
        let told = self.sender.borrow();
        told.known.origin != self.known.origin
            || told.known.put_allow_origin != self.known.put_allow_origin
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

    fn publish(&mut self) {
        self.noted = Some(Instant::now());
        let known = self.known.clone();
        self.sender.send_replace(Heard { known, trouble: None, has_listed: true });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use etcd_watch::{Cause, Event, Item, Update};
    use tokio::sync::watch;

    use super::{Follower, Heard, Known, Origin, Setting};

    fn item(key: &str, value: &str) -> Item {
        let (key, value) = (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        Item { key, value, create_revision: 1, mod_revision: 1, lease: 0 }
    }

    fn follower(known: Known) -> Follower {
        let (sender, _) = watch::channel(Heard::default());
        Follower {
            prefix: "/firehose/nginx/".to_owned(),
            known,
            held: None,
            noted: None,
            is_lost: false,
            has_news: false,
            said: BTreeSet::new(),
            sender,
        }
    }

    fn list(follower: &mut Follower, cluster_id: u64, revision: i64, pairs: &[(&str, &str)]) {
        let items = pairs.iter().map(|(key, value)| item(key, value)).collect();
        follower.take(Update::Listed { cause: Cause::Start, cluster_id, revision, items });
    }

    fn put(follower: &mut Follower, revision: i64, key: &str, value: &str) {
        follower.take(Update::Changed { revision, events: vec![Event::Put(item(key, value))] });
    }

    fn delete(follower: &mut Follower, revision: i64, key: &str) {
        let event = Event::Delete { key: key.as_bytes().to_vec(), mod_revision: revision };
        follower.take(Update::Changed { revision, events: vec![event] });
    }

    /// What a router knows that has run with an etcd of these keys at revision 9, and was started
    /// anew.
    fn started_anew(pairs: &[(&str, &str)]) -> Follower {
        let mut before = follower(Known::default());
        list(&mut before, 1, 7, pairs);
        before.take(Update::Alive { revision: 9 });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        before.known.save(&file, "/firehose", &before.known.values).expect("saved");
        follower(Known::load(&file, "/firehose").expect("loaded").0)
    }

    fn networks(follower: &Follower) -> Vec<&str> {
        follower.known.put_allow.words().collect()
    }

    const ALL: [(&str, &str); 2] = [("put_allow/o", "10.0.0.0/8"), ("worker_processes", "2")];

    #[tokio::test]
    async fn a_start_over_a_wiped_etcd_keeps_what_is_in_hand() {
        for (cluster_id, revision) in [(1, 8), (2, 100)] {
            let mut follower = started_anew(&ALL);
            list(&mut follower, cluster_id, revision, &[]);
            let is_held = |follower: &Follower| {
                assert_eq!(networks(follower), ["10.0.0.0/8"]);
                let origin = Some(Origin { cluster_id: 1, revision: 9 });
                assert_eq!(
                    follower.known.put_allow_origin, origin,
                    "a further start must see the same"
                );
                follower.held.as_ref().map(|held| held.until)
            };
            let until = is_held(&follower);
            assert_eq!(follower.known.get(Setting::WorkerProcesses), Some("2"));
            // Further lists neither end nor prolong it, also when the new one comes past the old
            // one.
            list(&mut follower, cluster_id, 1_000, &[]);
            assert_eq!(is_held(&follower), until);
            // Nor do other keys, those that name nobody, or that restrict even more.
            put(&mut follower, 1_001, "keepalive_timeout", "5s");
            assert_eq!(is_held(&follower), until);
            assert_eq!(
                follower.known.get(Setting::WorkerProcesses),
                Some("4"),
                "settings are the new one's"
            );
            assert_eq!(follower.known.get(Setting::KeepaliveTimeout), Some("5s"));
            put(&mut follower, 1_002, "put_allow/new", "nobody");
            put(&mut follower, 1_003, "put_allow", "");
            assert_eq!(is_held(&follower), until);
            assert!(follower.known.get(Setting::PutAllow).is_some());
            list(
                &mut follower,
                cluster_id,
                1_004,
                &[("keepalive_timeout", "5s"), ("colour", "red")],
            );
            assert_eq!(is_held(&follower), until);
            // One that names somebody takes its place as a whole.
            put(&mut follower, 1_005, "put_allow/new", "192.0.2.0/24");
            assert_eq!(networks(&follower), ["192.0.2.0/24"]);
            assert!(follower.held.is_none());
            let origin = Some(Origin { cluster_id, revision: 1_005 });
            assert_eq!((follower.known.origin, follower.known.put_allow_origin), (origin, origin));
        }
    }

    #[tokio::test]
    async fn who_may_publish_does_not_end_the_hold_of_settings() {
        let mut follower = started_anew(&ALL);
        list(&mut follower, 2, 3, &[("put_allow/new", "192.0.2.0/24")]);
        assert_eq!(networks(&follower), ["192.0.2.0/24"]);
        assert_eq!(follower.known.get(Setting::WorkerProcesses), Some("2"));
        assert!(follower.held.as_ref().is_some_and(|held| held.settings && !held.put_allow));
        put(&mut follower, 4, "put_allow/other", "192.0.3.0/24");
        delete(&mut follower, 5, "put_allow/new");
        assert_eq!(networks(&follower), ["192.0.3.0/24"], "its keys are obeyed meanwhile");
        put(&mut follower, 6, "max_conns", "5");
        assert_eq!(follower.known.get(Setting::WorkerProcesses), Some("4"));
        assert!(follower.held.is_none());
    }

    #[tokio::test]
    async fn the_same_etcd_is_obeyed_at_once_and_so_is_one_that_was_never_known() {
        let mut follower = started_anew(&ALL);
        list(&mut follower, 1, 9, &[]);
        assert!(follower.held.is_none() && !follower.known.restricts_publishing());
        let mut follower = started_anew(&[]);
        list(&mut follower, 2, 1, &[]);
        assert!(follower.held.is_none(), "there is nothing to hold");
    }

    #[tokio::test]
    async fn a_key_in_the_place_of_the_directory_is_held_as_well() {
        let mut follower = started_anew(&[("put_allow", "")]);
        list(&mut follower, 1, 2, &[("max_conns", "5")]);
        assert!(follower.known.get(Setting::PutAllow).is_some());
        assert!(follower.held.as_ref().is_some_and(|held| held.put_allow));
        // Whoever deletes it means it.
        put(&mut follower, 3, "put_allow", "");
        delete(&mut follower, 4, "put_allow");
        assert!(follower.held.is_none() && !follower.known.restricts_publishing());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_ends_with_its_time_and_not_while_etcd_is_away() {
        let (sender, mut updates) = tokio::sync::mpsc::channel(9);
        let follower = started_anew(&ALL);
        let mut heard = follower.sender.subscribe();
        let running = tokio::spawn(async move { follower.run(&mut updates).await });
        let send = async |update| sender.send(update).await.expect("it runs");
        let listed = |revision| Update::Listed {
            cause: Cause::Start,
            cluster_id: 2,
            revision,
            items: vec![],
        };
        send(listed(1)).await;
        send(Update::Lost { cause: Cause::Unreachable, reason: "away".to_owned() }).await;
        tokio::time::sleep(super::HOLD * 2).await;
        assert!(heard.borrow().known.restricts_publishing());
        send(listed(2)).await;
        send(Update::Alive { revision: 2 }).await;
        heard.wait_for(|heard| !heard.known.restricts_publishing()).await.expect("it runs");
        assert!(!heard.borrow().known.has_settings());
        running.abort();
    }
}
