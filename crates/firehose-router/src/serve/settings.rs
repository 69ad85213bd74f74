//! The router's settings: which there are, what each may be, and what it is where nobody sets it.

use peer_check::Method;
use thiserror::Error;
use upstream_peers::milliseconds;

/// A setting, by its key below `PREFIX/nginx/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    WorkerProcesses,
    WorkerRlimitNofile,
    WorkerConnections,
    KeepaliveTimeout,
    ServerName,
    MaxConns,
    HealthcheckPath,
    HealthcheckMethod,
    Balance,
    DrainTimeout,
    DrainSpread,
    AcceptProxy,
    SyslogEndpoint,
    ClientMaxBodySize,
    /// No setting of anybody's: a key where the original had a directory. Whoever writes it means
    /// that not everybody may publish.
    PutAllow,
}

/// Keys below this one are the networks that may publish: no setting of nginx's own.
pub(crate) const PUT_ALLOW: &str = "put_allow/";

/// More than any machine has processors; and each takes memory of the zones.
const MAX_WORKER_PROCESSES: u32 = 256;

/// Each takes some 600 bytes of every worker, also where it is not used.
const MAX_WORKER_CONNECTIONS: u32 = 1_000_000;

/// Fewer would not do for a worker's own: its listening sockets and its channel.
const MIN_WORKER_CONNECTIONS: u32 = 32;

/// Linux's own limit (`fs.nr_open`) where nobody raises it.
const MAX_FILES: u32 = 1_048_576;

/// The longest value of a setting, in bytes: a list of server names.
const MAX_LENGTH: usize = 1024;

/// The largest body that can be allowed, in bytes, short of any size: 1024 GiB. nginx itself takes
/// more, and as much makes no sense.
const MAX_BODY_SIZE: u64 = 1 << 40;

/// The longest time in seconds: a year.
const MAX_SECONDS: u64 = 366 * 24 * 3600;

/// The longest time of a drain in seconds: the module takes no longer one (`type=time` of
/// `etcd_variable`).
const MAX_DRAIN_SECONDS: u64 = 90 * 24 * 3600;

/// What is wrong with a value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum SettingError {
    #[error("it is empty: delete the key for the default")]
    Empty,
    #[error("it has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("it is not text")]
    NotText,
    #[error("\"{value}\" is not {expected}")]
    Invalid { value: String, expected: String },
}

impl Setting {
    pub(crate) const ALL: [Self; 15] = [
        Self::WorkerProcesses,
        Self::WorkerRlimitNofile,
        Self::WorkerConnections,
        Self::KeepaliveTimeout,
        Self::ServerName,
        Self::MaxConns,
        Self::HealthcheckPath,
        Self::HealthcheckMethod,
        Self::Balance,
        Self::DrainTimeout,
        Self::DrainSpread,
        Self::AcceptProxy,
        Self::SyslogEndpoint,
        Self::ClientMaxBodySize,
        Self::PutAllow,
    ];

    /// The key below `PREFIX/nginx/`.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::WorkerProcesses => "worker_processes",
            Self::WorkerRlimitNofile => "worker_rlimit_nofile",
            Self::WorkerConnections => "worker_connections",
            Self::KeepaliveTimeout => "keepalive_timeout",
            Self::ServerName => "server_name",
            Self::MaxConns => "max_conns",
            Self::HealthcheckPath => "healthcheck_path",
            Self::HealthcheckMethod => "healthcheck_method",
            Self::Balance => "balance",
            Self::DrainTimeout => "drain_timeout",
            Self::DrainSpread => "drain_spread",
            Self::AcceptProxy => "accept_proxy",
            Self::SyslogEndpoint => "syslog_endpoint",
            Self::ClientMaxBodySize => "client_max_body_size",
            Self::PutAllow => "put_allow",
        }
    }

    /// The setting of a key, if it is one's.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.key() == key)
    }

    /// What it is where nobody sets it; `None` where nothing stands in the configuration then.
    pub(crate) const fn default(self) -> Option<&'static str> {
        match self {
            Self::WorkerProcesses => Some("4"),
            Self::WorkerConnections => Some("4096"),
            Self::KeepaliveTimeout => Some("65s"),
            Self::ServerName => Some("firehose-router"),
            Self::MaxConns => Some("0"),
            // Sessions last for hours: a new one goes to the node that has fewest.
            Self::Balance => Some("least_conn"),
            Self::AcceptProxy => Some("off"),
            // nginx's own. A node keeps a message in memory for as long as somebody might ask for
            // it.
            Self::ClientMaxBodySize => Some("1m"),
            Self::WorkerRlimitNofile
            | Self::HealthcheckPath
            | Self::HealthcheckMethod
            | Self::DrainTimeout
            | Self::DrainSpread
            | Self::SyslogEndpoint
            | Self::PutAllow => None,
        }
    }

    /// Whether a change acts without a reload: the module itself follows the key.
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::MaxConns | Self::DrainTimeout | Self::DrainSpread)
    }

    /// The value as it stands in the configuration.
    ///
    /// # Errors
    ///
    /// Where the setting cannot be that.
    pub(crate) fn read(self, value: &[u8]) -> Result<String, SettingError> {
        if self == Self::PutAllow {
            // Whatever its value is.
            return Ok("nobody".to_owned());
        }
        if value.len() > MAX_LENGTH {
            return Err(SettingError::TooLong);
        }
        let text = str::from_utf8(value).map_err(|_| SettingError::NotText)?.trim();
        if text.is_empty() {
            return Err(SettingError::Empty);
        }
        // Whatever else it is: a line break in it is a mistake.
        let checked = if text.contains(char::is_control) { None } else { self.check(text) };
        checked.ok_or_else(|| SettingError::Invalid {
            value: text.escape_debug().take(100).collect(),
            expected: self.expected(),
        })
    }

    fn check(self, text: &str) -> Option<String> {
        let as_it_is = |is_good: bool| is_good.then(|| text.to_owned());
        match self {
            Self::WorkerProcesses => {
                as_it_is(text == "auto" || is_number(text, 1, MAX_WORKER_PROCESSES))
            }
            Self::WorkerRlimitNofile => {
                as_it_is(is_number(text, MIN_WORKER_CONNECTIONS, MAX_FILES))
            }
            Self::WorkerConnections => {
                as_it_is(is_number(text, MIN_WORKER_CONNECTIONS, MAX_WORKER_CONNECTIONS))
            }
            Self::KeepaliveTimeout => time(text, MAX_SECONDS),
            Self::DrainTimeout | Self::DrainSpread => time(text, MAX_DRAIN_SECONDS),
            Self::ServerName => server_names(text),
            Self::MaxConns => as_it_is(is_number(text, 0, u32::MAX)),
            Self::HealthcheckPath => as_it_is(is_path(text)),
            Self::HealthcheckMethod => {
                let method = text.to_ascii_uppercase();
                method.parse::<Method>().is_ok().then_some(method)
            }
            Self::Balance => balance(text),
            Self::AcceptProxy => match text.to_ascii_lowercase().as_str() {
                "on" | "true" | "yes" | "1" => Some("on".to_owned()),
                "off" | "false" | "no" | "0" => Some("off".to_owned()),
                _ => None,
            },
            Self::SyslogEndpoint => syslog(text),
            Self::ClientMaxBodySize => as_it_is(is_size(text)),
            Self::PutAllow => None,
        }
    }

    fn expected(self) -> String {
        match self {
            Self::WorkerProcesses => {
                format!("a number from 1 to {MAX_WORKER_PROCESSES} or \"auto\"")
            }
            Self::WorkerRlimitNofile => {
                format!("a number from {MIN_WORKER_CONNECTIONS} to {MAX_FILES}")
            }
            Self::WorkerConnections => {
                format!("a number from {MIN_WORKER_CONNECTIONS} to {MAX_WORKER_CONNECTIONS}")
            }
            Self::KeepaliveTimeout | Self::DrainTimeout | Self::DrainSpread => {
                "a time as nginx writes it: 65s, 500ms, 1m30s".to_owned()
            }
            Self::ServerName => {
                "a server name, or several with spaces between them; no regular expression"
                    .to_owned()
            }
            Self::MaxConns => format!("a number from 0 to {}", u32::MAX),
            Self::HealthcheckPath => {
                "a path of a URL: \"/\" and what may stand behind it".to_owned()
            }
            Self::HealthcheckMethod => "\"GET\" or \"HEAD\"".to_owned(),
            Self::Balance => {
                "one of \"round_robin\", \"least_conn\", \"random\", \"random two\", \"ip_hash\", \
                 \"least_time\", \"hash KEY\" and \"hash KEY consistent\", where KEY is made of \
                 nginx's variables: $request_uri, $arg_user"
                    .to_owned()
            }
            Self::AcceptProxy => "\"on\" or \"off\" (also yes, true, 1; no, false, 0)".to_owned(),
            Self::SyslogEndpoint => "HOST, HOST:PORT or unix:PATH".to_owned(),
            Self::ClientMaxBodySize => {
                "a size of at most 1024g as nginx writes it: 512k, 10m, 1g, or 0 for any size"
                    .to_owned()
            }
            Self::PutAllow => "a key".to_owned(),
        }
    }
}

fn is_number(text: &str, least: u32, most: u32) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u32>().is_ok_and(|number| (least..=most).contains(&number))
}

/// Whether nginx takes it as a size (`ngx_parse_offset`), of at most 1024 GiB.
fn is_size(text: &str) -> bool {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u64>().is_ok_and(|number| number <= MAX_BODY_SIZE >> shift)
}

/// A time as nginx takes it, without spaces, of at most so many seconds.
fn time(text: &str, longest: u64) -> Option<String> {
    milliseconds(text).filter(|&time| time <= longest * 1000).map(|_| text.replace(' ', ""))
}

/// Names, wildcards and nginx's "_"; no regular expressions, which would need quoting of their own.
fn server_names(text: &str) -> Option<String> {
    let is_name = |name: &&str| {
        name.chars().all(|character| character.is_alphanumeric() || ".-_*".contains(character))
            && !name.starts_with('-')
    };
    let names: Vec<&str> = text.split_whitespace().collect();
    names.iter().all(is_name).then(|| names.join(" "))
}

/// What may stand in a request line and, unquoted, in nginx's configuration.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~!*()+,:@%?&=".contains(&byte))
}

fn balance(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_key = |key: &str| {
        key.contains('$')
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"$_.:/-".contains(&byte))
            && !key.ends_with('$')
    };
    let is_good = match &words[..] {
        ["round_robin" | "least_conn" | "random" | "ip_hash" | "least_time"]
        | ["random", "two"] => true,
        ["hash", key] | ["hash", key, "consistent"] => is_key(key),
        _ => false,
    };
    is_good.then(|| words.join(" "))
}

/// What stands behind `syslog:server=`; with a scheme before it, as some write it.
fn syslog(text: &str) -> Option<String> {
    let bare =
        text.strip_prefix("udp://").or_else(|| text.strip_prefix("syslog://")).unwrap_or(text);
    if let Some(path) = bare.strip_prefix("unix:") {
        let is_path = path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._".contains(&byte));
        return is_path.then(|| bare.to_owned());
    }
    let (host, port) = match bare.rfind(']') {
        Some(bracket) => bare.split_at(bracket + 1),
        None => bare.split_at(bare.find(':').unwrap_or(bare.len())),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            host.starts_with(|first: char| first.is_ascii_alphanumeric())
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    };
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| is_number(port, 1, 65_535));
    (is_host && is_port).then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Setting, SettingError};

    #[test]
    fn defaults_are_values_that_the_setting_takes() {
        for setting in Setting::ALL {
            assert_eq!(Setting::of_key(setting.key()), Some(setting));
            if let Some(default) = setting.default() {
                assert_eq!(setting.read(default.as_bytes()).as_deref(), Ok(default));
            }
        }
        assert_eq!(Setting::of_key("worker"), None);
    }

    #[test]
    fn good_values() {
        for (setting, value, read) in [
            (Setting::WorkerProcesses, "auto", "auto"),
            (Setting::WorkerProcesses, " 8\n", "8"),
            (Setting::WorkerRlimitNofile, "65536", "65536"),
            (Setting::KeepaliveTimeout, "0", "0"),
            (Setting::KeepaliveTimeout, "1m30s", "1m30s"),
            (Setting::KeepaliveTimeout, "500ms", "500ms"),
            (Setting::KeepaliveTimeout, "1h 30m", "1h30m"),
            (Setting::DrainSpread, "90d", "90d"),
            (Setting::DrainTimeout, "1d12h", "1d12h"),
            (
                Setting::ServerName,
                "a.example.com  *.example.org _",
                "a.example.com *.example.org _",
            ),
            (Setting::ServerName, "bücher.example", "bücher.example"),
            (Setting::HealthcheckPath, "/healthz?deep=1", "/healthz?deep=1"),
            (Setting::HealthcheckMethod, "head", "HEAD"),
            (Setting::HealthcheckMethod, "GET\n", "GET"),
            (Setting::Balance, "random  two", "random two"),
            (Setting::Balance, "hash $request_uri consistent", "hash $request_uri consistent"),
            (Setting::AcceptProxy, "TRUE", "on"),
            (Setting::AcceptProxy, "0", "off"),
            (Setting::SyslogEndpoint, "udp://logs.internal:514", "logs.internal:514"),
            (Setting::SyslogEndpoint, "[::1]:514", "[::1]:514"),
            (Setting::SyslogEndpoint, "unix:/dev/log", "unix:/dev/log"),
            (Setting::MaxConns, "0", "0"),
            (Setting::ClientMaxBodySize, "0", "0"),
            (Setting::ClientMaxBodySize, "20M", "20M"),
            (Setting::ClientMaxBodySize, "1024g", "1024g"),
            (Setting::ClientMaxBodySize, "1048576", "1048576"),
        ] {
            assert_eq!(setting.read(value.as_bytes()).as_deref(), Ok(read), "{setting:?} {value}");
        }
    }

    #[test]
    fn bad_values_are_refused_and_cannot_end_a_directive() {
        for setting in Setting::ALL.into_iter().filter(|&setting| setting != Setting::PutAllow) {
            for value in [
                "a;b",
                "4; user root",
                "1 }",
                "\"",
                "'a'",
                "a\\b",
                "{",
                "$(id)",
                "a\nb",
                "-1",
                "\u{1b}",
                "#",
                "${a",
            ] {
                assert!(setting.read(value.as_bytes()).is_err(), "{setting:?} {value:?}");
            }
            assert_eq!(setting.read(b" \n"), Err(SettingError::Empty));
            assert_eq!(setting.read(b"\xff"), Err(SettingError::NotText));
            assert_eq!(setting.read(&[b'1'; 2000]), Err(SettingError::TooLong));
        }
        for (setting, value) in [
            (Setting::WorkerProcesses, "0"),
            (Setting::WorkerProcesses, "257"),
            (Setting::WorkerProcesses, "4.0"),
            (Setting::WorkerConnections, "31"),
            (Setting::WorkerConnections, "many"),
            (Setting::KeepaliveTimeout, "s"),
            (Setting::KeepaliveTimeout, "5x"),
            (Setting::KeepaliveTimeout, "30s1m"),
            (Setting::KeepaliveTimeout, "99999999999999999999"),
            (Setting::KeepaliveTimeout, "2y"),
            (Setting::DrainTimeout, "91d"),
            (Setting::DrainTimeout, "s"),
            (Setting::HealthcheckPath, "healthz"),
            (Setting::HealthcheckPath, "/a b"),
            (Setting::HealthcheckMethod, "POST"),
            (Setting::HealthcheckMethod, "HEAD /"),
            (Setting::Balance, "fastest"),
            (Setting::Balance, "hash uri"),
            (Setting::Balance, "hash $"),
            (Setting::AcceptProxy, "maybe"),
            (Setting::SyslogEndpoint, "host:0"),
            (Setting::SyslogEndpoint, "a:b:c"),
            (Setting::SyslogEndpoint, "host,tag=x"),
            (Setting::MaxConns, "4294967296"),
            (Setting::ClientMaxBodySize, "m"),
            (Setting::ClientMaxBodySize, "1t"),
            (Setting::ClientMaxBodySize, "1.5m"),
            (Setting::ClientMaxBodySize, "1025g"),
            (Setting::ClientMaxBodySize, "99999999999999999999"),
        ] {
            assert!(setting.read(value.as_bytes()).is_err(), "{setting:?} {value}");
        }
    }
}
