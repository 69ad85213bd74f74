//! The flags of `migrate`.

use std::path::PathBuf;

use clap::Args;
use etcd_watch::{ClusterConfig, Identity, Login, SettingNames, Tls};

use super::{
    source::{Api, Source},
    v3::Store,
};
use crate::etcd::{Etcd, EtcdOptions, EtcdOptionsError, parse_prefix};

/// Flags of `migrate`.
#[derive(Args, Clone, Debug)]
pub(crate) struct MigrateOptions {
    /// URLs of the members of the source etcd, separated by commas
    #[arg(long, value_name = "URL,...", value_delimiter = ',', required = true)]
    from: Vec<String>,

    /// URLs of the members of the target etcd (API v3), separated by commas [default:
    /// --etcd-endpoints]
    #[arg(long, value_name = "URL,...", value_delimiter = ',')]
    to: Vec<String>,

    /// API whose keys are copied [default: v2 if it has any, else v3]
    #[arg(long, value_enum, value_name = "v2|v3")]
    from_api: Option<Api>,

    /// Prefix of the keys at the source [default: --prefix]
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    from_prefix: Option<String>,

    /// Write the keys; without this flag they are only shown
    #[arg(long)]
    pub(super) yes: bool,

    /// Replace keys that have another value at the target
    #[arg(long)]
    pub(super) overwrite: bool,

    /// User for the authentication at the source
    #[arg(long, value_name = "NAME", requires = "from_password_file")]
    from_user: Option<String>,

    /// File with the password of that user
    #[arg(long, value_name = "FILE", requires = "from_user")]
    from_password_file: Option<PathBuf>,

    /// CA certificates to verify https:// endpoints of --from with (PEM; API v3)
    #[arg(long, value_name = "FILE")]
    from_cacert: Option<PathBuf>,

    /// Client certificate with its chain for --from (PEM; API v3)
    #[arg(long, value_name = "FILE", requires = "from_key")]
    from_cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "from_cert")]
    from_key: Option<PathBuf>,

    /// Name to verify the certificate of --from against [default: the endpoint's host]
    #[arg(long, value_name = "NAME")]
    from_server_name: Option<String>,

    #[command(flatten)]
    etcd: EtcdOptions,
}

impl MigrateOptions {
    /// The etcd that has the keys.
    pub(super) fn source(&self) -> Result<Source, EtcdOptionsError> {
        // Flags of the target's are none of the source's, but for how long things may take and the
        // prefix.
        let Etcd { config, prefix, .. } = self.etcd.anonymous_at(&self.from)?;
        let login = self.from_user.clone().zip(self.from_password_file.clone());
        let identity = self.from_cert.clone().zip(self.from_key.clone());
        let config = ClusterConfig {
            login: login.map(|(user, password_file)| Login { user, password_file }),
            tls: Tls {
                trusted_certificate: self.from_cacert.clone(),
                identity: identity.map(|(certificate, key)| Identity { certificate, key }),
                name: self.from_server_name.clone(),
            },
            setting_names: SettingNames::SOURCE_FLAGS,
            ..config
        };
        let prefix = self.from_prefix.clone().unwrap_or(prefix);
        Ok(Source::new(Store::new(Etcd { config, prefix, password: None }), self.from_api))
    }

    /// The etcd that is written to.
    pub(super) fn target(&self) -> Result<Etcd, EtcdOptionsError> {
        if self.to.is_empty() {
            return self.etcd.clone().read();
        }
        let mut etcd = self.etcd.clone().at(&self.to).read()?;
        etcd.config.setting_names.endpoint = "--to";
        Ok(etcd)
    }
}
