//! One prefix: what etcd says of it goes to each upstream that takes its peers from there.

use std::{collections::HashSet, ops::RangeInclusive, rc::Rc, time::Duration};

use etcd_watch::{Cluster, Endpoint, Keys, Limits, OutageReport, Update, Watched};
use host_names::{HostNames, NameEvent, messages};
use log_burst::{Burst, Summary};
use peer_check::Verdict;
use tokio::{
    sync::{
        mpsc::{self, UnboundedSender},
        watch,
    },
    time::{Instant, sleep_until},
};

use super::{
    checks::{self, UpstreamChecks},
    claim::Claim,
    contact::Contact,
    endpoints,
    following::Following,
    lines::Lines,
    plan::PrefixPlan,
    upstream::WatchedUpstream,
};
use crate::nginx::{bell, clock};

/// How often memory is given back and what has waited long enough is ended, while there is any. A
/// removed peer is shown in the status for about as long.
const COLLECT: Duration = Duration::from_millis(250);

/// How often that is done at rest. A worker that starts tells of the dead one in whose place it
/// comes: this is for one whose place nobody takes.
const COLLECT_AT_REST: Duration = Duration::from_secs(10);

/// Updates that may wait while a table is made; more wait in etcd's stream.
const MAX_WAITING: usize = 1024;

/// A publication that takes longer than this is followed by a pause of twice its length, so that
/// under a flood of changes to a great list two thirds of a core stay free; what comes meanwhile is
/// published together.
const LONG_PUBLICATION: Duration = Duration::from_millis(1);

/// How long the answer to one host name waits for those to others that are being asked for:
/// thousands of names that come at a time make few tables.
const GATHER: Duration = Duration::from_millis(50);

/// One key is followed for each so many bytes of the zone: twice as many as there is room for where
/// all are peers (some 255 bytes each), so that keys whose values are none do not count.
const ZONE_PER_KEY: usize = 128;

/// As many keys are followed with any zone: they take some 8 MB of a worker.
const FEWEST_KEYS: usize = 16 << 10;

/// Bytes of a list for each byte of the zone: enough for values of 4 096 bytes, of which the zone
/// keeps an address.
const LIST_PER_ZONE: usize = 16;

/// The bytes of a list with any zone, and with the largest.
const LIST: RangeInclusive<usize> = 16 << 20..=256 << 20;

/// What is taken of a prefix: what does not fit into any zone is not read, and not kept.
fn limits(plan: &PrefixPlan) -> Limits {
    let zone = plan.upstreams.iter().map(|upstream| upstream.zone_size).max().unwrap_or_default();
    Limits {
        keys: (zone / ZONE_PER_KEY).max(FEWEST_KEYS),
        bytes: zone.saturating_mul(LIST_PER_ZONE).clamp(*LIST.start(), *LIST.end()),
        remedy: "increase \"zone\" of the \"etcd\" directive, or delete keys that are not peers",
    }
}

/// Follows the prefix for as long as the lease is held. It is told of changes of variables, and to
/// look for what dead processes have left.
pub(super) async fn serve(
    cluster_name: Rc<str>,
    cluster: Cluster,
    plan: PrefixPlan,
    claim: Rc<Claim>,
    (mut variables, mut looks): (watch::Receiver<()>, watch::Receiver<()>),
    outages: UnboundedSender<OutageReport>,
    lines: Lines,
) {
    let prefix: Rc<str> = plan.prefix.as_str().into();
    let names = host_names();
    let limits = limits(&plan);
    let upstreams = claim.publishing(|publishing| {
        let new = |plan| {
            WatchedUpstream::new(plan, Rc::clone(&prefix), lines.clone(), &names, publishing)
        };
        plan.upstreams.into_iter().map(new).collect::<Vec<_>>()
    });
    let Some(upstreams) = upstreams else { return };
    // What the watcher before this one has not told, or other `server` lines.
    bell::ring();
    let watched = Watched { keys: format!("prefix \"{prefix}\""), noun: "peers" };
    let contact = Contact::new(Rc::clone(&cluster_name), watched, outages, lines.clone());
    let mut prefix_task = Prefix {
        cluster_name,
        prefix: Rc::clone(&prefix),
        upstreams,
        names,
        contact,
        failed_names: Burst::default(),
        recovered_names: Burst::default(),
        asked: HashSet::new(),
        has_heard: false,
        lines,
    };
    let mut has_settled = false;
    // Until when answers of name servers wait for others.
    let mut gathering: Option<Instant> = None;
    let (sender, mut updates) = mpsc::channel(MAX_WAITING);
    let mut following = Following::start(cluster.clone(), Keys::Below(plan.prefix), limits, sender);
    let mut endpoints = cluster.endpoints();
    let (found, mut leases) = mpsc::unbounded_channel();
    let mut collect_at = Instant::now();
    loop {
        let rest = if prefix_task.is_waiting() { COLLECT } else { COLLECT_AT_REST };
        let now = Instant::now();
        collect_at = collect_at.min(now + rest);
        let is_due = collect_at <= now;
        tokio::select! {
            // Cancel safe: `recv` and `changed` give what they take in the same poll; names and
            // checks go on in tasks of their own, and tell at the next call what has happened
            // meanwhile; the moments are absolute ones, which are kept outside. Under a flood of
            // changes there is always another one, and memory must come back all the same: nothing
            // else is taken when that is due.
            update = updates.recv(), if !is_due => {
                let Some(update) = update else { return following.ended().await };
                prefix_task.update(update);
                while let Ok(update) = updates.try_recv() {
                    prefix_task.update(update);
                }
            }
            event = prefix_task.names.next() => {
                prefix_task.resolved(event);
                let until = *gathering.get_or_insert_with(|| Instant::now() + GATHER);
                if prefix_task.names.is_looking_up() && Instant::now() < until {
                    continue;
                }
            }
            () = sleep_until(gathering.unwrap_or_else(Instant::now)), if gathering.is_some() => {}
            (upstream, verdict) = checks::next(checks_of(&mut prefix_task.upstreams)) => {
                prefix_task.note_verdict(upstream, verdict);
            }
            Some((upstream, lease, is_alive)) = leases.recv() => {
                prefix_task.note_lease(upstream, lease, is_alive);
            }
            Ok(()) = endpoints.changed() => endpoints.mark_changed(),
            Ok(()) = variables.changed() => prefix_task.read_variables(),
            Ok(()) = looks.changed() => {
                collect_at = Instant::now();
                continue;
            }
            () = sleep_until(collect_at) => {
                prefix_task.check_times();
                if prefix_task.collect(&claim).is_none() {
                    return;
                }
                collect_at += COLLECT_AT_REST;
            }
        }
        gathering = None;
        // Before what has come from one of them, so that the status names it.
        prefix_task.note_endpoints(&mut endpoints);
        let started = Instant::now();
        if prefix_task.publish(&claim).is_none() {
            return;
        }
        if prefix_task.has_heard && !std::mem::replace(&mut has_settled, true) {
            claim.settle();
        }
        prefix_task.look_up_leases(&cluster, &found);
        let took = started.elapsed();
        if took > LONG_PUBLICATION {
            prefix_task.pause(2 * took).await;
        }
    }
}

#[cfg(not(feature = "injected-faults"))]
fn host_names() -> HostNames {
    HostNames::system()
}

#[cfg(feature = "injected-faults")]
fn host_names() -> HostNames {
    super::faults::name_servers().map_or_else(HostNames::system, HostNames::with_servers)
}

/// Counted up whenever the workers are to look at one of the zones.
fn withdrawal_count(upstreams: &[WatchedUpstream]) -> u64 {
    upstreams.iter().map(WatchedUpstream::withdrawal_count).fold(0, u64::wrapping_add)
}

/// The checks of those upstreams that have some, with their places.
fn checks_of(
    upstreams: &mut [WatchedUpstream],
) -> impl Iterator<Item = (usize, &mut UpstreamChecks)> {
    let all = upstreams.iter_mut().enumerate();
    all.filter_map(|(place, upstream)| Some((place, upstream.checks_mut()?)))
}

struct Prefix {
    cluster_name: Rc<str>,
    prefix: Rc<str>,
    upstreams: Vec<WatchedUpstream>,
    names: HostNames,
    contact: Contact,
    /// Lines of host names that cannot be resolved, and of those that are again.
    failed_names: Burst,
    recovered_names: Burst,
    /// Leases that are being looked up, each with the upstream that has doubts.
    asked: HashSet<(usize, i64)>,
    /// Whether there was a list, or an outage.
    has_heard: bool,
    lines: Lines,
}

impl Prefix {
    fn update(&mut self, update: Update) {
        self.contact.note_update(&update);
        self.has_heard |= matches!(update, Update::Listed { .. } | Update::Lost { .. });
        for upstream in &mut self.upstreams {
            upstream.update(&update);
        }
    }

    /// Publishes nothing for so long. Name servers and peers are asked meanwhile, as many as ever.
    async fn pause(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            tokio::select! {
                // Cancel safe: names and checks go on in tasks of their own, and tell at the next
                // call what has happened meanwhile.
                biased;
                () = sleep_until(end) => return,
                event = self.names.next() => self.resolved(event),
                (upstream, verdict) = checks::next(checks_of(&mut self.upstreams)) => {
                    self.note_verdict(upstream, verdict);
                }
            }
        }
    }

    fn note_endpoints(&mut self, endpoints: &mut watch::Receiver<Vec<Endpoint>>) {
        let Some(news) = endpoints::news(endpoints) else { return };
        self.upstreams.iter_mut().for_each(|upstream| upstream.note_endpoints(&news));
    }

    /// Takes in what the name servers say: this, and what else has come.
    fn resolved(&mut self, first: NameEvent) {
        let mut next = Some(first);
        while let Some(event) = next {
            self.apply_event(event);
            next = self.names.try_next();
        }
    }

    fn apply_event(&mut self, event: NameEvent) {
        match event {
            NameEvent::Changed { name } => {
                for upstream in &mut self.upstreams {
                    upstream.note_change();
                }
                // Its first answer here, after a predecessor had none.
                if self.take_logged_name(&name) {
                    self.recovered(&name);
                }
            }
            NameEvent::Failed { name, reason } => {
                self.upstreams.iter_mut().for_each(WatchedUpstream::note_rejections);
                if !self.take_logged_name(&name) && self.failed_names.admits(clock::now()) {
                    let text = messages::failed(&name, &self.prefix, &reason);
                    self.lines.warn(format!("etcd: cluster \"{}\": {text}", self.cluster_name));
                }
            }
            NameEvent::StillFailing { .. } => {
                self.upstreams.iter_mut().for_each(WatchedUpstream::note_rejections)
            }
            NameEvent::Recovered { name } => self.recovered(&name),
        }
    }

    fn recovered(&mut self, name: &str) {
        self.upstreams.iter_mut().for_each(WatchedUpstream::note_rejections);
        if self.recovered_names.admits(clock::now()) {
            let text = messages::recovered(name, &self.prefix);
            self.lines.notice(format!("etcd: cluster \"{}\": {text}", self.cluster_name));
        }
    }

    /// Whether a predecessor has said that this name cannot be resolved.
    fn take_logged_name(&mut self, name: &str) -> bool {
        // Each of them is asked, and forgets it.
        self.upstreams
            .iter_mut()
            .fold(false, |told, upstream| told | upstream.take_logged_name(name))
    }

    /// Sums up what was not said of host names.
    fn end_bursts(&mut self) {
        let now = clock::now();
        let Self { cluster_name, prefix, lines, .. } = self;
        if let Some(Summary { suppressed, total }) = self.failed_names.summary(now) {
            let text = messages::more_failed(suppressed, total, prefix);
            lines.warn(format!("etcd: cluster \"{cluster_name}\": {text}"));
        }
        if let Some(Summary { suppressed, total }) = self.recovered_names.summary(now) {
            let text = messages::more_recovered(suppressed, total, prefix);
            lines.notice(format!("etcd: cluster \"{cluster_name}\": {text}"));
        }
    }

    fn note_verdict(&mut self, upstream: usize, verdict: Verdict) {
        if let Some(checks) = self.upstreams.get_mut(upstream).and_then(WatchedUpstream::checks_mut)
        {
            checks.add_verdict(verdict);
        }
    }

    fn publish(&mut self, claim: &Claim) -> Option<()> {
        let Self { upstreams, names, .. } = self;
        if !upstreams.iter().any(WatchedUpstream::is_changed) {
            return Some(());
        }
        // All are asked, so that none keeps its answer for the next time.
        if upstreams
            .iter_mut()
            .fold(false, |changed, upstream| changed | upstream.take_change_of_names())
        {
            names.set_names(upstreams.iter().flat_map(WatchedUpstream::names));
        }
        let before = withdrawal_count(upstreams);
        let published = claim.publishing(|publishing| {
            for upstream in upstreams.iter_mut() {
                upstream.publish(names, publishing);
            }
        });
        if withdrawal_count(upstreams) != before {
            bell::ring();
        }
        published
    }

    /// Asks etcd, one after the other, for the leases of what has vanished; the answers come
    /// through `found`.
    fn look_up_leases(&mut self, cluster: &Cluster, found: &UnboundedSender<(usize, i64, bool)>) {
        if !self.asked.is_empty() {
            return;
        }
        for (place, upstream) in self.upstreams.iter().enumerate() {
            self.asked.extend(upstream.leases_to_look_up().map(|lease| (place, lease)));
        }
        if self.asked.is_empty() {
            return;
        }
        let (asked, cluster, found) = (self.asked.clone(), cluster.clone(), found.clone());
        tokio::task::spawn_local(async move {
            for (place, lease) in asked {
                // Of what cannot be found out it is assumed that nobody has deleted it.
                let is_alive = cluster.is_lease_alive(lease).await.unwrap_or(false);
                if found.send((place, lease, is_alive)).is_err() {
                    return;
                }
            }
        });
    }

    fn note_lease(&mut self, place: usize, lease: i64, is_alive: bool) {
        self.asked.remove(&(place, lease));
        if let Some(upstream) = self.upstreams.get_mut(place) {
            upstream.note_lease(lease, is_alive);
        }
    }

    fn read_variables(&mut self) {
        self.upstreams.iter_mut().for_each(WatchedUpstream::read_variables);
    }

    fn is_waiting(&self) -> bool {
        self.failed_names.has_suppressed()
            || self.recovered_names.has_suppressed()
            || self.upstreams.iter().any(WatchedUpstream::is_waiting)
    }

    fn check_times(&mut self) {
        self.end_bursts();
        self.upstreams.iter_mut().for_each(WatchedUpstream::check_times);
    }

    fn collect(&mut self, claim: &Claim) -> Option<()> {
        claim.publishing(|publishing| {
            for upstream in &mut self.upstreams {
                upstream.collect(publishing);
            }
        })
    }
}
