//! Whether keys are watched just now, and what is logged of it.

use std::rc::Rc;

use etcd_watch::{OutageReport, Update, Watched, messages};
use tokio::sync::mpsc::UnboundedSender;

use super::lines::Lines;

/// Whether keys are watched.
pub(super) struct Contact {
    cluster_name: Rc<str>,
    watched: Watched,
    /// Where outages are reported: one message tells of all keys of the cluster.
    outages: UnboundedSender<OutageReport>,
    is_lost: bool,
    /// Whether there are more keys than are taken.
    is_limited: bool,
    lines: Lines,
}

impl Contact {
    pub(super) fn new(
        cluster_name: Rc<str>,
        watched: Watched,
        outages: UnboundedSender<OutageReport>,
        lines: Lines,
    ) -> Self {
        Self { cluster_name, watched, outages, is_lost: false, is_limited: false, lines }
    }

    /// Whether what etcd has is not known just now.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Reports an outage as it begins, as it goes on for another reason, and as it ends; logs that
    /// keys are left out.
    pub(super) fn note_update(&mut self, update: &Update) {
        let Self { cluster_name, watched, .. } = self;
        match update {
            Update::Lost { cause, reason } => {
                let is_still = std::mem::replace(&mut self.is_lost, true);
                let (watched, cause, reason) = (watched.clone(), *cause, reason.clone());
                self.report(OutageReport::Lost { watched, is_still, cause, reason });
            }
            // The end of an outage: the watch stands.
            Update::Alive { revision } if self.is_lost => {
                self.is_lost = false;
                let (watched, revision) = (watched.clone(), *revision);
                self.report(OutageReport::Restored { watched, revision });
            }
            Update::Limited { reason } => {
                self.is_limited = true;
                self.lines.error(format!("etcd: cluster \"{cluster_name}\": {reason}"));
            }
            Update::Listed { items, .. } if self.is_limited => {
                self.is_limited = false;
                let text = messages::within_limits(&watched.keys, items.len());
                self.lines.notice(format!("etcd: cluster \"{cluster_name}\": {text}"));
            }
            Update::Noted { text } => {
                self.lines.notice(format!("etcd: cluster \"{cluster_name}\": {text}"));
            }
            Update::Listed { .. } | Update::Changed { .. } | Update::Alive { .. } => {}
        }
    }

    fn report(&self, report: OutageReport) {
        // Nobody receives it any more if the thread is at its end.
        let _ = self.outages.send(report);
    }
}
