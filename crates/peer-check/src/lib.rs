//! Active checks of peers: each is connected to, or asked for a page, again and again, so that one
//! that fails is known before a request meets it.
//!
//! [`Checks`] is told which peers there are, and says which of them have begun to pass or to fail.
//! It decides nothing about them: what a failing peer means is the caller's.

#![forbid(unsafe_code)]

mod answer;
mod attempt;
mod checks;
mod config;
mod health;
pub mod messages;
mod peer;
mod probe;
mod schedule;
mod status;

pub use answer::MAX_ANSWER_HEAD;
pub use checks::{Checks, MAX_FAILING_TOGETHER, MAX_TOGETHER};
pub use config::{
    CheckConfig, CheckKind, CheckMethod, CheckMethodError, ConfigError, LONGEST, SHORTEST,
};
pub use health::{HealthCounter, HealthState, Thresholds};
pub use peer::{Address, Checked, MAX_REASON, PeerId, Verdict};
pub use probe::{Probe, ProbeError};
pub use schedule::NEWCOMER_GAP;
pub use status::{StatusError, StatusSet};
