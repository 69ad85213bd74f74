//! Which keys are meant, and in which etcd.

use clap::Args;
use upstream_peers::{MAX_URL_KEY_LENGTH, Reading};

use super::error::NodesError;
use crate::{
    etcd::EtcdOptions,
    keys::{KeysError, Prefix, Shows, Store, parse_prefix},
    scheme_flag,
};

/// Flags that all tasks of `nodes` share.
#[derive(Args, Debug)]
pub(super) struct TargetOptions {
    /// Prefix of the nodes' keys, as the directive "etcd" has it [default: PREFIX/upstream/]
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    upstream_prefix: Option<String>,

    /// Which of several endpoints in a value is meant, as in the directive "etcd" [default: http,
    /// or else https]
    #[arg(long, value_name = "NAME", value_parser = scheme_flag::parse)]
    scheme: Option<String>,

    #[command(flatten)]
    etcd: EtcdOptions,
}

/// The keys below a prefix.
pub(super) struct Target {
    pub(super) store: Store,
    pub(super) prefix: Prefix,
    pub(super) reading: Reading,
}

impl TargetOptions {
    /// Where the keys are.
    pub(super) fn target(self) -> Result<Target, NodesError> {
        let etcd = self.etcd.read().map_err(KeysError::from)?;
        let prefix = self.upstream_prefix.unwrap_or_else(|| etcd.upstream_prefix());
        let prefix = Prefix::new(prefix, "--upstream-prefix");
        let reading = Reading { scheme: self.scheme, ..Reading::default() };
        Ok(Target {
            store: Store::new(&etcd.connection(), "nodes list", Shows::Values),
            prefix,
            reading,
        })
    }
}

impl Target {
    /// The name of a key below the prefix, which may stand before it.
    pub(super) fn name(&self, given: &str) -> Result<String, NodesError> {
        let name = self.prefix.name(given)?;
        if name.is_empty() || name.len() > MAX_URL_KEY_LENGTH {
            let text = "a key has at least one character behind the prefix, and 4096 bytes at most";
            return Err(KeysError::Usage(text.to_owned()).into());
        }
        Ok(name.to_owned())
    }

    /// The whole key of a name.
    pub(super) fn key(&self, name: &str) -> String {
        self.prefix.key(name)
    }
}
