//! How long a peer takes to answer, on average: the two times that nginx keeps of a peer
//! (`ngx_http_upstream_response_time_avg`), in one word.

use crate::peak_ewma::OTHERS_TAG;

/// Bits of the average to the last byte, and the one that says that there is one.
const RESPONSE: u32 = (1 << 30) - 1;
const HAS_RESPONSE: u32 = 1 << 30;

/// Likewise for the average to the header, in the upper half.
const HEADER: u32 = (1 << 31) - 1;
const HAS_HEADER: u32 = 1 << 31;

/// A new time is this part of an average.
const PART: u64 = 20;

/// The averages of a peer's response times in milliseconds: to the header in the upper half, to
/// the last byte in the lower one. The greatest are 24 and 12 days.
///
/// Bit 31 tells the word from a [`PeakEwma`](crate::PeakEwma), which another method may have
/// written before a reload. `TimeAverages(0)` says that nothing was observed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeAverages(pub u64);

impl TimeAverages {
    /// What a peer's word says; nothing if it was written for another method.
    #[inline]
    #[must_use]
    pub fn of_word(word: u64) -> Self {
        Self(if word & u64::from(OTHERS_TAG) == 0 { 0 } else { word })
    }

    /// The average time to the header; `None` before the first.
    #[inline]
    pub fn header(self) -> Option<u32> {
        let half = (self.0 >> 32) as u32;
        (half & HAS_HEADER != 0).then_some(half & HEADER)
    }

    /// The average time to the last byte; `None` before the first.
    #[inline]
    pub fn response(self) -> Option<u32> {
        let half = self.0 as u32;
        (half & HAS_RESPONSE != 0).then_some(half & RESPONSE)
    }

    /// After a header that took so many milliseconds.
    #[must_use]
    pub fn with_header(self, time: u32) -> Self {
        let average = next(self.header(), time).min(HEADER);
        Self::of(Some(average), self.response())
    }

    /// After a last byte that took so many milliseconds.
    #[must_use]
    pub fn with_response(self, time: u32) -> Self {
        let average = next(self.response(), time).min(RESPONSE);
        Self::of(self.header(), Some(average))
    }

    fn of(header: Option<u32>, response: Option<u32>) -> Self {
        let header = header.map_or(0, |header| header | HAS_HEADER);
        let response = response.map_or(0, |response| response | HAS_RESPONSE);
        Self(u64::from(header) << 32 | u64::from(OTHERS_TAG | response))
    }
}

/// A twentieth of the new time and the rest of the average, rounded. As in nginx an average of 0 is
/// as none: the new time takes its place.
fn next(average: Option<u32>, time: u32) -> u32 {
    match average {
        None | Some(0) => time,
        Some(average) => {
            let sum = u64::from(time) + (PART - 1) * u64::from(average);
            // Between the two, so that it is no more than either half of the word can hold.
            ((sum + PART / 2) / PART) as u32
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::PeakEwma;

    #[test]
    fn first_time_is_the_average() {
        let none = TimeAverages(0);
        assert_eq!((none.header(), none.response()), (None, None));
        let first = none.with_header(70);
        assert_eq!((first.header(), first.response()), (Some(70), None));
        let both = first.with_response(0);
        assert_eq!((both.header(), both.response()), (Some(70), Some(0)));
        assert_eq!(both.with_response(33).response(), Some(33), "0 is as none");
        let most = none.with_header(u32::MAX).with_response(u32::MAX);
        assert_eq!((most.header(), most.response()), (Some(HEADER), Some(RESPONSE)));
    }

    #[test]
    fn a_twentieth_of_each_time_counts() {
        let mut averages = TimeAverages(0).with_response(1_000);
        let mut seen = Vec::new();
        for _ in 0..4 {
            averages = averages.with_response(0);
            seen.extend(averages.response());
        }
        assert_eq!(seen, [950, 903, 858, 815]);
        assert_eq!(averages.header(), None);
    }

    #[test]
    fn words_of_other_methods_say_nothing() {
        assert_eq!(TimeAverages::of_word(0), TimeAverages(0));
        for sample in [1, 5_000_000, u32::MAX] {
            let peak = PeakEwma(0).observe(u32::MAX, sample);
            assert_eq!(TimeAverages::of_word(peak.0), TimeAverages(0));
            let averages = TimeAverages(0).with_header(sample);
            assert_eq!(TimeAverages::of_word(averages.0), averages);
        }
    }

    proptest! {
        /// nginx's formula, in its floating point numbers: the two differ only where the part after
        /// the point is exactly a half, which a `double` has not exactly.
        #[test]
        fn averages_are_those_of_nginx(times in prop::collection::vec(0u32..1 << 29, 1..50)) {
            let mut averages = TimeAverages(0);
            for time in times {
                let before = averages.response().unwrap_or(0);
                averages = averages.with_response(time).with_header(time);
                let ours = averages.response().expect("one");
                let nginx = if before == 0 {
                    time
                } else {
                    (0.5 + (f64::from(time) * 0.05 + f64::from(before) * 0.95)) as u32
                };
                let is_half = (u64::from(time) + 19 * u64::from(before)) % 20 == 10;
                prop_assert!(ours == nginx || is_half && ours.abs_diff(nginx) == 1);
                prop_assert_eq!(averages.header(), Some(ours));
                prop_assert!(before == 0 || ours >= before.min(time) && ours <= before.max(time));
            }
        }
    }
}
