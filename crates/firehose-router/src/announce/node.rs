//! The node: where it is, and whether it answers.

use std::time::Duration;

use peer_check::{HealthCounter, HealthState, Thresholds};
use upstream_peers::{Value, parse_server};

use super::{
    address::{NodeAddress, has_port},
    check::Check,
    error::AnnounceError,
    lookup::NodeError,
    messages,
    options::AnnounceOptions,
};
use crate::etcd::Etcd;

/// The node.
pub(super) struct Node {
    key: String,
    address: NodeAddress,
    /// Parameters, as they stand behind the address.
    parameters: String,
    check: Check,
    health: HealthCounter,
    thresholds: Thresholds,
    /// What was announced last, or would have been.
    value: Option<String>,
    /// Why it has not answered yet, or cannot be judged, as it was said.
    not_yet: Option<String>,
    /// For how long a check waits for what knows where the node is.
    limit: Duration,
}

impl Node {
    /// The node that the flags name.
    pub(super) fn new(options: &AnnounceOptions, etcd: &Etcd) -> Result<Self, AnnounceError> {
        let node = Self {
            key: options.key.clone(),
            address: NodeAddress::new(options, etcd)?,
            parameters: options.value.trim().to_owned(),
            check: Check::new(&options.check, options.check_method, options.check_timeout)?,
            // It is not up before it has answered.
            health: HealthCounter::new(HealthState::Failing),
            thresholds: Thresholds { fall: options.fall, rise: options.rise },
            value: None,
            not_yet: None,
            limit: options.check_timeout,
        };
        let address = node.address.example();
        if !has_port(&address) {
            return Err(AnnounceError::NoPort(address));
        }
        node.read(&address)?;
        Ok(node)
    }

    /// The value of an address, and what it says.
    fn read(&self, address: &str) -> Result<(String, Value), AnnounceError> {
        let text = format!("{address} {}", self.parameters).trim_end().to_owned();
        match parse_server(&self.key, text.as_bytes()) {
            Ok(value) => Ok((text, value)),
            Err(error) => Err(AnnounceError::Value(text, error)),
        }
    }

    /// Checks the node once. Returns what is to be announced; `None`: nothing.
    pub(super) async fn check(&mut self) -> Option<String> {
        let was_up = self.is_up();
        let checked = self.check_once().await;
        let has_changed = match &checked {
            Ok(_) => self.count_result(true),
            Err(NodeError::Failed(_) | NodeError::Gone(_)) => self.count_result(false),
            Err(NodeError::Unknown(_)) => false,
        };
        match checked {
            Ok(value) => {
                if has_changed {
                    tracing::info!("{}", messages::answers(&value));
                } else if was_up && self.value.as_ref().is_some_and(|before| *before != value) {
                    tracing::info!("{}", messages::has_moved(&value));
                }
                (self.value, self.not_yet) = (Some(value), None);
            }
            Err(NodeError::Gone(reason)) if has_changed => {
                tracing::warn!("{}", messages::container_is_gone(reason));
            }
            Err(reason) if has_changed => {
                tracing::warn!("{}", messages::does_not_answer(reason));
            }
            Err(NodeError::Unknown(reason)) if was_up => {
                if self.not_yet.as_ref() != Some(&reason) {
                    tracing::warn!("{}", messages::stays_announced(&reason));
                    self.not_yet = Some(reason);
                }
            }
            Err(error) => {
                let reason = error.to_string();
                if self.value.is_none() && self.not_yet.as_ref() != Some(&reason) {
                    let message = match error {
                        NodeError::Failed(_) => messages::does_not_answer_yet(&reason),
                        NodeError::Gone(_) | NodeError::Unknown(_) => {
                            messages::not_announced_yet(&reason)
                        }
                    };
                    tracing::info!("{message}");
                    self.not_yet = Some(reason);
                }
            }
        }
        self.value.clone().filter(|_| self.is_up())
    }

    fn is_up(&self) -> bool {
        self.health.state() == HealthState::Passing
    }

    /// Says whether the node is another than before.
    fn count_result(&mut self, passed: bool) -> bool {
        self.health.count_result(passed, self.thresholds).is_some()
    }

    async fn check_once(&mut self) -> Result<String, NodeError> {
        let address = self.address.address(self.limit).await?;
        let (text, value) =
            self.read(&address).map_err(|error| NodeError::Failed(error.to_string()))?;
        self.check.make(&value.target).await?;
        Ok(text)
    }
}
