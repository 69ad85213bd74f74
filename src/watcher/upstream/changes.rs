//! What has changed of an upstream: the history that its status shows, and how long changes took.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use change_history::{Cause, Change, ChangedKeys, History};
use peer_statistics::{Publication, Statistics};
use peer_zone::Changes;
use tokio::time::Instant;

use crate::nginx::clock;

/// The changes of an upstream, from what causes them to the history.
pub(in crate::watcher) struct ChangeLog {
    history: Option<History<'static>>,
    publication: &'static Publication,
    /// Why the peers may be others at the next publication.
    cause: Option<Cause>,
    /// When etcd's responses came whose events are not published yet.
    arrived: Vec<Instant>,
    /// What checks have changed, until it is written.
    checks: Vec<CheckChange>,
}

/// Peers of which checks have found the same.
struct CheckChange {
    time: u64,
    detail: String,
    keys: ChangedKeys,
}

impl ChangeLog {
    /// Goes on with what is in shared memory.
    pub(super) fn new(statistics: Statistics) -> Self {
        Self {
            history: History::new(statistics.history()),
            publication: statistics.publication(),
            cause: None,
            arrived: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// nginx began with these peers, of this revision, if nothing is written yet.
    pub(super) fn begin<'k>(&self, keys: impl Iterator<Item = &'k Arc<str>>, revision: u64) {
        if self.history.is_some_and(|history| history.total() == 0) {
            let mut begun = ChangedKeys::default();
            begun.added.extend(keys);
            if !begun.is_empty() {
                self.write(Cause::Start, &begun, revision, None);
            }
        }
    }

    /// The peers may be others for this reason. Until they are published, the first reason counts.
    pub(super) fn note_cause(&mut self, cause: Cause) {
        self.cause.get_or_insert(cause);
    }

    /// The peers may be others for this reason, whatever else has come: it changes all of them.
    pub(super) fn set_cause(&mut self, cause: Cause) {
        self.cause = Some(cause);
    }

    /// Events of etcd's that came at this moment have been taken in.
    pub(super) fn note_event(&mut self, arrived: Instant) {
        self.note_cause(Cause::Event);
        self.arrived.push(arrived);
    }

    /// Peers were published. To be called before the event loop is woken.
    pub(super) fn note_published(&mut self, changes: &Changes, revision: u64) {
        // What fits only now was wanted before.
        let cause = self.cause.take().unwrap_or(Cause::Event);
        let arrived = std::mem::take(&mut self.arrived);
        let detail = (cause == Cause::Start && changes.of_server_lines > 0)
            .then(|| module_messages::servers_changed(changes.of_server_lines));
        if changes.keys.is_empty() && detail.is_none() {
            return;
        }
        self.write(cause, &changes.keys, revision, detail.as_deref());
        let now = clock::microseconds();
        let moment = |arrived: Instant| {
            now.saturating_sub(u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX))
        };
        for arrived in arrived {
            self.publication.note_published(moment(arrived), now);
        }
    }

    /// A check has found something else of a peer than before.
    pub(in crate::watcher) fn note_check(&mut self, key: Option<&Arc<str>>, detail: String) {
        let at = self.checks.iter().position(|change| change.detail == detail);
        let at = at.unwrap_or_else(|| {
            let keys = ChangedKeys::default();
            self.checks.push(CheckChange { time: wall_time(), detail, keys });
            self.checks.len() - 1
        });
        self.checks[at].keys.changed.extend(key);
    }

    /// Writes what checks have found since the last call: one change for all peers of which it is
    /// the same, so that a rack that fails does not take the place of all that was before.
    pub(super) fn write_checks(&mut self, revision: u64) {
        for CheckChange { time, detail, keys } in std::mem::take(&mut self.checks) {
            if let Some(history) = self.history {
                let (cause, keys, detail) = (Cause::Check, &keys, Some(&*detail));
                history.write(&Change { time, revision, cause, keys, detail });
            }
        }
    }

    fn write(&self, cause: Cause, keys: &ChangedKeys, revision: u64, detail: Option<&str>) {
        if let Some(history) = self.history {
            history.write(&Change { time: wall_time(), revision, cause, keys, detail });
        }
    }
}

/// Milliseconds since 1970.
fn wall_time() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
