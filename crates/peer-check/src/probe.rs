//! Checks of something that is not a peer of an upstream: one at a time, whenever the caller wants
//! one.

use crate::attempt::{Attempts, CheckOutcome};
use crate::config::CheckConfig;
use crate::peer::Address;

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// What is checked has failed, for this reason, which is one line.
    Failed(String),
    /// This machine has run out of file descriptors, memory or ports, which says nothing of what is
    /// checked.
    NotMade,
}

/// Makes checks one by one; `interval`, `fall` and `rise` of its configuration are the caller's
/// business.
#[derive(Clone, Debug)]
pub struct Probe(Attempts);

impl Probe {
    /// One that checks as the configuration says.
    pub fn new(config: &CheckConfig) -> Self {
        Self(Attempts::new(config))
    }

    /// Checks once.
    ///
    /// # Errors
    ///
    /// Where the check did not pass, or could not be made.
    pub async fn check(&self, target: &Address) -> Result<(), ProbeError> {
        match self.0.make(target).await {
            CheckOutcome::Passed => Ok(()),
            CheckOutcome::Failed(failure) => Err(ProbeError::Failed(failure.reason)),
            CheckOutcome::NotMade => Err(ProbeError::NotMade),
        }
    }
}
