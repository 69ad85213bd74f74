//! nginx's smooth weighted round robin, one whole cycle of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Comparisons that one sequence may cost: its length times the number of distinct weights. At a
/// few nanoseconds each, a change of the peers costs a few milliseconds at most, and that outside
/// of nginx's event loop.
pub const MAX_STEPS: u64 = 1 << 20;

/// The order in which peers of these weights are picked: indexes into `weights`, for one cycle.
///
/// It is the sequence that nginx makes where no peer fails (`ngx_http_upstream_get_peer` in
/// `src/http/ngx_http_upstream_round_robin.c`): at each step each peer's current weight grows by
/// its weight, the first of the greatest is picked, and the sum of all weights is taken from it. A
/// common divisor of the weights changes nothing in it, so that the cycle's length is the sum of
/// the weights divided by the greatest one.
///
/// `None` where the cycle is longer than `max_length`, or would cost more than [`MAX_STEPS`]. A
/// peer of weight 0 is not picked; without any peer the sequence is empty.
pub fn smooth_sequence(weights: &[u32], max_length: usize) -> Option<Vec<u32>> {
    let divisor =
        weights.iter().fold(0, |divisor, &weight| greatest_common_divisor(divisor, weight));
    if divisor == 0 {
        return Some(Vec::new());
    }
    let cycle: u64 = weights.iter().map(|&weight| u64::from(weight / divisor)).sum();
    if cycle > MAX_STEPS || cycle > max_length as u64 {
        return None;
    }
    let mut classes = classes(weights, divisor);
    if cycle * classes.len() as u64 > MAX_STEPS {
        return None;
    }
    let cycle = cycle as i64;
    let pick = |step| {
        let best = classes
            .iter_mut()
            .max_by_key(|class| (class.current(step, cycle), Reverse(class.head())))?;
        Some(best.pick_next())
    };
    (1..=cycle).map(pick).collect()
}

/// Peers of one weight.
///
/// Their current weights differ only by how often each was picked, and the first of the greatest is
/// picked: among themselves they take turns in the order of their indexes. So only the one whose
/// turn it is competes with those of other weights, and a step costs as much as there are distinct
/// weights, however many the peers.
struct Class {
    weight: i64,
    members: Vec<u32>,
    turn: usize,
    /// Picks of the member whose turn it is.
    rounds: i64,
}

impl Class {
    fn head(&self) -> u32 {
        self.members[self.turn]
    }

    /// The current weight of the member whose turn it is, at this step (counted from 1), before the
    /// pick. It cannot overflow: steps, rounds, weight and cycle are all at most [`MAX_STEPS`].
    fn current(&self, step: i64, cycle: i64) -> i64 {
        step * self.weight - self.rounds * cycle
    }

    fn pick_next(&mut self) -> u32 {
        let head = self.head();
        self.turn += 1;
        if self.turn == self.members.len() {
            self.turn = 0;
            self.rounds += 1;
        }
        head
    }
}

fn classes(weights: &[u32], divisor: u32) -> Vec<Class> {
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (index, &weight) in (0..).zip(weights).filter(|&(_, &weight)| weight > 0) {
        members.entry(weight / divisor).or_default().push(index);
    }
    let class =
        |(weight, members)| Class { weight: i64::from(weight), members, turn: 0, rounds: 0 };
    members.into_iter().map(class).collect()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// nginx's loop as it stands in its source, for peers that never fail.
    fn nginx(weights: &[u32], picks: usize) -> Vec<u32> {
        let total: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
        let mut current = vec![0; weights.len()];
        let mut sequence = Vec::new();
        for _ in 0..picks {
            let mut best = 0;
            for index in 0..weights.len() {
                current[index] += i64::from(weights[index]);
                if current[index] > current[best] {
                    best = index;
                }
            }
            current[best] -= total;
            sequence.push(best as u32);
        }
        sequence
    }

    #[test]
    fn sequence_of_nginx_example_is_the_same() {
        // The example of the commit that brought smooth weighted round robin to nginx.
        assert_eq!(smooth_sequence(&[5, 1, 1], 7), Some(vec![0, 0, 1, 0, 2, 0, 0]));
    }

    #[test]
    fn equal_weights_take_turns() {
        assert_eq!(smooth_sequence(&[7, 7, 7], 3), Some(vec![0, 1, 2]));
        assert_eq!(smooth_sequence(&vec![3; 100_000], 100_000), Some((0..100_000).collect()));
    }

    #[test]
    fn sequences_skip_weights_of_zero() {
        assert_eq!(smooth_sequence(&[], 0), Some(vec![]));
        assert_eq!(smooth_sequence(&[0, 0], 0), Some(vec![]));
        assert_eq!(smooth_sequence(&[u32::MAX], 1), Some(vec![0]));
        assert_eq!(smooth_sequence(&[0, 9, 0], 1), Some(vec![1]));
        assert_eq!(smooth_sequence(&[2, 0, 1], 3), Some(vec![0, 2, 0]));
    }

    #[test]
    fn too_long_or_too_dear() {
        assert_eq!(smooth_sequence(&[5, 1, 1], 6), None);
        assert_eq!(smooth_sequence(&[u32::MAX, u32::MAX - 1], usize::MAX), None);
        let distinct: Vec<u32> = (1..=1000).collect();
        assert_eq!(smooth_sequence(&distinct, usize::MAX), None);
    }

    proptest! {
        #[test]
        fn is_nginx_sequence(
            weights in prop::collection::vec(1u32..40, 1..40),
            factor in 1u32..1000,
        ) {
            let sequence = smooth_sequence(&weights, usize::MAX).expect("short");
            // Twice around, which shows that the cycle closes.
            let twice: Vec<u32> = sequence.iter().chain(&sequence).copied().collect();
            prop_assert_eq!(&nginx(&weights, twice.len()), &twice);

            let multiplied: Vec<u32> = weights.iter().map(|weight| weight * factor).collect();
            prop_assert_eq!(smooth_sequence(&multiplied, sequence.len()), Some(sequence));
        }

        #[test]
        fn few_distinct_weights(
            weights in prop::collection::vec(prop::sample::select(vec![1u32, 5, 100]), 1..60),
        ) {
            let sequence = smooth_sequence(&weights, usize::MAX).expect("short");
            prop_assert_eq!(nginx(&weights, sequence.len()), sequence);
        }
    }
}
