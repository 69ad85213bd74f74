//! One prefix: what etcd says of it goes to each upstream that takes its peers from there.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use etcd_watch::{Cause, Cluster, Update, follow};
use host_names::{Event, HostNames};
use peer_check::Verdict;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{checks, lines::Lines, plan::PrefixPlan, run::Claim, upstream::Upstream};

/// How often memory is given back and dead workers are taken out of the counts. A removed peer is shown in the status for about as long.
const COLLECT: Duration = Duration::from_millis(250);

/// Updates that may wait while a table is made; more wait in etcd's stream.
const MAX_WAITING: usize = 1024;

/// A publication that takes longer than this is followed by a pause of twice its length, so that under a flood of changes to a great
/// list two thirds of a core stay free; what comes meanwhile is published together.
const LONG_PUBLICATION: Duration = Duration::from_millis(1);

/// Follows the prefix for as long as the lease is held.
pub(super) async fn serve(
    cluster_name: Rc<str>,
    cluster: Cluster,
    plan: PrefixPlan,
    claim: Rc<Claim>,
    lines: Lines,
) {
    let prefix: Rc<str> = plan.prefix.as_str().into();
    let names = HostNames::system();
    let upstreams = claim.publishing(|publishing| {
        let new = |plan| Upstream::new(plan, Rc::clone(&prefix), lines.clone(), &names, publishing);
        plan.upstreams.into_iter().map(new).collect::<Vec<_>>()
    });
    let Some(upstreams) = upstreams else { return };
    let mut prefix_task =
        Prefix { cluster_name, prefix: Rc::clone(&prefix), upstreams, names, lost: None, lines };
    let (sender, mut updates) = mpsc::channel(MAX_WAITING);
    let _following = AbortOnDrop(tokio::task::spawn_local(follow(cluster, plan.prefix, sender)));
    let mut collect = interval(COLLECT);
    collect.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // Fair, not biased: under a flood of changes there is always another one, and memory must come back all the same.
            update = updates.recv() => {
                let Some(update) = update else { return };
                claim.beat();
                prefix_task.update(update);
                while let Ok(update) = updates.try_recv() {
                    claim.beat();
                    prefix_task.update(update);
                }
                claim.beat();
            }
            event = prefix_task.names.next() => prefix_task.resolved(event),
            (upstream, verdict) = checks::next(&mut prefix_task.upstreams) => {
                prefix_task.judged(upstream, verdict);
            }
            _ = collect.tick() => {
                if prefix_task.collect(&claim).is_none() {
                    return;
                }
            }
        }
        let started = Instant::now();
        if prefix_task.publish(&claim).is_none() {
            return;
        }
        let took = started.elapsed();
        if took > LONG_PUBLICATION {
            sleep(2 * took).await;
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Prefix {
    cluster_name: Rc<str>,
    prefix: Rc<str>,
    upstreams: Vec<Upstream>,
    names: HostNames,
    /// Why etcd is not followed just now.
    lost: Option<Cause>,
    lines: Lines,
}

impl Prefix {
    fn update(&mut self, update: Update) {
        match &update {
            Update::Lost { cause, reason } => {
                if self.lost.replace(*cause).is_none() {
                    self.lines.warn(format!(
                        "etcd: cluster \"{}\": the prefix \"{}\" is not followed any more ({}: {reason}); the peers in hand stay",
                        self.cluster_name,
                        self.prefix,
                        cause.as_str(),
                    ));
                }
            }
            // The end of an outage: the watch stands.
            Update::Alive { revision } => {
                if self.lost.take().is_some() {
                    self.lines.notice(format!(
                        "etcd: cluster \"{}\": the prefix \"{}\" is followed again, revision {revision}",
                        self.cluster_name, self.prefix
                    ));
                }
            }
            Update::Listed { .. } | Update::Changed { .. } => {}
        }
        for upstream in &mut self.upstreams {
            upstream.update(&update);
        }
    }

    fn resolved(&mut self, event: Event) {
        match event {
            Event::Changed { .. } => {
                for upstream in &mut self.upstreams {
                    upstream.note_change();
                }
            }
            Event::Failed { name, reason } => self.lines.warn(format!(
                "etcd: cluster \"{}\": the host name \"{name}\" below \"{}\" cannot be resolved ({reason}); the addresses in hand stay",
                self.cluster_name, self.prefix
            )),
            Event::Recovered { name } => self.lines.notice(format!(
                "etcd: cluster \"{}\": the host name \"{name}\" below \"{}\" is resolved again",
                self.cluster_name, self.prefix
            )),
        }
    }

    fn judged(&mut self, upstream: usize, verdict: Verdict) {
        if let Some(checks) = self.upstreams.get_mut(upstream).and_then(Upstream::checks_mut) {
            checks.note(verdict);
        }
    }

    fn publish(&mut self, claim: &Claim) -> Option<()> {
        let Self { upstreams, names, .. } = self;
        if !upstreams.iter().any(Upstream::is_changed) {
            return Some(());
        }
        names.keep(upstreams.iter().flat_map(Upstream::names));
        claim.publishing(|publishing| {
            for upstream in upstreams {
                upstream.publish(names, publishing);
            }
        })
    }

    fn collect(&mut self, claim: &Claim) -> Option<()> {
        claim.publishing(|publishing| {
            for upstream in &mut self.upstreams {
                upstream.collect(publishing);
            }
        })
    }
}
