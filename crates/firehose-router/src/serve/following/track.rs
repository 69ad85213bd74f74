//! One of the parts that are followed: what of it is in hand, and whether etcd can be followed.

use std::time::Duration;

use etcd_watch::{
    Continuity, DEFAULT_HOLD, Event, Holding, Origin, Replica, Update, messages::state_of_etcd,
};

use super::rejection_log::RejectionLog;
use crate::serve::{
    content::{ApplyResult, Content},
    settings_state::Provenance,
};

/// How lines call a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackMessages {
    pub(super) subject: &'static str,
    /// One that ends a hold.
    pub(super) valid_key: &'static str,
}

/// A part of what is followed.
pub(super) struct Track<T> {
    messages: TrackMessages,
    prefix: String,
    replica: Replica<T>,
    is_known: bool,
    has_listed: bool,
    /// Why it is not followed, if it is not.
    trouble: Option<String>,
    /// What the log has said last of the outage that goes on.
    logged: Option<String>,
    /// Whether the log has said that values are held.
    is_hold_logged: bool,
}

impl<T: Content> Track<T> {
    /// Goes on with what was kept.
    pub(super) fn new(
        messages: TrackMessages,
        prefix: &str,
        in_hand: T,
        source: Provenance,
    ) -> Self {
        let mut replica = Replica::new(in_hand, source.origin, milliseconds(DEFAULT_HOLD));
        if let Some(continuity) = source.held {
            // The clock of the router that has held it is not this one's.
            replica = replica.resume(Holding { continuity, until: milliseconds(DEFAULT_HOLD) });
        }
        Self {
            messages,
            prefix: prefix.to_owned(),
            replica,
            is_known: source.is_known,
            has_listed: false,
            trouble: None,
            logged: None,
            is_hold_logged: false,
        }
    }

    /// Takes an update. Returns whether there is something to publish.
    pub(super) fn apply(
        &mut self,
        update: Update,
        now: u64,
        rejections: &mut RejectionLog,
    ) -> bool {
        match update {
            Update::Listed { cluster_id, revision, items, .. } => {
                let listed = Origin { cluster_id, revision };
                let _ = self.replica.list(listed, now, |_| T::empty());
                let result = self.replica.newest_mut().replace(&items);
                rejections.retain_keys(|key| {
                    // What the other part has is not for this one to say.
                    !T::has(key.as_bytes())
                        || items.iter().any(|item| String::from_utf8_lossy(&item.key) == key)
                });
                rejections.log_result(result);
                (self.is_known, self.has_listed) = (true, true);
                self.adopt();
                self.log_hold();
                true
            }
            Update::Changed { revision, events, .. } => {
                self.replica.note_revision(revision);
                for event in &events {
                    rejections.log_result(self.apply_event(event));
                    self.adopt();
                }
                true
            }
            Update::Alive { revision } => {
                self.replica.note_revision(revision);
                self.trouble = None;
                false
            }
            Update::Lost { reason, .. } => {
                self.trouble = Some(reason);
                // A caller that waits for the first list must know.
                !self.has_listed
            }
            Update::Limited { reason } => {
                tracing::error!("{reason}");
                false
            }
            Update::Noted { text } => {
                tracing::info!("{text}");
                false
            }
        }
    }

    fn apply_event(&mut self, event: &Event) -> ApplyResult {
        match event {
            Event::Put(item) => self.replica.newest_mut().put(item),
            Event::Delete { key, .. } => {
                let _ = self.replica.delete(|content| content.delete(key));
                ApplyResult::default()
            }
        }
    }

    /// Logs that values are held, once for a hold.
    fn log_hold(&mut self) {
        let holding = self.replica.holding();
        let is_news = !std::mem::replace(&mut self.is_hold_logged, holding.is_some());
        if let Some(holding) = holding.filter(|_| is_news) {
            tracing::warn!("{}", self.messages.held(holding.continuity, &self.prefix));
        }
    }

    /// What a new etcd has takes the place of what is held, once it has a valid key, or nothing is
    /// held any more.
    fn adopt(&mut self) {
        if let Some(replaced) =
            self.replica.adopt_if(|in_hand, new| in_hand.is_empty() || new.is_replacement())
        {
            self.replica.in_hand_mut().succeed(&replaced.former);
            self.is_hold_logged = false;
        }
    }

    /// What a new etcd has takes the place of what is held, if its time is over. Returns whether it
    /// is.
    pub(super) fn end_hold(&mut self, now: u64) -> bool {
        let Some(replaced) = self.replica.end_hold(now, self.trouble.is_none()) else {
            return false;
        };
        let Self { messages, prefix, .. } = self;
        tracing::warn!("{}", messages.given_up(replaced.continuity, prefix));
        self.is_hold_logged = false;
        true
    }

    /// When the hold ends; `None` while etcd cannot be followed.
    pub(super) fn ends_at(&self) -> Option<u64> {
        self.replica.ends_at().filter(|_| self.trouble.is_none())
    }

    /// Logs that it cannot be followed, or is followed again, unless the log has said so. What was
    /// `logged_elsewhere` is the same outage.
    pub(super) fn log_outage(&mut self, logged_elsewhere: Option<&str>) {
        match (&self.trouble, &self.logged) {
            (Some(trouble), logged)
                if logged.as_ref() != Some(trouble)
                    && logged_elsewhere != Some(trouble.as_str()) =>
            {
                let is_news = logged.is_none();
                tracing::warn!("{}", self.messages.lost(is_news, &self.prefix, trouble));
                self.logged = Some(trouble.clone());
            }
            (None, Some(_)) => {
                tracing::info!("{}", self.messages.watched_again(&self.prefix));
                self.logged = None;
            }
            _ => {}
        }
    }

    /// What the log has said of the outage that goes on.
    pub(super) fn logged_outage(&self) -> Option<&str> {
        self.logged.as_deref()
    }

    /// Whether it was listed, or cannot be just now.
    pub(super) fn is_settled(&self) -> bool {
        self.has_listed || self.trouble.is_some()
    }

    pub(super) fn has_listed(&self) -> bool {
        self.has_listed
    }

    pub(super) fn in_hand(&self) -> &T {
        self.replica.in_hand()
    }

    pub(super) fn successor(&self) -> Option<&T> {
        self.replica.successor()
    }

    pub(super) fn source(&self) -> Provenance {
        Provenance {
            is_known: self.is_known,
            origin: self.replica.origin(),
            held: self.replica.holding().map(|holding| holding.continuity),
        }
    }

    #[cfg(test)]
    pub(super) fn holding(&self) -> Option<Holding> {
        self.replica.holding()
    }
}

impl TrackMessages {
    fn held(self, continuity: Continuity, prefix: &str) -> String {
        let Self { subject, valid_key } = self;
        format!(
            "{} and has no {valid_key} with prefix \"{prefix}\": current {subject} are kept until \
             one appears, for {} s at most",
            state_of_etcd(continuity),
            DEFAULT_HOLD.as_secs()
        )
    }

    fn given_up(self, continuity: Continuity, prefix: &str) -> String {
        let Self { subject, valid_key } = self;
        format!(
            "{} and has had no {valid_key} with prefix \"{prefix}\" for {} s: current {subject} \
             are removed",
            state_of_etcd(continuity),
            DEFAULT_HOLD.as_secs()
        )
    }

    fn lost(self, is_news: bool, prefix: &str, reason: &str) -> String {
        let still = if is_news { "" } else { "still " };
        let subject = self.subject;
        format!(
            "{still}cannot watch {subject} with prefix \"{prefix}\": {reason}; current {subject} \
             are kept"
        )
    }

    fn watched_again(self, prefix: &str) -> String {
        format!("watching {} with prefix \"{prefix}\" again", self.subject)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use etcd_watch::Continuity;

    use super::TrackMessages;

    #[test]
    fn messages_are_worded_so() {
        let messages = TrackMessages { subject: "settings", valid_key: "valid setting" };
        for (message, expected) in [
            (
                messages.held(Continuity::OlderRevision, "/f/nginx/"),
                "etcd was wiped or restored from a backup and has no valid setting with prefix \
                 \"/f/nginx/\": current settings are kept until one appears, for 60 s at most",
            ),
            (
                messages.held(Continuity::OtherCluster, "/f/nginx/"),
                "etcd was replaced by another cluster and has no valid setting with prefix \
                 \"/f/nginx/\": current settings are kept until one appears, for 60 s at most",
            ),
            (
                messages.given_up(Continuity::OtherCluster, "/f/nginx/"),
                "etcd was replaced by another cluster and has had no valid setting with prefix \
                 \"/f/nginx/\" for 60 s: current settings are removed",
            ),
            (
                messages.lost(true, "/f/nginx/", "no answer"),
                "cannot watch settings with prefix \"/f/nginx/\": no answer; current settings are \
                 kept",
            ),
            (
                messages.lost(false, "/f/nginx/", "no quorum"),
                "still cannot watch settings with prefix \"/f/nginx/\": no quorum; current \
                 settings are kept",
            ),
            (
                messages.watched_again("/f/nginx/"),
                "watching settings with prefix \"/f/nginx/\" again",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
