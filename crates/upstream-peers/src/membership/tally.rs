//! What members are, so that it need not be counted.

/// What members are, or how many of them are it.
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
    pub(super) fn replace(&mut self, before: Self, after: Self) {
        // What is taken off was put on.
        let change = |all: &mut u32, before, after| *all = *all + after - before;
        change(&mut self.good, before.good, after.good);
        change(&mut self.rejected, before.rejected, after.rejected);
        change(&mut self.unselected, before.unselected, after.unselected);
        change(&mut self.dependent, before.dependent, after.dependent);
    }
}
