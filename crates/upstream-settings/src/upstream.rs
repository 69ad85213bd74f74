//! What an upstream has, on which the settings of its groups build.

use std::{fmt, sync::Arc};

/// Says whether nginx has a variable of this name, without its dollar sign.
pub type IsVariable = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What an upstream has by its directives, on which the settings of its groups build.
#[derive(Clone)]
pub struct UpstreamSettings {
    /// Whether it is one of stream's.
    pub is_stream: bool,
    /// The arguments of `etcd_check`, if it has that.
    pub check: Option<Vec<String>>,
    /// The arguments of `etcd_drain`, if it has that.
    pub drain: Option<Vec<String>>,
    /// Whether it has `etcd_sticky`.
    pub has_sticky: bool,
    /// Says whether nginx has a variable of this name, without its dollar sign.
    pub is_variable: IsVariable,
}

/// One that has nothing.
impl Default for UpstreamSettings {
    fn default() -> Self {
        let is_variable = Arc::new(|_: &str| false);
        Self { is_stream: false, check: None, drain: None, has_sticky: false, is_variable }
    }
}

impl fmt::Debug for UpstreamSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UpstreamSettings")
            .field("is_stream", &self.is_stream)
            .field("check", &self.check)
            .field("drain", &self.drain)
            .field("has_sticky", &self.has_sticky)
            .finish_non_exhaustive()
    }
}
