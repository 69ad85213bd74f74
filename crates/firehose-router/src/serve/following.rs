//! The settings, and who may publish, as etcd tells of them.

mod rejection_log;
#[cfg(test)]
mod tests;
mod track;

use std::time::Duration;

use etcd_watch::{Cluster, Event, Keys, Limits, Update, follow};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use self::{
    rejection_log::RejectionLog,
    track::{Track, TrackMessages},
};
use super::{
    content::{Publishers, SettingValues},
    settings::Setting,
    settings_state::SettingsState,
};

/// Updates that may wait; more wait in etcd's stream.
const MAX_WAITING: usize = 64;

/// How often the file is written because etcd has come further, and for nothing else.
const NOTE_PERIOD: Duration = Duration::from_secs(60);

/// More keys than there will ever be settings. Networks below `put_allow/` are not among them.
const SETTINGS_LIMITS: Limits =
    Limits { keys: 10_000, bytes: 16 << 20, remedy: "delete the keys that are not settings" };

/// As many networks as the module takes.
const PUT_ALLOW_LIMITS: Limits =
    Limits { keys: 200_000, bytes: 64 << 20, remedy: "delete networks, or merge them" };

const SETTINGS_MESSAGES: TrackMessages =
    TrackMessages { subject: "settings", valid_key: "valid setting" };

const PUT_ALLOW_MESSAGES: TrackMessages =
    TrackMessages { subject: "networks that may publish", valid_key: "valid network" };

/// What is known of the settings, and whether etcd was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingsUpdate {
    pub(crate) state: SettingsState,
    /// Whether etcd has listed the settings.
    pub(crate) has_settings: bool,
    /// Whether etcd has listed who may publish.
    pub(crate) has_publishers: bool,
    /// Whether each of the two was listed, or cannot be just now.
    pub(crate) is_settled: bool,
}

impl SettingsUpdate {
    /// Whether anything of it was read from etcd by this process.
    pub(crate) fn has_listed(&self) -> bool {
        self.has_settings || self.has_publishers
    }
}

/// Follows the settings below `prefix`, and who may publish, beginning with what is known. It ends
/// with the last receiver.
///
/// The two are followed each for itself: networks that are too many must not keep the settings from
/// being followed.
pub(crate) fn start(
    cluster: Cluster,
    prefix: String,
    known: SettingsState,
) -> (watch::Receiver<SettingsUpdate>, JoinHandle<()>) {
    let initial = SettingsUpdate { state: known.clone(), ..SettingsUpdate::default() };
    let (sender, receiver) = watch::channel(initial);
    let task = tokio::spawn(async move {
        let put_allow = Setting::PutAllow.key();
        let settings_keys =
            Keys::BelowWithout { prefix: prefix.clone(), without: put_allow.to_owned() };
        let publishers_keys = Keys::Beginning(format!("{prefix}{put_allow}"));
        let (settings_sender, mut settings) = mpsc::channel(MAX_WAITING);
        let (publishers_sender, mut publishers) = mpsc::channel(MAX_WAITING);
        let follower = Follower::new(prefix, &known, sender);
        tokio::select! {
            // Cancel safe: each ends when nobody listens any more.
            () = follow(cluster.clone(), settings_keys, SETTINGS_LIMITS, settings_sender) => {}
            () = follow(cluster, publishers_keys, PUT_ALLOW_LIMITS, publishers_sender) => {}
            () = follower.run(&mut settings, &mut publishers) => {}
        }
    });
    (receiver, task)
}

struct Follower {
    settings: Track<SettingValues>,
    publishers: Track<Publishers>,
    rejections: RejectionLog,
    /// When this began: the clock of the holds.
    started: Instant,
    /// When what is known was last published, with how far etcd was.
    published: Option<Instant>,
    /// Whether there is something to publish.
    has_news: bool,
    sender: watch::Sender<SettingsUpdate>,
}

impl Follower {
    fn new(prefix: String, known: &SettingsState, sender: watch::Sender<SettingsUpdate>) -> Self {
        let values = SettingValues::of_values(&known.values);
        let publishers = Publishers {
            networks: known.put_allow.clone(),
            has_key: known.values.contains_key(&Setting::PutAllow),
        };
        Self {
            settings: Track::new(SETTINGS_MESSAGES, &prefix, values, known.settings_source),
            publishers: Track::new(
                PUT_ALLOW_MESSAGES,
                &format!("{prefix}put_allow/"),
                publishers,
                known.put_allow_source,
            ),
            rejections: RejectionLog::new(prefix),
            started: Instant::now(),
            published: None,
            has_news: false,
            sender,
        }
    }

    async fn run(
        mut self,
        settings: &mut mpsc::Receiver<Update>,
        publishers: &mut mpsc::Receiver<Update>,
    ) {
        loop {
            let ends_at = self.ends_at();
            tokio::select! {
                // Cancel safe: `recv` gives what it takes in the same poll, and the moment is an
                // absolute one.
                biased;
                update = settings.recv() => {
                    let Some(update) = update else { return };
                    self.apply_to_settings(update);
                }
                update = publishers.recv() => {
                    let Some(update) = update else { return };
                    self.apply_to_publishers(update);
                }
                () = sleep_until(ends_at.unwrap_or_else(Instant::now)), if ends_at.is_some() => {
                    self.end_holds();
                }
            }
            // What has come with it is published together: there may be many keys.
            while let Ok(update) = settings.try_recv() {
                self.apply_to_settings(update);
            }
            while let Ok(update) = publishers.try_recv() {
                self.apply_to_publishers(update);
            }
            self.log_outages();
            if std::mem::take(&mut self.has_news) {
                self.publish();
            }
        }
    }

    fn apply_to_settings(&mut self, update: Update) {
        let now = self.now();
        self.has_news |= self.settings.apply(update, now, &mut self.rejections);
        self.note_progress();
    }

    fn apply_to_publishers(&mut self, update: Update) {
        let now = self.now();
        let update = with_name(update, Setting::PutAllow.key());
        self.has_news |= self.publishers.apply(update, now, &mut self.rejections);
        self.note_progress();
    }

    /// The file is to know how far etcd has come, though nothing else changes.
    fn note_progress(&mut self) {
        if self.published.is_some_and(|at| at.elapsed() >= NOTE_PERIOD) {
            let published = self.sender.borrow();
            self.has_news |= published.state.settings_source != self.settings.source()
                || published.state.put_allow_source != self.publishers.source();
        }
    }

    /// One outage of etcd is one line, though both are lost.
    fn log_outages(&mut self) {
        self.settings.log_outage(None);
        self.publishers.log_outage(self.settings.logged_outage());
    }

    fn end_holds(&mut self) {
        let now = self.now();
        self.has_news |= self.settings.end_hold(now);
        self.has_news |= self.publishers.end_hold(now);
    }

    /// When the next hold ends. What etcd has is not known while it cannot be followed.
    fn ends_at(&self) -> Option<Instant> {
        let ends = [self.settings.ends_at(), self.publishers.ends_at()];
        ends.into_iter().flatten().min().map(|end| self.started + Duration::from_millis(end))
    }

    /// Milliseconds since this began.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn state(&self) -> SettingsState {
        let mut values = self.settings.in_hand().values.clone();
        // Nobody but those in hand may publish where a new etcd says so.
        let new = self.publishers.successor();
        if self.publishers.in_hand().has_key || new.is_some_and(|new| new.has_key) {
            values.insert(Setting::PutAllow, Setting::PUT_ALLOW_IS_KEY.to_owned());
        }
        SettingsState {
            values,
            settings_source: self.settings.source(),
            put_allow: self.publishers.in_hand().networks.clone(),
            put_allow_source: self.publishers.source(),
        }
    }

    fn publish(&mut self) {
        self.published = Some(Instant::now());
        self.sender.send_replace(SettingsUpdate {
            state: self.state(),
            has_settings: self.settings.has_listed(),
            has_publishers: self.publishers.has_listed(),
            is_settled: self.settings.is_settled() && self.publishers.is_settled(),
        });
    }
}

/// An update whose keys are told of without this name before them.
fn with_name(mut update: Update, name: &str) -> Update {
    let complete = |key: &mut Vec<u8>| drop(key.splice(0..0, name.bytes()));
    match &mut update {
        Update::Listed { items, .. } => items.iter_mut().for_each(|item| complete(&mut item.key)),
        Update::Changed { events, .. } => events.iter_mut().for_each(|event| match event {
            Event::Put(item) => complete(&mut item.key),
            Event::Delete { key, .. } => complete(key),
        }),
        _ => {}
    }
    update
}
