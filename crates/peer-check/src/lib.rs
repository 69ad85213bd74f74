//! Active checks of peers: each is connected to, sent a line, or asked for a page, again and again,
//! so that one that fails is known before a request meets it.
//!
//! [`Checks`] is told which peers there are, and says which of them have begun to pass or to fail.
//! It decides nothing about them: what a failing peer means is the caller's.

#![forbid(unsafe_code)]

mod answer;
mod attempt;
mod bodies;
mod checked;
mod checks;
mod config;
mod escapes;
mod exchange;
mod failure;
mod health;
mod heard;
pub mod messages;
mod page;
mod peer;
mod plan;
mod probe;
mod schedule;
mod status;
mod talk;
mod tls;
mod written;

pub use answer::MAX_ANSWER_HEAD;
pub use checked::Checked;
pub use checks::{CheckResult, Checks, MAX_FAILING_TOGETHER, MAX_TOGETHER};
pub use config::{
    CheckConfig, CheckKind, CheckMethod, CheckMethodError, ConfigError, LONGEST, SHORTEST,
};
pub use escapes::{MAX_TEXT, TextError};
pub use exchange::{Exchange, ExchangeError};
pub use failure::Fault;
pub use health::{HealthCounter, HealthState, Thresholds};
pub use heard::MAX_ANSWER;
pub use peer::{Address, MAX_REASON, PeerId, Verdict};
pub use plan::CheckPlan;
pub use probe::{Probe, ProbeError};
pub use schedule::NEWCOMER_GAP;
pub use status::{StatusError, StatusSet};
pub use tls::is_tls_name;
pub use written::{WrittenError, connection_check};
