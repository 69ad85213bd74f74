//! How long to wait before the next attempt, and for an answer.

use std::time::Duration;

/// The first wait. Short, so that a connection lost for a moment costs nothing that anybody would
/// notice.
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait between two rounds over the endpoints, jitter included: an etcd that returns is
/// found within this time.
pub(crate) const LONGEST: Duration = Duration::from_secs(2);

/// The longest wait after a refusal, jitter included. A refusal costs etcd more than a connection
/// that it does not take (it hashes a password for some 100 ms), and lasts until somebody mends its
/// cause, who then looks whether it helped.
const LONGEST_REFUSED: Duration = Duration::from_secs(5);

/// Within what an attempt after a lost watch begins, where no other endpoint is there to turn to:
/// the instances that lost the same etcd are not to come back to it, and have it hash their
/// passwords, in one instant. It is too short to matter beside the time that etcd needs to return.
/// There is no such wait before a turn to another endpoint, which is likely to be well: there,
/// nobody is to be stale for longer than need be.
const SPREAD: Duration = Duration::from_millis(100);

/// How long an answer may take in the first round over the endpoints. etcd answers in milliseconds;
/// one that is stopped or black-holed is to be left for another within seconds.
const FIRST_DEADLINE: Duration = Duration::from_secs(2);

/// The longest that an answer may take. etcd itself gives a linearizable read up after 7 s (its
/// request timeout).
pub(crate) const LAST_DEADLINE: Duration = Duration::from_secs(10);

/// The waits of one prefix: none before the next endpoint of a round, then 50 ms, doubling to 2 s
/// (5 s after refusals), each ± 50 %, so that the instances which lost the same etcd do not all
/// come back to it at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    endpoints: usize,
    failures: usize,
    waits: retry_backoff::Backoff,
}

impl Backoff {
    pub(crate) fn new(endpoints: usize) -> Self {
        let waits = retry_backoff::Backoff::new(FIRST, LONGEST_REFUSED);
        Self { endpoints: endpoints.max(1), failures: 0, waits }
    }

    /// After an attempt that succeeded and lasted: the first one that follows need not wait.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
        self.waits.reset();
    }

    /// The first wait after an attempt that lasted.
    pub(crate) fn after_lasting(&mut self, turns: bool) -> Duration {
        self.reset();
        if turns && self.endpoints > 1 { Duration::ZERO } else { SPREAD.mul_f64(fastrand::f64()) }
    }

    /// After the failure of an endpoint: nothing until the round over all of them is complete.
    pub(crate) fn after_endpoint(&mut self) -> Duration {
        self.failures += 1;
        if self.failures.is_multiple_of(self.endpoints) {
            self.waits.next_wait_within(LONGEST)
        } else {
            Duration::ZERO
        }
    }

    /// After a refusal, which another endpoint would only repeat.
    pub(crate) fn after_refusal(&mut self) -> Duration {
        self.waits.next_wait()
    }
}

/// How long an answer is waited for: 2 s at first, and twice as long after each round over the
/// endpoints in which an answer was late, up to 10 s. So an endpoint that does not answer is left
/// soon, and one that is slow is heard in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerDeadline {
    deadline: Duration,
    was_late: bool,
}

impl Default for AnswerDeadline {
    fn default() -> Self {
        Self { deadline: FIRST_DEADLINE, was_late: false }
    }
}

impl AnswerDeadline {
    pub(crate) fn current(&self) -> Duration {
        self.deadline
    }

    /// An answer did not come in time.
    pub(crate) fn note_late(&mut self) {
        self.was_late = true;
    }

    /// All endpoints have failed in turn.
    pub(crate) fn end_round(&mut self) {
        let late = std::mem::take(&mut self.was_late);
        self.deadline = if late { (self.deadline * 2).min(LAST_DEADLINE) } else { FIRST_DEADLINE };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AnswerDeadline, Backoff, FIRST, LONGEST, LONGEST_REFUSED, SPREAD};

    #[test]
    fn waits_grow_to_the_longest_and_are_reset() {
        let mut backoff = Backoff::new(1);
        let mut expected = FIRST;
        for _ in 0..20 {
            let wait = backoff.after_endpoint();
            assert!(
                wait >= expected / 2 && wait <= (expected * 3 / 2).min(LONGEST),
                "{wait:?} for {expected:?}"
            );
            expected = (expected * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.after_refusal() <= FIRST * 3 / 2);
    }

    #[test]
    fn refusals_wait_for_longer() {
        let mut backoff = Backoff::new(1);
        let waits: Vec<_> = (0..40).map(|_| backoff.after_refusal()).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST_REFUSED));
        assert!(waits.iter().any(|wait| *wait > LONGEST));
        assert!(backoff.after_endpoint() <= LONGEST);
    }

    #[test]
    fn only_a_whole_round_waits() {
        let mut backoff = Backoff::new(3);
        for _ in 0..5 {
            assert_eq!(backoff.after_endpoint(), Duration::ZERO);
            assert_eq!(backoff.after_endpoint(), Duration::ZERO);
            assert!(backoff.after_endpoint() > Duration::ZERO);
        }
        assert!(backoff.after_refusal() > Duration::ZERO);
        assert_eq!(backoff.after_lasting(true), Duration::ZERO);
        assert!(backoff.after_lasting(false) <= SPREAD);
        assert!(Backoff::new(1).after_lasting(true) <= SPREAD);
    }

    #[test]
    fn waits_of_several_differ() {
        let waits: std::collections::HashSet<_> =
            (0..20).map(|_| Backoff::new(1).after_refusal()).collect();
        assert!(waits.len() > 1);
    }

    #[test]
    fn the_deadline_grows_with_late_answers_alone() {
        let mut answer_deadline = AnswerDeadline::default();
        answer_deadline.end_round();
        assert_eq!(answer_deadline.current(), Duration::from_secs(2));
        for seconds in [4, 8, 10, 10] {
            answer_deadline.note_late();
            answer_deadline.end_round();
            assert_eq!(answer_deadline.current(), Duration::from_secs(seconds));
        }
        answer_deadline.end_round();
        assert_eq!(answer_deadline.current(), Duration::from_secs(2));
    }
}
