//! Counters of 32 bits that do not run over.
//!
//! A slot has many counters, so that they are narrow. What goes beyond 32 bits is in [`Carries`],
//! which are memory of their own that nobody touches before a counter has come half its way.
//!
//! The carry of a counter is how many times it has come half its way round. The uppermost bit of
//! the counter says whether that number is odd: so a carry that is behind by one, as between two
//! looks or after a writer that was killed there, is known to be. Somebody has to look more often
//! than that: so do all who find a counter in a window that comes once in each [`LOOKS`] additions
//! and is far wider than there are workers that could pass it at the same time.

use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// Counters of a slot.
pub(crate) const COUNTERS: usize = 28;

/// Carries of a slot, of which the last ones have no counter, so that slots share no cache line.
const PLACES: usize = 32;

/// The highest bits of the counters of a slot.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Carries([AtomicU16; PLACES]);

const HALF: u32 = 1 << 31;

/// After so many additions at the latest somebody looks. Other counters grow meanwhile by as much
/// for each counter that makes somebody look, and that is far less than a half.
const LOOKS: u32 = 1 << 20;
const _: () = assert!((LOOKS as u64) * (COUNTERS as u64) < HALF as u64);

/// The width of the window: a power of 2.
const WINDOW: u32 = 1 << 12;

/// How often a counter has come half its way round. `carry` may be behind by one.
fn halves(carry: u16, low: u32) -> u64 {
    let is_odd = (low >> 31) as u16;
    u64::from(carry) + u64::from((carry & 1) ^ is_odd)
}

/// The counter's value, of its carry, which was read before it, and its lower bits.
fn value(carry: u16, low: u32) -> u64 {
    halves(carry, low) << 31 | u64::from(low & !HALF)
}

/// Whether it is time to look, with [`Carries::carry`] for each counter of the slot.
#[inline(always)]
pub(crate) fn is_time_to_look(counter: &AtomicU32) -> bool {
    // Not at the beginning, which most counters do not leave far behind.
    counter.load(Ordering::Relaxed) & (LOOKS - WINDOW) == LOOKS / 2
}

impl Carries {
    /// Carries for a counter. Says whether there was anything to carry.
    pub(crate) fn carry(&self, place: usize, counter: &AtomicU32) -> bool {
        let carry = &self.0[place];
        let (before, low) = (carry.load(Ordering::Relaxed), counter.load(Ordering::Relaxed));
        // Two that come here at the same time write the same.
        let after = u16::try_from(halves(before, low)).unwrap_or(u16::MAX);
        if after != before {
            carry.store(after, Ordering::Release);
        }
        after != before
    }

    /// The value of a counter.
    pub(crate) fn value(&self, place: usize, counter: &AtomicU32) -> u64 {
        let carry = self.0[place].load(Ordering::Acquire);
        value(carry, counter.load(Ordering::Relaxed))
    }

    /// The value of a counter that nobody has carried for.
    pub(crate) fn value_without(counter: &AtomicU32) -> u64 {
        counter.load(Ordering::Relaxed).into()
    }

    pub(crate) fn clear(&self) {
        self.0.iter().for_each(|carry| carry.store(0, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn carries() -> Carries {
        Carries([const { AtomicU16::new(0) }; PLACES])
    }

    fn add(carries: &Carries, counter: &AtomicU32) {
        counter.fetch_add(1, Ordering::Relaxed);
        carries.carry(3, counter);
    }

    #[test]
    fn a_counter_goes_on_beyond_its_own_bits() {
        let (carries, counter) = (carries(), AtomicU32::new(0));
        let mut expected = 0_u64;
        for half in 1..10_u64 {
            // As if it had been counted up to here.
            let low = ((half << 31) - 2) as u32;
            counter.store(low, Ordering::Relaxed);
            expected = expected.max((half << 31) - 2);
            assert_eq!(carries.value(3, &counter), expected);
            for _ in 0..4 {
                add(&carries, &counter);
                expected += 1;
                assert_eq!(carries.value(3, &counter), expected);
            }
        }
    }

    #[test]
    fn a_writer_that_is_killed_before_it_carries_loses_nothing() {
        let (carries, counter) = (carries(), AtomicU32::new(0));
        for half in 1..10_u64 {
            counter.store(((half << 31) - 1) as u32, Ordering::Relaxed);
            counter.fetch_add(1, Ordering::Relaxed);
            // The writer dies here; another one looks later.
            assert_eq!(carries.value(3, &counter), half << 31);
            counter.fetch_add(5, Ordering::Relaxed);
            assert!(carries.carry(3, &counter));
            assert!(!carries.carry(3, &counter));
            assert_eq!(carries.value(3, &counter), (half << 31) + 5);
        }
    }

    #[test]
    fn the_largest_carry_stays_where_it_is() {
        let (carries, counter) = (carries(), AtomicU32::new(HALF));
        carries.0[3].store(u16::MAX, Ordering::Relaxed);
        let before = carries.value(3, &counter);
        counter.store(0, Ordering::Relaxed);
        assert!(!carries.carry(3, &counter));
        assert!(carries.value(3, &counter) >= before);
    }

    #[test]
    fn somebody_looks_between_any_two_halves() {
        let is_time = |low: u32| is_time_to_look(&AtomicU32::new(low));
        let found = (0..2 * LOOKS).filter(|&low| is_time(low)).count();
        assert_eq!(found as u32, 2 * WINDOW);
        assert!((0..LOOKS / 2).all(|low| !is_time(low)) && is_time(LOOKS / 2));
    }

    proptest! {
        #[test]
        fn a_value_is_found_whether_the_carry_is_behind_or_not(count in 0_u64..(1 << 46)) {
            let (halves, low) = (count >> 31, count as u32);
            prop_assert_eq!(value(halves as u16, low), count);
            if halves > 0 {
                prop_assert_eq!(value((halves - 1) as u16, low), count);
            }
        }
    }
}
