//! Which keys are meant, and in which etcd.

use clap::Args;
use nginx_syntax::quoted;
use upstream_peers::Reading;

use crate::{
    etcd::ConnectionOptions,
    keys::{KeysError, Prefix, Shows, Store, parse_prefix},
    scheme_flag,
};

/// The task that lists settings, for messages.
const SETTINGS_LIST: &str = "services list --settings PREFIX";

/// Flags that the tasks about nodes share.
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

    /// Where the keys are, for a task that changes settings.
    pub(super) fn target_of_settings(self) -> Result<Target, KeysError> {
        let mut target = self.target()?;
        target.store.list = SETTINGS_LIST;
        Ok(target)
    }
}

/// The etcd with keys of settings, for who needs no nodes.
pub(super) fn store_of_settings(connection: ConnectionOptions) -> Result<Store, KeysError> {
    Ok(Store::new(&connection.read()?, SETTINGS_LIST, Shows::Values))
}

/// The prefix of settings.
pub(super) fn settings_prefix(prefix: String) -> Prefix {
    Prefix::new(prefix, "--settings")
}

impl Target {
    /// The prefix of settings, which stands beside that of nodes: the module takes no other one.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub(super) fn settings_prefix(&self, prefix: String) -> Result<Prefix, KeysError> {
        let nodes = self.prefix.as_str();
        if prefix.starts_with(nodes) || nodes.starts_with(&prefix) {
            return Err(KeysError::Usage(format!(
                "the prefix {} of --settings is above or below the prefix {} of the nodes: correct \
                 it, or see --services",
                quoted(&prefix),
                quoted(nodes)
            )));
        }
        Ok(settings_prefix(prefix))
    }
}

/// The name of a service, which has no slash.
///
/// # Errors
///
/// Where it is none, or a key that is not below the prefix.
pub(super) fn service_name(prefix: &Prefix, given: &str) -> Result<String, KeysError> {
    let name = prefix.name(given)?;
    if name.is_empty() || name.contains('/') {
        let text = "the name of a service has at least one character, and no slash: it is what \
                    stands before the first slash of a key below the prefix";
        return Err(KeysError::Usage(text.to_owned()));
    }
    Ok(name.to_owned())
}
