//! The flags of `announce`.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};
use nginx_syntax::milliseconds;
use peer_check::{CheckMethod, SHORTEST};

use crate::{etcd::EtcdOptions, number_flag};

/// The shortest TTL in seconds: etcd itself grants none below one and a half of its election
/// timeout.
const MIN_TTL: i64 = 2;

/// The longest TTL in seconds: a day. The key of an announcer that dies stays for as long.
const MAX_TTL: i64 = 86_400;

/// The least time from one check to the next: it leaves the announcer and the node something else
/// to do.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Flags of `announce`.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("where").required(true).args(["addr", "container"])))]
pub(crate) struct AnnounceOptions {
    /// Key of the node below PREFIX/upstream/; slashes are allowed
    #[arg(
        long,
        env = "ANNOUNCE_KEY",
        value_name = "NAME",
        hide_env_values = true,
        value_parser = parse_key
    )]
    pub(crate) key: String,

    /// Address at which the router reaches the node: HOST:PORT, or :PORT on the address of this
    /// host
    #[arg(long, env = "ANNOUNCE_ADDR", value_name = "HOST:PORT", hide_env_values = true)]
    pub(crate) addr: Option<String>,

    /// Name of the container that the node runs in; Docker is asked for its address before each
    /// check
    #[arg(long, env = "ANNOUNCE_CONTAINER", value_name = "NAME", hide_env_values = true)]
    pub(crate) container: Option<String>,

    /// Port that the node listens on in its container
    #[arg(
        long,
        env = "ANNOUNCE_PORT",
        value_name = "PORT",
        default_value_t = 7474,
        hide_env_values = true,
        value_parser = number_flag::within(0..=u16::MAX)
    )]
    pub(crate) port: u16,

    /// Address of this host, also for a port that Docker publishes on all addresses [default:
    /// $COREOS_PRIVATE_IPV4, or the address that etcd is reached from]
    #[arg(long, env = "ANNOUNCE_HOST", value_name = "ADDRESS", hide_env_values = true)]
    pub(crate) host: Option<String>,

    /// URL of Docker's API: unix:///PATH or tcp://HOST:PORT
    #[arg(
        long,
        env = "DOCKER_HOST",
        value_name = "URL",
        default_value = "unix:///var/run/docker.sock",
        hide_env_values = true
    )]
    pub(crate) docker_host: String,

    /// Parameters of the node, as in nginx's "server" directive: 'weight=5 max_conns=100'
    #[arg(
        long,
        env = "ANNOUNCE_VALUE",
        value_name = "PARAMETERS",
        default_value = "",
        hide_default_value = true,
        hide_env_values = true
    )]
    pub(crate) value: String,

    /// Seconds after which etcd removes the key if the announcer has died (TTL of the lease)
    #[arg(
        long,
        env = "ANNOUNCE_TTL",
        value_name = "SECONDS",
        default_value_t = 60,
        hide_env_values = true,
        value_parser = number_flag::within(MIN_TTL..=MAX_TTL)
    )]
    pub(crate) ttl: i64,

    /// Check that the node must pass: "tcp", "tls", 'send=TEXT expect=TEXT', "none", or a URL
    /// (http:///PATH: at the address of the node)
    #[arg(
        long,
        env = "ANNOUNCE_CHECK",
        value_name = "CHECK",
        default_value = "tcp",
        hide_env_values = true
    )]
    pub(crate) check: String,

    /// HTTP method of the check: GET or HEAD [default: GET]
    ///
    /// Use HEAD for a Firehose server: any GET there waits for a message, except for
    /// /metrics@firehose.
    #[arg(long, env = "ANNOUNCE_CHECK_METHOD", value_name = "METHOD", hide_env_values = true)]
    pub(crate) check_method: Option<CheckMethod>,

    /// Interval between two checks, at least 10ms
    #[arg(
        long,
        env = "ANNOUNCE_CHECK_INTERVAL",
        hide_env_values = true,
        value_name = "TIME",
        default_value = "2s",
        value_parser = parse_interval
    )]
    pub(crate) check_interval: Duration,

    /// Timeout of a check, at least 1ms
    #[arg(
        long,
        env = "ANNOUNCE_CHECK_TIMEOUT",
        hide_env_values = true,
        value_name = "TIME",
        default_value = "1s",
        value_parser = parse_timeout
    )]
    pub(crate) check_timeout: Duration,

    /// Number of consecutive failed checks after which the key is removed
    #[arg(
        long,
        env = "ANNOUNCE_FALL",
        hide_env_values = true,
        value_name = "NUMBER",
        default_value_t = 3,
        value_parser = number_flag::within(1..=u32::MAX)
    )]
    pub(crate) fall: u32,

    /// Number of consecutive passed checks after which the key is set
    #[arg(
        long,
        env = "ANNOUNCE_RISE",
        hide_env_values = true,
        value_name = "NUMBER",
        default_value_t = 1,
        value_parser = number_flag::within(1..=u32::MAX)
    )]
    pub(crate) rise: u32,

    /// How long the node is marked "drain" on shutdown before its key is removed; a second signal
    /// skips the wait
    #[arg(
        long,
        env = "ANNOUNCE_DRAIN",
        value_name = "TIME",
        default_value = "10s",
        hide_env_values = true,
        value_parser = parse_time
    )]
    pub(crate) drain: Duration,

    /// How long the command may take to exit after SIGTERM before it is killed
    #[arg(
        long,
        env = "ANNOUNCE_STOP_TIMEOUT",
        hide_env_values = true,
        value_name = "TIME",
        default_value = "10s",
        value_parser = parse_time
    )]
    pub(crate) stop_timeout: Duration,

    /// Take over the key if another announcer holds it, instead of waiting
    #[arg(long, env = "ANNOUNCE_TAKE_OVER", hide_env_values = true)]
    pub(crate) take_over: bool,

    /// Command that runs the node: started first; when it exits, the key is removed
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) etcd: EtcdOptions,
}

/// Takes a name as the router takes it.
fn parse_key(given: &str) -> Result<String, String> {
    // A value that is good says nothing of it but what the key alone says.
    match upstream_peers::parse_server(given, b"192.0.2.1:80") {
        Ok(_) => Ok(given.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A time as nginx writes it, of at most a day.
fn parse_time(given: &str) -> Result<Duration, String> {
    /// Milliseconds.
    const LONGEST: u64 = 86_400_000;
    let time = milliseconds(given).filter(|&time| time <= LONGEST);
    time.map(Duration::from_millis).ok_or_else(|| {
        "a time of at most one day is required, such as 10s, 500ms or 1m30s".to_owned()
    })
}

fn parse_interval(given: &str) -> Result<Duration, String> {
    at_least(MIN_INTERVAL, given)
}

fn parse_timeout(given: &str) -> Result<Duration, String> {
    at_least(SHORTEST, given)
}

fn at_least(least: Duration, given: &str) -> Result<Duration, String> {
    let time = parse_time(given)?;
    if time < least { Err(format!("a time of at least {least:?} is required")) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse_interval, parse_key, parse_time, parse_timeout};

    #[test]
    fn times_are_read_or_rejected() {
        for (given, milliseconds) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("1m", 60_000),
            ("24h", 86_400_000),
            ("1d", 86_400_000),
            ("1m30s", 90_000),
            ("7", 7_000),
            ("0", 0),
        ] {
            assert_eq!(parse_time(given), Ok(Duration::from_millis(milliseconds)), "{given}");
        }
        for given in ["", "s", "-1s", "1.5s", "10 s", "25h", "1d1s", "99999999999999999999s"] {
            assert!(parse_time(given).is_err(), "{given}");
        }
    }

    #[test]
    fn no_check_follows_the_other_at_once_or_ends_before_it_begins() {
        assert_eq!(parse_interval("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(parse_timeout("1ms"), Ok(Duration::from_millis(1)));
        for given in ["0", "0s", "9ms"] {
            assert!(parse_interval(given).is_err_and(|error| error.contains("10ms")), "{given}");
        }
        assert!(parse_timeout("0").is_err_and(|error| error.contains("1ms")));
        assert!(parse_interval("25h").is_err_and(|error| error.contains("one day")));
    }

    #[test]
    fn keys_are_read_or_rejected() {
        for given in ["firehose-01", "eu/firehose-01"] {
            assert_eq!(parse_key(given).as_deref(), Ok(given));
        }
        for given in ["", "a\nb", &"k".repeat(300)] {
            assert!(parse_key(given).is_err(), "{given}");
        }
    }
}
