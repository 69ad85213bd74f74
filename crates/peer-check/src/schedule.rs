//! Which peer is checked when, and what its results add up to. No clock and no network: both are
//! the caller's.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::attempt::CheckOutcome;
use crate::checked::Checked;
use crate::config::{CheckConfig, LONGEST, SHORTEST};
use crate::health::{HealthCounter, HealthState, Thresholds};
use crate::peer::{Address, PeerId, Verdict, reason};
use crate::plan::CheckPlan;

/// Newcomers begin so far apart at the most, so that a single one, or a few, are known at once and
/// not only after an interval.
pub const NEWCOMER_GAP: Duration = Duration::from_millis(20);

/// A check comes an interval after the one before, give or take this part of it: what came together
/// drifts apart, and several routers do not ask a peer in step.
const JITTER: f64 = 0.1;

#[derive(Debug)]
struct ScheduledPeer {
    /// Unlike all others', also those of peers that are gone.
    number: u64,
    /// The call of `keep` that named it last.
    kept: u64,
    target: Address,
    /// How it is checked, if not as all others.
    plan: Option<CheckPlan>,
    health: HealthCounter,
    planned: Instant,
    /// When the attempt that is under way began.
    began: Option<Instant>,
}

/// A check whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) id: PeerId,
    pub(crate) target: Address,
    /// How the peer is checked, if not as all others.
    pub(crate) plan: Option<CheckPlan>,
    /// Whether the peer is one of those that fail.
    pub(crate) is_failing: bool,
    number: u64,
}

/// The peers that are not being checked, the one whose turn is next first. Those that fail are by
/// themselves, so that they can be left to wait.
#[derive(Debug, Default)]
struct Waiting {
    failing: BTreeMap<(Instant, u64), PeerId>,
    others: BTreeMap<(Instant, u64), PeerId>,
}

impl Waiting {
    fn queue(&mut self, is_failing: bool) -> &mut BTreeMap<(Instant, u64), PeerId> {
        if is_failing { &mut self.failing } else { &mut self.others }
    }

    fn insert(&mut self, peer: &ScheduledPeer, id: PeerId) {
        self.queue(peer.health.state() == HealthState::Failing)
            .insert((peer.planned, peer.number), id);
    }

    /// Of no effect if the peer does not wait.
    fn remove(&mut self, peer: &ScheduledPeer) {
        self.queue(peer.health.state() == HealthState::Failing)
            .remove(&(peer.planned, peer.number));
    }

    /// When the next one is due, and whether it is one that fails.
    fn next(&self, failing_too: bool) -> Option<(Instant, bool)> {
        let failing = self.failing.first_key_value().filter(|_| failing_too);
        let others = self.others.first_key_value();
        let next = [(failing, true), (others, false)].into_iter();
        next.filter_map(|(first, is_failing)| Some((first?.0.0, is_failing))).min()
    }
}

/// All peers, and when they are checked.
///
/// Newcomers are spread: they begin no faster than all peers together will be checked for good, or
/// 50 a second where that is more. Each has a slot of its own of interval / peers, or
/// [`NEWCOMER_GAP`] where that is shorter, and begins at a random moment within it. The slots
/// follow each other in random order, and behind those of newcomers that came before. What would
/// come later than an interval from now begins at a random moment of the interval instead.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// How peers are checked that have no plan of their own.
    timing: Timing,
    peers: HashMap<PeerId, ScheduledPeer>,
    waiting: Waiting,
    /// Until when slots have been given to newcomers.
    slots_until: Option<Instant>,
    keeps: u64,
    numbers: u64,
    random: Rng,
}

/// How often a peer is checked, and how many results count.
#[derive(Clone, Copy, Debug)]
struct Timing {
    interval: Duration,
    thresholds: Thresholds,
}

impl Timing {
    fn new(config: &CheckConfig) -> Self {
        Self {
            interval: config.interval.clamp(SHORTEST, LONGEST),
            thresholds: Thresholds { fall: config.fall, rise: config.rise },
        }
    }

    /// That of a plan; without one, this.
    fn of(self, plan: Option<&CheckPlan>) -> Self {
        plan.map_or(self, |plan| Self::new(plan.config()))
    }
}

impl Schedule {
    pub(crate) fn new(config: &CheckConfig, random: Rng) -> Self {
        Self {
            timing: Timing::new(config),
            peers: HashMap::new(),
            waiting: Waiting::default(),
            slots_until: None,
            keeps: 0,
            numbers: 0,
            random,
        }
    }

    /// Exactly these peers from now on. Of two with the same id the first counts. One that has
    /// moved to another target is a newcomer: nothing that is known of it was said by what is there
    /// now.
    pub(crate) fn set_peers(&mut self, peers: impl IntoIterator<Item = Checked>, now: Instant) {
        let newcomers = self.keep(peers, now);
        self.peers.retain(|_, peer| {
            let kept = peer.kept == self.keeps;
            if !kept {
                self.waiting.remove(peer);
            }
            kept
        });
        self.plan(newcomers, now);
    }

    /// As [`set_peers`](Self::set_peers), where all that are not among `before` stay.
    pub(crate) fn change_peers(
        &mut self,
        before: impl IntoIterator<Item = PeerId>,
        peers: impl IntoIterator<Item = Checked>,
        now: Instant,
    ) {
        let newcomers = self.keep(peers, now);
        for id in before {
            if let Entry::Occupied(peer) = self.peers.entry(id)
                && peer.get().kept != self.keeps
            {
                self.waiting.remove(peer.get());
                peer.remove();
            }
        }
        self.plan(newcomers, now);
    }

    /// Marks these peers as kept. Returns those among them that were not there, or are checked in
    /// another way from now on: what is known of them stays.
    fn keep(&mut self, peers: impl IntoIterator<Item = Checked>, now: Instant) -> Vec<PeerId> {
        self.keeps += 1;
        let mut newcomers = Vec::new();
        for Checked { id, target, state, plan } in peers {
            match self.peers.get_mut(&id) {
                Some(peer) if peer.kept == self.keeps => {}
                Some(peer) if peer.target == target => {
                    peer.kept = self.keeps;
                    if peer.plan != plan {
                        self.waiting.remove(peer);
                        self.numbers += 1;
                        (peer.number, peer.plan, peer.began) = (self.numbers, plan, None);
                        newcomers.push(id);
                    }
                }
                known => {
                    if let Some(moved) = known {
                        self.waiting.remove(moved);
                    }
                    newcomers.push(id.clone());
                    self.numbers += 1;
                    let (number, kept) = (self.numbers, self.keeps);
                    let health = HealthCounter::new(state);
                    self.peers.insert(
                        id,
                        ScheduledPeer {
                            number,
                            kept,
                            target,
                            plan,
                            health,
                            planned: now,
                            began: None,
                        },
                    );
                }
            }
        }
        newcomers
    }

    fn plan(&mut self, mut newcomers: Vec<PeerId>, now: Instant) {
        let all = u32::try_from(self.peers.len()).unwrap_or(u32::MAX).max(1);
        let mut from = self.slots_until.map_or(now, |until| until.max(now));
        self.random.shuffle(&mut newcomers);
        for id in newcomers {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let Timing { interval, .. } = self.timing.of(peer.plan.as_ref());
            let slot = (interval / all).min(NEWCOMER_GAP);
            peer.planned = if from + slot <= now + interval {
                let planned = from + slot.mul_f64(self.random.f64());
                from += slot;
                planned
            } else {
                now + interval.mul_f64(self.random.f64())
            };
            self.waiting.insert(peer, id);
        }
        self.slots_until = Some(from);
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// When the next check is due; with or without the peers that fail.
    pub(crate) fn next_due(&self, failing_too: bool) -> Option<Instant> {
        self.waiting.next(failing_too).map(|(due, _)| due)
    }

    /// A check that is due, which from now on counts as being under way.
    pub(crate) fn start(&mut self, now: Instant, failing_too: bool) -> Option<Turn> {
        let (_, is_failing) = self.waiting.next(failing_too).filter(|(due, _)| *due <= now)?;
        let (_, id) = self.waiting.queue(is_failing).pop_first()?;
        let peer = self.peers.get_mut(&id)?;
        peer.began = Some(now);
        let (target, plan, number) = (peer.target.clone(), peer.plan.clone(), peer.number);
        Some(Turn { id, target, plan, is_failing, number })
    }

    /// Whether the check of this turn still matters to anybody.
    pub(crate) fn is_wanted(&self, turn: &Turn) -> bool {
        self.peers.get(&turn.id).is_some_and(|peer| peer.number == turn.number)
    }

    /// The check of this turn is over. Of no effect if it is not wanted any more.
    pub(crate) fn record_result(
        &mut self,
        turn: Turn,
        outcome: CheckOutcome,
        now: Instant,
    ) -> Option<Verdict> {
        let peer = self.peers.get_mut(&turn.id).filter(|peer| peer.number == turn.number)?;
        let began = peer.began.take()?;
        // From when it was planned, so that late beginnings do not add up. A check that began very
        // late keeps its distance to the next one; failures in a row are to be told by more than
        // one moment.
        let Timing { interval, thresholds } = self.timing.of(peer.plan.as_ref());
        let wait = interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * self.random.f64());
        peer.planned = (peer.planned + wait).max(began + interval / 2).max(now);
        let (passed, why) = match outcome {
            CheckOutcome::Passed => (Some(true), None),
            CheckOutcome::Failed(failure) => (Some(false), Some(failure.reason)),
            CheckOutcome::NotMade => (None, None),
        };
        let changed = passed.and_then(|passed| peer.health.count_result(passed, thresholds));
        self.waiting.insert(peer, turn.id.clone());
        let state = changed?;
        let reason = why.filter(|_| state == HealthState::Failing).map(|why| reason(&why));
        Some(Verdict { id: turn.id, state, reason })
    }
}

#[cfg(test)]
mod tests;
