//! `least_time`: how long a peer is likely to take for what it has to do, as nginx estimates it
//! (`ngx_http_upstream_least_time_module`, from 1.31.0 on).

use crate::TimeAverages;

/// Which part of a response a time ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseTime {
    /// The header.
    Header,
    /// In nginx's stream: there is a connection.
    Connect,
    /// In nginx's stream: the first byte.
    FirstByte,
    /// The last byte.
    LastByte,
}

/// The parameters of `least_time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastTime {
    /// The time that counts.
    pub time: ResponseTime,
    /// Requests that are not answered yet count with their age.
    pub is_inflight: bool,
}

/// Above so many milliseconds all peers are equally slow, and only connections are compared.
const SLOWEST: u32 = 5_000;

/// Times within so many milliseconds are equal.
const STEP: u32 = 20;

impl LeastTime {
    /// How long a peer is likely to take for one more request and those that are open: to be
    /// compared with that of others in relation to the weights.
    ///
    /// `idle` are the seconds since a request was sent to it first or again after `fail_timeout`.
    /// For each further `fail_timeout`, plus one second, its average counts as half, so that a slow
    /// peer is tried again. `waiting` is the mean age of its requests in flight.
    #[inline]
    pub fn estimate(
        self,
        averages: TimeAverages,
        (idle, fail_timeout): (u32, u32),
        waiting: Option<u32>,
        open: u32,
    ) -> u64 {
        let average = match self.time {
            // A peer is of one upstream, and so has averages of one of these.
            ResponseTime::Header | ResponseTime::Connect | ResponseTime::FirstByte => {
                averages.header()
            }
            ResponseTime::LastByte => averages.response(),
        };
        // One that has never answered is as quick as the quickest.
        let average = average.unwrap_or(0);
        let average = average.checked_shr(idle / fail_timeout.saturating_add(1)).unwrap_or(0);
        let time = average.max(waiting.unwrap_or(0));
        let time = if time > SLOWEST { SLOWEST } else { time + STEP - time % STEP };
        u64::from(time) * (1 + u64::from(open))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: LeastTime = LeastTime { time: ResponseTime::Header, is_inflight: false };
    const LAST_BYTE: LeastTime = LeastTime { time: ResponseTime::LastByte, is_inflight: true };

    fn averages(header: u32, response: u32) -> TimeAverages {
        TimeAverages(0).with_header(header).with_response(response)
    }

    #[test]
    fn times_are_compared_in_steps() {
        let estimate = |time| HEADER.estimate(averages(time, 7), (0, 10), None, 0);
        let times = [0, 1, 19, 20, 39, 40, 4_999, 5_000, 5_001, 9_999_999];
        assert_eq!(times.map(estimate), [20, 20, 20, 40, 40, 60, 5_000, 5_020, 5_000, 5_000]);
    }

    #[test]
    fn each_parameter_has_its_time() {
        let times = averages(30, 300);
        assert_eq!(HEADER.estimate(times, (0, 10), None, 0), 40);
        assert_eq!(LAST_BYTE.estimate(times, (0, 10), None, 0), 320);
        let unknown = TimeAverages(0);
        assert_eq!(HEADER.estimate(unknown, (u32::MAX, 10), None, 0), 20);
        assert_eq!(LAST_BYTE.estimate(unknown, (0, u32::MAX), None, 3), 80);
    }

    #[test]
    fn average_halves_with_each_fail_timeout_without_a_request() {
        let estimate = |idle| HEADER.estimate(averages(1_000, 0), (idle, 10), None, 0);
        assert_eq!([0, 10, 11, 21, 22, 33].map(estimate), [1_020, 1_020, 520, 520, 260, 140]);
        assert_eq!(estimate(u32::MAX), 20);
        assert_eq!(HEADER.estimate(averages(1_000, 0), (3, 0), None, 0), 140);
    }

    #[test]
    fn requests_that_wait_count_with_their_age() {
        let estimate = |waiting| LAST_BYTE.estimate(averages(0, 100), (0, 10), waiting, 1);
        assert_eq!([None, Some(50), Some(700)].map(estimate), [240, 240, 1_440]);
        // The age does not become less for a peer that gets no requests.
        assert_eq!(LAST_BYTE.estimate(averages(0, 100), (90, 10), Some(700), 1), 1_440);
    }

    proptest! {
        /// nginx's own words for it.
        #[test]
        fn estimate_is_that_of_nginx(
            (average, waiting) in (0u32..20_000, prop::option::of(0u32..20_000)),
            (idle, fail_timeout) in (0u32..200, 0u32..50),
            open in any::<u32>(),
        ) {
            let mut rt = u64::from(average);
            if idle > fail_timeout {
                // In nginx a shift by more than the bits of a number is undefined.
                rt = rt.checked_shr(idle / (fail_timeout + 1)).unwrap_or(0);
            }
            if let Some(waiting) = waiting {
                rt = rt.max(u64::from(waiting));
            }
            if rt > 5000 {
                rt = 5000;
            } else {
                rt += 20 - rt % 20;
            }
            let ours = HEADER.estimate(averages(average, 0), (idle, fail_timeout), waiting, open);
            prop_assert_eq!(ours, rt * (1 + u64::from(open)));
        }
    }
}
