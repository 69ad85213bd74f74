//! How some peers are checked, if not as all others.

use std::fmt;
use std::sync::Arc;

use crate::attempt::Attempts;
use crate::config::CheckConfig;

/// How a peer is checked, ready for use: to be shared by all peers that are checked alike. Two are
/// equal if their configurations are.
#[derive(Clone)]
pub struct CheckPlan(Arc<Parts>);

struct Parts {
    config: CheckConfig,
    attempts: Attempts,
}

impl CheckPlan {
    /// With a configuration that cannot be used (see [`CheckConfig::verify`]) every check fails.
    pub fn new(config: CheckConfig) -> Self {
        let attempts = Attempts::new(&config);
        Self(Arc::new(Parts { config, attempts }))
    }

    /// What it was made from.
    pub fn config(&self) -> &CheckConfig {
        &self.0.config
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }
}

impl PartialEq for CheckPlan {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.config() == other.config()
    }
}

impl Eq for CheckPlan {}

impl fmt::Debug for CheckPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CheckPlan").field(self.config()).finish()
    }
}
