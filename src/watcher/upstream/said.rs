//! What the status is told of an upstream, and what has been told.

use std::collections::HashSet;

use peer_zone::protocol::Publishing;

use super::{Upstream, outside::Outside, successor::Successor};
use crate::report::{Holding, HoldingReason, Rejection, Report};

/// Rejected values that the status shows; all are counted and logged.
const MAX_SHOWN: usize = 100;

/// What has been said so far.
pub(super) struct Said {
    /// The report that the zone has.
    report: Report,
    /// What a predecessor has rejected, and logged, until the first list shows what of it still stands.
    known_rejections: HashSet<Rejection>,
    trouble: Option<String>,
    endpoint: Option<String>,
    pub(super) outside: Outside,
    is_changed: bool,
}

impl Said {
    /// What a predecessor has said.
    pub(super) fn of(report: Report) -> Self {
        Self {
            known_rejections: report.rejected.iter().cloned().collect(),
            trouble: report.trouble.clone(),
            endpoint: report.endpoint.clone(),
            report,
            outside: Outside::default(),
            is_changed: true,
        }
    }

    /// Whether there may be something new to say.
    pub(super) fn has_news(&self) -> bool {
        self.is_changed
    }

    /// There may be something new to say.
    pub(super) fn changed(&mut self) {
        self.is_changed = true;
    }

    /// Whether the rejected values may be others than before.
    pub(super) fn rejections_changed(&mut self, changed: bool) {
        self.is_changed |= changed;
    }

    /// Whether a predecessor has logged and counted this rejection.
    pub(super) fn has_said(&mut self, rejection: &Rejection) -> bool {
        self.known_rejections.remove(rejection)
    }

    /// What the predecessor has rejected is compared with no other list. What is left of it may be of host names, which have no addresses yet.
    pub(super) fn listed(&mut self) {
        self.outside.expect(self.known_rejections.drain());
    }

    /// Why etcd is not followed, if it is not.
    pub(super) fn trouble(&mut self, reason: Option<&str>) {
        if self.trouble.as_deref() != reason {
            self.trouble = reason.map(str::to_owned);
            self.is_changed = true;
        }
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
    /// Etcd is followed at this URL.
    pub(in crate::watcher) fn note_endpoint(&mut self, url: &str) {
        self.said.endpoint(url);
    }

    /// Publishes what the status is to say, where it is something else than before.
    pub(super) fn report(&mut self, publishing: &Publishing) {
        if !std::mem::take(&mut self.said.is_changed) {
            return;
        }
        let report = Report {
            rejected: self.rejections(),
            endpoint: self.said.endpoint.clone(),
            trouble: self.said.trouble.clone(),
            holding: self.holding(),
            state: self.state.as_ref().map(|state| state.said().clone()),
        };
        if report == self.said.report {
            return;
        }
        match report.to_bytes() {
            Ok(bytes) => self.publisher.report(&bytes, publishing),
            Err(error) => self.lines.error(format!("etcd: upstream \"{}\": no report: {error}", self.name)),
        }
        self.said.report = report;
    }

    fn rejections(&self) -> Vec<Rejection> {
        let successor = self.successor.iter().flat_map(|successor| successor.members.rejected());
        let rejected = self.members.rejected().chain(successor);
        let rejected = rejected.map(|(key, reason)| Rejection {
            key: format!("{}{key}", self.prefix),
            reason: reason.to_string(),
        });
        let outside = self.said.outside.rejections(&self.prefix);
        rejected.chain(outside).take(MAX_SHOWN).collect()
    }

    fn holding(&self) -> Option<Holding> {
        if let Some(successor) = &self.successor {
            let Successor { reason, until, .. } = *successor;
            return Some(Holding { reason, until, peers: self.members.len() });
        }
        let (peers, until) = self.expiry_guard.as_ref()?.kept()?;
        Some(Holding { reason: HoldingReason::ExpiredLeases, until, peers })
    }
}
