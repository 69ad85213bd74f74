//! Round robin for cycles that are too long to be written down.
//!
//! The peers lie on a circle, each as wide as its weight, and each pick goes on by the same stride,
//! close to the golden ratio of the circle. Since the stride has no divisor in common with the
//! circle's width, every point is met once in a cycle. By the three-gap theorem (V. T. Sós, "On the
//! distribution mod 1 of the sequence nα", 1958) the times between two picks of a peer take three
//! values at most, and for the golden ratio, of all numbers the one that fractions approach worst,
//! they stay close to each other.

use std::cell::Cell;

use crate::keyed::in_range;

/// How positions become points of the circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride {
    /// Positions of one cycle: the sum of the weights.
    pub cycle: u64,
    /// Points from one pick to the next. Has no divisor in common with `cycle`, and is not 0.
    pub stride: u64,
}

/// The golden ratio's inverse as a fraction of two neighbours in Fibonacci's sequence, the greatest
/// below 2⁶⁴: its error is nothing beside the rounding to a whole number.
const FIBONACCI: (u128, u128) = (7_540_113_804_746_346_429, 12_200_160_415_121_876_738);

/// Strides that are looked at on each side of the golden ratio. The nearest may be a bad one, close
/// to a simple fraction (61 of 102, by 3/5). With this many the largest partial quotient (see
/// [`evenness`]) was at most 6 for all cycles up to 20 000, for longer ones in steps of 214 733,
/// and for multiples of 30 030, which have the fewest coprime numbers.
const CANDIDATES: u64 = 512;

thread_local! {
    /// The last one. Tables that follow each other often have the same weights.
    static LAST: Cell<Option<Stride>> = const { Cell::new(None) };
}

/// The stride for peers of these weights: of the numbers coprime to their sum and next to the sum
/// divided by the golden ratio, the one that spreads the picks most evenly.
///
/// Peers of weight 0 do not matter. Without any peer the cycle is 0, and nothing is to be picked.
pub fn stride(weights: &[u32]) -> Stride {
    let cycle: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let last = LAST.get().filter(|last| last.cycle == cycle);
    let found = last.unwrap_or_else(|| stride_of(cycle));
    LAST.set(Some(found));
    found
}

fn stride_of(cycle: u64) -> Stride {
    let (numerator, denominator) = FIBONACCI;
    // A sum of fewer than 2³² weights is less than 2⁶⁴, and so is the result.
    let ideal = ((u128::from(cycle) * numerator + denominator / 2) / denominator) as u64;
    let candidates = (0..CANDIDATES.min(ideal))
        .flat_map(|distance| [ideal - distance, ideal + distance])
        .filter(|&candidate| candidate < cycle);
    // Without a candidate the circle has one point or none. In larger ones there is always one, as
    // among 50 consecutive numbers of 64 bits one at least is coprime to any other (Jacobsthal's
    // function).
    let (mut stride, mut least) = (1, u64::MAX);
    for candidate in candidates {
        // Of several that are equally good the first one stays, and that is the nearest.
        if let Some(largest) = evenness(candidate, cycle, least) {
            (stride, least) = (candidate, largest);
        }
    }
    Stride { cycle, stride }
}

/// The largest partial quotient of the continued fraction of `stride / cycle`; `None` where they
/// have a common divisor, or where it is not less than `limit`.
///
/// The smaller it is, the less the picks of a peer bunch, however wide it is: the longest wait, as
/// a multiple of the mean one, is bounded by it plus 2. For every cycle there is a stride for which
/// it is small (S. K. Zaremba, "La méthode des «bons treillis» pour le calcul des intégrales
/// multiples", 1972).
fn evenness(stride: u64, cycle: u64, limit: u64) -> Option<u64> {
    let (mut a, mut b) = (cycle, stride);
    let mut largest = 0;
    while b > 1 {
        // Near the golden ratio nearly all quotients are 1 or 2, and a division takes several times
        // as long as a subtraction.
        let once = a.wrapping_sub(b);
        let twice = once.wrapping_sub(b);
        let (quotient, rest) = match (once < b, twice < b) {
            (true, _) => (1, once),
            (false, true) => (2, twice),
            (false, false) => (a / b, a % b),
        };
        if quotient >= limit {
            return None;
        }
        largest = largest.max(quotient);
        (a, b) = (b, rest);
    }
    // The last quotient, a / 1, counts one less: [.., a] is [.., a - 1, 1] as well.
    let largest = largest.max(a.saturating_sub(1));
    (b == 1 && largest < limit).then_some(largest)
}

/// For each peer the sum of all weights up to its own, itself included: where its range on the
/// circle ends.
pub fn cumulative(weights: &[u32]) -> impl ExactSizeIterator<Item = u64> {
    let mut sum = 0;
    weights.iter().map(move |&weight| {
        sum += u64::from(weight);
        sum
    })
}

/// The index of the peer that is picked at this position, counted without an end.
///
/// `cumulative` and `stride` are of the same weights. Takes a binary search, and no memory. Never
/// panics; an index is below the length of `cumulative`, but 0 where that is empty.
pub fn pick(cumulative: &[u64], stride: &Stride, position: u64) -> usize {
    in_range(cumulative, point(stride, position))
}

fn point(stride: &Stride, position: u64) -> u64 {
    let Some(position) = position.checked_rem(stride.cycle) else { return 0 };
    match position.checked_mul(stride.stride) {
        Some(product) => product % stride.cycle,
        // Only cycles beyond 2³² come here: a division of 128 bits costs several times one of 64.
        None => {
            (u128::from(position) * u128::from(stride.stride) % u128::from(stride.cycle)) as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums(weights: &[u32]) -> Vec<u64> {
        cumulative(weights).collect()
    }

    /// Picks of each peer in one cycle from `start` on, and the longest wait between two picks of
    /// it.
    fn picks_and_waits(weights: &[u32], start: u64) -> (Vec<u32>, Vec<u64>) {
        let (cumulative, stride) = (sums(weights), stride(weights));
        let mut picks = vec![0; weights.len()];
        let mut last: Vec<Option<u64>> = vec![None; weights.len()];
        let mut waits = vec![0; weights.len()];
        // Two cycles, so that the wait from the last pick of one to the first of the next is seen.
        for position in start..start + 2 * stride.cycle {
            let index = pick(&cumulative, &stride, position);
            if position < start + stride.cycle {
                picks[index] += 1;
            }
            if let Some(last) = last[index].replace(position) {
                waits[index] = waits[index].max(position - last);
            }
        }
        (picks, waits)
    }

    #[test]
    fn a_pick_is_never_out_of_bounds() {
        assert_eq!(stride(&[]), Stride { cycle: 0, stride: 1 });
        assert_eq!(stride(&[0, 1]), Stride { cycle: 1, stride: 1 });
        assert_eq!(pick(&[], &stride(&[]), 7), 0);
        assert_eq!(pick(&sums(&[1]), &stride(&[1]), u64::MAX), 0);
        assert_eq!(pick(&sums(&[0, 1, 0]), &stride(&[0, 1, 0]), 3), 1);
        // A table and a stride that do not belong together: wrong, but neither a panic nor out of
        // bounds.
        assert_eq!(pick(&[1, 2], &Stride { cycle: 1000, stride: 617 }, 1), 1);
    }

    #[test]
    fn cycles_beyond_32_bits() {
        let weights = vec![u32::MAX; 1000];
        let (cumulative, stride) = (sums(&weights), stride(&weights));
        assert_eq!(stride.cycle, 1000 * u64::from(u32::MAX));
        assert!(
            evenness(stride.stride, stride.cycle, u64::MAX).is_some_and(|largest| largest <= 6)
        );
        // Any 10 000 consecutive picks come near to 10 for each.
        for start in [0, 1 << 40, stride.cycle - 5000, u64::MAX - 20_000] {
            let mut picks = vec![0; weights.len()];
            (start..start + 10_000)
                .for_each(|position| picks[pick(&cumulative, &stride, position)] += 1);
            assert!(picks.iter().all(|count| (8..=12).contains(count)), "{picks:?}");
        }
    }

    #[test]
    fn strides_are_coprime_and_even() {
        for cycle in
            (2..5000).chain((1..2000).map(|n| n * 214_733)).chain((1..2000).map(|n| n * 30_030))
        {
            let stride = stride(&[cycle]);
            let largest = evenness(stride.stride, stride.cycle, u64::MAX);
            assert!(largest.is_some_and(|largest| largest <= 6), "{stride:?} {largest:?}");
        }
    }

    proptest! {
        /// No candidate is better than the stride, and none that is nearer is as good.
        #[test]
        fn the_stride_is_the_nearest_of_the_best(cycle in 2..3_000_000_u32) {
            let found = stride(&[cycle]);
            let cycle = u64::from(cycle);
            let ideal = (f64::from(cycle as u32) * (5_f64.sqrt() - 1.0) / 2.0).round() as u64;
            let largest = |stride: u64| {
                let (mut a, mut b, mut largest) = (cycle, stride, 0);
                while b > 1 {
                    largest = largest.max(a / b);
                    (a, b) = (b, a % b);
                }
                (b == 1).then(|| largest.max(a - 1))
            };
            let best = (0..CANDIDATES.min(ideal))
                .flat_map(|distance| [ideal - distance, ideal + distance])
                .filter(|&candidate| candidate < cycle)
                .filter_map(|candidate| Some((largest(candidate)?, candidate)))
                .min_by_key(|&(largest, _)| largest);
            prop_assert_eq!(found.stride, best.map_or(1, |(_, candidate)| candidate));
        }

        #[test]
        fn each_cycle_is_exact(
            weights in prop::collection::vec(0u32..300, 1..40),
            start in 0..u64::MAX / 2,
        ) {
            let (picks, _) = picks_and_waits(&weights, start);
            prop_assert_eq!(picks, weights);
        }

        #[test]
        fn waits_are_bounded(weights in prop::collection::vec(1u32..300, 1..40)) {
            let (_, waits) = picks_and_waits(&weights, 0);
            let stride = stride(&weights);
            let bound = evenness(stride.stride, stride.cycle, u64::MAX).expect("coprime") + 2;
            for (wait, &weight) in waits.into_iter().zip(&weights) {
                prop_assert!(
                    wait * u64::from(weight) <= bound * stride.cycle,
                    "weight {weight} waits {wait}: {stride:?}"
                );
            }
        }
    }
}
