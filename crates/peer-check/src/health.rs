//! From the results of a peer's checks to its state.

use crate::peer::State;

/// How many results in a row change a peer's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    pub(crate) fall: u32,
    pub(crate) rise: u32,
}

/// What the results up to now say of one peer.
#[derive(Debug)]
pub(crate) struct Health {
    state: State,
    /// The last results that speak against the state, without one in between that speaks for it.
    against: u32,
}

impl Health {
    pub(crate) fn new(state: State) -> Self {
        Self { state, against: 0 }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.state == State::Failing
    }

    /// Takes in a result, and says the new state if it is another one.
    pub(crate) fn result(&mut self, passed: bool, thresholds: Thresholds) -> Option<State> {
        let (needed, changed) = match (self.state, passed) {
            (State::Passing, true) | (State::Failing, false) => {
                self.against = 0;
                return None;
            }
            // There is nothing that a single pass would have to outweigh.
            (State::Unknown, true) => (1, State::Passing),
            (State::Failing, true) => (thresholds.rise, State::Passing),
            (State::Unknown | State::Passing, false) => (thresholds.fall, State::Failing),
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

    fn any_state() -> impl Strategy<Value = State> {
        prop_oneof![Just(State::Unknown), Just(State::Passing), Just(State::Failing)]
    }

    /// What the rules say, from the results since the last change of state.
    fn model(state: State, since: &[bool], thresholds: Thresholds) -> Option<State> {
        let in_a_row =
            |passed: bool| since.iter().rev().take_while(|result| **result == passed).count();
        let enough = |passed: bool, needed: u32| in_a_row(passed) >= needed.max(1) as usize;
        match state {
            State::Unknown if enough(true, 1) => Some(State::Passing),
            State::Failing if enough(true, thresholds.rise) => Some(State::Passing),
            State::Unknown | State::Passing if enough(false, thresholds.fall) => {
                Some(State::Failing)
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
            let mut health = Health::new(start);
            let (mut state, mut since) = (start, Vec::new());
            for passed in results {
                since.push(passed);
                let expected = model(state, &since, thresholds);
                prop_assert_eq!(health.result(passed, thresholds), expected);
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
        let mut health = Health::new(State::Passing);
        let told: Vec<_> = [false, false, true, false, false, false, true, false, true, true]
            .map(|passed| health.result(passed, thresholds))
            .into_iter()
            .collect();
        let mut expected = [None; 10];
        expected[5] = Some(State::Failing);
        expected[9] = Some(State::Passing);
        assert_eq!(told, expected);
    }
}
