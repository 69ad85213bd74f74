//! The node: where it is, and whether it answers.

use std::time::Duration;

use upstream_peers::{Value, parse_value};

use super::{
    AnnounceError,
    channel::LookError,
    check::Check,
    health::Health,
    options::AnnounceOptions,
    place::{Place, has_port},
};
use crate::etcd::Etcd;

/// The node.
pub(super) struct Node {
    key: String,
    place: Place,
    /// Parameters, as they stand behind the address.
    parameters: String,
    check: Check,
    health: Health,
    /// What was announced last, or would have been.
    value: Option<String>,
    /// Why it has not answered yet, or cannot be judged, as it was said.
    not_yet: Option<String>,
    /// For how long a look waits for whoever knows where the node is.
    patience: Duration,
}

impl Node {
    /// The node that the flags name.
    pub(super) fn new(options: &AnnounceOptions, etcd: &Etcd) -> Result<Self, AnnounceError> {
        let node = Self {
            key: options.key.clone(),
            place: Place::new(options, etcd)?,
            parameters: options.value.trim().to_owned(),
            check: Check::new(&options.check, options.check_method, options.check_timeout)?,
            health: Health::new(options.fall, options.rise),
            value: None,
            not_yet: None,
            patience: options.check_timeout,
        };
        let address = node.place.example();
        if !has_port(&address) {
            return Err(AnnounceError::NoPort(address));
        }
        node.read(&address)?;
        Ok(node)
    }

    /// The value of an address, and what it says.
    fn read(&self, address: &str) -> Result<(String, Value), AnnounceError> {
        let text = format!("{address} {}", self.parameters).trim_end().to_owned();
        match parse_value(&self.key, text.as_bytes()) {
            Ok(value) => Ok((text, value)),
            Err(error) => Err(AnnounceError::Value(text, error)),
        }
    }

    /// Looks at the node once. Returns what is to be announced; `None`: nothing.
    pub(super) async fn look(&mut self) -> Option<String> {
        let was_up = self.health.is_up();
        let looked = self.look_once().await;
        let has_changed = match &looked {
            Ok(_) => self.health.take(true),
            Err(LookError::Node(_) | LookError::Gone(_)) => self.health.take(false),
            Err(LookError::Channel(_)) => false,
        };
        match looked {
            Ok(value) => {
                if has_changed {
                    tracing::info!("the node answers: {value}");
                } else if was_up && self.value.as_ref().is_some_and(|before| *before != value) {
                    tracing::info!("the node has moved: {value}");
                }
                (self.value, self.not_yet) = (Some(value), None);
            }
            Err(LookError::Gone(reason)) if has_changed => {
                tracing::warn!("the node is taken out, as its container is gone: {reason}");
            }
            Err(reason) if has_changed => tracing::warn!("the node does not answer: {reason}"),
            Err(LookError::Channel(reason)) if was_up => {
                if self.not_yet.as_ref() != Some(&reason) {
                    tracing::warn!("{reason}: the node stays announced");
                    self.not_yet = Some(reason);
                }
            }
            Err(error) => {
                let reason = error.to_string();
                if self.value.is_none() && self.not_yet.as_ref() != Some(&reason) {
                    let what = match error {
                        LookError::Node(_) => "does not answer yet",
                        LookError::Gone(_) | LookError::Channel(_) => "is not announced yet",
                    };
                    tracing::info!("the node {what}: {reason}");
                    self.not_yet = Some(reason);
                }
            }
        }
        self.value.clone().filter(|_| self.health.is_up())
    }

    async fn look_once(&mut self) -> Result<String, LookError> {
        let address = self.place.address(self.patience).await?;
        let (text, value) =
            self.read(&address).map_err(|error| LookError::Node(error.to_string()))?;
        self.check.make(&value.target).await?;
        Ok(text)
    }
}
