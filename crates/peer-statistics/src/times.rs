//! The buckets of times.

/// Buckets of a histogram; the last one is of what is above all bounds.
pub const BUCKETS: usize = 8;

/// The upper bounds of the buckets of a request's times, in seconds. Each is four times the one
/// before it. nginx measures these times in milliseconds.
pub const TIME_BOUNDS: [f64; BUCKETS - 1] = [0.002, 0.008, 0.032, 0.128, 0.512, 2.048, 8.192];

/// The upper bounds of the buckets of a publication's times, in seconds. Each is four times the one
/// before it.
pub const PUBLICATION_BOUNDS: [f64; BUCKETS - 1] =
    [0.000_5, 0.002, 0.008, 0.032, 0.128, 0.512, 2.048];

/// A bucket of a request's times: a number that needs no check where it is an index.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Bucket {
    B0 = 0,
    B1 = 1,
    B2 = 2,
    B3 = 3,
    B4 = 4,
    B5 = 5,
    B6 = 6,
    B7 = 7,
}

/// The buckets of times by the highest bit of `2 * time - 1`. The time 0 wraps around to the last
/// one.
const BUCKET_OF_BIT: [Bucket; u64::BITS as usize] = {
    use Bucket::{B0, B1, B2, B3, B4, B5, B6, B7};
    let below = [B0, B0, B1, B1, B2, B2, B3, B3, B4, B4, B5, B5, B6, B6];
    let mut buckets = [B7; u64::BITS as usize];
    let mut bit = 0;
    while bit < below.len() {
        buckets[bit] = below[bit];
        bit += 1;
    }
    buckets[u64::BITS as usize - 1] = B0;
    buckets
};

/// The bucket of a request's time in milliseconds, which is less than `1 << 62`.
#[inline(always)]
pub(crate) fn bucket(milliseconds: u64) -> usize {
    let odd = (milliseconds << 1).wrapping_sub(1) | 1;
    BUCKET_OF_BIT[odd.ilog2() as usize] as usize
}

/// The bucket of a publication's time in microseconds.
pub(crate) fn publication_bucket(microseconds: u64) -> usize {
    let is_above = |bound: &&f64| microseconds as f64 > **bound * 1e6;
    PUBLICATION_BOUNDS.iter().take_while(is_above).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bounds_in_milliseconds() -> [u64; BUCKETS - 1] {
        TIME_BOUNDS.map(|bound| (bound * 1e3).round() as u64)
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        for (index, bound) in bounds_in_milliseconds().into_iter().enumerate() {
            assert_eq!(bucket(bound), index);
            assert_eq!(bucket(bound + 1), index + 1);
        }
        assert_eq!([0, 1, 2, 3, (1 << 62) - 1].map(bucket), [0, 0, 0, 1, BUCKETS - 1]);
    }

    #[test]
    fn a_bound_of_a_publication_belongs_to_the_bucket_below_it() {
        for (index, bound) in PUBLICATION_BOUNDS.iter().enumerate() {
            let bound = (bound * 1e6).round() as u64;
            assert_eq!(publication_bucket(bound), index);
            assert_eq!(publication_bucket(bound + 1), index + 1);
        }
        assert_eq!([0, 1, u64::MAX].map(publication_bucket), [0, 0, BUCKETS - 1]);
    }

    proptest! {
        #[test]
        fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_exceed(
            time in prop_oneof![0_u64..20_000, 0_u64..1 << 62]
        ) {
            let expected = bounds_in_milliseconds().iter().filter(|&&bound| time > bound).count();
            prop_assert_eq!(bucket(time), expected);
        }
    }
}
