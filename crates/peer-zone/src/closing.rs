//! How open connections to the peers of a group are closed, as one word of shared memory.

use crate::drain_policy::DrainReasons;

/// How connections to a peer that is left are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Milliseconds from the moment at which the peer began to be left.
    pub after: u64,
    /// Milliseconds over which they are closed then.
    pub spread: u64,
    /// The reasons for which they are closed at all; without any, none is.
    pub on: DrainReasons,
}

/// So many different ways to close connections can be in use in a zone, but for those of the
/// upstream. A peer names one by its index, counted from 1.
pub(crate) const MOST_CLOSINGS: usize = 31;

/// From below: the reasons, both times, and a bit that tells a word from one that is free.
const AFTER: u32 = DrainReasons::BITS;
const TIME_BITS: u32 = 30;
const SPREAD: u32 = AFTER + TIME_BITS;
const IN_USE: u64 = 1 << (SPREAD + TIME_BITS);

/// The longest time: more than 12 days.
const LONGEST: u64 = (1 << TIME_BITS) - 1;

impl Closing {
    /// The word that says so, never 0; `None`: no connection is closed. A longer time than a word
    /// holds is cut.
    pub(crate) fn to_word(closing: Option<Self>) -> u64 {
        let Some(Self { after, spread, on }) = closing.filter(|closing| closing.on.bits() != 0)
        else {
            return IN_USE;
        };
        IN_USE | spread.min(LONGEST) << SPREAD | after.min(LONGEST) << AFTER | on.bits()
    }

    /// What a word says; the outer `None` if it is free.
    pub(crate) fn from_word(word: u64) -> Option<Option<Self>> {
        let time = |shift: u32| word >> shift & LONGEST;
        let on = DrainReasons::of_bits(word);
        let closing =
            || (on.bits() != 0).then(|| Self { after: time(AFTER), spread: time(SPREAD), on });
        (word != 0).then(closing)
    }
}

const _: () = assert!(IN_USE == 1 << (u64::BITS - 1) && MOST_CLOSINGS < u8::MAX as usize);
const _: () = assert!(LONGEST > 12 * 24 * 60 * 60 * 1_000);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_closing_is_read_as_it_was(
            (after, spread) in (0..=LONGEST, 0..=LONGEST),
            on in any::<[bool; 3]>(),
        ) {
            let [removed, drain, check] = on;
            let closing = Closing { after, spread, on: DrainReasons { removed, drain, check } };
            let expected = on.contains(&true).then_some(closing);
            let word = Closing::to_word(Some(closing));
            prop_assert_eq!(Closing::from_word(word), Some(expected));
        }
    }

    #[test]
    fn a_free_word_is_none_and_long_times_are_cut() {
        assert_eq!(Closing::from_word(0), None);
        assert_eq!(Closing::from_word(Closing::to_word(None)), Some(None));
        let on = DrainReasons { removed: true, drain: false, check: false };
        let closing = Closing { after: u64::MAX, spread: u64::MAX, on };
        let cut = Closing { after: LONGEST, spread: LONGEST, on };
        assert_eq!(Closing::from_word(Closing::to_word(Some(closing))), Some(Some(cut)));
    }
}
