//! Active checks: which peers are checked, and what becomes of the results.

use std::{collections::HashMap, future::poll_fn, path::PathBuf, sync::Arc, task::Poll};

use peer_check::{
    Address, CheckConfig, CheckKind, CheckPlan, CheckResult, Checked, Checks, Fault, HealthState,
    LONGEST, PeerId, Verdict, messages,
};
use peer_statistics::CheckFault;
use peer_zone::{Health, PeerSpec, Publisher, protocol::Publishing};
use upstream_peers::SocketAddress;

use super::{upstream::ChangeLog, upstream_log::UpstreamLog};
use crate::nginx::{clock, socket_address};

/// The checks of one upstream, and the verdicts that are still to be published.
pub(super) struct UpstreamChecks {
    checks: Checks,
    plans: CheckPlans,
    verdicts: Vec<Verdict>,
    /// Whether every peer fails, and all are used.
    panics: bool,
    /// Checks that could not be made, as far as the status has them.
    not_made: u64,
}

impl UpstreamChecks {
    /// With the check of the upstream, if it has one; those of groups come later.
    pub(super) fn new(config: Option<CheckConfig>) -> Self {
        let plans = CheckPlans { of_upstream: config.is_some(), of_groups: HashMap::new() };
        // Without one no peer goes by this.
        let config = config.unwrap_or(CheckConfig {
            kind: CheckKind::Tcp { exchange: None },
            interval: LONGEST,
            timeout: LONGEST,
            fall: 1,
            rise: 1,
        });
        let checks = Checks::new(config);
        Self { checks, plans, verdicts: Vec::new(), panics: false, not_made: 0 }
    }

    /// How the peers of a group are checked, if not as those of others; `Some(None)`: they are not.
    /// It acts with the next call that has these peers.
    pub(super) fn set_plan(&mut self, group: &Arc<str>, plan: Option<Option<CheckPlan>>) {
        match plan {
            Some(plan) => self.plans.of_groups.insert(Arc::clone(group), plan),
            None => self.plans.of_groups.remove(group),
        };
    }

    /// These are the peers from now on.
    pub(super) fn set_peers(&mut self, publisher: &Publisher) {
        let Self { checks, plans, .. } = self;
        let all = publisher.listed_with_health();
        checks.set_peers(all.filter_map(|(peer, health)| plans.checked(peer, health)));
    }

    /// Those `before` are not, or not any more as they were: `now` are in their place.
    pub(super) fn change_peers(
        &mut self,
        before: &[Arc<PeerSpec>],
        now: &[Arc<PeerSpec>],
        publisher: &Publisher,
    ) {
        let health = |peer: &PeerSpec| publisher.health(peer.key.as_deref(), &peer.socket_address);
        let Self { checks, plans, .. } = self;
        checks.change_peers(
            before.iter().map(|peer| id(peer)),
            now.iter().filter_map(|peer| plans.checked(peer, health(peer)?)),
        );
    }

    /// Counts the checks that could not be made; a line where that begins.
    pub(super) fn count_not_made(&mut self, publisher: &Publisher, log: &UpstreamLog) {
        let not_made = self.checks.not_made();
        let more = not_made - self.not_made;
        if more == 0 {
            return;
        }
        if self.not_made == 0 {
            log.error(messages::NOT_MADE);
        }
        self.not_made = not_made;
        publisher.zone().count_checks_not_made(more);
    }

    /// Counts the checks that were made, in the figures of their peers.
    pub(super) fn count_results(&mut self, publisher: &Publisher, publishing: &Publishing) {
        let now = clock::now();
        for CheckResult { id, at, fault } in self.checks.take_results() {
            let ago = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (key, fault) = (id.key.as_deref(), fault.map(check_fault));
            let at = now.saturating_sub(ago);
            publisher.count_check(key, &id.address, at, fault, publishing);
        }
    }

    /// Whether there are verdicts to publish.
    pub(super) fn has_verdicts(&self) -> bool {
        !self.verdicts.is_empty()
    }

    /// Takes a verdict; nothing is published yet.
    pub(super) fn add_verdict(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    /// Publishes what the checks have found: a line for each peer that begins to fail, or passes
    /// again.
    pub(super) fn publish(
        &mut self,
        publisher: &mut Publisher,
        log: &UpstreamLog,
        changes: &mut ChangeLog,
        publishing: &Publishing,
    ) {
        let now = clock::now();
        for Verdict { id, state, reason } in self.verdicts.drain(..) {
            let (key, address) = (id.key.as_deref(), &*id.address);
            let health =
                if state == HealthState::Failing { Health::Failing } else { Health::Passing };
            let Some(before) = publisher.health(key, address) else { continue };
            if !publisher.set_health(key, address, health, now, publishing) {
                continue;
            }
            let peer = name(&id);
            // What has no key to be named by is named beside.
            let server = id.key.is_none().then_some(&*peer);
            match (health, before) {
                (Health::Failing, _) => {
                    let reason = reason.unwrap_or_default();
                    log.warn(messages::unhealthy(&peer, &reason));
                    changes.note_check(id.key.as_ref(), messages::fails(server, &reason));
                }
                (_, Health::Failing) => {
                    log.notice(messages::healthy(&peer));
                    changes.note_check(id.key.as_ref(), messages::passes(server));
                }
                (_, Health::Pending) => {
                    log.notice(messages::first_passed(&peer));
                    changes.note_check(id.key.as_ref(), messages::passes(server));
                }
                _ => {}
            }
        }
        self.log_panic(publisher, log);
    }

    /// A line when every peer fails, and one when that ends.
    pub(super) fn log_panic(&mut self, publisher: &Publisher, log: &UpstreamLog) {
        let panics = publisher.zone().statistics().is_panicking;
        if std::mem::replace(&mut self.panics, panics) == panics {
            return;
        }
        if panics {
            log.error(messages::ALL_UNHEALTHY);
        } else {
            log.notice(messages::NOT_ALL_UNHEALTHY);
        }
    }
}

/// The next verdict, and whose, of several upstreams' checks. Cancel safe, as [`Checks::next`] is.
/// Pends for ever where nothing is checked.
pub(super) async fn next<'a>(
    checks: impl Iterator<Item = (usize, &'a mut UpstreamChecks)>,
) -> (usize, Verdict) {
    // Each is to live from one poll to the next: with it goes the timer that wakes it when the next
    // check is due.
    let mut waiting: Vec<_> = checks
        .map(|(index, own)| Box::pin(async move { (index, own.checks.next().await) }))
        .collect();
    poll_fn(|context| {
        for next in &mut waiting {
            if let Poll::Ready(verdict) = next.as_mut().poll(context) {
                return Poll::Ready(verdict);
            }
        }
        Poll::Pending
    })
    .await
}

/// How peers are checked.
struct CheckPlans {
    /// Whether the upstream has a check, by which peers go whose group has none.
    of_upstream: bool,
    /// By group; `None`: its peers are not checked.
    of_groups: HashMap<Arc<str>, Option<CheckPlan>>,
}

impl CheckPlans {
    /// The peer as it is to be checked, if it is.
    fn checked(&self, peer: &PeerSpec, health: Health) -> Option<Checked> {
        if peer.parameters.down {
            return None;
        }
        let of_group = peer.group.as_ref().and_then(|group| self.of_groups.get(group));
        let plan = match of_group {
            Some(plan) => Some(plan.clone()?),
            None if self.of_upstream => None,
            None => return None,
        };
        let target = match socket_address::parse(&peer.socket_address)? {
            SocketAddress::Ip(address) => Address::Ip(address),
            SocketAddress::Unix(path) => Address::Unix(PathBuf::from(path)),
        };
        let state = match health {
            Health::Unchecked | Health::Pending => HealthState::Unknown,
            Health::Passing => HealthState::Passing,
            Health::Failing => HealthState::Failing,
        };
        Some(Checked { id: id(peer), target, state, plan })
    }
}

fn check_fault(fault: Fault) -> CheckFault {
    match fault {
        Fault::TimedOut => CheckFault::Timeout,
        Fault::Closed => CheckFault::Closed,
        Fault::InvalidAnswer => CheckFault::InvalidAnswer,
        Fault::UnexpectedAnswer => CheckFault::UnexpectedAnswer,
        Fault::Tls => CheckFault::Tls,
        Fault::Status(status) => CheckFault::Status(status),
        Fault::System(error) => u16::try_from(error).map_or(CheckFault::Other, CheckFault::System),
        Fault::Other => CheckFault::Other,
    }
}

fn id(peer: &PeerSpec) -> PeerId {
    PeerId { key: peer.key.clone(), address: peer.socket_address.clone() }
}

fn name(id: &PeerId) -> String {
    let address =
        socket_address::parse(&id.address).map(|address| address.to_string()).unwrap_or_default();
    messages::name(id.key.as_deref(), &address)
}
