//! Less than a peer's weight gives it: shares, how they grow after a start, and which visits they
//! let pass.

/// A part of what a peer's weight gives it, as a fraction of 2³². [`u32::MAX`] is all of it.
pub type Share = u32;

/// The share at a start. With none at all a peer would not be asked once before its share has
/// grown. Envoy's slow start has such a floor too (`min_weight_percent`, 10 % where it is not set);
/// a hundredth comes close to nginx's "from zero".
const FLOOR: Share = u32::MAX / 100;

/// The share of a peer that came back `age` milliseconds ago, where `slow_start` is the time in
/// seconds that it takes to get all: a line from a hundredth at age 0 up to all of it. Where
/// `slow_start` is 0 it is always all.
///
/// The parameter is that of `server` in nginx's commercial edition ("the server will recover its
/// weight from zero to a nominal value"); nginx as it is published reads no such parameter.
pub fn ramp(age: u64, slow_start: u32) -> Share {
    let whole = u64::from(slow_start) * 1000;
    if age >= whole {
        return u32::MAX;
    }
    // An age below 2³² seconds is less than 2⁴² milliseconds, which leaves 22 bits for the
    // fraction.
    let grown = (age << 22) / whole;
    FLOOR + ((u64::from(u32::MAX - FLOOR) * grown) >> 22) as u32
}

/// The share of a peer to which both apply: their product.
pub fn both(a: Share, b: Share) -> Share {
    let (a, b) = (u64::from(a), u64::from(b));
    // (a + 1)(b + 1) - 1, so that all of a share is that share. The greatest is 2⁶⁴ - 1.
    ((a * b + a + b) >> 32) as u32
}

/// Whether a peer of this share takes the visit, by error diffusion.
///
/// The peer has a credit, to which its share is added at each visit, wrapping: a visit is admitted
/// where the addition carries over. So of n visits in a row n × share / 2³² are admitted, within 1
/// and evenly spread, whatever the credit at first. `credit_before` is the credit before the
/// addition, as an atomic `fetch_add` gives it. All of the share admits each visit, whatever the
/// credit, so that nothing need be added for it.
pub fn admits(credit_before: u32, share: Share) -> bool {
    share == u32::MAX || credit_before.checked_add(share).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ramp_grows_from_floor_to_all() {
        assert_eq!(ramp(0, 0), u32::MAX);
        assert_eq!(ramp(0, 10), FLOOR);
        assert_eq!(ramp(10_000, 10), u32::MAX);
        assert_eq!(ramp(u64::MAX, u32::MAX), u32::MAX);
        let half = f64::from(ramp(5000, 10)) / 2f64.powi(32);
        assert!((half - 0.505).abs() < 1e-6, "{half}");
        // Just before the end of the longest ramp nothing overflows, and hardly anything lacks.
        assert!(ramp(u64::from(u32::MAX) * 1000 - 1, u32::MAX) > u32::MAX - 2048);
    }

    #[test]
    fn edges_of_shares() {
        assert_eq!(both(u32::MAX, u32::MAX), u32::MAX);
        assert_eq!(both(0, u32::MAX), 0);
        assert_eq!(both(u32::MAX / 2, u32::MAX / 2), u32::MAX / 4);
        assert!(
            (0..=u32::MAX)
                .step_by(65_537)
                .all(|credit| admits(credit, u32::MAX) && !admits(credit, 0))
        );
    }

    proptest! {
        #[test]
        fn ramp_is_a_line(slow_start in 1u32.., ages in prop::array::uniform2(0.0..1.0f64)) {
            let whole = u64::from(slow_start) * 1000;
            let [younger, older] = ages.map(|part| (part * whole as f64) as u64);
            let (younger, older) = (younger.min(older), younger.max(older));
            prop_assert!(ramp(younger, slow_start) <= ramp(older, slow_start));
            prop_assert!(ramp(younger, slow_start) >= FLOOR);
            let line = 0.01 + 0.99 * older as f64 / whole as f64;
            prop_assert!((f64::from(ramp(older, slow_start)) / 2f64.powi(32) - line).abs() < 1e-6);
        }

        #[test]
        fn both_is_the_product(a in any::<u32>(), b in any::<u32>()) {
            prop_assert_eq!(both(a, b), both(b, a));
            prop_assert_eq!(both(a, u32::MAX), a);
            let product = f64::from(a) * f64::from(b) / 2f64.powi(32);
            prop_assert!((f64::from(both(a, b)) - product).abs() <= 2.0);
            prop_assert!(both(a, b) <= a.min(b));
        }

        #[test]
        fn admits_its_share(
            share in prop_oneof![any::<u32>(), Just(u32::MAX)],
            credit in any::<u32>(),
            visits in 0u32..5000,
        ) {
            let credits =
                std::iter::successors(Some(credit), |credit| Some(credit.wrapping_add(share)));
            let admitted =
                credits.take(visits as usize).filter(|&credit| admits(credit, share)).count();
            let due = f64::from(visits) * f64::from(share) / 2f64.powi(32);
            prop_assert!((admitted as f64 - due).abs() <= 1.0, "{admitted} of {visits}, due {due}");
        }
    }
}
