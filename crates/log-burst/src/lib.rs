//! Lines of a log that come in a burst: the first ones are said, the others are counted, and summed
//! up when it is over.

#![forbid(unsafe_code)]

/// Lines of a burst that are said.
pub const SAID: u32 = 100;

/// A burst is over when nothing has come for so long (ms),
pub const QUIET: u64 = 1_000;

/// or when it has gone on for so long: then it is summed up, and the next one begins.
pub const LONGEST: u64 = 10_000;

/// The lines of one kind.
#[derive(Debug, Default)]
pub struct Burst {
    /// When it began, and when its last line came (ms of the monotonic clock).
    began: u64,
    last: u64,
    said: u32,
    left_out: u64,
}

/// What is to be said of a burst that is over, where lines were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// How many lines were left out.
    pub left_out: u64,
    /// How many there were, with those that were said.
    pub all: u64,
}

impl Burst {
    /// Whether a line may be said at `now` (ms of a clock that does not go back); otherwise it is
    /// counted.
    pub fn admits(&mut self, now: u64) -> bool {
        if self.left_out == 0 && self.is_over(now) {
            *self = Self { began: now, ..Self::default() };
        }
        self.last = now;
        if self.said < SAID {
            self.said += 1;
            true
        } else {
            self.left_out += 1;
            false
        }
    }

    /// What is to be said at `now`, if the burst is over and lines were left out. To be asked every
    /// now and then.
    pub fn sum(&mut self, now: u64) -> Option<Sum> {
        (self.left_out > 0 && self.is_over(now)).then(|| {
            let Self { said, left_out, .. } = std::mem::take(self);
            Sum { left_out, all: u64::from(said) + left_out }
        })
    }

    fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.last) >= QUIET || now.saturating_sub(self.began) >= LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::{Burst, LONGEST, QUIET, SAID, Sum};

    #[test]
    fn what_comes_together_is_summed_up_once() {
        let mut burst = Burst::default();
        for number in 0..5_000 {
            assert_eq!(burst.admits(100_000), number < SAID);
            assert_eq!(burst.sum(100_000), None);
        }
        let sum = Sum { left_out: 5_000 - u64::from(SAID), all: 5_000 };
        assert_eq!(burst.sum(100_000 + QUIET), Some(sum));
        assert_eq!(burst.sum(100_000 + 2 * QUIET), None);
        assert!(burst.admits(100_000 + 2 * QUIET), "the next one begins anew");
    }

    #[test]
    fn what_comes_slowly_is_all_said() {
        let mut burst = Burst::default();
        for number in 0..1_000 {
            let now = 5_000 + number * QUIET;
            assert!(burst.admits(now));
            assert_eq!(burst.sum(now), None);
        }
    }

    #[test]
    fn what_goes_on_is_summed_up_all_the_while() {
        let (mut burst, mut said, mut sums) = (Burst::default(), 0, 0);
        for step in 0..LONGEST {
            let now = 5_000 + step * 10;
            said += u64::from(burst.admits(now));
            if let Some(Sum { left_out, .. }) = burst.sum(now) {
                (sums, said) = (sums + 1, said + left_out);
            }
        }
        assert_eq!(sums, 9, "in {} s", LONGEST / 100);
        assert!(said > LONGEST * 9 / 10);
    }
}
