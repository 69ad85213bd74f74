//! Whether the node answers: `fall` failures in a row take it down, `rise` successes bring it up.

/// What is known of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    fall: u32,
    rise: u32,
    is_up: bool,
    /// Checks in a row that say otherwise.
    against: u32,
}

impl Health {
    /// A node that is not up before it has answered.
    pub(super) fn new(fall: u32, rise: u32) -> Self {
        Self { fall, rise, is_up: false, against: 0 }
    }

    /// Takes a check. Says whether the node is another than before.
    pub(super) fn take(&mut self, has_passed: bool) -> bool {
        if has_passed == self.is_up {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let enough = if self.is_up { self.fall } else { self.rise };
        if self.against < enough {
            return false;
        }
        (self.is_up, self.against) = (has_passed, 0);
        true
    }

    /// Whether it is up.
    pub(super) fn is_up(self) -> bool {
        self.is_up
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn in_a_row_only() {
        let mut health = Health::new(3, 2);
        let mut seen = Vec::new();
        for passed in
            [true, false, true, true, false, false, true, false, false, false, false, true, true]
        {
            health.take(passed);
            seen.push(health.is_up());
        }
        let (up, down) = (true, false);
        assert_eq!(seen, [down, down, down, up, up, up, up, up, up, down, down, down, up]);
    }
}
