//! Where etcd is and who logs in: the flags that every task with etcd has.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use etcd_watch::{
    Cluster, ClusterConfig, Files, Identity, Login, OwnFiles, ReadFile, SettingNames, Tls,
    check_endpoint,
};

use super::error::EtcdOptionsError;
use crate::{number_flag, path_flag};

/// Where etcd is if nobody says it.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:2379";

/// etcd's port for clients, which `ETCD_IP` alone means.
const DEFAULT_PORT: u16 = 2379;

/// The variable with the password itself, for those who have no file to put it in. There is no flag
/// for it: a command line can be read by everybody.
pub(crate) const PASSWORD_VARIABLE: &str = "ETCD_PASSWORD";

/// What stands in place of a file where the password is in [`PASSWORD_VARIABLE`].
const PASSWORD_FROM_VARIABLE: &str = "$ETCD_PASSWORD";

/// Flags of the connection to etcd.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "etcd")]
pub(crate) struct ConnectionOptions {
    /// URLs of the etcd members, separated by commas [default: http://127.0.0.1:2379]
    ///
    /// "http://" may be omitted. If a member does not answer, the next one is tried.
    #[arg(
        long,
        env = "ETCD_ENDPOINTS",
        value_name = "URL,...",
        value_delimiter = ',',
        hide_env_values = true
    )]
    etcd_endpoints: Vec<String>,

    /// Host of a single endpoint, as in the original image
    #[arg(
        long,
        env = "ETCD_IP",
        value_name = "ADDRESS",
        hide_env_values = true,
        hide_short_help = true
    )]
    etcd_ip: Option<String>,

    /// Port of a single endpoint, as in the original image [default: 2379]
    #[arg(
        long,
        env = "ETCD_PORT",
        value_name = "PORT",
        hide_env_values = true,
        hide_short_help = true
    )]
    etcd_port: Option<String>,

    /// CA certificates to verify https:// endpoints with (PEM) [default: the system's]
    #[arg(
        long,
        env = "ETCD_CACERT",
        value_name = "FILE",
        hide_env_values = true,
        value_parser = path_flag::parser()
    )]
    etcd_cacert: Option<PathBuf>,

    /// Client certificate with its chain (PEM)
    #[arg(
        long,
        env = "ETCD_CERT",
        value_name = "FILE",
        hide_env_values = true,
        value_parser = path_flag::parser()
    )]
    etcd_cert: Option<PathBuf>,

    /// Private key of the client certificate (PEM)
    #[arg(
        long,
        env = "ETCD_KEY",
        value_name = "FILE",
        hide_env_values = true,
        value_parser = path_flag::parser()
    )]
    etcd_key: Option<PathBuf>,

    /// Name to verify etcd's certificate against [default: the endpoint's host]
    #[arg(long, env = "ETCD_SERVER_NAME", value_name = "NAME", hide_env_values = true)]
    etcd_server_name: Option<String>,

    /// User for etcd's authentication
    #[arg(long, env = "ETCD_USER", value_name = "NAME", hide_env_values = true)]
    etcd_user: Option<String>,

    /// File with the user's password, read at each login; alternatively, the variable ETCD_PASSWORD
    /// holds the password itself
    #[arg(
        long,
        env = "ETCD_PASSWORD_FILE",
        value_name = "FILE",
        hide_env_values = true,
        value_parser = path_flag::parser()
    )]
    etcd_password_file: Option<PathBuf>,

    /// Timeout of a connection to an endpoint, in seconds
    #[arg(
        long,
        env = "ETCD_CONNECT_TIMEOUT",
        value_name = "SECONDS",
        hide_env_values = true,
        default_value_t = 2,
        value_parser = number_flag::within(1_u64..=600)
    )]
    etcd_connect_timeout: u64,
}

/// How to reach an etcd.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) config: ClusterConfig,
    /// The password, where it is not in a file.
    pub(crate) password: Option<String>,
}

impl ConnectionOptions {
    /// Looks at the flags.
    ///
    /// # Errors
    ///
    /// Where they do not go together, or an endpoint is no URL.
    pub(crate) fn read(self) -> Result<Connection, EtcdOptionsError> {
        let endpoints = self.endpoints()?;
        let password = match std::env::var(PASSWORD_VARIABLE) {
            Ok(password) => Some(password).filter(|password| !password.is_empty()),
            Err(std::env::VarError::NotPresent) => None,
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(EtcdOptionsError::NotUtf8(PASSWORD_VARIABLE));
            }
        };
        let password_file = path(self.etcd_password_file);
        // A file can be rotated, so that it is the better of two.
        let password = password.filter(|_| password_file.is_none());
        let file =
            password_file.or_else(|| password.as_ref().map(|_| PASSWORD_FROM_VARIABLE.into()));
        let login = match (text(self.etcd_user), file) {
            (Some(user), Some(password_file)) => Some(Login { user, password_file }),
            (Some(_), None) => return Err(EtcdOptionsError::NoPassword),
            (None, Some(_)) => return Err(EtcdOptionsError::NoUser),
            (None, None) => None,
        };
        let identity = match (path(self.etcd_cert), path(self.etcd_key)) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            _ => return Err(EtcdOptionsError::HalfIdentity),
        };
        let trusted_certificate = path(self.etcd_cacert);
        let tls = Tls { trusted_certificate, identity, name: text(self.etcd_server_name) };
        let connect_timeout = Duration::from_secs(self.etcd_connect_timeout);
        let setting_names = match &password {
            Some(_) => SettingNames { password_file: "variable", ..SettingNames::FLAGS },
            None => SettingNames::FLAGS,
        };
        let config = ClusterConfig {
            name: "main".to_owned(),
            endpoints,
            connect_timeout,
            tls,
            login,
            setting_names,
        };
        Ok(Connection { config, password })
    }

    /// The same at other endpoints.
    pub(super) fn at(self, endpoints: &[String]) -> Self {
        Self { etcd_endpoints: endpoints.to_vec(), etcd_ip: None, etcd_port: None, ..self }
    }

    /// The connection at other endpoints, to which nobody shows anything.
    ///
    /// # Errors
    ///
    /// Where an endpoint is no URL.
    pub(super) fn anonymous_at(
        &self,
        endpoints: &[String],
    ) -> Result<Connection, EtcdOptionsError> {
        let endpoints = self.clone().at(endpoints).endpoints()?;
        let connect_timeout = Duration::from_secs(self.etcd_connect_timeout);
        let (name, tls) = ("main".to_owned(), Tls::default());
        let setting_names = SettingNames::FLAGS;
        let config =
            ClusterConfig { name, endpoints, connect_timeout, tls, login: None, setting_names };
        Ok(Connection { config, password: None })
    }

    fn endpoints(&self) -> Result<Vec<String>, EtcdOptionsError> {
        let given = self.etcd_endpoints.iter().map(|url| url.trim()).filter(|url| !url.is_empty());
        let mut urls: Vec<String> = given.map(with_scheme).collect();
        if urls.is_empty() {
            // Where there is a service or a linked container of the name "etcd", Kubernetes and
            // Docker set it to tcp://ADDRESS:PORT.
            let linked = self.etcd_port.as_deref().and_then(|port| port.strip_prefix("tcp://"));
            let port = text(self.etcd_port.clone()).filter(|_| linked.is_none());
            let port_or_default = port.clone().unwrap_or_else(|| DEFAULT_PORT.to_string());
            urls.push(match (text(self.etcd_ip.clone()), linked) {
                (Some(ip), Some(linked)) if !is_at(linked, &ip) => {
                    return Err(EtcdOptionsError::TwoPlaces { ip, linked: linked.to_owned() });
                }
                (Some(_), Some(linked)) => format!("http://{linked}"),
                (Some(ip), _) if ip.contains(':') && !ip.starts_with('[') => {
                    format!("http://[{ip}]:{port_or_default}")
                }
                (Some(ip), _) => format!("http://{ip}:{port_or_default}"),
                (None, Some(address)) => format!("http://{address}"),
                (None, None) if port.is_some() => format!("http://127.0.0.1:{port_or_default}"),
                (None, None) => DEFAULT_ENDPOINT.to_owned(),
            });
        }
        for url in &urls {
            check_endpoint(url)
                .map_err(|error| EtcdOptionsError::Endpoint { url: url.clone(), error })?;
        }
        Ok(urls)
    }
}

impl Connection {
    /// The cluster, to follow keys of or to call.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::new(
            self.config.clone(),
            Arc::new(PasswordFiles { password: self.password.clone() }),
        )
    }
}

/// Files that this process reads itself, but for the password that it has been given.
struct PasswordFiles {
    password: Option<String>,
}

impl Files for PasswordFiles {
    fn read(&self, file: &std::path::Path) -> ReadFile {
        match &self.password {
            Some(password) if file.as_os_str() == PASSWORD_FROM_VARIABLE => {
                let content: io::Result<Vec<u8>> = Ok(password.clone().into_bytes());
                Box::pin(std::future::ready(content))
            }
            _ => OwnFiles.read(file),
        }
    }
}

/// Whether `HOST:PORT` is at that host.
fn is_at(authority: &str, host: &str) -> bool {
    let own = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    bare(own) == bare(host)
}

fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

/// Variables of a container are often set to nothing, where nothing is meant.
fn text(given: Option<String>) -> Option<String> {
    given.filter(|text| !text.is_empty())
}

fn path(given: Option<PathBuf>) -> Option<PathBuf> {
    given.filter(|path| !path.as_os_str().is_empty())
}
