//! Active checks: which peers are checked, and what becomes of the results.

use std::{future::poll_fn, path::PathBuf, sync::Arc, task::Poll};

use peer_check::{Address, Checked, Checks, HealthState, PeerId, Verdict, messages};
use peer_zone::{Health, PeerSpec, Publisher, protocol::Publishing};
use upstream_peers::SocketAddress;

use super::upstream_log::UpstreamLog;
use crate::nginx::{clock, socket_address};

/// The checks of one upstream, and the verdicts that are still to be published.
pub(super) struct UpstreamChecks {
    checks: Checks,
    verdicts: Vec<Verdict>,
    /// Whether every peer fails, and all are used.
    panics: bool,
    /// Checks that could not be made, as far as the status has them.
    not_made: u64,
}

impl UpstreamChecks {
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks, verdicts: Vec::new(), panics: false, not_made: 0 }
    }

    /// These are the peers from now on.
    pub(super) fn set_peers(&mut self, publisher: &Publisher) {
        self.checks.set_peers(
            publisher.listed_with_health().filter_map(|(peer, health)| checked(peer, health)),
        );
    }

    /// Those `before` are not, or not any more as they were: `now` are in their place.
    pub(super) fn change_peers(
        &mut self,
        before: &[Arc<PeerSpec>],
        now: &[Arc<PeerSpec>],
        publisher: &Publisher,
    ) {
        let health = |peer: &PeerSpec| publisher.health(peer.key.as_deref(), &peer.socket_address);
        self.checks.change_peers(
            before.iter().map(|peer| id(peer)),
            now.iter().filter_map(|peer| checked(peer, health(peer)?)),
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
            match (health, before) {
                (Health::Failing, _) => {
                    log.warn(messages::unhealthy(&peer, &reason.unwrap_or_default()));
                }
                (_, Health::Failing) => {
                    log.notice(messages::healthy(&peer));
                }
                (_, Health::Pending) => {
                    log.notice(messages::first_passed(&peer));
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

fn checked(peer: &PeerSpec, health: Health) -> Option<Checked> {
    if peer.parameters.down {
        return None;
    }
    let target = match socket_address::parse(&peer.socket_address)? {
        SocketAddress::Ip(address) => Address::Ip(address),
        SocketAddress::Unix(path) => Address::Unix(PathBuf::from(path)),
    };
    let state = match health {
        Health::Unchecked | Health::Pending => HealthState::Unknown,
        Health::Passing => HealthState::Passing,
        Health::Failing => HealthState::Failing,
    };
    Some(Checked { id: id(peer), target, state })
}

fn id(peer: &PeerSpec) -> PeerId {
    PeerId { key: peer.key.clone(), address: peer.socket_address.clone() }
}

fn name(id: &PeerId) -> String {
    let address =
        socket_address::parse(&id.address).map(|address| address.to_string()).unwrap_or_default();
    messages::name(id.key.as_deref(), &address)
}
