//! Limits log messages that come in a burst: the first ones are logged, the others are counted, and
//! one message sums them up when the burst is over.

#![forbid(unsafe_code)]

/// Messages of a burst that are logged.
pub const MAX_LOGGED: u32 = 100;

/// A burst is over if no message has come for this long (ms).
pub const QUIET_PERIOD: u64 = 1_000;

/// A burst is over after this long (ms) in any case; a message after that begins the next one.
pub const MAX_PERIOD: u64 = 10_000;

/// The messages of one kind.
#[derive(Debug, Default)]
pub struct Burst {
    /// When the first message came (ms of a monotonic clock).
    began: u64,
    /// When the last one came, likewise.
    last: u64,
    logged: u32,
    suppressed: u64,
}

/// How many messages there were in a burst that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Messages that were not logged.
    pub suppressed: u64,
    /// All messages, those that were logged included.
    pub total: u64,
}

impl Burst {
    /// Returns whether a message may be logged at `now` (ms of a monotonic clock), and counts it.
    pub fn admits(&mut self, now: u64) -> bool {
        if self.suppressed == 0 && self.is_over(now) {
            *self = Self { began: now, ..Self::default() };
        }
        self.last = now;
        if self.logged < MAX_LOGGED {
            self.logged += 1;
            true
        } else {
            self.suppressed += 1;
            false
        }
    }

    /// Returns the summary to log at `now`, if the burst is over and messages were suppressed. To
    /// be called periodically.
    pub fn summary(&mut self, now: u64) -> Option<Summary> {
        (self.suppressed > 0 && self.is_over(now)).then(|| {
            let Self { logged, suppressed, .. } = std::mem::take(self);
            Summary { suppressed, total: u64::from(logged) + suppressed }
        })
    }

    /// Whether messages were suppressed that [`summary`](Self::summary) is still to count.
    #[must_use]
    pub fn has_suppressed(&self) -> bool {
        self.suppressed > 0
    }

    fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.last) >= QUIET_PERIOD
            || now.saturating_sub(self.began) >= MAX_PERIOD
    }
}

#[cfg(test)]
mod tests {
    use super::{Burst, MAX_LOGGED, MAX_PERIOD, QUIET_PERIOD, Summary};

    #[test]
    fn what_comes_together_is_summed_up_once() {
        let mut burst = Burst::default();
        for number in 0..5_000 {
            assert_eq!(burst.admits(100_000), number < MAX_LOGGED);
            assert_eq!(burst.summary(100_000), None);
        }
        let summary = Summary { suppressed: 5_000 - u64::from(MAX_LOGGED), total: 5_000 };
        assert_eq!(burst.summary(100_000 + QUIET_PERIOD), Some(summary));
        assert_eq!(burst.summary(100_000 + 2 * QUIET_PERIOD), None);
        assert!(burst.admits(100_000 + 2 * QUIET_PERIOD), "the next burst begins");
    }

    #[test]
    fn what_comes_slowly_is_all_said() {
        let mut burst = Burst::default();
        for number in 0..1_000 {
            let now = 5_000 + number * QUIET_PERIOD;
            assert!(burst.admits(now));
            assert_eq!(burst.summary(now), None);
        }
    }

    #[test]
    fn what_goes_on_is_summed_up_all_the_while() {
        let (mut burst, mut logged, mut sums) = (Burst::default(), 0, 0);
        for step in 0..MAX_PERIOD {
            let now = 5_000 + step * 10;
            logged += u64::from(burst.admits(now));
            if let Some(Summary { suppressed, .. }) = burst.summary(now) {
                (sums, logged) = (sums + 1, logged + suppressed);
            }
        }
        assert_eq!(sums, 9, "in {} s", MAX_PERIOD / 100);
        assert!(logged > MAX_PERIOD * 9 / 10);
    }
}
