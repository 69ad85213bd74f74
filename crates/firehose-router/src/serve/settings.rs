//! The router's settings: one table of all that there are.

mod grammar;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::reference;

use thiserror::Error;

use self::grammar::{Grammar, SECONDS_OF_A_DAY};

/// A setting, by its key below `PREFIX/nginx/`. What each is stands in [`TABLE`].
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
    /// No setting of anybody's: a key where the original had a directory. It means that not
    /// everybody may publish.
    PutAllow,
}

/// How a setting acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rendering {
    /// The template has the value, or the default, by the key's name.
    Value,
    /// The template has the value by the key's name, or nothing.
    Optional,
    /// The template has by the key's name whether it is "on".
    Switch,
    /// The template has the address of the log server by the key's name, or nothing.
    LogServer,
    /// The template has nothing by the key's name.
    Nothing,
}

/// Since when there is a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// The original image had it.
    Original,
    /// It came with this version of the router.
    Version(&'static str),
}

/// A setting as it is described.
struct Row {
    setting: Setting,
    key: &'static str,
    grammar: Grammar,
    /// What it is where nobody sets it; `None` where nothing stands in the configuration then.
    default: Option<&'static str>,
    rendering: Rendering,
    /// Whether a change acts without a reload: the module itself follows the key.
    is_live: bool,
    /// Checked against the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the check of the documentation"))]
    since: Since,
    /// What it sets, for the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the documentation"))]
    text: &'static str,
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

/// The longest time, in seconds.
const YEAR: u64 = 366 * SECONDS_OF_A_DAY;

/// The longest time of a drain, in seconds: the module takes no longer one (`type=time` of
/// `etcd_variable`).
const MAX_DRAIN: u64 = 90 * SECONDS_OF_A_DAY;

/// Characters of a value that a message shows.
const SHOWN: usize = 100;

/// All settings, in the order of [`Setting`]. A new one is a row here, its name there, and its
/// place in the template; `make docs` writes its row of the reference.
static TABLE: [Row; 15] = {
    use Grammar as G;
    use Rendering::{LogServer, Nothing, Optional, Switch, Value};
    use Since::Original;
    const NEW: Since = Since::Version("0.1.0");
    const CONNECTIONS: G =
        G::Number { least: MIN_WORKER_CONNECTIONS, most: MAX_WORKER_CONNECTIONS };
    const FILES: G = G::Number { least: MIN_WORKER_CONNECTIONS, most: MAX_FILES };
    const PROCESSES: G = G::NumberOrAuto { least: 1, most: MAX_WORKER_PROCESSES };
    const MAX_CONNS: G = G::Number { least: 0, most: u32::MAX };
    const DRAIN: G = G::Time { longest: MAX_DRAIN };
    const RELOADED: bool = false;
    const LIVE: bool = true;
    use Setting as S;
    [
        row(
            S::WorkerProcesses,
            "worker_processes",
            PROCESSES,
            Some("4"),
            Value,
            RELOADED,
            Original,
            "nginx's directive of this name; `auto` is one worker per processor",
        ),
        row(
            S::WorkerRlimitNofile,
            "worker_rlimit_nofile",
            FILES,
            None,
            Optional,
            RELOADED,
            Original,
            "nginx's directive of this name: maximum number of open files of a worker; by default \
            the limit of `serve`",
        ),
        row(
            S::WorkerConnections,
            "worker_connections",
            CONNECTIONS,
            Some("4096"),
            Value,
            RELOADED,
            Original,
            "nginx's directive of this name: maximum number of connections of a worker",
        ),
        row(
            S::KeepaliveTimeout,
            "keepalive_timeout",
            G::Time { longest: YEAR },
            Some("65s"),
            Value,
            RELOADED,
            Original,
            "nginx's directive of this name: how long idle client connections stay open",
        ),
        row(
            S::ServerName,
            "server_name",
            G::ServerNames,
            Some("firehose-router"),
            Value,
            RELOADED,
            Original,
            "nginx's directive of this name",
        ),
        row(
            S::MaxConns,
            "max_conns",
            MAX_CONNS,
            Some("0"),
            Value,
            LIVE,
            Original,
            "maximum number of open connections to a node whose value does not set it; 0 means no \
            limit",
        ),
        row(
            S::HealthcheckPath,
            "healthcheck_path",
            G::Path,
            None,
            Optional,
            RELOADED,
            NEW,
            "enables checks of the nodes by this path; `/` if only the method is set",
        ),
        row(
            S::HealthcheckMethod,
            "healthcheck_method",
            G::Method,
            None,
            Optional,
            RELOADED,
            NEW,
            "enables checks of the nodes by this method; `GET` if only the path is set; for \
            Firehose servers `HEAD`",
        ),
        // Sessions last for hours: a new one goes to the node that has fewest.
        row(
            S::Balance,
            "balance",
            G::Balance,
            Some("least_conn"),
            Value,
            RELOADED,
            NEW,
            "load balancing method, as in `etcd_balance`",
        ),
        row(
            S::DrainTimeout,
            "drain_timeout",
            DRAIN,
            None,
            Optional,
            LIVE,
            NEW,
            "time in which connections to a removed or drained node can end, as in `etcd_drain`; \
            without it and `drain_spread`, they stay open until they end",
        ),
        row(
            S::DrainSpread,
            "drain_spread",
            DRAIN,
            None,
            Optional,
            LIVE,
            NEW,
            "time over which the remaining connections are closed",
        ),
        row(
            S::AcceptProxy,
            "accept_proxy",
            G::Switch,
            Some("off"),
            Switch,
            RELOADED,
            Original,
            "clients come through a balancer that sends the PROXY protocol; the address in it is \
            that of the client",
        ),
        row(
            S::SyslogEndpoint,
            "syslog_endpoint",
            G::LogServer,
            None,
            LogServer,
            RELOADED,
            Original,
            "syslog server to which requests and errors are logged in addition",
        ),
        // nginx's own default. A node keeps a message in memory for as long as somebody might ask
        // for it.
        row(
            S::ClientMaxBodySize,
            "client_max_body_size",
            G::Size,
            Some("1m"),
            Value,
            RELOADED,
            NEW,
            "nginx's directive of this name: maximum size of a published message; 0 means no limit",
        ),
        row(
            S::PutAllow,
            "put_allow",
            G::NoKey,
            None,
            Nothing,
            RELOADED,
            Original,
            "networks of clients that may publish (`PUT`); with an empty value, the name is the \
            network; other clients get 403",
        ),
    ]
};

#[expect(clippy::too_many_arguments, reason = "the columns of a table")]
const fn row(
    setting: Setting,
    key: &'static str,
    grammar: Grammar,
    default: Option<&'static str>,
    rendering: Rendering,
    is_live: bool,
    since: Since,
    text: &'static str,
) -> Row {
    Row { setting, key, grammar, default, rendering, is_live, since, text }
}

/// What is wrong with a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum SettingError {
    #[error("there is no setting of this name; the settings are {}", names())]
    Unknown,
    #[error(
        "this key must not exist: write each network to a key of its own below it, such as \
        put_allow/office with the value 10.0.0.0/8 (\"firehose-router migrate\" copies them from \
        etcd v2), and then delete this key; while it exists, only the networks below it may publish"
    )]
    PutAllowIsKey,
    #[error("the value is empty; delete the key to use the default")]
    Empty,
    #[error("the value is too long: the maximum is {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the value is not valid UTF-8")]
    NotText,
    #[error("\"{value}\" is not {expected}")]
    Invalid { value: String, expected: String },
}

impl Setting {
    /// The value of [`Setting::PutAllow`] in what is kept and logged.
    pub(crate) const PUT_ALLOW_IS_KEY: &str = "nobody";

    /// All of them, in the order of the documentation.
    pub(crate) fn all() -> impl DoubleEndedIterator<Item = Self> {
        TABLE.iter().map(|row| row.setting)
    }

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The key below `PREFIX/nginx/`.
    pub(crate) const fn key(self) -> &'static str {
        self.row().key
    }

    /// The setting of a key, if it is one's.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        Self::all().find(|setting| setting.key() == key)
    }

    /// What it is where nobody sets it; `None` where nothing stands in the configuration then.
    pub(crate) const fn default(self) -> Option<&'static str> {
        self.row().default
    }

    /// Whether a change acts without a reload: the module itself follows the key.
    pub(crate) const fn is_live(self) -> bool {
        self.row().is_live
    }

    /// What the template has of it.
    pub(crate) const fn rendering(self) -> Rendering {
        self.row().rendering
    }

    /// The value as it stands in the configuration.
    ///
    /// # Errors
    ///
    /// Where the setting cannot be that.
    pub(crate) fn read(self, value: &[u8]) -> Result<String, SettingError> {
        if self == Self::PutAllow {
            return Err(SettingError::PutAllowIsKey);
        }
        if value.len() > MAX_LENGTH {
            return Err(SettingError::TooLong);
        }
        let text = str::from_utf8(value).map_err(|_| SettingError::NotText)?.trim();
        if text.is_empty() {
            return Err(SettingError::Empty);
        }
        let grammar = self.row().grammar;
        // Whatever else it is: a line break in it is an error.
        let checked = if text.contains(char::is_control) { None } else { grammar.read(text) };
        checked.ok_or_else(|| SettingError::Invalid {
            value: text.escape_debug().take(SHOWN).collect(),
            expected: grammar.expected(),
        })
    }
}

/// The names of all settings, with commas between them.
fn names() -> String {
    let names = Setting::all().map(|setting| match setting {
        Setting::PutAllow => "put_allow/NAME",
        setting => setting.key(),
    });
    names.collect::<Vec<_>>().join(", ")
}
