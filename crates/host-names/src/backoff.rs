//! How long to wait before a name that could not be looked up is tried again.

use std::time::Duration;

/// The first wait: as short as the shortest time to live, so that no name server is asked more
/// often for a name that fails than for one that does not.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait, jitter included: what was repaired is found within this time.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// The waits of one name: 1 s, doubling to 30 s, each ± 50 %, so that names which failed together
/// do not all come back to the name server at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// After a failure: the wait until the next attempt.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.5 + fastrand::f64()).min(LONGEST);
        self.next = (self.next * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Backoff, FIRST, LONGEST};

    #[test]
    fn waits_grow_to_the_longest_and_are_reset() {
        let mut backoff = Backoff::new();
        let mut expected = FIRST;
        for _ in 0..20 {
            let wait = backoff.wait();
            assert!(
                wait >= expected / 2 && wait <= (expected * 3 / 2).min(LONGEST),
                "{wait:?} for {expected:?}"
            );
            expected = (expected * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.wait() <= FIRST * 3 / 2);
    }

    #[test]
    fn waits_differ() {
        let waits: HashSet<_> = (0..20).map(|_| Backoff::new().wait()).collect();
        assert!(waits.len() > 1);
    }
}
