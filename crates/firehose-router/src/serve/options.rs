//! The flags of `serve`.

use std::path::PathBuf;

use clap::Args;

use crate::etcd::EtcdOptions;

/// Flags of `serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeOptions {
    /// Where clients connect: ports, or addresses with ports, with commas between them
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

    /// Where the last good settings and nodes are kept, for a start without etcd
    #[arg(
        long,
        env = "FIREHOSE_STATE_DIR",
        value_name = "FOLDER",
        default_value = "/var/lib/firehose-router",
        hide_env_values = true
    )]
    pub(crate) state_dir: PathBuf,

    /// Where nginx's configuration, its pid and temporary files are [default: /run/firehose-router,
    /// or what else can be written to]
    #[arg(long, env = "FIREHOSE_RUN_DIR", value_name = "FOLDER", hide_env_values = true)]
    pub(crate) run_dir: Option<PathBuf>,

    /// Where the access log goes: "stdout", "off", a file, or syslog:server=... [default: stdout,
    /// or the system's log where that is no file]
    #[arg(
        long,
        env = "FIREHOSE_ACCESS_LOG",
        value_name = "LOG",
        hide_env_values = true,
        value_parser = parse_log
    )]
    pub(crate) access_log: Option<String>,

    /// The shared memory of the nodes: 1m holds some 2000 of them
    #[arg(
        long,
        env = "FIREHOSE_ZONE_SIZE",
        value_name = "SIZE",
        default_value = "1m",
        hide_env_values = true,
        value_parser = parse_size
    )]
    pub(crate) zone_size: String,

    /// How long open connections may go on after SIGTERM or SIGINT, in seconds
    #[arg(
        long,
        env = "FIREHOSE_STOP_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 8,
        hide_env_values = true,
        value_parser = clap::value_parser!(u64).range(..=86_400)
    )]
    pub(crate) stop_timeout: u64,

    /// The user of nginx's workers, where this is run by root [default: www-data or nginx,
    /// whichever there is]
    #[arg(
        long,
        env = "FIREHOSE_NGINX_USER",
        value_name = "NAME",
        hide_env_values = true,
        value_parser = parse_user
    )]
    pub(crate) nginx_user: Option<String>,

    /// nginx itself
    #[arg(
        long,
        env = "NGINX",
        value_name = "FILE",
        default_value = "nginx",
        hide_env_values = true
    )]
    pub(crate) nginx: PathBuf,

    /// The module [default: where this nginx has its modules]
    #[arg(long, env = "ETCD_MODULE", value_name = "FILE", hide_env_values = true)]
    pub(crate) module: Option<PathBuf>,

    /// The template of nginx's configuration, in place of the built-in one (see
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
            "a port from 1 to 65535 is needed, with or without an address before it".to_owned()
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
        Err("an address is needed before the port: 10.0.0.1, [::1]".to_owned())
    }
}

fn parse_size(given: &str) -> Result<String, String> {
    let digits = given.trim_end_matches(['k', 'K', 'm', 'M']);
    let is_good = given.len() - digits.len() <= 1
        && !digits.is_empty()
        && digits.len() <= 9
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_good {
        Ok(given.to_owned())
    } else {
        Err("a size as nginx writes it is needed: 512k, 4m".to_owned())
    }
}

fn parse_user(given: &str) -> Result<String, String> {
    let is_good = !given.is_empty()
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_good { Ok(given.to_owned()) } else { Err("the name of a user is needed".to_owned()) }
}

/// It stands in the configuration as it is.
fn parse_log(given: &str) -> Result<String, String> {
    let is_good = !given.is_empty()
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.:=,[]".contains(&byte));
    if is_good {
        Ok(given.to_owned())
    } else {
        Err("\"stdout\", \"off\", a file or syslog:server=... is needed".to_owned())
    }
}
