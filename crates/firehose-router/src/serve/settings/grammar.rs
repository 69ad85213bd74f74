//! What the value of a setting may be.

use nginx_syntax::{milliseconds, number, offset};
use peer_balance::Method;
use peer_check::CheckMethod;

/// The largest body that can be allowed, in bytes, short of any size: 1024 GiB. nginx itself takes
/// more, and as much makes no sense.
const MAX_BODY_SIZE: u64 = 1 << 40;

/// What the value of a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// A whole number.
    Number { least: u32, most: u32 },
    /// The same, or "auto".
    NumberOrAuto { least: u32, most: u32 },
    /// A time as nginx writes it, of at most so many seconds.
    Time { longest: u64 },
    /// A size as nginx writes it, of at most [`MAX_BODY_SIZE`].
    Size,
    /// "on" or "off".
    Switch,
    /// Names of servers.
    ServerNames,
    /// A path of a URL.
    Path,
    /// A method of checks.
    Method,
    /// A method of balancing.
    Balance,
    /// Where syslog listens.
    LogServer,
    /// The key must not be there.
    NoKey,
}

impl Grammar {
    /// The value as it stands in nginx's configuration; `None` where it is not valid.
    pub(super) fn read(self, text: &str) -> Option<String> {
        let unchanged = |is_good: bool| is_good.then(|| text.to_owned());
        match self {
            Self::Number { least, most } => unchanged(is_number(text, least, most)),
            Self::NumberOrAuto { least, most } => {
                unchanged(text == "auto" || is_number(text, least, most))
            }
            Self::Time { longest } => time(text, longest),
            Self::Size => unchanged(is_size(text)),
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "on" | "true" | "yes" | "1" => Some("on".to_owned()),
                "off" | "false" | "no" | "0" => Some("off".to_owned()),
                _ => None,
            },
            Self::ServerNames => server_names(text),
            Self::Path => unchanged(is_path(text)),
            Self::Method => {
                let method = text.to_ascii_uppercase();
                method.parse::<CheckMethod>().is_ok().then_some(method)
            }
            Self::Balance => balance(text),
            Self::LogServer => syslog(text),
            Self::NoKey => None,
        }
    }

    /// What is expected, as a part of a sentence: "VALUE is not ...".
    pub(super) fn expected(self) -> String {
        match self {
            Self::Number { least, most } => format!("a number from {least} to {most}"),
            Self::NumberOrAuto { least, most } => {
                format!("a number from {least} to {most} or \"auto\"")
            }
            Self::Time { longest } => format!(
                "a time in nginx's syntax (65s, 500ms, 1m30s) of at most {}d",
                longest / SECONDS_OF_A_DAY
            ),
            Self::Size => {
                "a size in nginx's syntax (512k, 10m, 1g) of at most 1024g, or 0 for no limit"
                    .to_owned()
            }
            Self::Switch => "\"on\" or \"off\" (also yes, true, 1; no, false, 0)".to_owned(),
            Self::ServerNames => {
                "a server name or several, separated by spaces; regular expressions are not \
                supported"
                    .to_owned()
            }
            Self::Path => "a URL path that begins with \"/\"".to_owned(),
            Self::Method => "\"GET\" or \"HEAD\"".to_owned(),
            Self::Balance => "one of \"round_robin\", \"least_conn\", \"random\", \"random two\", \
                \"ip_hash\", \"least_time header\", \"least_time last_byte\" (both also with \
                \"inflight\"), \"peak_ewma\", \"hash KEY\" and \"hash KEY consistent\", where KEY \
                has nginx variables such as $request_uri or $arg_user"
                .to_owned(),
            Self::LogServer => "HOST, HOST:PORT or unix:PATH".to_owned(),
            Self::NoKey => "a setting".to_owned(),
        }
    }
}

/// Seconds of a day.
pub(super) const SECONDS_OF_A_DAY: u64 = 24 * 3600;

fn is_number(text: &str, least: u32, most: u32) -> bool {
    number(text).is_some_and(|number| (least..=most).contains(&number))
}

/// Whether nginx takes it as a size, of at most 1024 GiB.
fn is_size(text: &str) -> bool {
    offset(text).is_some_and(|bytes| bytes <= MAX_BODY_SIZE)
}

/// A time as nginx takes it, without spaces, of at most so many seconds.
fn time(text: &str, longest: u64) -> Option<String> {
    let time = milliseconds(text).filter(|&time| time <= longest * 1000)?;
    // A space may also stand for a unit.
    Some(text.replace(' ', "")).filter(|bare| milliseconds(bare) == Some(time))
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
    let arguments: Vec<&str> = text.split_whitespace().collect();
    let is_key = |key: &str| {
        key.contains('$')
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"$_.:/-".contains(&byte))
            && !key.ends_with('$')
    };
    let method = Method::parse(&arguments).ok()?;
    let is_good = !method.needs_key() || is_key(arguments[1]);
    is_good.then(|| arguments.join(" "))
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
