//! Where etcd is, who logs in, and below which prefix everything of ours stands: the flags that
//! tasks share.

use clap::Args;
use etcd_watch::{Cluster, ClusterConfig};
use nginx_syntax::quoted;

mod connection;
mod error;
mod listing;

pub(crate) use self::{
    connection::{Connection, ConnectionOptions, PASSWORD_VARIABLE},
    error::EtcdOptionsError,
    listing::list,
};

/// Flags of etcd, with the prefix.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "etcd")]
pub(crate) struct EtcdOptions {
    #[command(flatten)]
    connection: ConnectionOptions,

    /// Prefix of the keys of nodes (PREFIX/upstream/) and settings (PREFIX/nginx/)
    #[arg(
        long,
        env = "FIREHOSE_PREFIX",
        value_name = "PREFIX",
        hide_env_values = true,
        default_value = "/firehose",
        value_parser = parse_prefix
    )]
    prefix: String,
}

/// An etcd and the prefix, as the flags say.
#[derive(Clone)]
pub(crate) struct Etcd {
    /// How to reach it.
    pub(crate) config: ClusterConfig,
    /// Begins with what was given and ends without a slash.
    pub(crate) prefix: String,
    /// The password, where it is not in a file.
    pub(crate) password: Option<String>,
}

impl EtcdOptions {
    /// Looks at the flags.
    ///
    /// # Errors
    ///
    /// Where they do not go together, or an endpoint is no URL.
    pub(crate) fn read(self) -> Result<Etcd, EtcdOptionsError> {
        let prefix = self.prefix;
        self.connection.read().map(|connection| Etcd::new(connection, prefix))
    }

    /// The same at other endpoints.
    pub(crate) fn at(self, endpoints: &[String]) -> Self {
        Self { connection: self.connection.at(endpoints), ..self }
    }

    /// An etcd at other endpoints, to which nobody shows anything.
    ///
    /// # Errors
    ///
    /// Where an endpoint is no URL.
    pub(crate) fn anonymous_at(&self, endpoints: &[String]) -> Result<Etcd, EtcdOptionsError> {
        let connection = self.connection.anonymous_at(endpoints)?;
        Ok(Etcd::new(connection, self.prefix.clone()))
    }
}

impl Etcd {
    fn new(connection: Connection, prefix: String) -> Self {
        let Connection { config, password } = connection;
        Self { config, prefix, password }
    }

    /// How to reach it.
    pub(crate) fn connection(&self) -> Connection {
        Connection { config: self.config.clone(), password: self.password.clone() }
    }

    /// The cluster, to follow keys of or to call.
    pub(crate) fn cluster(&self) -> Cluster {
        self.connection().cluster()
    }

    /// The prefix of the nodes' keys.
    pub(crate) fn upstream_prefix(&self) -> String {
        format!("{}/upstream/", self.prefix)
    }

    /// The prefix of the settings' keys.
    pub(crate) fn settings_prefix(&self) -> String {
        format!("{}/nginx/", self.prefix)
    }
}

/// Takes a prefix, with or without a slash at its end.
pub(crate) fn parse_prefix(given: &str) -> Result<String, String> {
    let prefix = given.trim_end_matches('/');
    if !prefix.starts_with('/') {
        return Err("it must begin with \"/\" and have at least one more character".to_owned());
    }
    if let Some(character) =
        prefix.chars().find(|character| character.is_control() || "\"\\$;{}' ".contains(*character))
    {
        return Err(format!("it must not contain {}", quoted(&character.to_string())));
    }
    Ok(prefix.to_owned())
}

#[cfg(test)]
mod tests;
