//! One upstream: from etcd's keys to the table in its zone.

mod defaults;
mod expiry;
mod outside;
mod room;
mod said;
mod successor;
mod told;
mod unresolved;

use std::rc::Rc;

use etcd_watch::{Cause, Event, Origin, Replica, Update};
use host_names::HostNames;
use peer_check::Checks;
use peer_zone::{Changes, PeerSpec, Publisher, ResyncCounter, Zone, protocol::Publishing};
use upstream_peers::{Ages, Allow, ExpiryGuard, Membership, Outcome, Parameters, Removed};

use self::said::Said;
#[cfg(feature = "injected-faults")]
use super::faults;
use super::{
    checks::UpstreamChecks, described::Described, lines::Lines, plan::UpstreamPlan,
    state::StateOffer,
};
use crate::{
    live::LiveNumber,
    nginx::{clock, processes},
    zones::{
        peer_specs::Names,
        report::{Rejection, Report},
    },
};

/// An upstream as the watcher keeps it.
pub(super) struct Upstream {
    name: String,
    prefix: Rc<str>,
    zone: Zone,
    publisher: Publisher,
    servers: Vec<PeerSpec>,
    defaults: Parameters,
    /// What `max_conns` of the defaults goes by, where that changes.
    max_conns: Option<LiveNumber>,
    allow: Allow,
    /// What etcd has below the prefix, and what is in hand of it.
    members: Replica<Membership>,
    /// The members' peers as the zone takes them.
    described: Described,
    /// When they joined.
    ages: Ages,
    /// How long (ms) peers outlive a wiped etcd, or their leases.
    hold: u64,
    /// Until when (ms) a predecessor held peers whose leases had run out; `None` from the first
    /// list on.
    leases_held_until: Option<u64>,
    expiry_guard: Option<ExpiryGuard<Removed>>,
    /// Whether another watcher followed etcd before.
    takes_over: bool,
    has_listed: bool,
    /// Whether a successor has taken the members' place, or come or gone, whose names are others.
    has_other_members: bool,
    is_connected: bool,
    /// Why keys are left out, if any are.
    limited: Option<String>,
    said: Said,
    /// Whether the peers or the revision are to be published.
    is_changed: bool,
    /// The zone's size, as configured.
    zone_size: usize,
    /// What had come back of the zone (see [`Publisher::free_count`]) at the last look: more is a
    /// reason to try again what did not fit.
    free_count: u64,
    checks: Option<UpstreamChecks>,
    /// The way to the file that keeps the last good list.
    state: Option<StateOffer>,
    lines: Lines,
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
        let UpstreamPlan {
            name,
            zone,
            zone_size,
            told,
            mut defaults,
            max_conns,
            servers,
            options,
            naming,
            check,
            hold,
            ..
        } = plan;
        let UpstreamPlan { allow, expiry_guard, mut state, .. } = plan;
        if let Some(max_conns) = max_conns.as_ref().and_then(|number| number()) {
            defaults.max_conns = max_conns;
        }
        // SAFETY: `publishing` says that this process holds the lease on all zones; each zone
        // belongs to one upstream of the plan, and all that this publisher does is done with
        // `Claim::publishing`, which fails once the lease is another's.
        let mut publisher = unsafe { Publisher::take_over(zone, publishing) };
        publisher.set_options(options, clock::now(), publishing);
        let described =
            Described::of_zone(publisher.listed(), Names { prefix: Rc::clone(&prefix), naming });
        let mut members = new_membership(defaults, &allow);
        described.peers().for_each(|peer| members.seed(peer));
        let ages = Ages::new(zone.revision().cast_signed(), zone.statistics().last_contact);
        let report = Report::of_bytes(&publisher.published_report());
        let members = Replica::new(members, successor::published_origin(&zone), hold);
        let (members, leases_held_until) = successor::resume(members, report.holding.as_ref());
        if let Some(state) = &mut state {
            state.go_on_from(report.state.as_ref());
        }
        let mut upstream = Self {
            name,
            prefix,
            zone,
            publisher,
            servers,
            defaults,
            max_conns,
            allow,
            members,
            described,
            ages,
            hold,
            leases_held_until,
            expiry_guard: expiry_guard.map(|percent| ExpiryGuard::new(percent, hold)),
            // Peers of a state file are nobody's whom this watcher takes over from.
            takes_over: zone.revision() > 0 && zone.statistics().last_contact > 0,
            has_listed: false,
            has_other_members: false,
            is_connected: false,
            limited: None,
            said: Said::of(report, told),
            is_changed: true,
            zone_size,
            free_count: 0,
            checks: check.map(|check| UpstreamChecks::new(Checks::new(check.config))),
            state,
            lines,
        };
        // A new cycle may have other `server` lines, which need no etcd.
        upstream.publish(names, publishing);
        upstream
    }

    /// The host names in use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.memberships().flat_map(Membership::names)
    }

    /// Whether [`names`](Self::names) may be others than at the last call.
    pub(super) fn take_change_of_names(&mut self) -> bool {
        self.members.in_hand_mut().take_change_of_names()
            | self.members.newest_mut().take_change_of_names()
            | std::mem::take(&mut self.has_other_members)
    }

    /// The addresses of a host name have changed.
    pub(super) fn note_change(&mut self) {
        self.is_changed = true;
    }

    /// Whether there is anything to publish.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
            || self.said.has_news()
            || self.state.as_ref().is_some_and(StateOffer::has_news)
            || self.checks.as_ref().is_some_and(UpstreamChecks::has_news)
    }

    /// The checks of its peers, if they are checked.
    pub(super) fn checks_mut(&mut self) -> Option<&mut UpstreamChecks> {
        self.checks.as_mut()
    }

    /// Takes in what etcd says; nothing is published yet.
    pub(super) fn update(&mut self, update: &Update) {
        let now = clock::now();
        if !matches!(update, Update::Lost { .. }) {
            self.zone.set_last_contact(now);
        }
        match update {
            Update::Listed { cause, cluster_id, revision, items } => {
                let is_start = !self.has_listed && !self.takes_over;
                self.limited = None;
                self.count_resync(*cause);
                let listed = Origin { cluster_id: *cluster_id, revision: *revision };
                self.list(listed, items, now);
                if is_start && items.is_empty() {
                    // A mistyped prefix looks like this, and makes no change that would be a line.
                    self.lines.notice(format!(
                        "etcd: upstream \"{}\": 0 peers below \"{}\", revision {revision}",
                        self.name, self.prefix
                    ));
                }
            }
            Update::Changed { revision, events } => {
                self.members.note_revision(*revision);
                self.is_changed = true;
                self.ages.applied(*revision, now);
                for event in events {
                    self.apply(event, now);
                }
            }
            Update::Alive { revision } => {
                self.is_connected = true;
                self.said.trouble(self.limited.as_deref());
                self.zone.set_connected(true);
                self.ages.alive(*revision, now);
            }
            Update::Lost { reason, .. } => {
                self.is_connected = false;
                self.said.trouble(Some(reason));
                self.zone.set_connected(false);
            }
            Update::Limited { reason } => {
                self.said.trouble(Some(reason));
                self.limited = Some(reason.clone());
            }
            Update::Noted { .. } => {}
        }
    }

    fn count_resync(&mut self, cause: Cause) {
        let is_first = !std::mem::replace(&mut self.has_listed, true);
        let counter = match cause {
            // Whatever kept this watcher from it at first, what it makes good is that it is new.
            _ if is_first && self.takes_over => ResyncCounter::Takeover,
            _ if is_first => ResyncCounter::Start,
            Cause::Start => ResyncCounter::Start,
            Cause::Compacted => ResyncCounter::Compacted,
            Cause::Canceled => ResyncCounter::Canceled,
            Cause::Broken => ResyncCounter::Broken,
            Cause::Silent => ResyncCounter::Silent,
            Cause::Unreachable => ResyncCounter::Unreachable,
            Cause::TooLarge => ResyncCounter::TooLarge,
        };
        self.zone.count_resync(counter);
    }

    fn list(&mut self, listed: Origin, items: &[etcd_watch::Item], now: u64) {
        self.list_origin(listed, now);
        if self.members.successor().is_some() {
            self.note_leases(items);
            self.ages.applied(listed.revision, now);
            let outcome = self.members.newest_mut().replace(items.iter().map(parts));
            self.note(outcome);
        } else {
            self.keep_expired(items, now);
            let guard = self.expiry_guard.as_ref();
            let stays = |key: &str| guard.is_some_and(|guard| guard.keeps(key));
            let outcome = self.members.newest_mut().replace_but(items.iter().map(parts), stays);
            self.ages.listed(listed.revision, now);
            self.note(outcome);
        }
        self.leases_held_until = None;
        self.said.listed(now);
        self.said.rejections_changed(true);
        self.is_changed = true;
    }

    fn apply(&mut self, event: &Event, now: u64) {
        #[cfg(feature = "injected-faults")]
        faults::note(event);
        match event {
            Event::Put(item) => {
                self.note_leases(std::slice::from_ref(item));
                let (key, value, create_revision) = parts(item);
                let outcome = self.members.newest_mut().put(key, value, create_revision);
                self.note(outcome);
            }
            Event::Delete { key, .. } => self.delete(key, now),
        }
    }

    fn delete(&mut self, key: &[u8], now: u64) {
        if self.members.successor().is_none() && self.keep_if_expired(key, now) {
            return;
        }
        let (in_hand, successor) = self.members.delete(|members| members.delete(key));
        self.note(in_hand);
        if let Some(outcome) = successor {
            self.note(outcome);
        }
    }

    /// What is in hand, and what a new etcd has beside it.
    fn memberships(&self) -> impl Iterator<Item = &Membership> {
        std::iter::once(self.members.in_hand()).chain(self.members.successor())
    }

    fn note(&mut self, outcome: Outcome) {
        self.said.rejections_changed(outcome.rejections_changed);
        self.is_changed |= outcome.changed;
        for (key, reason) in outcome.rejected {
            self.say_rejected(&Rejection {
                key: format!("{}{key}", self.prefix),
                reason: reason.to_string(),
            });
        }
    }

    /// What time alone changes: peers that were held, or kept beyond their leases, go.
    pub(super) fn look_at_the_clock(&mut self) {
        let now = clock::now();
        self.end_hold(now);
        self.let_expired_go(now);
        self.end_burst(now);
    }

    /// Publishes what has come in.
    pub(super) fn publish(&mut self, names: &HostNames, publishing: &Publishing) {
        self.adopt_successor(names);
        if self.state.as_mut().is_some_and(StateOffer::take_news) {
            self.said.changed();
        }
        if self.is_changed && self.names().next().is_some() {
            self.said.changed();
        }
        self.report(names, publishing);
        if std::mem::take(&mut self.is_changed) {
            self.publish_peers(names, publishing);
            // Whether they fit.
            self.report(names, publishing);
            self.offer_state();
            if let Some(checks) = &mut self.checks {
                checks.keep(&self.publisher);
            }
        }
        if let Some(checks) = &mut self.checks {
            checks.publish(&self.name, &mut self.publisher, &self.lines, publishing);
        }
    }

    fn publish_peers(&mut self, names: &HostNames, publishing: &Publishing) {
        let now = clock::now();
        if self.said.room().is_some() {
            // Peers that have gone since the last look make room for those that are left out.
            self.collect(publishing);
        }
        let peers = self.members.in_hand().peers(|name| names.addresses(name));
        self.note_outside(names);
        self.described.update(peers, &self.ages, now);
        let unresolved = self.members.in_hand().unresolved(|name| names.addresses(name));
        self.ages.settle(unresolved, now);
        let desired: Vec<PeerSpec> =
            self.servers.iter().chain(self.described.iter()).cloned().collect();
        #[cfg(feature = "injected-faults")]
        faults::reach(faults::Place::BeforePublication);
        let result = self.publisher.publish(desired, now, publishing);
        #[cfg(feature = "injected-faults")]
        faults::reach(faults::Place::InPublication);
        self.note_room(result.err());
        // While peers are held this is the origin of those: another watcher that takes over must
        // see the same difference.
        if let Some(Origin { cluster_id, revision }) = self.members.origin() {
            self.zone.set_revision(cluster_id, revision.unsigned_abs());
        }
        self.say(result.unwrap_or_else(|full| full.changes));
    }

    /// Has the list kept that is published, if it came from etcd: not one that was found here, and
    /// not while those in hand are not etcd's own.
    fn offer_state(&self) {
        if let Some(state) = &self.state
            && self.has_listed
            && self.members.successor().is_none()
        {
            state.offer(&self.publisher);
        }
    }

    /// One line for each change.
    fn say(&self, changes: Changes) {
        let Changes { added, removed, changed, .. } = changes;
        if added + removed + changed > 0 {
            let count = self.publisher.listed().filter(|peer| peer.key.is_some()).count();
            self.lines.notice(format!(
                "etcd: upstream \"{}\": {count} peers (+{added} -{removed} ~{changed}), revision \
                 {}",
                self.name,
                self.members.latest().map_or(0, |latest| latest.revision)
            ));
        }
    }

    /// Gives memory back, and takes dead workers out of the counts.
    pub(super) fn collect(&mut self, publishing: &Publishing) {
        self.publisher.reclaim_memory(processes::own(), processes::is_alive, publishing);
        if let Some(checks) = &mut self.checks {
            checks.count_not_made(&self.name, &self.publisher, &self.lines);
        }
        if self.publisher.free_count()
            != std::mem::replace(&mut self.free_count, self.publisher.free_count())
        {
            self.said.has_room_again();
            self.is_changed |= self.said.room().is_some();
        }
    }
}

/// No members yet.
fn new_membership(defaults: Parameters, allow: &Allow) -> Membership {
    Membership::new(defaults).within(allow.clone())
}

/// An item as a membership takes it.
fn parts(item: &etcd_watch::Item) -> (&[u8], &[u8], i64) {
    (&item.key, &item.value, item.create_revision)
}
