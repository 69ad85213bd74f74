//! The peers that are checked and the attempts that are under way.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::pin::Pin;

use fastrand::Rng;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::attempt::{Attempts, CheckOutcome};
use crate::checked::Checked;
use crate::config::CheckConfig;
use crate::failure::{Failure, Fault};
use crate::peer::{Address, PeerId, Verdict};
use crate::schedule::{Schedule, Turn};

/// Attempts under way at once, at most; more wait their turn. Each has a file descriptor, of which
/// a process has 1 024 by default, and most are to be left for the requests. With answers in 10 ms
/// these are 25 000 checks a second, with a timeout of 1 s and nobody who answers 256.
pub const MAX_TOGETHER: usize = 256;

/// Attempts under way at once, at most, at peers that fail: half of all. Were a rack to hang, its
/// peers would wait for their timeouts in every place there is, and nothing more would be learned
/// of those that are well.
pub const MAX_FAILING_TOGETHER: usize = MAX_TOGETHER / 2;

/// How an attempt is made; tests have their own.
type Attempt = dyn Fn(&Address) -> Pin<Box<dyn Future<Output = CheckOutcome> + Send>> + Send;

/// The peers that are checked.
///
/// Checks begin, and their results are taken over, only within [`next`](Self::next), which is to be
/// called inside a tokio runtime, again and again. Whatever is under way ends when this is dropped.
///
/// A peer's first check comes soon, but never in a burst with others: each newcomer has a slot of
/// interval / peers, at most [`NEWCOMER_GAP`](crate::NEWCOMER_GAP), for itself, behind those of
/// newcomers before it. So a single one is checked within 20 ms, a hundred within 2 s, and
/// thousands within one interval, evenly spread. Then a check comes an interval ± 10 % after the
/// one before was planned.
pub struct Checks {
    schedule: Schedule,
    attempt: Box<Attempt>,
    attempts: JoinSet<CheckOutcome>,
    /// The turns of the attempts under way. One that is not here any more was abandoned.
    under_way: HashMap<Id, (Turn, AbortHandle)>,
    /// How many of these are at peers that fail.
    failing_under_way: usize,
    not_made: u64,
    results: Vec<CheckResult>,
}

/// A check that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// Of which peer.
    pub id: PeerId,
    /// When it ended.
    pub at: Instant,
    /// Why it failed; `None` if it passed.
    pub fault: Option<Fault>,
}

impl Checks {
    /// Checks nobody yet; peers without a plan of their own are checked so. With a configuration
    /// that cannot be used (see [`CheckConfig::verify`]) every check fails.
    pub fn new(config: CheckConfig) -> Self {
        let attempts = Attempts::new(&config);
        Self::with_attempt(&config, Rng::new(), move |target| Box::pin(attempts.make(target)))
    }

    fn with_attempt(
        config: &CheckConfig,
        random: Rng,
        attempt: impl Fn(&Address) -> Pin<Box<dyn Future<Output = CheckOutcome> + Send>>
        + Send
        + 'static,
    ) -> Self {
        Self {
            schedule: Schedule::new(config, random),
            attempt: Box::new(attempt),
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            failing_under_way: 0,
            not_made: 0,
            results: Vec::new(),
        }
    }

    /// From now on exactly these peers are checked. Those known already keep their schedule and
    /// their counts, whatever state is given for them; others are forgotten, and a check of theirs
    /// that is under way is dropped. Of two with the same id the first counts; one whose target has
    /// changed is taken as a new one.
    pub fn set_peers(&mut self, peers: impl IntoIterator<Item = Checked>) {
        self.schedule.set_peers(peers, Instant::now());
        self.abandon_unwanted();
    }

    /// As [`set_peers`](Self::set_peers) with those that are not among `before` and these: so that
    /// a change of a few peers does not walk all of them.
    pub fn change_peers(
        &mut self,
        before: impl IntoIterator<Item = PeerId>,
        peers: impl IntoIterator<Item = Checked>,
    ) {
        self.schedule.change_peers(before, peers, Instant::now());
        self.abandon_unwanted();
    }

    /// Drops the attempts at peers that are not checked any more.
    fn abandon_unwanted(&mut self) {
        self.under_way.retain(|_, (turn, attempt)| {
            let wanted = self.schedule.is_wanted(turn);
            if !wanted {
                attempt.abort();
                self.failing_under_way -= usize::from(turn.is_failing);
            }
            wanted
        });
    }

    /// Waits until the state of a peer changes. The first results of a peer of which nothing was
    /// known are such a change: one pass, or `fall` failures in a row. Cancel safe: what happens
    /// meanwhile is told by the next call. Pends for ever while there is no peer.
    pub async fn next(&mut self) -> Verdict {
        loop {
            self.begin_due();
            // With all places taken, it is the end of an attempt that lets the next peer have its
            // turn.
            let due = self.room().and_then(|failing_too| self.schedule.next_due(failing_too));
            tokio::select! {
                // Cancel safe: attempts are tasks, `join_next_with_id` gives an end in the poll
                // that takes it, and the moment is an absolute one.
                Some(ended) = self.attempts.join_next_with_id() => {
                    if let Some(verdict) = self.take_over(ended) {
                        return verdict;
                    }
                }
                () = until(due) => {}
            }
        }
    }

    /// How many peers are checked.
    pub fn len(&self) -> usize {
        self.schedule.len()
    }

    /// Whether no peer is checked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that could not be made, because this machine has run out of file descriptors, memory
    /// or ports. They say nothing of the peer, so that they count neither as passed nor as failed.
    pub fn not_made(&self) -> u64 {
        self.not_made
    }

    /// The checks that were made since the last call, of peers that are checked still, in the order
    /// in which they ended. They wait until they are taken: to be called again and again.
    pub fn take_results(&mut self) -> Vec<CheckResult> {
        std::mem::take(&mut self.results)
    }

    /// Whether another attempt may begin, and if so, whether also one at a peer that fails.
    fn room(&self) -> Option<bool> {
        let has_room = self.under_way.len() < MAX_TOGETHER;
        has_room.then_some(self.failing_under_way < MAX_FAILING_TOGETHER)
    }

    fn begin_due(&mut self) {
        let now = Instant::now();
        while let Some(turn) =
            self.room().and_then(|failing_too| self.schedule.start(now, failing_too))
        {
            let attempt = match &turn.plan {
                Some(plan) => self.attempts.spawn(plan.attempts().make(&turn.target)),
                None => self.attempts.spawn((self.attempt)(&turn.target)),
            };
            self.failing_under_way += usize::from(turn.is_failing);
            self.under_way.insert(attempt.id(), (turn, attempt));
        }
    }

    fn take_over(&mut self, ended: Result<(Id, CheckOutcome), JoinError>) -> Option<Verdict> {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let reason = format!("the check ended unexpectedly: {error}");
                (error.id(), CheckOutcome::Failed(Failure::new(Fault::Other, reason)))
            }
        };
        let (turn, _) = self.under_way.remove(&id)?;
        self.failing_under_way -= usize::from(turn.is_failing);
        let now = Instant::now();
        let fault = match &outcome {
            CheckOutcome::Passed => Some(None),
            CheckOutcome::Failed(failure) => Some(Some(failure.fault)),
            CheckOutcome::NotMade => None,
        };
        match fault {
            Some(fault) => self.results.push(CheckResult { id: turn.id.clone(), at: now, fault }),
            None => self.not_made += 1,
        }
        self.schedule.record_result(turn, outcome, now)
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Checks")
            .field("peers", &self.len())
            .field("under_way", &self.under_way.len())
            .field("not_made", &self.not_made)
            .finish_non_exhaustive()
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
