//! Checks of something that is not a peer of an upstream: one at a time, whenever the caller wants one.

use crate::attempt::{Attempts, Outcome};
use crate::config::CheckConfig;
use crate::peer::Address;

/// Makes checks one by one; `interval`, `fall` and `rise` of its configuration are the caller's business.
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
    /// Why the check did not pass, in one line.
    pub async fn check(&self, target: &Address) -> Result<(), String> {
        match self.0.make(target).await {
            Outcome::Passed => Ok(()),
            Outcome::Failed(reason) => Err(reason),
            Outcome::NotMade => Err("this machine has no descriptor or memory left for a check".to_owned()),
        }
    }
}
