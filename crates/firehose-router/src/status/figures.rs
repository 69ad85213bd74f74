//! Numbers and times, as people read them.

use crate::routers::Histogram;

/// A time that a share of what was measured did not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quantile {
    /// About so many seconds.
    About(f64),
    /// More than so many seconds, which is the last bound.
    Above(f64),
}

/// The quantile of a histogram whose counts are not cumulative; `None` if nothing was measured.
///
/// Within a bucket it is interpolated, as Prometheus' `histogram_quantile` does.
pub(super) fn quantile(bounds: &[f64], counts: &[u64], share: f64) -> Option<Quantile> {
    let all: u64 = counts.iter().sum();
    if all == 0 || bounds.is_empty() || counts.len() != bounds.len() + 1 {
        return None;
    }
    let rank = share * all as f64;
    let (mut below, mut lower) = (0.0, 0.0);
    for (&count, &bound) in counts.iter().zip(bounds) {
        let count = count as f64;
        if below + count >= rank && count > 0.0 {
            return Some(Quantile::About(lower + (bound - lower) * (rank - below) / count));
        }
        (below, lower) = (below + count, bound);
    }
    Some(Quantile::Above(lower))
}

/// The counts that came since `before`; all of them if that is of another start.
pub(super) fn since(now: &Histogram, before: Option<&Histogram>) -> Vec<u64> {
    let Some(before) = before else { return now.counts.clone() };
    let pairs = || now.counts.iter().zip(&before.counts);
    if now.counts.len() != before.counts.len() || pairs().any(|(now, before)| now < before) {
        return now.counts.clone();
    }
    pairs().map(|(now, before)| now - before).collect()
}

/// A quantile in words; empty if there is none.
pub(super) fn quantile_text(quantile: Option<Quantile>) -> String {
    match quantile {
        None => String::new(),
        Some(Quantile::About(seconds)) => short_time(seconds),
        Some(Quantile::Above(seconds)) => format!(">{}", short_time(seconds)),
    }
}

fn short_time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 100.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// How long something lasts: `0.3 s`, `42 s`, `4m10s`, `3h5m`, `2d4h`.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    // A float becomes an integer without overflow.
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{}m{}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// `1 peer`, `2 peers`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Quantile, count, duration, quantile, quantile_text, since};
    use crate::routers::Histogram;

    const BOUNDS: [f64; 3] = [0.001, 0.01, 0.1];

    #[test]
    fn quantiles_are_found_in_their_buckets() {
        let text = |counts: &[u64], share| quantile_text(quantile(&BOUNDS, counts, share));
        assert_eq!(text(&[0, 0, 0, 0], 0.5), "");
        assert_eq!(text(&[10, 0, 0, 0], 0.5), "0.5 ms");
        assert_eq!(text(&[5, 0, 5, 0], 0.99), "98 ms");
        assert_eq!(text(&[1, 0, 0, 9], 0.5), ">100 ms");
        assert_eq!(text(&[1, 2], 0.5), "");
        assert_eq!(quantile_text(Some(Quantile::About(12.34))), "12.3 s");
        assert_eq!(quantile_text(Some(Quantile::About(1234.0))), "1234 s");
    }

    #[test]
    fn counts_of_another_start_count_as_they_are() {
        let histogram = |counts: &[u64]| Histogram { counts: counts.to_vec() };
        let (old, new) = (histogram(&[1, 2]), histogram(&[3, 2]));
        assert_eq!(since(&new, Some(&old)), [2, 0]);
        assert_eq!(since(&old, Some(&new)), [1, 2]);
        assert_eq!(since(&new, None), [3, 2]);
        assert_eq!(since(&new, Some(&histogram(&[]))), [3, 2]);
    }

    #[test]
    fn times_are_as_long_as_they_need_to_be() {
        for (seconds, text) in [
            (-1.0, "0.0 s"),
            (0.34, "0.3 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1m0s"),
            (250.0, "4m10s"),
            (11_100.0, "3h5m"),
            (187_200.0, "2d4h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(count(1, "peer", "peers"), "1 peer");
        assert_eq!(count(0, "peer", "peers"), "0 peers");
    }

    proptest! {
        #[test]
        fn quantiles_rise_with_their_share(
            counts in prop::collection::vec(0_u64..1000, 4),
            low in 0.0_f64..1.0,
            high in 0.0_f64..1.0,
        ) {
            let (low, high) = (low.min(high), low.max(high));
            let value = |share| match quantile(&BOUNDS, &counts, share) {
                Some(Quantile::About(seconds)) => seconds,
                Some(Quantile::Above(_)) => f64::INFINITY,
                None => 0.0,
            };
            prop_assert!(value(low) <= value(high), "{counts:?}");
        }
    }
}
