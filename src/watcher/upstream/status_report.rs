//! What the zone tells the status of an upstream, beside its counters.

use peer_zone::{Publisher, protocol::Publishing};

use crate::{
    watcher::upstream_log::UpstreamLog,
    zones::report::{Endpoint, EndpointState, Report},
};

/// Whether the zone says what there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Published {
    /// It does.
    Whole,
    /// It had no room for all of it.
    Shortened,
}

/// The report that was published last, and what the next one is to have.
pub(super) struct StatusReport {
    last: Report,
    published: Published,
    /// Why etcd is not followed, if it is not.
    trouble: Option<String>,
    /// Where etcd is followed.
    endpoint: Option<String>,
    endpoints: Vec<Endpoint>,
    /// Whether there may be something new to say.
    is_due: bool,
    log: UpstreamLog,
}

impl StatusReport {
    /// Goes on from a predecessor's.
    pub(super) fn new(last: Report, log: UpstreamLog) -> Self {
        let (trouble, endpoint) = (last.trouble.clone(), last.endpoint.clone());
        let (published, endpoints) = (Published::Whole, last.endpoints.clone());
        Self { last, published, trouble, endpoint, endpoints, is_due: true, log }
    }

    /// The report that was published last.
    pub(super) fn last(&self) -> &Report {
        &self.last
    }

    /// Whether there may be something new to say.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// The same; from now on there is not.
    pub(super) fn take_due(&mut self) -> bool {
        std::mem::take(&mut self.is_due)
    }

    /// There may be something new to say, if this is so.
    pub(super) fn note_change(&mut self, is_changed: bool) {
        self.is_due |= is_changed;
    }

    /// Memory of the zone has come back: what had no room there may have some.
    pub(super) fn note_space(&mut self) {
        self.is_due |= self.published == Published::Shortened;
    }

    /// Why etcd is not followed, if it is not.
    pub(super) fn set_trouble(&mut self, reason: Option<&str>) {
        if self.trouble.as_deref() != reason {
            self.trouble = reason.map(str::to_owned);
            self.is_due = true;
        }
    }

    /// The endpoints are in these states.
    pub(super) fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) {
        let mut in_use = endpoints.iter().filter(|endpoint| endpoint.state == EndpointState::InUse);
        if let Some(Endpoint { url, .. }) = in_use.next() {
            self.endpoint = Some(url.clone());
        }
        self.endpoints = endpoints;
        self.is_due = true;
    }

    /// Publishes a report, to which trouble and endpoints are added, where it is another one than
    /// the last.
    pub(super) fn publish(
        &mut self,
        report: Report,
        publisher: &mut Publisher,
        publishing: &Publishing,
    ) {
        let (trouble, endpoint) = (self.trouble.clone(), self.endpoint.clone());
        let report = Report { trouble, endpoint, endpoints: self.endpoints.clone(), ..report };
        if report == self.last && self.published == Published::Whole {
            return;
        }
        // Where there is no room for all of it, what is the matter comes before the keys that it is
        // the matter with.
        let short = || Report { rejected: Vec::new(), unresolved: Vec::new(), ..report.clone() };
        let mut try_report = |report: &Report| match report.to_bytes() {
            Ok(bytes) => publisher.publish_report(&bytes, publishing),
            Err(error) => {
                self.log.error(module_messages::status_not_updated(error));
                true
            }
        };
        let is_shown = try_report(&report) || try_report(&short());
        self.last = report;
        self.published = if is_shown { Published::Whole } else { Published::Shortened };
    }
}
