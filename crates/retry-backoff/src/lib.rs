//! How long to wait before something that failed is tried again.

#![forbid(unsafe_code)]

use std::time::Duration;

/// Waits that double from the first one to the longest one, each with a jitter of ± 50 %, so that
/// those who failed together do not all try again at the same moment.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits that begin with `first` and are never longer than `longest`, jitter included.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Begins again with the first wait. To be called after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// How long to wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        self.next_wait_within(self.longest)
    }

    /// As [`next_wait`](Self::next_wait), but never longer than `limit` either, jitter included.
    /// The waits to come grow as they would without it.
    pub fn next_wait_within(&mut self, limit: Duration) -> Duration {
        let limit = limit.min(self.longest);
        let wait = self.next.min(limit).mul_f64(0.5 + fastrand::f64()).min(limit);
        self.next = self.next.saturating_mul(2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::Backoff;

    const FIRST: Duration = Duration::from_millis(50);

    const LONGEST: Duration = Duration::from_secs(5);

    #[test]
    fn waits_double_to_the_longest_and_are_reset() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for _ in 0..2 {
            let mut expected = FIRST;
            for _ in 0..20 {
                let wait = backoff.next_wait();
                assert!(
                    wait >= expected / 2 && wait <= (expected * 3 / 2).min(LONGEST),
                    "{wait:?} for {expected:?}"
                );
                expected = (expected * 2).min(LONGEST);
            }
            backoff.reset();
        }
    }

    #[test]
    fn a_limit_holds_for_one_wait() {
        let limit = Duration::from_secs(2);
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for _ in 0..20 {
            let wait = backoff.next_wait_within(limit);
            assert!(wait <= limit, "{wait:?}");
        }
        assert!(backoff.next_wait() >= LONGEST / 2);
        assert!(backoff.next_wait_within(limit) >= limit / 2);
        assert!(backoff.next_wait_within(LONGEST * 2) <= LONGEST);
    }

    #[test]
    fn a_first_wait_above_the_longest_is_cut() {
        assert!(Backoff::new(LONGEST, FIRST).next_wait() <= FIRST);
    }

    #[test]
    fn waits_of_many_are_spread() {
        let mut waits = HashSet::new();
        for _ in 0..1_000 {
            waits.insert(Backoff::new(FIRST, LONGEST).next_wait());
        }
        assert!(waits.len() > 900, "{}", waits.len());
        assert!(waits.iter().any(|wait| *wait < FIRST * 3 / 4));
        assert!(waits.iter().any(|wait| *wait > FIRST * 5 / 4));
    }
}
