//! From the results of checks to the state of what is checked.

/// What the checks say of a peer, or of whatever else is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthState {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It can be used.
    Passing,
    /// It should not be used.
    Failing,
}

/// How many results in a row change a state.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Failures after which it fails; 0 is taken as 1.
    pub fall: u32,
    /// Passes after which what failed passes; 0 is taken as 1.
    pub rise: u32,
}

/// A state, and the results that speak against it: `fall` failures in a row make it
/// [`Failing`](HealthState::Failing), `rise` passes in a row make it
/// [`Passing`](HealthState::Passing) again.
#[derive(Clone, Copy, Debug)]
pub struct HealthCounter {
    state: HealthState,
    /// The last results that speak against the state, without one in between that speaks for it.
    against: u32,
}

impl HealthCounter {
    /// A counter that begins with this state. From [`Unknown`](HealthState::Unknown) a single pass
    /// is enough.
    pub fn new(state: HealthState) -> Self {
        Self { state, against: 0 }
    }

    /// The state after all results up to now.
    pub fn state(&self) -> HealthState {
        self.state
    }

    /// Counts a result. Returns the new state if it is another one than before.
    pub fn count_result(&mut self, passed: bool, thresholds: Thresholds) -> Option<HealthState> {
        let (needed, changed) = match (self.state, passed) {
            (HealthState::Passing, true) | (HealthState::Failing, false) => {
                self.against = 0;
                return None;
            }
            // There is nothing that a single pass would have to outweigh.
            (HealthState::Unknown, true) => (1, HealthState::Passing),
            (HealthState::Failing, true) => (thresholds.rise, HealthState::Passing),
            (HealthState::Unknown | HealthState::Passing, false) => {
                (thresholds.fall, HealthState::Failing)
            }
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        *self = Self::new(changed);
        Some(changed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_state() -> impl Strategy<Value = HealthState> {
        prop_oneof![
            Just(HealthState::Unknown),
            Just(HealthState::Passing),
            Just(HealthState::Failing)
        ]
    }

    /// What the rules say, from the results since the last change of state.
    fn model(state: HealthState, since: &[bool], thresholds: Thresholds) -> Option<HealthState> {
        let in_a_row =
            |passed: bool| since.iter().rev().take_while(|result| **result == passed).count();
        let enough = |passed: bool, needed: u32| in_a_row(passed) >= needed.max(1) as usize;
        match state {
            HealthState::Unknown if enough(true, 1) => Some(HealthState::Passing),
            HealthState::Failing if enough(true, thresholds.rise) => Some(HealthState::Passing),
            HealthState::Unknown | HealthState::Passing if enough(false, thresholds.fall) => {
                Some(HealthState::Failing)
            }
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn follows_the_rules(
            start in any_state(),
            fall in 0_u32..5,
            rise in 0_u32..5,
            results in prop::collection::vec(any::<bool>(), 0..60),
        ) {
            let thresholds = Thresholds { fall, rise };
            let mut health = HealthCounter::new(start);
            let (mut state, mut since) = (start, Vec::new());
            for passed in results {
                since.push(passed);
                let expected = model(state, &since, thresholds);
                prop_assert_eq!(health.count_result(passed, thresholds), expected);
                if let Some(changed) = expected {
                    state = changed;
                    since.clear();
                }
            }
        }
    }

    #[test]
    fn a_pass_in_between_begins_the_count_anew() {
        let thresholds = Thresholds { fall: 3, rise: 2 };
        let mut health = HealthCounter::new(HealthState::Passing);
        let told: Vec<_> = [false, false, true, false, false, false, true, false, true, true]
            .map(|passed| health.count_result(passed, thresholds))
            .into_iter()
            .collect();
        let mut expected = [None; 10];
        expected[5] = Some(HealthState::Failing);
        expected[9] = Some(HealthState::Passing);
        assert_eq!(told, expected);
    }
    #[test]
    fn what_fails_at_first_rises_by_passes_in_a_row() {
        let thresholds = Thresholds { fall: 3, rise: 2 };
        let mut health = HealthCounter::new(HealthState::Failing);
        let seen =
            [true, false, true, true, false, false, true, false, false, false, false, true, true]
                .map(|passed| {
                    health.count_result(passed, thresholds);
                    health.state() == HealthState::Passing
                });
        let (up, down) = (true, false);
        assert_eq!(seen, [down, down, down, up, up, up, up, up, up, down, down, down, up]);
    }
}
