//! Whether keys are followed just now, and the lines that say so.

use std::rc::Rc;

use etcd_watch::{Continuity, Update};

use super::lines::Lines;

/// Whether keys are followed.
pub(super) struct Contact {
    cluster_name: Rc<str>,
    /// Which keys, as lines show them: `the prefix "/a/"`.
    keys: String,
    /// What stays meanwhile: `the peers in hand stay`.
    stays: &'static str,
    is_lost: bool,
    /// Whether there are more keys than are taken.
    is_limited: bool,
    lines: Lines,
}

impl Contact {
    pub(super) fn new(
        cluster_name: Rc<str>,
        keys: String,
        stays: &'static str,
        lines: Lines,
    ) -> Self {
        Self { cluster_name, keys, stays, is_lost: false, is_limited: false, lines }
    }

    /// Whether what etcd has is not known just now.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Tells of an outage as it begins, as it goes on for another reason, and as it ends; and of
    /// keys that are left out.
    pub(super) fn note_update(&mut self, update: &Update) {
        let Self { cluster_name, keys, stays, .. } = self;
        match update {
            Update::Lost { cause, reason } => {
                let what =
                    if self.is_lost { "still not followed" } else { "not followed any more" };
                self.is_lost = true;
                self.lines.warn(format!(
                    "etcd: cluster \"{cluster_name}\": {keys} is {what} ({cause}: {reason}); \
                     {stays}"
                ));
            }
            // The end of an outage: the watch stands.
            Update::Alive { revision } if self.is_lost => {
                self.is_lost = false;
                self.lines.notice(format!(
                    "etcd: cluster \"{cluster_name}\": {keys} is followed again, revision \
                     {revision}"
                ));
            }
            Update::Limited { reason } => {
                self.is_limited = true;
                self.lines.error(format!("etcd: cluster \"{cluster_name}\": {reason}"));
            }
            Update::Listed { items, .. } if self.is_limited => {
                self.is_limited = false;
                self.lines.notice(format!(
                    "etcd: cluster \"{cluster_name}\": all {} keys of {keys} are taken again",
                    items.len()
                ));
            }
            Update::Noted { text } => {
                self.lines.notice(format!("etcd: cluster \"{cluster_name}\": {text}"));
            }
            Update::Listed { .. } | Update::Changed { .. } | Update::Alive { .. } => {}
        }
    }
}

/// What etcd is now, compared with before, where it does not go on from there.
pub(super) fn state_of_etcd(continuity: Continuity) -> &'static str {
    if continuity == Continuity::OtherCluster { "another cluster" } else { "an older state" }
}
