//! Messages about rejected values: each is logged once, also across watchers, and many at a time
//! are summed up.

use log_burst::{Burst, Summary};
use peer_zone::Zone;
use upstream_peers::messages;

use super::log_memory::{LogMemory, of_name, of_rejection};
use crate::{
    watcher::upstream_log::UpstreamLog,
    zones::{LoggedLines, report::Rejection},
};

/// Rejected values that the status shows, and keys whose names cannot be resolved; all are counted.
pub(super) const MAX_SHOWN: usize = 100;

/// For how long (ms) after a watcher's first list the lines of its predecessor are known as such:
/// host names are looked up by then.
const PREDECESSOR: u64 = 60_000;

/// The lines of an upstream.
pub(super) struct RejectionLog {
    memory: LogMemory,
    /// Until when (ms) a predecessor's lines are known as such; `None` before the first list.
    predecessor_until: Option<u64>,
    burst: Burst,
    zone: Zone,
    log: UpstreamLog,
}

impl RejectionLog {
    /// Goes on from a predecessor's.
    pub(super) fn new(logged_lines: &'static LoggedLines, zone: Zone, log: UpstreamLog) -> Self {
        let memory = LogMemory::of(logged_lines);
        Self { memory, predecessor_until: None, burst: Burst::default(), zone, log }
    }

    /// Counts a rejected value and writes a line, unless that was done before; at `now` (ms).
    pub(super) fn log_rejection(&mut self, rejection: &Rejection, now: u64) {
        if self.memory.take_logged(of_rejection(rejection)) {
            return;
        }
        self.zone.count_rejected(1);
        if self.burst.admits(now) {
            let Rejection { key, reason } = rejection;
            self.log.error(messages::rejected(key, reason));
        }
    }

    /// Whether a predecessor has written that this name cannot be resolved; once for each name.
    pub(super) fn take_logged_name(&mut self, name: &str) -> bool {
        self.memory.take_logged(of_name(name))
    }

    /// All keys are known. What is left of a predecessor's lines may be about host names, which
    /// have no addresses yet.
    pub(super) fn note_list(&mut self, now: u64) {
        self.predecessor_until.get_or_insert(now + PREDECESSOR);
    }

    /// Whether there is something to sum up.
    pub(super) fn has_suppressed(&self) -> bool {
        self.burst.has_suppressed()
    }

    /// Sums up what was not written. Says whether a predecessor's lines are forgotten now.
    pub(super) fn end_burst(&mut self, now: u64) -> bool {
        if let Some(Summary { suppressed, total }) = self.burst.summary(now) {
            self.log.error(messages::more_rejected(suppressed, total, MAX_SHOWN));
        }
        self.predecessor_until.is_some_and(|until| until <= now) && self.memory.forget_predecessor()
    }

    /// These are the values that are rejected, and the names that cannot be resolved, for the next
    /// watcher.
    pub(super) fn remember<'a>(
        &mut self,
        rejections: impl Iterator<Item = Rejection>,
        names: impl Iterator<Item = &'a str>,
    ) {
        let rejections: Vec<u64> = rejections.map(|rejection| of_rejection(&rejection)).collect();
        self.memory.remember(rejections.into_iter().chain(names.map(of_name)));
    }
}
