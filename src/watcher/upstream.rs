//! One upstream: from etcd's keys to the table in its zone.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use etcd_watch::{Cause, Event, Update};
use host_names::HostNames;
use peer_check::Checks;
use peer_zone::{Changes, Desired, Publisher, ResyncCounter, Zone, protocol::Publishing};
use serde::{Deserialize, Serialize};
use upstream_peers::{Ages, Membership, Outcome, Parameters};

use super::{
    checks::UpstreamChecks,
    described::{Described, Names},
    lines::Lines,
    plan::UpstreamPlan,
};
use crate::{monotonic, processes};

/// Rejected values that the status shows; all are counted and logged.
const MAX_SHOWN: usize = 100;

/// An upstream as the watcher keeps it.
pub(super) struct Upstream {
    name: String,
    prefix: Rc<str>,
    zone: Zone,
    publisher: Publisher,
    servers: Vec<Desired>,
    defaults: Parameters,
    members: Membership,
    /// The members' peers as the zone takes them.
    described: Described,
    /// When they joined.
    ages: Ages,
    /// What another or a restored etcd lists, while none of it is a valid peer: the peers in hand stay until one is.
    successor: Option<Membership>,
    has_listed: bool,
    /// What a predecessor has rejected, and logged, until the first list shows what of it still stands.
    known_rejections: HashSet<Rejection>,
    /// The cluster and the revision of what is in `members` (or `successor`).
    cluster_id: u64,
    revision: u64,
    /// Whether the peers, the revision or the rejected values are to be published.
    is_changed: bool,
    are_rejections_changed: bool,
    is_full: bool,
    /// How much of the zone was in use when the peers did not fit: less is a reason to try again.
    used_when_full: usize,
    checks: Option<UpstreamChecks>,
    lines: Lines,
}

/// A rejected value as the status shows it.
#[derive(Deserialize, Eq, Hash, PartialEq, Serialize)]
struct Rejection {
    key: String,
    reason: String,
}

impl Upstream {
    /// Takes over the upstream's zone, with the peers that are published there.
    pub(super) fn new(
        plan: UpstreamPlan,
        prefix: Rc<str>,
        lines: Lines,
        names: &HostNames,
        publishing: &Publishing,
    ) -> Self {
        let UpstreamPlan { name, zone, defaults, servers, options, sticky_secret, check } = plan;
        // SAFETY: `publishing` says that this process holds the lease on all zones; each zone belongs to one upstream of the plan,
        // and all that this publisher does is done with `Claim::publishing`, which fails once the lease is another's.
        let mut publisher = unsafe { Publisher::take_over(zone, publishing) };
        publisher.set_options(options, monotonic::now(), publishing);
        let described = Described::of_zone(
            publisher.listed(),
            Names { prefix: Rc::clone(&prefix), secret: sticky_secret },
        );
        let mut members = Membership::new(defaults);
        described.peers().for_each(|peer| members.seed(peer));
        let ages = Ages::new(zone.revision().cast_signed(), zone.statistics().last_word);
        let report_in_hand = publisher.reported();
        let mut upstream = Self {
            name,
            prefix,
            zone,
            publisher,
            servers,
            defaults,
            members,
            described,
            ages,
            successor: None,
            has_listed: false,
            known_rejections: serde_json::from_slice(&report_in_hand).unwrap_or_default(),
            cluster_id: zone.cluster_id(),
            revision: zone.revision(),
            is_changed: true,
            are_rejections_changed: false,
            is_full: false,
            used_when_full: 0,
            checks: check.map(|check| UpstreamChecks::new(Checks::new(check.config))),
            lines,
        };
        // A new cycle may have other `server` lines, which need no etcd.
        upstream.publish(names, publishing);
        upstream
    }

    /// The host names in use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.names().chain(self.successor.iter().flat_map(Membership::names))
    }

    /// The addresses of a host name have changed.
    pub(super) fn note_change(&mut self) {
        self.is_changed = true;
    }

    /// Whether there is anything to publish.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
            || self.are_rejections_changed
            || self.checks.as_ref().is_some_and(UpstreamChecks::has_news)
    }

    /// The checks of its peers, if they are checked.
    pub(super) fn checks_mut(&mut self) -> Option<&mut UpstreamChecks> {
        self.checks.as_mut()
    }

    /// Takes in what etcd says; nothing is published yet.
    pub(super) fn update(&mut self, update: &Update) {
        let now = monotonic::now();
        if !matches!(update, Update::Lost { .. }) {
            self.zone.heard(now);
        }
        match update {
            Update::Listed { cause, cluster_id, revision, items } => {
                self.count_resync(*cause);
                self.list(*cluster_id, *revision, items, now);
            }
            Update::Changed { revision, events } => {
                self.revision = revision.unsigned_abs();
                self.is_changed = true;
                self.ages.applied(*revision, now);
                for event in events {
                    self.apply(event);
                }
            }
            Update::Alive { revision } => {
                self.zone.set_connected(true);
                self.ages.alive(*revision, now);
            }
            Update::Lost { .. } => self.zone.set_connected(false),
        }
    }

    fn count_resync(&mut self, cause: Cause) {
        let is_first = !std::mem::replace(&mut self.has_listed, true);
        let counter = match cause {
            // Whatever kept this watcher from it at first, what it makes good is that it is new.
            _ if is_first && self.zone.revision() > 0 => ResyncCounter::Takeover,
            _ if is_first => ResyncCounter::Start,
            Cause::Start => ResyncCounter::Start,
            Cause::Compacted => ResyncCounter::Compacted,
            Cause::Canceled => ResyncCounter::Canceled,
            Cause::Broken => ResyncCounter::Broken,
            Cause::Silent => ResyncCounter::Silent,
            Cause::Unreachable => ResyncCounter::Unreachable,
        };
        self.zone.count_resync(counter);
    }

    fn list(&mut self, cluster_id: u64, listed: i64, items: &[etcd_watch::Item], now: u64) {
        let revision = listed.unsigned_abs();
        let is_other = self.cluster_id != 0 && cluster_id != self.cluster_id;
        let is_older = !is_other && revision < self.revision;
        let items =
            items.iter().map(|item| (item.key.as_slice(), item.value.as_slice(), item.create_revision));
        if is_other || is_older {
            let what = if is_other { "another cluster" } else { "an older state" };
            self.lines.warn(format!(
                "etcd: upstream \"{}\": etcd is {what} than before (cluster {cluster_id:x}, revision {revision}; before: cluster {:x}, \
                 revision {}); the peers in hand stay until it has a valid one",
                self.name, self.cluster_id, self.revision
            ));
            let mut successor = Membership::new(self.defaults);
            let outcome = successor.replace(items);
            self.successor = Some(successor);
            self.ages.applied(listed, now);
            self.note(outcome);
        } else if let Some(successor) = &mut self.successor {
            let outcome = successor.replace(items);
            self.ages.applied(listed, now);
            self.note(outcome);
        } else {
            let outcome = self.members.replace(items);
            self.ages.listed(listed, now);
            self.note(outcome);
        }
        self.known_rejections.clear();
        self.cluster_id = cluster_id;
        self.revision = revision;
        self.is_changed = true;
    }

    fn apply(&mut self, event: &Event) {
        let members = self.successor.as_mut().unwrap_or(&mut self.members);
        let outcome = match event {
            Event::Put(item) => members.put(&item.key, &item.value, item.create_revision),
            Event::Delete { key, .. } => members.delete(key),
        };
        if let (Some(_), Event::Delete { key, .. }) = (&self.successor, event) {
            // Whoever deletes a key means it, whichever cluster the peer in hand came from.
            let _ = self.members.delete(key);
        }
        self.note(outcome);
    }

    /// The new content takes over once it has a peer that can be reached: one whose host name is still being resolved is none yet.
    fn adopt_successor(&mut self, names: &HostNames) {
        let has_peers =
            |successor: &mut Membership| !successor.peers(|name| names.addresses(name)).is_empty();
        if let Some(successor) = self.successor.take_if(has_peers) {
            self.members = successor;
            self.ages.adopted();
            self.are_rejections_changed = true;
        }
    }

    fn note(&mut self, outcome: Outcome) {
        self.are_rejections_changed |= outcome.rejections_changed;
        for (key, reason) in outcome.rejected {
            let rejection = Rejection { key: format!("{}{key}", self.prefix), reason: reason.to_string() };
            if self.known_rejections.remove(&rejection) {
                continue;
            }
            self.zone.count_rejected(1);
            let Rejection { key, reason } = rejection;
            self.lines.error(format!("etcd: upstream \"{}\": key \"{key}\" rejected: {reason}", self.name));
        }
    }

    /// Publishes what has come in.
    pub(super) fn publish(&mut self, names: &HostNames, publishing: &Publishing) {
        self.adopt_successor(names);
        if std::mem::take(&mut self.are_rejections_changed) {
            self.report(publishing);
        }
        if std::mem::take(&mut self.is_changed) {
            self.publish_peers(names, publishing);
            if let Some(checks) = &mut self.checks {
                checks.keep(&self.publisher);
            }
        }
        if let Some(checks) = &mut self.checks {
            checks.publish(&self.name, &mut self.publisher, &self.lines, publishing);
        }
    }

    fn publish_peers(&mut self, names: &HostNames, publishing: &Publishing) {
        let now = monotonic::now();
        let peers = self.members.peers(|name| names.addresses(name));
        let count = peers.len();
        self.described.update(peers, &self.ages, now);
        self.ages.settle(self.members.unresolved(|name| names.addresses(name)), now);
        let desired: Vec<Desired> = self.servers.iter().chain(self.described.iter()).cloned().collect();
        match self.publisher.publish(desired, now, publishing) {
            Ok(changes) => {
                if std::mem::take(&mut self.is_full) {
                    self.lines.notice(format!(
                        "etcd: upstream \"{}\": all {count} peers fit into the zone again",
                        self.name
                    ));
                }
                // While a successor waits, the peers are still those of the cluster and the revision before: another watcher that takes over
                // must see the same difference.
                if self.successor.is_none() {
                    self.zone.set_revision(self.cluster_id, self.revision);
                }
                self.say(count, changes);
            }
            Err(full) => {
                if !std::mem::replace(&mut self.is_full, true) {
                    self.lines.error(format!(
                        "etcd: upstream \"{}\": {full}; no peer is added until they do: raise \"zone=\" of the \"etcd\" directive",
                        self.name
                    ));
                }
                self.publish_what_is_left(publishing);
                self.used_when_full = self.zone.statistics().used;
            }
        }
    }

    /// What etcd has deleted or changed is obeyed even where what it has added has no room.
    fn publish_what_is_left(&mut self, publishing: &Publishing) {
        let wanted: HashMap<(&str, &[u8]), peer_zone::Parameters> = self
            .described
            .iter()
            .filter_map(|peer| Some(((peer.key.as_deref()?, &*peer.socket_address), peer.parameters)))
            .collect();
        let keep = |peer: &Desired| match &peer.key {
            Some(key) => wanted.get(&(&**key, &*peer.socket_address)).copied(),
            None => Some(peer.parameters),
        };
        if let Ok(changes) = self.publisher.retain(keep, monotonic::now(), publishing) {
            let count = self.publisher.listed().filter(|peer| peer.key.is_some()).count();
            self.say(count, changes);
        }
    }

    /// One line for each change.
    fn say(&self, count: usize, changes: Changes) {
        let Changes { added, removed, changed, .. } = changes;
        if added + removed + changed > 0 {
            self.lines.notice(format!(
                "etcd: upstream \"{}\": {count} peers (+{added} -{removed} ~{changed}), revision {}",
                self.name, self.revision
            ));
        }
    }

    /// Publishes the rejected values for the status.
    fn report(&mut self, publishing: &Publishing) {
        let rejected = self.members.rejected().chain(self.successor.iter().flat_map(Membership::rejected));
        let shown: Vec<Rejection> = rejected
            .take(MAX_SHOWN)
            .map(|(key, reason)| Rejection {
                key: format!("{}{key}", self.prefix),
                reason: reason.to_string(),
            })
            .collect();
        match serde_json::to_vec(&shown) {
            Ok(bytes) => self.publisher.report(&bytes, publishing),
            Err(error) => self.lines.error(format!("etcd: upstream \"{}\": no report: {error}", self.name)),
        }
    }

    /// Gives memory back, and takes dead workers out of the counts.
    pub(super) fn collect(&mut self, publishing: &Publishing) {
        self.publisher.collect(processes::is_alive, publishing);
        if let Some(checks) = &mut self.checks {
            checks.count_not_made(&self.name, &self.publisher, &self.lines);
        }
        let used = self.zone.statistics().used;
        if self.is_full && used < self.used_when_full {
            self.used_when_full = used;
            self.is_changed = true;
        }
    }
}
