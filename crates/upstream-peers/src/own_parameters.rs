//! Which parameters a value sets itself, and which it leaves to defaults.

use crate::parameters::{Overrides, Parameters};

/// Which of the parameters that a group of peers can have defaults for a peer's value sets itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnParameters {
    max_conns: bool,
    max_fails: bool,
    fail_timeout: bool,
    slow_start: bool,
}

impl OwnParameters {
    /// All of them: of a peer of whose value nothing is known.
    pub const ALL: Self =
        Self { max_conns: true, max_fails: true, fail_timeout: true, slow_start: true };

    /// Those that are set.
    #[must_use]
    pub fn of(overrides: &Overrides) -> Self {
        Self {
            max_conns: overrides.max_conns.is_some(),
            max_fails: overrides.max_fails.is_some(),
            fail_timeout: overrides.fail_timeout.is_some(),
            slow_start: overrides.slow_start.is_some(),
        }
    }

    /// The parameters of a peer of a group with these defaults, which come before the defaults of
    /// its upstream.
    pub fn with_group(self, defaults: &Overrides, parameters: Parameters) -> Parameters {
        let own = |is_own: bool, default: Option<u32>, parameter: u32| match default {
            Some(default) if !is_own => default,
            _ => parameter,
        };
        let Parameters { max_conns, max_fails, fail_timeout, slow_start, .. } = parameters;
        Parameters {
            max_conns: own(self.max_conns, defaults.max_conns, max_conns),
            max_fails: own(self.max_fails, defaults.max_fails, max_fails),
            fail_timeout: own(self.fail_timeout, defaults.fail_timeout, fail_timeout),
            slow_start: own(self.slow_start, defaults.slow_start, slow_start),
            ..parameters
        }
    }
}
