//! Whether keys are watched just now, and the lines that say so.

use std::rc::Rc;

use etcd_watch::{Update, messages};

use super::lines::Lines;

/// Whether keys are watched.
pub(super) struct Contact {
    cluster_name: Rc<str>,
    /// Which keys, as lines show them: `prefix "/a/"`.
    keys: String,
    /// What is in service meanwhile: `current peers are kept`.
    kept: &'static str,
    is_lost: bool,
    /// Whether there are more keys than are taken.
    is_limited: bool,
    lines: Lines,
}

impl Contact {
    pub(super) fn new(
        cluster_name: Rc<str>,
        keys: String,
        kept: &'static str,
        lines: Lines,
    ) -> Self {
        Self { cluster_name, keys, kept, is_lost: false, is_limited: false, lines }
    }

    /// Whether what etcd has is not known just now.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Tells of an outage as it begins, as it goes on for another reason, and as it ends; and of
    /// keys that are left out.
    pub(super) fn note_update(&mut self, update: &Update) {
        let Self { cluster_name, keys, kept, .. } = self;
        match update {
            Update::Lost { cause, reason } => {
                let is_still = std::mem::replace(&mut self.is_lost, true);
                let text = messages::lost(keys, is_still, *cause, reason, kept);
                self.lines.warn(format!("etcd: cluster \"{cluster_name}\": {text}"));
            }
            // The end of an outage: the watch stands.
            Update::Alive { revision } if self.is_lost => {
                self.is_lost = false;
                let text = messages::restored(keys, *revision);
                self.lines.notice(format!("etcd: cluster \"{cluster_name}\": {text}"));
            }
            Update::Limited { reason } => {
                self.is_limited = true;
                self.lines.error(format!("etcd: cluster \"{cluster_name}\": {reason}"));
            }
            Update::Listed { items, .. } if self.is_limited => {
                self.is_limited = false;
                let text = messages::within_limits(keys, items.len());
                self.lines.notice(format!("etcd: cluster \"{cluster_name}\": {text}"));
            }
            Update::Noted { text } => {
                self.lines.notice(format!("etcd: cluster \"{cluster_name}\": {text}"));
            }
            Update::Listed { .. } | Update::Changed { .. } | Update::Alive { .. } => {}
        }
    }
}
