//! The flags of `serve`.

use std::path::PathBuf;

use clap::Args;

use crate::{etcd::EtcdOptions, number_flag};

/// Flags of `serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeOptions {
    /// Ports, or addresses with ports, to listen on, separated by commas
    #[arg(
        long,
        env = "FIREHOSE_LISTEN",
        value_name = "[ADDRESS:]PORT,...",
        value_delimiter = ',',
        default_value = "80",
        hide_env_values = true,
        value_parser = parse_listen
    )]
    pub(crate) listen: Vec<String>,

    /// Directory for the last valid settings and nodes, used at a start without etcd
    #[arg(
        long,
        env = "FIREHOSE_STATE_DIR",
        value_name = "DIRECTORY",
        default_value = "/var/lib/firehose-router",
        hide_env_values = true
    )]
    pub(crate) state_dir: PathBuf,

    /// Directory for nginx's configuration, pid file and temporary files [default:
    /// /run/firehose-router, or the first usable directory]
    #[arg(long, env = "FIREHOSE_RUN_DIR", value_name = "DIRECTORY", hide_env_values = true)]
    pub(crate) run_dir: Option<PathBuf>,

    /// Access log: "stdout", "off", a file, or syslog:server=... [default: stdout, or /dev/log if
    /// stdout cannot be opened]
    #[arg(
        long,
        env = "FIREHOSE_ACCESS_LOG",
        value_name = "LOG",
        hide_env_values = true,
        value_parser = parse_log
    )]
    pub(crate) access_log: Option<String>,

    /// Size of the shared memory for nodes; 1m holds about 3800, fewer with more than four workers
    #[arg(
        long,
        env = "FIREHOSE_ZONE_SIZE",
        value_name = "SIZE",
        default_value = "1m",
        hide_env_values = true,
        value_parser = parse_size
    )]
    pub(crate) zone_size: String,

    /// Time for open connections to finish after SIGTERM or SIGINT, in seconds
    #[arg(
        long,
        env = "FIREHOSE_STOP_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 8,
        hide_env_values = true,
        value_parser = number_flag::within(0_u64..=86_400)
    )]
    pub(crate) stop_timeout: u64,

    /// User of nginx's workers if started by root [default: www-data or nginx, whichever exists]
    #[arg(
        long,
        env = "FIREHOSE_NGINX_USER",
        value_name = "NAME",
        hide_env_values = true,
        value_parser = parse_user
    )]
    pub(crate) nginx_user: Option<String>,

    /// Name or path of the nginx binary
    #[arg(
        long,
        env = "NGINX",
        value_name = "FILE",
        default_value = "nginx",
        hide_env_values = true
    )]
    pub(crate) nginx: PathBuf,

    /// Path of the module [default: in the modules directory of nginx]
    #[arg(long, env = "ETCD_MODULE", value_name = "FILE", hide_env_values = true)]
    pub(crate) module: Option<PathBuf>,

    /// Template of nginx's configuration, instead of the built-in one (see
    /// nginx-conf/router.conf.jinja)
    #[arg(long, env = "FIREHOSE_TEMPLATE", value_name = "FILE", hide_env_values = true)]
    pub(crate) template: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) etcd: EtcdOptions,
}

/// Takes a port, or an address with one.
fn parse_listen(given: &str) -> Result<String, String> {
    let given = given.trim();
    let (address, port) =
        given.rsplit_once(':').map_or((None, given), |(address, port)| (Some(address), port));
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(
            "expected a port from 1 to 65535, with an optional address before it".to_owned()
        );
    }
    let is_good = match address {
        None | Some("*") => true,
        Some(address) => match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => address.parse::<std::net::Ipv4Addr>().is_ok(),
        },
    };
    if is_good {
        Ok(given.to_owned())
    } else {
        Err("expected an IP address before the port, such as 10.0.0.1 or [::1]".to_owned())
    }
}

/// What the module takes at least: eight pages.
const MIN_ZONE: u64 = 8 * 4096;

fn parse_size(given: &str) -> Result<String, String> {
    if nginx_syntax::size(given).is_some_and(|size| size >= MIN_ZONE) {
        Ok(given.to_owned())
    } else {
        Err("expected a size of at least 32k in nginx's syntax, such as 512k or 4m".to_owned())
    }
}

fn parse_user(given: &str) -> Result<String, String> {
    let is_good = !given.is_empty()
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_good { Ok(given.to_owned()) } else { Err("expected the name of a user".to_owned()) }
}

/// It stands in the configuration as it is.
fn parse_log(given: &str) -> Result<String, String> {
    let is_good = !given.is_empty()
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.:=,[]".contains(&byte));
    if is_good {
        Ok(given.to_owned())
    } else {
        Err("expected \"stdout\", \"off\", a file or syslog:server=...".to_owned())
    }
}
