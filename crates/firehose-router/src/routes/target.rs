//! Which keys are meant, and in which etcd.

use clap::Args;

use crate::{
    etcd::ConnectionOptions,
    keys::{KeysError, Prefix, Shows, Store, parse_prefix},
};

/// Flags that all tasks of `routes` share.
#[derive(Args, Debug)]
pub(super) struct TargetOptions {
    /// Prefix of the keys, as the directive "etcd_map" has it
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "/routes/",
        value_parser = parse_prefix
    )]
    routes: String,

    /// Values are secrets, such as certificates: the directive has "secret". Show their lengths
    /// only
    #[arg(long)]
    pub(super) secret: bool,

    #[command(flatten)]
    connection: ConnectionOptions,
}

/// The keys below a prefix.
pub(super) struct Target {
    pub(super) store: Store,
    pub(super) prefix: Prefix,
}

impl TargetOptions {
    /// Where the keys are.
    pub(super) fn target(self) -> Result<Target, KeysError> {
        let connection = self.connection.read()?;
        let shows = if self.secret { Shows::Lengths } else { Shows::Values };
        let prefix = Prefix::new(self.routes, "--routes");
        Ok(Target { store: Store::new(&connection, "routes list", shows), prefix })
    }
}
