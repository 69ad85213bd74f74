//! How slow a peer answers, in one word: a moving average of response times that follows a peak at
//! once and forgets it slowly.
//!
//! It is the metric of Finagle's `PeakEwma` balancer (`finagle-core`,
//! `com.twitter.finagle.loadbalancer.PeakEwma`) and of linkerd2-proxy's (`tower::load::PeakEwma`).
//! There a time above the cost replaces it, one below draws it closer by the weight of the time
//! since the last update, and *each reading counts as an observation of 0*. As a pick reads before
//! every request, a time below has no more than the weight of its own duration against the decay, 1
//! % for 100 ms. It is left out here, and what remains has a closed form: **the cost is the
//! greatest of all observations, each halved for every half-life of its age**. So an observation
//! below the cost changes nothing, needs no write to memory that workers share, and rounding never
//! adds up; and the order in which workers report does not matter. A peer that was slow and is not
//! asked becomes cheap, and is tried again.

/// Milliseconds in which a cost falls to its half. Finagle's and linkerd2-proxy's decay time is 10
/// s, after which 1/e is left: a half-life of 6.9 s. This is the power of two nearest to it, so
/// that a decay needs no division.
pub const HALF_LIFE: u32 = 8192;

/// Milliseconds that a reader's clock may be behind that of the last writer without the cost being
/// taken for 49 days old. A worker reads its clock once in each turn of its event loop, so that two
/// workers' clocks differ by what a turn takes.
const CLOCK_DIFFERENCE: u32 = 1 << 16;

/// What a word that is not one of these has set.
pub(crate) const OTHERS_TAG: u32 = 1 << 31;

/// What response times a peer has shown: the time of the observation that the cost comes from in
/// the high 32 bits, in milliseconds, wrapping; the cost at that time in the low ones, in
/// microseconds.
///
/// Bit 31 is never set: a word with it is one of [`TimeAverages`](crate::TimeAverages).
///
/// The times are of one clock for all callers that goes on steadily, such as nginx's
/// `ngx_current_msec`. A cost of 0, as in `PeakEwma(0)`, means that nothing was observed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeakEwma(pub u64);

impl PeakEwma {
    /// The greatest cost, some 36 minutes.
    pub const MAX: u32 = OTHERS_TAG - 1;

    /// What a peer's word says; nothing if it was written for another method.
    #[must_use]
    pub fn of_word(word: u64) -> Self {
        Self(if word & u64::from(OTHERS_TAG) == 0 { word } else { 0 })
    }

    /// What it is after a response that took `sample` microseconds and came at the time `now`, in
    /// milliseconds.
    ///
    /// It is unchanged where the decayed cost is above the sample. A sample of 0 counts as 1, one
    /// above [`MAX`](Self::MAX) as that.
    #[must_use]
    pub fn observe(self, now: u32, sample: u32) -> Self {
        let sample = sample.clamp(1, Self::MAX);
        if sample < self.cost(now) {
            return self;
        }
        Self(u64::from(now) << 32 | u64::from(sample))
    }

    /// The cost in microseconds at the time `now`, in milliseconds: what a response is expected to
    /// take at worst.
    ///
    /// It falls by half in each [`HALF_LIFE`], in a straight line within one, by which it is up to
    /// 6.2 % above the exact power of two. It does not fall below 1, so that 0 is always a peer of
    /// which nothing is known. Such a one is the cheapest, and stays so until its first response:
    /// Finagle therefore takes it for the dearest while it has a request to answer, and weighs all
    /// costs with the number of requests that are open, plus 1.
    ///
    /// A time of up to a minute before the last observation counts as the time of that observation.
    #[must_use]
    pub fn cost(self, now: u32) -> u32 {
        let cost = self.0 as u32;
        let elapsed = self.elapsed(now);
        let (halvings, part) = (elapsed / HALF_LIFE, elapsed % HALF_LIFE);
        let scaled = u64::from(cost) * u64::from(2 * HALF_LIFE - part);
        let decayed =
            scaled.checked_shr(1 + HALF_LIFE.trailing_zeros() + halvings).unwrap_or(0) as u32;
        decayed.max(cost.min(1))
    }

    fn elapsed(self, now: u32) -> u32 {
        let elapsed = now.wrapping_sub((self.0 >> 32) as u32);
        if elapsed > CLOCK_DIFFERENCE.wrapping_neg() { 0 } else { elapsed }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cost_halves_with_each_half_life() {
        let spike = PeakEwma::default().observe(1000, 5_000_000);
        let after = |halves: u32| spike.cost(1000 + halves * HALF_LIFE / 2);
        assert_eq!(
            [0, 1, 2, 3, 4].map(after),
            [5_000_000, 3_750_000, 2_500_000, 1_875_000, 1_250_000]
        );
        // 23 halvings of 5 s: known, and as good as nothing.
        assert_eq!(after(2 * 23), 1);
        assert_eq!(spike.cost(999u32.wrapping_sub(CLOCK_DIFFERENCE)), 1);
    }

    #[test]
    fn first_observation_is_the_cost() {
        assert_eq!(PeakEwma::default().cost(123_456), 0);
        assert_eq!(PeakEwma(0).observe(7, 0), PeakEwma(7 << 32 | 1));
        assert_eq!(PeakEwma(0).observe(u32::MAX, 250).cost(u32::MAX), 250);
    }

    #[test]
    fn words_of_other_methods_say_nothing() {
        assert_eq!(PeakEwma(0).observe(7, u32::MAX), PeakEwma(7 << 32 | u64::from(PeakEwma::MAX)));
        for sample in [0, 1, 5_000_000, u32::MAX] {
            let observed = PeakEwma(0).observe(u32::MAX, sample);
            assert_eq!(PeakEwma::of_word(observed.0), observed);
            let averages = crate::TimeAverages(0).with_header(sample).with_response(sample);
            assert_eq!(PeakEwma::of_word(averages.0), PeakEwma(0));
        }
    }

    #[test]
    fn peaks_and_lows() {
        let calm = PeakEwma(0).observe(0, 1000);
        let spike = calm.observe(10, 90_000);
        assert_eq!(spike.cost(10), 90_000);
        let observed = spike.observe(11, 1000);
        assert_eq!(observed, spike, "a time below the cost changes nothing");
        // Six and a half half-lives later 1.06 ms are left, and another half later a response of 1
        // ms counts again.
        let later = 10 + 6 * HALF_LIFE + HALF_LIFE / 2;
        assert_eq!(spike.observe(later, 1000), spike);
        assert_eq!(spike.observe(later + HALF_LIFE / 2, 1000).cost(later + HALF_LIFE / 2), 1000);
    }

    #[test]
    fn clocks_may_wrap_and_differ() {
        // Across the wrap.
        let before = PeakEwma(0).observe(u32::MAX - 99, 1000);
        assert_eq!(before.cost(HALF_LIFE - 100), 500);
        // Another worker's clock, a little behind.
        assert_eq!(PeakEwma(0).observe(5, 1000).cost(u32::MAX - 40), 1000);
    }

    /// Finagle's metric, without its lock.
    struct Finagle {
        cost: f64,
        stamp: f64,
    }

    impl Finagle {
        fn observe(&mut self, now: f64, sample: f64) {
            let weight = (-(now - self.stamp) / (f64::from(HALF_LIFE) / 2f64.ln())).exp();
            self.cost = if sample > self.cost {
                sample
            } else {
                self.cost * weight + sample * (1.0 - weight)
            };
            self.stamp = now;
        }
    }

    /// A steady load whose every pick reads the cost: some slow responses among many fast ones.
    #[test]
    fn agrees_with_finagle() {
        let mut finagle = Finagle { cost: 0.0, stamp: 0.0 };
        let mut ours = PeakEwma::default();
        for request in 1..20_000u32 {
            let now = request * 10;
            let sample = if request % 2500 == 0 { 800_000 } else { 20_000 + request * 7919 % 5000 };
            // Between two responses there are picks, and a reading is an observation of 0.
            finagle.observe(f64::from(now) - 1.0, 0.0);
            finagle.observe(f64::from(now), f64::from(sample));
            ours = ours.observe(now, sample);
            let ratio = f64::from(ours.cost(now)) / finagle.cost;
            assert!(
                (0.85..1.15).contains(&ratio),
                "{now} ms: {} and {}",
                ours.cost(now),
                finagle.cost
            );
        }
    }

    proptest! {
        #[test]
        fn cost_never_grows_with_age(
            cost in 1..=PeakEwma::MAX,
            start in any::<u32>(),
            age in 0u32..10_000_000,
            more in 0u32..100_000,
        ) {
            let observed = PeakEwma(0).observe(start, cost);
            let [younger, older] =
                [age, age + more].map(|age| observed.cost(start.wrapping_add(age)));
            prop_assert!(older <= younger);
            let exact = f64::from(cost) * (-f64::from(age) / f64::from(HALF_LIFE)).exp2();
            let younger = f64::from(younger);
            prop_assert!(
                younger + 1.0 >= exact && younger <= (exact * 1.062).max(1.0),
                "{younger} for {exact}"
            );
        }

        /// An observation never brings the cost to the other side of itself, and the greater it is,
        /// the greater the cost.
        #[test]
        fn cost_is_at_least_the_observation(
            first in 0..=PeakEwma::MAX,
            age in 0u32..100_000,
            samples in prop::array::uniform2(1..=PeakEwma::MAX),
        ) {
            let observed = PeakEwma(0).observe(0, first);
            let costs = samples.map(|sample| observed.observe(age, sample).cost(age));
            prop_assert_eq!(costs, samples.map(|sample| sample.max(observed.cost(age))));
        }

        /// The closed form: the greatest of all observations, each decayed by its age.
        #[test]
        fn is_the_greatest_decayed(
            steps in prop::collection::vec((0u32..20_000, 1u32..10_000_000), 1..40),
        ) {
            let (mut now, mut word, mut times) = (0, PeakEwma(0), Vec::new());
            for (step, sample) in steps {
                now += step;
                word = word.observe(now, sample);
                times.push((now, f64::from(sample)));
            }
            let decayed = times
                .iter()
                .map(|&(at, sample)| sample * (-f64::from(now - at) / f64::from(HALF_LIFE)).exp2());
            let greatest = decayed.fold(0.0, f64::max);
            let cost = f64::from(word.cost(now));
            // The straight lines are above the exact curve by up to 6.2 %, and two observations are
            // compared on theirs.
            prop_assert!(
                cost + 1.0 >= greatest / 1.062 && cost <= greatest * 1.062 + 1.0,
                "{cost} for {greatest}"
            );
        }
    }
}
