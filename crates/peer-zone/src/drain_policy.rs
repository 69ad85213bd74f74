//! How a worker closes its connections to peers that are drained, as one word of shared memory.

/// For which reasons a peer's open connections are to come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReasons {
    /// The peer's key was deleted.
    pub removed: bool,
    /// The peer's value says `drain`.
    pub drain: bool,
    /// The peer fails its checks and gets no requests for that reason.
    pub check: bool,
}

impl DrainReasons {
    /// So many bits hold them.
    pub(crate) const BITS: u32 = 3;

    /// A bit for each.
    pub(crate) fn bits(self) -> u64 {
        let Self { removed, drain, check } = self;
        u64::from(removed) | u64::from(drain) << 1 | u64::from(check) << 2
    }

    /// Those whose bits are the lowest ones of a word.
    pub(crate) fn of_bits(word: u64) -> Self {
        let has = |bit: u32| word >> bit & 1 != 0;
        Self { removed: has(0), drain: has(1), check: has(2) }
    }
}

/// How a worker closes its connections to a peer that is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainPolicy {
    /// Milliseconds from the moment at which the drain began.
    pub after: u64,
    /// The reasons for which connections are closed at all.
    pub on: DrainReasons,
}

/// What stands for a [`DrainPolicy`] in a word: a bit for each reason below the time.
const REASONS: u32 = DrainReasons::BITS;

impl DrainPolicy {
    /// The word in which a worker says so; 0: it closes none. A time that no word holds is cut.
    pub(crate) fn to_word(policy: Option<Self>) -> u64 {
        let Some(Self { after, on }) = policy else { return 0 };
        let reasons = on.bits();
        if reasons == 0 { 0 } else { after.min(u64::MAX >> REASONS) << REASONS | reasons }
    }

    pub(crate) fn from_word(word: u64) -> Option<Self> {
        let on = DrainReasons::of_bits(word);
        (word != 0).then_some(Self { after: word >> REASONS, on })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_drain_policy_is_read_as_it_was(after in 0..(1_u64 << 60), on in any::<[bool; 3]>()) {
            let [removed, drain, check] = on;
            let policy = DrainPolicy { after, on: DrainReasons { removed, drain, check } };
            let expected = on.contains(&true).then_some(policy);
            prop_assert_eq!(DrainPolicy::from_word(DrainPolicy::to_word(Some(policy))), expected);
            prop_assert_eq!(DrainPolicy::from_word(DrainPolicy::to_word(None)), None);
        }
    }
}
