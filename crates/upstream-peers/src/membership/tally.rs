//! What members are, so that it need not be counted.

/// What a member is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// It stands for peers.
    pub(super) is_good: bool,
    /// Its current value is rejected.
    pub(super) is_rejected: bool,
    /// Its peers depend on more than its value; see [`Tally::dependent`].
    pub(super) is_dependent: bool,
    /// Servers of its valid value that are not wanted.
    pub(super) unselected: u32,
}

/// How many members are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// They stand for peers.
    pub(super) good: u32,
    /// Their current value is rejected.
    pub(super) rejected: u32,
    /// Servers of valid values that are not wanted.
    pub(super) unselected: u32,
    /// Their peers depend on more than their value: on host names, on the priorities of others, or
    /// on other keys.
    pub(super) dependent: u32,
}

impl Tally {
    /// Puts what is `after` in the place of what was `before`.
    pub(super) fn replace(&mut self, before: Counted, after: Counted) {
        // What is taken off was put on.
        let change = |all: &mut u32, before, after| *all = *all + after - before;
        change(&mut self.good, before.is_good.into(), after.is_good.into());
        change(&mut self.rejected, before.is_rejected.into(), after.is_rejected.into());
        change(&mut self.unselected, before.unselected, after.unselected);
        change(&mut self.dependent, before.is_dependent.into(), after.is_dependent.into());
    }
}
