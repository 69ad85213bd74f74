//! No more than so many in a second, over all workers.

use core::{num::NonZeroU32, time::Duration};

/// How often a worker looks what it has to close, while it has any: so rarely that it costs
/// nothing, and so often that a client sees no steps.
pub const DRAIN_TICK: Duration = Duration::from_millis(10);

/// A second, in microseconds.
const SECOND: u64 = 1_000_000;

/// Between two where only one a second may be.
const SPACING_OF_ONE: u64 = SECOND + LATENESS + TOLERANCE;

/// Grants no more than so many in any second to all together: the generic cell rate algorithm
/// (ITU-T I.371, annex A: virtual scheduling), with a state of one word that all who share the
/// limit keep in one place.
///
/// One may come before its time by as much as lies between two looks, so that nothing is lost where
/// a look comes late; and who is granted one may be stopped before he makes use of it. What comes
/// of both in a second is taken off the rate, so that no second has more, wherever it begins: in
/// the long run it is nine tenths of it.
#[derive(Clone, Copy, Debug)]
pub struct RateLimiter {
    /// Microseconds from one to the next in the long run.
    spacing: u64,
}

/// How many microseconds one may come before its time.
const TOLERANCE: u64 = DRAIN_TICK.as_micros() as u64;

/// How long (microseconds) may pass between a grant and its use: a process that wants to run is
/// stopped for some tens of milliseconds on a busy machine.
const LATENESS: u64 = 100_000;

impl RateLimiter {
    /// A limiter to `rate` grants a second.
    pub fn new(rate: NonZeroU32) -> Self {
        // In a second there are one and as many as its length, the tolerance and the lateness have
        // room for, rounded down.
        let sustained = u64::from(rate.get()) * SECOND / (SECOND + TOLERANCE + LATENESS);
        let spacing = if sustained == 0 { SPACING_OF_ONE } else { SECOND.div_ceil(sustained) };
        Self { spacing }
    }

    /// The next state where one may be granted at `now` (microseconds), after this one; 0 is the
    /// first.
    pub fn next_state(&self, state: u64, now: u64) -> Option<u64> {
        // It lies further ahead only where it is of another rate, which counts no more.
        let due = state.min(now.saturating_add(TOLERANCE + self.spacing));
        (due <= now.saturating_add(TOLERANCE)).then(|| due.max(now).saturating_add(self.spacing))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// When each is granted, asked for by so many at each of these times until it is refused.
    fn granted(rate: u32, asked: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let limiter = RateLimiter::new(NonZeroU32::new(rate).expect("above zero"));
        let mut state = 0;
        let mut granted = Vec::new();
        for now in asked {
            while let Some(next) = limiter.next_state(state, now) {
                state = next;
                granted.push(now);
            }
        }
        granted
    }

    /// The most in any second.
    fn most(granted: &[u64]) -> usize {
        let within = |(index, &from): (usize, &u64)| {
            granted[index..].partition_point(|&at| at < from + SECOND)
        };
        granted.iter().enumerate().map(within).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_second_has_more(
            rate in 1_u32..20_000,
            start in 0_u64..1 << 50,
            gaps in prop::collection::vec(0_u64..50_000, 1..300),
        ) {
            let times = gaps.iter().scan(start, |at, gap| {
                *at += gap;
                Some(*at)
            });
            let most = most(&granted(rate, times));
            prop_assert!(most <= rate as usize, "{most} with {rate}");
        }

        #[test]
        fn four_workers_that_look_in_turn_come_close_to_the_rate(
            rate in 10_u32..20_000,
            phases in prop::array::uniform4(0_u64..10_000),
        ) {
            const SECONDS: u64 = 5;
            const LOOKS: u64 = SECOND / TOLERANCE;
            let mut looks: Vec<u64> = phases
                .iter()
                .flat_map(|phase| (0..SECONDS * LOOKS).map(move |look| look * 10_000 + phase))
                .collect();
            looks.sort_unstable();
            let granted = granted(rate, looks);
            prop_assert!(most(&granted) <= rate as usize);
            let share = granted.len() as f64 / (f64::from(rate) * SECONDS as f64);
            prop_assert!(share > 0.8, "{share}");
        }

        #[test]
        fn a_state_of_another_rate_does_not_block(
            rate in 1_u32..20_000,
            state in any::<u64>(),
            now in 0_u64..1 << 60,
        ) {
            let limiter = RateLimiter::new(NonZeroU32::new(rate).expect("above zero"));
            // As it would be after its own last.
            let later = now + limiter.spacing;
            let earlier = state.min(now + TOLERANCE + limiter.spacing);
            let [first, second] = [(state, now), (earlier, later)]
                .map(|(state, now)| limiter.next_state(state, now).is_some());
            prop_assert!(first || second);
        }
    }

    #[test]
    fn who_is_stopped_for_a_while_breaks_no_promise() {
        let granted = granted(50, (0..3_000_000).step_by(1_000));
        for (first, last) in granted.iter().zip(&granted[50..]) {
            assert!(last - first >= SECOND + LATENESS, "{first} {last}");
        }
    }
}
