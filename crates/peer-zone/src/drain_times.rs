//! Moments at which a drain began, in shared memory.
//!
//! The publisher writes them, and every worker goes by them, whichever cycle it is of: the times
//! are the zone's and not a process's.

use core::sync::atomic::{AtomicU32, Ordering};

/// Milliseconds in the unit of [`DrainTime`]: with it a word goes round in 497 days.
const UNIT: u64 = 10;

/// A moment of the monotonic clock, or none. Rounded up, so that nothing comes sooner for it.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct DrainTime(AtomicU32);

impl DrainTime {
    /// From `now` (ms) on, unless it is so already. Returns whether it was not.
    pub(crate) fn begin(&self, now: u64) -> bool {
        let is_new = self.0.load(Ordering::Relaxed) == 0;
        if is_new {
            self.begin_anew(now);
        }
        is_new
    }

    /// From `now` (ms) on.
    pub(crate) fn begin_anew(&self, now: u64) {
        // 0 stands for none; the unit after it is as good.
        self.0.store((now.div_ceil(UNIT) as u32).max(1), Ordering::Relaxed);
    }

    /// Not any more.
    pub(crate) fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The moment, in milliseconds of the clock that shows `now`.
    pub(crate) fn moment(&self, now: u64) -> Option<u64> {
        let since = self.0.load(Ordering::Relaxed);
        // The difference is a signed one: for up to a unit the moment lies ahead, since it is
        // rounded up.
        let units = ((now / UNIT) as u32).wrapping_sub(since) as i32;
        (since != 0).then(|| {
            let start_of_unit = now - now % UNIT;
            start_of_unit.saturating_add_signed(-i64::from(units) * UNIT as i64)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_is_shown_as_it_was_but_for_its_unit(
            begin in any::<u64>().prop_map(|it| it >> 2),
            later in 0..(1_u64 << 33),
        ) {
            let since = DrainTime::default();
            since.begin(begin);
            let moment = since.moment(begin + later).expect("begun");
            prop_assert!(moment >= begin && moment - begin <= 2 * UNIT, "{moment} for {begin}");
            since.begin(begin + later);
            prop_assert_eq!(since.moment(begin + later), Some(moment));
            since.end();
            prop_assert_eq!(since.moment(begin), None);
        }
    }
}
