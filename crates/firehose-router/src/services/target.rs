//! Which keys are meant, and in which etcd.

use clap::Args;
use upstream_peers::Reading;

use crate::{
    etcd::ConnectionOptions,
    keys::{KeysError, Prefix, Shows, Store, parse_prefix},
    scheme_flag,
};

/// Flags that all tasks of `services` share.
#[derive(Args, Debug)]
pub(super) struct TargetOptions {
    /// Prefix of the nodes' keys, as the directive "etcd" has it
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "/services/",
        value_parser = parse_prefix
    )]
    services: String,

    /// Which of several endpoints in a value is meant, as in the directive "etcd" [default: http,
    /// or else https]
    #[arg(long, value_name = "NAME", value_parser = scheme_flag::parse)]
    scheme: Option<String>,

    #[command(flatten)]
    connection: ConnectionOptions,
}

/// The keys below a prefix.
pub(super) struct Target {
    pub(super) store: Store,
    pub(super) prefix: Prefix,
    pub(super) reading: Reading,
}

impl TargetOptions {
    /// Where the keys are.
    pub(super) fn target(self) -> Result<Target, KeysError> {
        let connection = self.connection.read()?;
        let prefix = Prefix::new(self.services, "--services");
        let reading = Reading { scheme: self.scheme, ..Reading::default() };
        Ok(Target {
            store: Store::new(&connection, "services list", Shows::Values),
            prefix,
            reading,
        })
    }
}

impl Target {
    /// The name of a service, which has no slash.
    pub(super) fn service(&self, given: &str) -> Result<String, KeysError> {
        let name = self.prefix.name(given)?;
        if name.is_empty() || name.contains('/') {
            let text = "the name of a service has at least one character, and no slash: it is what \
                        stands before the first slash of a key below the prefix";
            return Err(KeysError::Usage(text.to_owned()));
        }
        Ok(name.to_owned())
    }
}
