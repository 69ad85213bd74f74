//! One upstream: from etcd's keys to the table in its zone.

mod application;
mod changes;
mod contents;
mod expiry;
mod log_memory;
mod publication;
mod refused_addresses;
mod rejection_log;
mod saved_list;
mod settings;
mod status_report;
mod terms;
mod unresolved;
mod watch_state;
mod zone_space;

use std::{collections::HashMap, rc::Rc, sync::Arc};

use change_history::Cause;
use etcd_watch::{Origin, Update};
use host_names::HostNames;
use peer_zone::{PeerSpec, Publisher, Zone, protocol::Publishing};

pub(super) use self::changes::ChangeLog;
use self::{
    contents::Contents, refused_addresses::RefusedAddresses, rejection_log::RejectionLog,
    saved_list::SavedList, settings::FollowedSettings, status_report::StatusReport, terms::Terms,
    unresolved::UnresolvedNames, watch_state::WatchState, zone_space::ZoneSpace,
};
#[cfg(feature = "injected-faults")]
use super::faults;
use super::{
    checks::UpstreamChecks, lines::Lines, peer_specs::Described, plan::UpstreamPlan,
    state::StateOffer, upstream_log::UpstreamLog,
};
use crate::{
    nginx::{clock, processes},
    zones::{
        peer_specs::Names,
        report::{Endpoint, Report},
    },
};

/// An upstream as the watcher keeps it.
pub(super) struct WatchedUpstream {
    prefix: Rc<str>,
    zone: Zone,
    publisher: Publisher,
    /// The peers of `server` lines.
    servers: Vec<Arc<PeerSpec>>,
    /// The peers of etcd's as the zone takes them.
    described: Described,
    watch: WatchState,
    contents: Contents,
    /// What had come back of the zone (see [`Publisher::free_count`]) at the last look: more is a
    /// reason to try again what did not fit.
    free_count: u64,
    space: ZoneSpace,
    report: StatusReport,
    rejections: RejectionLog,
    refused: RefusedAddresses,
    unresolved: UnresolvedNames,
    pending: Pending,
    changes: ChangeLog,
    checks: Option<UpstreamChecks>,
    /// What groups have of their own, if they can have something.
    settings: Option<FollowedSettings>,
    /// The way to the file that keeps the last good list.
    state: Option<StateOffer>,
    /// What was offered last to be kept there.
    saved: Option<SavedList>,
    log: UpstreamLog,
}

/// What is to be done at the next publication.
#[derive(Default)]
struct Pending {
    /// The peers or the revision are to be published.
    peers: bool,
    /// Any of the peers may be others, whatever the contents say.
    all_peers: bool,
    /// What the next watcher is to know of lines in the log may lack something.
    memory: bool,
}

impl WatchedUpstream {
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
            statistics,
            zone_size,
            logged_lines,
            servers,
            options,
            naming,
            groups,
            settings,
            check,
            ..
        } = plan;
        let UpstreamPlan { defaults, max_conns, allow, reading, is_one_address, .. } = plan;
        let UpstreamPlan { hold, expiry_guard, mut state, .. } = plan;
        let log = UpstreamLog::new(&name, lines);
        // SAFETY: `publishing` says that this process holds the lease on all zones; each zone
        // belongs to one upstream of the plan, and all that this publisher does is done with
        // `Claim::publishing`, which fails once the lease is another's.
        let mut publisher = unsafe { Publisher::take_over(zone, publishing) };
        publisher.set_statistics(statistics, publishing);
        publisher.set_options(options, clock::now(), publishing);
        let names_of =
            Names { prefix: Rc::clone(&prefix), naming, groups, defaults: HashMap::new() };
        let group_of = |spec: &PeerSpec| names_of.group(spec.key.as_ref()?, spec.labels.as_ref());
        publisher.name_groups_of_removed(group_of, publishing);
        let described = Described::of_zone(publisher.listed(), names_of);
        let changes = ChangeLog::new(statistics);
        changes.begin(publisher.listed().filter_map(|peer| peer.key.as_ref()), zone.revision());
        let report = Report::of_bytes(&publisher.published_report());
        if let Some(state) = &mut state {
            state.go_on_from(report.state.as_ref());
        }
        let (cluster_id, revision) = (zone.cluster_id(), zone.revision().cast_signed());
        let origin = (cluster_id != 0).then_some(Origin { cluster_id, revision });
        let last_contact = zone.statistics().last_contact;
        let contents = Contents::new(
            Rc::clone(&prefix),
            Terms { defaults, max_conns, allow, reading, is_one_address, hold, expiry_guard },
            described.peers(),
            origin,
            last_contact,
            report.holding.as_ref(),
            log.clone(),
        );
        let mut upstream = Self {
            zone,
            publisher,
            servers: servers.into_iter().map(Arc::new).collect(),
            described,
            // Peers of a state file are nobody's whom this watcher takes over from.
            watch: WatchState::new(revision > 0 && last_contact > 0),
            contents,
            free_count: 0,
            space: ZoneSpace::new(zone, zone_size, report.room.clone(), log.clone()),
            rejections: RejectionLog::new(logged_lines, zone, log.clone()),
            refused: RefusedAddresses::new(Rc::clone(&prefix), log.clone()),
            unresolved: UnresolvedNames::new(Rc::clone(&prefix), &report.unresolved),
            report: StatusReport::new(report, log.clone()),
            pending: Pending { all_peers: true, ..Pending::default() },
            changes,
            checks: (check.is_some() || settings.is_some())
                .then(|| UpstreamChecks::new(check.map(|check| check.config))),
            settings: settings.map(|(prefix, in_hand)| FollowedSettings::new(prefix, in_hand)),
            state,
            saved: None,
            prefix,
            log,
        };
        upstream.apply_settings(publishing);
        upstream.take_news(Cause::Start);
        // A new cycle may have other `server` lines, which need no etcd.
        upstream.publish(names, publishing);
        upstream
    }

    /// The host names in use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.contents.names()
    }

    /// Whether [`names`](Self::names) may be others than at the last call.
    pub(super) fn take_change_of_names(&mut self) -> bool {
        self.contents.take_change_of_names()
    }

    /// The addresses of a host name have changed.
    pub(super) fn note_change(&mut self) {
        (self.pending.peers, self.pending.all_peers) = (true, true);
        self.changes.note_cause(Cause::Names);
    }

    /// Whether a predecessor has said that this name cannot be resolved.
    pub(super) fn take_logged_name(&mut self, name: &str) -> bool {
        self.rejections.take_logged_name(name)
    }

    /// The endpoints of the cluster are in these states.
    pub(super) fn note_endpoints(&mut self, endpoints: &[Endpoint]) {
        self.report.set_endpoints(endpoints.to_vec());
    }

    /// Whether there is anything to publish.
    pub(super) fn is_changed(&self) -> bool {
        self.pending.peers
            || self.report.is_due()
            || self.settings.as_ref().is_some_and(FollowedSettings::are_due)
            || self.state.as_ref().is_some_and(StateOffer::has_report)
            || self.checks.as_ref().is_some_and(UpstreamChecks::has_verdicts)
    }

    /// The checks of its peers, if they are checked.
    pub(super) fn checks_mut(&mut self) -> Option<&mut UpstreamChecks> {
        self.checks.as_mut()
    }

    /// The leases that have to be looked up, to tell what has run out from what somebody has
    /// deleted.
    pub(super) fn leases_to_look_up(&self) -> impl Iterator<Item = i64> {
        self.contents.leases_to_look_up()
    }

    /// What has been found out about a lease.
    pub(super) fn note_lease(&mut self, lease: i64, is_alive: bool) {
        self.contents.note_lease(lease, is_alive);
        self.take_news(Cause::Event);
    }

    /// What variables change: the parameters of peers whose values do not set them. The settings of
    /// groups may have changed as well.
    pub(super) fn read_variables(&mut self) {
        if let Some(settings) = &mut self.settings {
            settings.read();
        }
        self.contents.read_variables();
        self.take_news(Cause::Event);
    }

    /// Takes in what etcd says; nothing is published yet.
    pub(super) fn update(&mut self, update: &Update) {
        let now = clock::now();
        if !matches!(update, Update::Lost { .. }) {
            self.zone.set_last_contact(now);
        }
        match update {
            Update::Listed { cause, cluster_id, revision, items } => {
                let is_start = self.watch.is_at_start();
                self.zone.count_resync(self.watch.note_list(*cause));
                let listed = Origin { cluster_id: *cluster_id, revision: *revision };
                self.contents.list(listed, items, now);
                self.rejections.note_list(now);
                self.take_news(Cause::List);
                if is_start && items.is_empty() {
                    // A mistyped prefix looks like this, and makes no change that would be a line.
                    let prefix = &self.prefix;
                    self.log
                        .notice(format!("0 peers with prefix \"{prefix}\", revision {revision}"));
                }
            }
            Update::Changed { revision, events, arrived } => {
                #[cfg(feature = "injected-faults")]
                events.iter().for_each(faults::note_event);
                self.contents.apply(*revision, events, now);
                self.changes.note_event(*arrived);
                self.take_news(Cause::Event);
            }
            Update::Alive { revision } => {
                self.watch.note_alive();
                self.report.set_trouble(self.watch.limited());
                self.zone.set_connected(true);
                self.contents.note_alive(*revision, now);
            }
            Update::Lost { reason, .. } => {
                self.watch.note_loss();
                self.contents.note_loss();
                self.take_news(Cause::Start);
                self.report.set_trouble(Some(reason));
                self.zone.set_connected(false);
            }
            Update::Limited { reason } => {
                self.watch.note_limit(reason);
                self.report.set_trouble(Some(reason));
            }
            Update::Noted { .. } => {}
        }
    }

    /// Takes in what the contents have to tell, and why.
    fn take_news(&mut self, cause: Cause) {
        let news = self.contents.take_news();
        self.pending.peers |= news.peers;
        if news.peers {
            self.changes.note_cause(cause);
        }
        if news.hold_ended {
            self.changes.set_cause(Cause::HoldEnded);
        }
        self.report.note_change(news.status);
        if news.rejections {
            self.note_rejections();
        }
        let now = clock::now();
        for rejection in &news.rejected {
            self.rejections.log_rejection(rejection, now);
        }
    }

    /// The rejected values, or the names that cannot be resolved, may be others than before.
    pub(super) fn note_rejections(&mut self) {
        self.pending.memory = true;
        self.report.note_change(true);
    }

    /// What time alone changes: peers that were held, or kept beyond their leases, go.
    pub(super) fn check_times(&mut self) {
        let now = clock::now();
        self.contents.end_hold(now, self.watch.is_alive());
        self.take_news(Cause::HoldEnded);
        let checked = self.checks.is_some().then_some(&self.publisher);
        self.contents.end_expired(checked, now);
        self.take_news(Cause::Expiry);
        if self.rejections.end_burst(now) {
            self.note_rejections();
        }
        if let Some(settings) = &mut self.settings {
            settings.try_again();
        }
    }

    /// Whether [`check_times`](Self::check_times) or [`collect`](Self::collect) will have something
    /// to do soon, of which nobody will tell.
    pub(super) fn is_waiting(&self) -> bool {
        self.publisher.is_reclaiming()
            || self.contents.holding().is_some()
            || self.rejections.has_suppressed()
            || self.settings.as_ref().is_some_and(FollowedSettings::has_refused)
            || self.checks.is_some()
    }

    /// Counted up whenever the workers are to look at the zone.
    pub(super) fn withdrawal_count(&self) -> u64 {
        self.zone.withdrawal_count()
    }

    /// Gives memory back, and takes dead workers out of the counts.
    pub(super) fn collect(&mut self, publishing: &Publishing) {
        self.publisher.reclaim_memory(processes::own(), processes::is_alive, publishing);
        if let Some(checks) = &mut self.checks {
            checks.count_not_made(&self.publisher, &self.log);
            checks.count_results(&self.publisher, publishing);
        }
        self.changes.write_checks(self.contents.revision().unsigned_abs());
        let free_count = self.publisher.free_count();
        if free_count != std::mem::replace(&mut self.free_count, free_count) {
            self.report.note_space();
            self.pending.peers |= self.space.shortage().is_some();
        }
    }
}
