//! How old a peer is: when it joined, when its key was made, from when its ramp counts.

use core::sync::atomic::{AtomicU64, Ordering};

/// Three numbers in two words. Each word has a moment in its lower bits, in milliseconds of the
/// monotonic clock: 40 bits are 34 years of it. The bits above are half of the revision.
///
/// The publisher alone changes the revision, and when the peer joined. A process that reads both
/// halves meanwhile may see one of each revision: of a key that has been made again just now.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Ages {
    /// When it joined, and the upper half of the revision.
    joined: AtomicU64,
    /// From when `slow_start` counts, and the lower half.
    ramp: AtomicU64,
}

const MOMENT_BITS: u32 = 40;
const MOMENT: u64 = (1 << MOMENT_BITS) - 1;
const HALF_BITS: u32 = u64::BITS - MOMENT_BITS;

fn moment(milliseconds: u64) -> u64 {
    milliseconds.min(MOMENT)
}

/// The word with another moment.
fn with_moment(word: u64, milliseconds: u64) -> u64 {
    word & !MOMENT | moment(milliseconds)
}

/// The halves of a revision, each where it lies in its word. One that is too large counts as not
/// known: 2^48 changes take a million years at ten a second.
fn halves(revision: u64) -> [u64; 2] {
    let revision = if revision >> (2 * HALF_BITS) == 0 { revision } else { 0 };
    [revision >> HALF_BITS << MOMENT_BITS, revision << MOMENT_BITS]
}

impl Ages {
    /// Of a peer that has joined at a moment (ms; 0: long ago) by a key of this revision (0 if
    /// there is none). Its ramp counts from then.
    pub(crate) fn new(joined: u64, create_revision: u64) -> Self {
        let words = halves(create_revision).map(|half| AtomicU64::new(half | moment(joined)));
        let [joined, ramp] = words;
        Self { joined, ramp }
    }

    /// When the peer joined; 0: long ago.
    pub(crate) fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed) & MOMENT
    }

    /// When `slow_start` begins to count; 0: long ago.
    #[inline]
    pub(crate) fn ramp_from(&self) -> u64 {
        self.ramp.load(Ordering::Relaxed) & MOMENT
    }

    /// etcd's revision at which the peer's key was made; 0 where it has none, or it is not known.
    pub(crate) fn create_revision(&self) -> u64 {
        let upper = self.joined.load(Ordering::Relaxed) >> MOMENT_BITS;
        upper << HALF_BITS | self.ramp.load(Ordering::Relaxed) >> MOMENT_BITS
    }

    /// The peer has joined at another moment, or by a key of another revision. For the publisher.
    pub(crate) fn set(&self, joined: u64, create_revision: u64) {
        let [upper, lower] = halves(create_revision);
        self.joined.store(upper | moment(joined), Ordering::Relaxed);
        change(&self.ramp, |word| lower | word & MOMENT);
    }

    /// `slow_start` counts from this moment.
    pub(crate) fn set_ramp_from(&self, milliseconds: u64) {
        change(&self.ramp, |word| with_moment(word, milliseconds));
    }
}

/// Changes a word of which others may change another part.
fn change(word: &AtomicU64, next: impl Fn(u64) -> u64) {
    let next = |word| Some(next(word));
    // It allows any change.
    let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REVISION: u64 = (1 << (2 * HALF_BITS)) - 1;

    proptest! {
        #[test]
        fn each_number_is_read_as_it_was_set(
            first in (0..=MOMENT, 0..=REVISION),
            second in (0..=MOMENT, 0..=REVISION),
            ramp in 0..=MOMENT,
        ) {
            let ages = Ages::new(first.0, first.1);
            prop_assert_eq!((ages.joined(), ages.create_revision()), first);
            prop_assert_eq!(ages.ramp_from(), first.0);
            ages.set_ramp_from(ramp);
            prop_assert_eq!((ages.joined(), ages.create_revision()), first);
            ages.set(second.0, second.1);
            prop_assert_eq!((ages.joined(), ages.create_revision()), second);
            prop_assert_eq!(ages.ramp_from(), ramp);
        }
    }

    #[test]
    fn what_is_too_large_does_not_touch_the_rest() {
        let ages = Ages::new(u64::MAX, u64::MAX);
        assert_eq!((ages.joined(), ages.ramp_from(), ages.create_revision()), (MOMENT, MOMENT, 0));
        ages.set(1, 7);
        ages.set_ramp_from(u64::MAX);
        assert_eq!((ages.joined(), ages.ramp_from(), ages.create_revision()), (1, MOMENT, 7));
    }
}
