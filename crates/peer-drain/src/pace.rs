//! When connections are closed, and how many at a look.

use core::num::NonZeroU32;

/// What `etcd_drain` says of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Milliseconds that connections have to end by themselves.
    pub timeout: u64,
    /// How fast those that are left are closed.
    pub pace: Pace,
}

/// How fast connections are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Evenly over so many milliseconds, whatever their number.
    Spread(u64),
    /// As many in a second at most, however long it takes.
    Rate(NonZeroU32),
}

impl Drain {
    /// When closing begins, for a peer that is drained since `since` (ms).
    pub fn begins(&self, since: u64) -> u64 {
        since.saturating_add(self.timeout)
    }
}

/// How many of a worker's `open` connections to a peer are to be closed at `now`, where closing
/// goes from `begins` to `ends` and the last look was at `last`, all in milliseconds; `random` is
/// any number, each as likely.
///
/// Of those that are open, the share that has passed of the time that was left: so what ends by
/// itself meanwhile slows the others down, and each connection's end is spread evenly. Parts of a
/// connection are rounded up as often as they are large: the last look counts, and no look is
/// preferred, which is all the jitter that clients need in order not to come back together.
pub fn due(open: usize, begins: u64, ends: u64, last: u64, now: u64, random: u64) -> usize {
    if now < begins {
        return 0;
    }
    if now >= ends {
        return open;
    }
    let last = last.max(begins);
    let (Some(passed), Some(left)) = (now.checked_sub(last), ends.checked_sub(last)) else {
        return 0;
    };
    let (open, passed, left) = (open as u128, u128::from(passed), u128::from(left));
    let (whole, part) = (open * passed / left, open * passed % left);
    // `part / left`, in 64 bits behind the point.
    let is_rounded_up = u128::from(random) * left < part << u64::BITS;
    // No more than are open, and so no larger than it came in.
    (whole + u128::from(is_rounded_up)).min(open) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// When each of `open` connections is closed, with looks at these times.
    fn closed_at(
        open: usize,
        begins: u64,
        ends: u64,
        looks: &[u64],
        mut random: impl FnMut() -> u64,
    ) -> Vec<u64> {
        let mut closed = Vec::new();
        let mut last = 0;
        for &now in looks {
            let closes = due(open - closed.len(), begins, ends, last, now, random());
            closed.extend(std::iter::repeat_n(now, closes));
            last = now;
        }
        closed
    }

    /// xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003), with its lower half mixed.
    fn generator(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_F491_4F6C_DD1D)
        }
    }

    proptest! {
        #[test]
        fn none_is_closed_before_the_time_and_all_are_after_it(
            open in 0_usize..3_000,
            begins in 0_u64..10_000,
            spread in 0_u64..10_000,
            gaps in prop::collection::vec(0_u64..400, 1..200),
            seed in any::<u64>(),
        ) {
            let ends = begins + spread;
            let mut looks: Vec<u64> = gaps
                .iter()
                .scan(0, |at, gap| {
                    *at += gap;
                    Some(*at)
                })
                .collect();
            looks.push(looks.last().copied().unwrap_or(0).max(ends));
            let closed = closed_at(open, begins, ends, &looks, generator(seed));
            prop_assert_eq!(closed.len(), open);
            prop_assert!(closed.iter().all(|&at| at >= begins));
        }

        #[test]
        fn any_numbers_are_borne(numbers in any::<[u64; 6]>()) {
            let [open, begins, ends, last, now, random] = numbers;
            prop_assert!(due(open as usize, begins, ends, last, now, random) <= open as usize);
        }

        #[test]
        fn what_is_rounded_is_right_on_average(
            open in 0_usize..1_000,
            left in 1_u64..10_000,
            passed in 0_u64..10_000,
        ) {
            let passed = passed % left;
            let exact = open as f64 * passed as f64 / left as f64;
            const STEPS: u64 = 512;
            let sum: usize = (0..STEPS).map(|step| due(open, 0, left, 0, passed, step << 55)).sum();
            prop_assert!(
                (sum as f64 / STEPS as f64 - exact).abs() < 0.01,
                "{} for {exact}",
                sum as f64 / STEPS as f64
            );
        }
    }

    #[test]
    fn a_thousand_in_four_workers_go_evenly() {
        const SPREAD: u64 = 4_000;
        let mut random = generator(7);
        for _ in 0..50 {
            let mut all: Vec<u64> = Vec::new();
            for (worker, open) in [(0, 100), (1, 400), (2, 480), (3, 20)] {
                // Each worker looks at times of its own.
                let looks: Vec<u64> =
                    (0..=SPREAD / 10 + 1).map(|look| look * 10 + worker * 3).collect();
                all.extend(closed_at(open, 0, SPREAD, &looks, &mut random));
            }
            assert_eq!(all.len(), 1_000);
            for quarter in 0..4 {
                let range = quarter * SPREAD / 4..(quarter + 1) * SPREAD / 4;
                let count = all.iter().filter(|at| range.contains(at)).count();
                assert!((200..300).contains(&count), "{count} in quarter {quarter}");
            }
        }
    }

    #[test]
    fn the_only_one_is_closed_at_any_time() {
        const SPREAD: u64 = 1_000;
        let mut random = generator(3);
        let looks: Vec<u64> = (0..=SPREAD / 10).map(|look| look * 10).collect();
        let mut by_quarter = [0; 4];
        for _ in 0..4_000 {
            let closed = closed_at(1, 0, SPREAD, &looks, &mut random);
            by_quarter[((closed[0].saturating_sub(1)) * 4 / SPREAD) as usize] += 1;
        }
        assert!(by_quarter.iter().all(|count| (850..1_150).contains(count)), "{by_quarter:?}");
    }
}
