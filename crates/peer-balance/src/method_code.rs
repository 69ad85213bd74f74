//! Methods as small numbers, for memory that other processes read.

use crate::{LeastTime, Method, ResponseTime};

/// The codes of `least_time` begin here: two for each time, without `inflight` and with it.
const LEAST_TIME: u8 = 9;

/// The times, in the order of their codes.
const TIMES: [ResponseTime; 4] =
    [ResponseTime::Header, ResponseTime::Connect, ResponseTime::FirstByte, ResponseTime::LastByte];

impl Method {
    /// So many bits hold each [`code`](Self::code).
    pub const CODE_BITS: u32 = 5;

    /// A number that stands for the method, never 0. It is part of what processes of different
    /// builds read: none of these numbers ever stands for another method.
    #[inline]
    pub fn code(self) -> u8 {
        match self {
            Self::RoundRobin => 1,
            Self::LeastConn => 2,
            Self::Random => 3,
            Self::RandomTwo => 4,
            Self::PeakEwma => 5,
            Self::Hash => 6,
            Self::HashConsistent => 7,
            Self::IpHash => 8,
            Self::LeastTime(LeastTime { time, is_inflight }) => {
                let time = match time {
                    ResponseTime::Header => 0,
                    ResponseTime::Connect => 1,
                    ResponseTime::FirstByte => 2,
                    ResponseTime::LastByte => 3,
                };
                LEAST_TIME + 2 * time + u8::from(is_inflight)
            }
        }
    }

    /// The method that the number stands for; `None` for 0, and for one that stands for none.
    #[inline]
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::RoundRobin,
            2 => Self::LeastConn,
            3 => Self::Random,
            4 => Self::RandomTwo,
            5 => Self::PeakEwma,
            6 => Self::Hash,
            7 => Self::HashConsistent,
            8 => Self::IpHash,
            _ => {
                let rest = code.checked_sub(LEAST_TIME)?;
                let &time = TIMES.get(usize::from(rest / 2))?;
                Self::LeastTime(LeastTime { time, is_inflight: rest % 2 == 1 })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_that_of_one_method() {
        let methods: Vec<Method> = (0..=u8::MAX).filter_map(Method::from_code).collect();
        let codes: Vec<u8> = methods.iter().map(|method| method.code()).collect();
        assert_eq!(codes, (1..=16).collect::<Vec<u8>>());
        assert!(codes.iter().all(|&code| u32::from(code) < 1 << Method::CODE_BITS));
        // Two that had one number would have one name.
        let names: std::collections::BTreeSet<&str> = methods.iter().map(|it| it.name()).collect();
        assert_eq!(names.len(), methods.len());
    }
}
