//! Medians and percentiles.

/// The value below which a share of all lies (nearest rank); sorts them. 0 of no values.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// The value in the middle; sorts them. 0 of no values.
pub fn median(values: &mut [f64]) -> f64 {
    percentile(values, 0.5)
}

/// The largest. 0 of no values.
pub fn longest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::{longest, median, percentile};

    #[test]
    fn ranks_are_those_of_sorted_values() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(median(&mut values), 50.0);
        assert_eq!(percentile(&mut values, 0.99), 99.0);
        assert_eq!(percentile(&mut values, 1.0), 100.0);
        assert_eq!(percentile(&mut values, 0.0), 1.0);
        assert_eq!(longest(&values), 100.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
