//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait. Short, so that a connection lost for a moment costs nothing that anybody would notice.
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait, jitter included: an etcd that returns is found within this time.
pub(crate) const LONGEST: Duration = Duration::from_secs(2);

/// The waits of one prefix: none before the next endpoint of a round, then 50 ms, doubling to 2 s, each ± 50 %, so
/// that the instances which lost the same etcd do not all come back to it at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    endpoints: usize,
    failures: usize,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(endpoints: usize) -> Self {
        Self { endpoints: endpoints.max(1), failures: 0, next: FIRST }
    }

    /// After an attempt that succeeded and lasted: the first one that follows need not wait.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
        self.next = FIRST;
    }

    /// After the failure of an endpoint: nothing until the round over all of them is complete.
    pub(crate) fn after_endpoint(&mut self) -> Duration {
        self.failures += 1;
        if self.failures.is_multiple_of(self.endpoints) { self.after_refusal() } else { Duration::ZERO }
    }

    /// After a refusal, which another endpoint would only repeat.
    pub(crate) fn after_refusal(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.5 + fastrand::f64()).min(LONGEST);
        self.next = (self.next * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, FIRST, LONGEST};

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
    fn only_a_whole_round_waits() {
        let mut backoff = Backoff::new(3);
        for _ in 0..5 {
            assert_eq!(backoff.after_endpoint(), Duration::ZERO);
            assert_eq!(backoff.after_endpoint(), Duration::ZERO);
            assert!(backoff.after_endpoint() > Duration::ZERO);
        }
        assert!(backoff.after_refusal() > Duration::ZERO);
    }

    #[test]
    fn waits_differ() {
        let waits: std::collections::HashSet<_> = (0..20).map(|_| Backoff::new(1).after_refusal()).collect();
        assert!(waits.len() > 1);
    }
}
