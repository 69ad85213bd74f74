//! How far an upstream's watch has come, and whether it stands.

use etcd_watch::Cause;
use peer_zone::ResyncCounter;

/// How far the watch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has been listed, by this watcher or another.
    Start,
    /// This watcher has listed nothing, and goes on from what another has left.
    Takeover,
    /// This watcher has listed what there is.
    Listed,
}

/// Whether etcd tells of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Link {
    /// It does not, or has not yet.
    Lost,
    /// It does.
    Alive,
}

/// What is known of the watch.
pub(super) struct WatchState {
    stage: Stage,
    link: Link,
    /// Why keys are left out, if any are.
    limited: Option<String>,
}

impl WatchState {
    /// `takes_over`: another watcher has followed the same keys before.
    pub(super) fn new(takes_over: bool) -> Self {
        let stage = if takes_over { Stage::Takeover } else { Stage::Start };
        Self { stage, link: Link::Lost, limited: None }
    }

    /// Whether this watcher has listed what there is.
    pub(super) fn has_listed(&self) -> bool {
        self.stage == Stage::Listed
    }

    /// Whether nobody has listed anything yet.
    pub(super) fn is_at_start(&self) -> bool {
        self.stage == Stage::Start
    }

    /// Whether etcd tells of changes.
    pub(super) fn is_alive(&self) -> bool {
        self.link == Link::Alive
    }

    /// Why keys are left out, if any are.
    pub(super) fn limited(&self) -> Option<&str> {
        self.limited.as_deref()
    }

    /// All keys have been listed, for a reason; returns what this counts as.
    pub(super) fn note_list(&mut self, cause: Cause) -> ResyncCounter {
        self.limited = None;
        match std::mem::replace(&mut self.stage, Stage::Listed) {
            Stage::Start => ResyncCounter::Start,
            // Whatever kept this watcher from it at first, what it makes good is that it is new.
            Stage::Takeover => ResyncCounter::Takeover,
            Stage::Listed => match cause {
                Cause::Start => ResyncCounter::Start,
                Cause::Compacted => ResyncCounter::Compacted,
                Cause::Canceled => ResyncCounter::Canceled,
                Cause::Broken => ResyncCounter::Broken,
                Cause::Silent => ResyncCounter::Silent,
                Cause::Unreachable => ResyncCounter::Unreachable,
                Cause::TooLarge => ResyncCounter::TooLarge,
            },
        }
    }

    /// etcd tells of changes.
    pub(super) fn note_alive(&mut self) {
        self.link = Link::Alive;
    }

    /// It does not any more.
    pub(super) fn note_loss(&mut self) {
        self.link = Link::Lost;
    }

    /// There are more keys than are taken.
    pub(super) fn note_limit(&mut self, reason: &str) {
        self.limited = Some(reason.to_owned());
    }
}
