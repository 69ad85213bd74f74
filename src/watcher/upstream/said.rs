//! What the status is told of an upstream, and what has been told.

use host_names::HostNames;
use log_burst::{Burst, Sum};
use peer_zone::protocol::Publishing;
use upstream_peers::Membership;

use super::{
    Upstream,
    outside::Outside,
    told::{Memory, of_rejection},
    unresolved::{Amiss, of_predecessor},
};
use crate::{
    nginx::clock,
    zones::{
        Told,
        report::{Rejection, Report, Unresolved},
    },
};

/// Rejected values that the status shows, and keys whose names cannot be resolved; all are counted.
pub(super) const MAX_SHOWN: usize = 100;

/// For how long (ms) after a watcher's first list what its predecessor has said is known as such:
/// host names are looked up by then.
const PREDECESSOR: u64 = 60_000;

/// What has been said so far.
pub(super) struct Said {
    /// The report that the zone has, unless it had no room for it.
    report: Report,
    is_lost: bool,
    /// What was rejected, and which names cannot be resolved, as far as that was said.
    pub(super) memory: Memory,
    /// Until when (ms) what a predecessor has said is known as such; `None` before the first list.
    predecessor_until: Option<u64>,
    /// Whether the memory may lack something.
    is_memory_old: bool,
    /// Lines of rejections.
    burst: Burst,
    /// Names that cannot be resolved.
    pub(super) amiss: Amiss,
    trouble: Option<String>,
    /// Why peers are left out, if there is no room for all.
    room: Option<String>,
    endpoint: Option<String>,
    pub(super) outside: Outside,
    is_changed: bool,
}

impl Said {
    /// What a predecessor has said.
    pub(super) fn of(report: Report, told: &'static Told) -> Self {
        Self {
            memory: Memory::of(told),
            predecessor_until: None,
            is_memory_old: false,
            burst: Burst::default(),
            amiss: of_predecessor(&report.unresolved),
            trouble: report.trouble.clone(),
            room: report.room.clone(),
            endpoint: report.endpoint.clone(),
            report,
            is_lost: false,
            outside: Outside::default(),
            is_changed: true,
        }
    }

    /// The keys whose names cannot be resolved, as they were said last.
    pub(super) fn unresolved(&self) -> (Vec<Unresolved>, usize) {
        (self.report.unresolved.clone(), self.report.unresolved_total)
    }

    /// Whether there may be something new to say.
    pub(super) fn has_news(&self) -> bool {
        self.is_changed
    }

    /// There may be something new to say.
    pub(super) fn changed(&mut self) {
        self.is_changed = true;
    }

    /// Memory of the zone has come back: what had no room there may have some.
    pub(super) fn has_room_again(&mut self) {
        self.is_changed |= self.is_lost;
    }

    /// Whether the rejected values, or the names that cannot be resolved, may be others than
    /// before.
    pub(super) fn rejections_changed(&mut self, changed: bool) {
        self.is_changed |= changed;
        self.is_memory_old |= changed;
    }

    /// All keys are known. What is left of what a predecessor has said may be of host names, which
    /// have no addresses yet.
    pub(super) fn listed(&mut self, now: u64) {
        self.predecessor_until.get_or_insert(now + PREDECESSOR);
    }

    /// Why etcd is not followed, if it is not.
    pub(super) fn trouble(&mut self, reason: Option<&str>) {
        if self.trouble.as_deref() != reason {
            self.trouble = reason.map(str::to_owned);
            self.is_changed = true;
        }
    }

    /// Why peers are left out, if they are.
    pub(super) fn room(&self) -> Option<&str> {
        self.room.as_deref()
    }

    /// Why peers are left out from now on, if they are.
    pub(super) fn set_room(&mut self, words: Option<String>) {
        self.is_changed |= self.room != words;
        self.room = words;
    }

    /// Where etcd is followed.
    pub(super) fn endpoint(&mut self, url: &str) {
        if self.endpoint.as_deref() != Some(url) {
            self.endpoint = Some(url.to_owned());
            self.is_changed = true;
        }
    }
}

impl Upstream {
    /// Says that a key is rejected, unless that was said before; many at a time are summed up.
    pub(super) fn say_rejected(&mut self, rejection: &Rejection) {
        if self.said.memory.has_said(of_rejection(rejection)) {
            return;
        }
        self.zone.count_rejected(1);
        if self.said.burst.admits(clock::now()) {
            let Rejection { key, reason } = rejection;
            self.lines.error(format!(
                "etcd: upstream \"{}\": key \"{key}\" rejected: {reason}",
                self.name
            ));
        }
    }

    /// Sums up what was not said, and forgets what a predecessor has said.
    pub(super) fn end_burst(&mut self, now: u64) {
        if let Some(Sum { left_out, all }) = self.said.burst.sum(now) {
            self.lines.error(format!(
                "etcd: upstream \"{}\": {left_out} more values rejected, {all} in all; the status \
                 shows the first {MAX_SHOWN} keys",
                self.name
            ));
        }
        if self.said.predecessor_until.is_some_and(|until| until <= now)
            && self.said.memory.forget_predecessor()
        {
            self.said.rejections_changed(true);
        }
    }

    /// Etcd is followed at this URL.
    pub(in crate::watcher) fn note_endpoint(&mut self, url: &str) {
        self.said.endpoint(url);
    }

    /// Publishes what the status is to say, where it is something else than before.
    pub(super) fn report(&mut self, names: &HostNames, publishing: &Publishing) {
        if !std::mem::take(&mut self.said.is_changed) {
            return;
        }
        // Before the first list nothing is known that a predecessor did not know better.
        if self.has_listed && std::mem::take(&mut self.said.is_memory_old) {
            let said: Vec<u64> = self
                .rejections()
                .map(|rejection| of_rejection(&rejection))
                .chain(self.failing_names(names))
                .collect();
            self.said.memory.remember(said.into_iter());
        }
        let (unresolved, unresolved_total) = self.unresolved(names);
        let report = Report {
            rejected: self.rejections().take(MAX_SHOWN).collect(),
            unresolved,
            unresolved_total,
            endpoint: self.said.endpoint.clone(),
            trouble: self.said.trouble.clone(),
            room: self.said.room.clone(),
            holding: self.holding(),
            state: self.state.as_ref().map(|state| state.said().clone()),
        };
        if report == self.said.report && !self.said.is_lost {
            return;
        }
        // Where there is no room for all of it, what is the matter comes before the keys that it is
        // the matter with.
        let short = || Report { rejected: Vec::new(), unresolved: Vec::new(), ..report.clone() };
        let mut try_report = |report: &Report| match report.to_bytes() {
            Ok(bytes) => self.publisher.publish_report(&bytes, publishing),
            Err(error) => {
                self.lines.error(format!("etcd: upstream \"{}\": no report: {error}", self.name));
                true
            }
        };
        let is_shown = try_report(&report) || try_report(&short());
        self.said.report = report;
        self.said.is_lost = !is_shown;
    }

    fn rejections(&self) -> impl Iterator<Item = Rejection> {
        let rejected = self.memberships().flat_map(Membership::rejected);
        let rejected = rejected.map(|(key, reason)| Rejection {
            key: format!("{}{key}", self.prefix),
            reason: reason.to_string(),
        });
        let outside = self.said.outside.rejections(&self.prefix);
        rejected.chain(outside)
    }
}
