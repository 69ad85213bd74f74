//! What is checked, how often, and how many results count.

use std::{str::FromStr, time::Duration};

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use nginx_syntax::quoted;
use thiserror::Error;

use crate::exchange::Exchange;
use crate::status::StatusSet;
use crate::tls::is_tls_name;

/// The shortest interval and timeout: the smallest time that nginx's configuration can express.
pub const SHORTEST: Duration = Duration::from_millis(1);

/// The longest interval and timeout, a year: far beyond any use, and what can still be added to any
/// point of time.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How peers are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// What one check is.
    pub kind: CheckKind,
    /// From one check of a peer to its next, ± 10 %. Taken as [`SHORTEST`] or [`LONGEST`] where it
    /// is beyond these.
    pub interval: Duration,
    /// How long one check may take, connecting included. Bounded as the interval is.
    pub timeout: Duration,
    /// A peer fails after so many failures in a row; 0 is taken as 1.
    pub fall: u32,
    /// A peer that failed passes after so many passes in a row; 0 is taken as 1.
    pub rise: u32,
}

/// What one check is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A connection, closed as soon as it stands.
    Tcp {
        /// What is sent and expected before that.
        exchange: Option<Exchange>,
    },
    /// A connection with a TLS handshake, whatever the peer's certificate is.
    Tls {
        /// The name in its SNI, if any.
        name: Option<String>,
        /// What is sent and expected after it.
        exchange: Option<Exchange>,
    },
    /// A request. The answer's status decides, its body is not read.
    Http {
        /// The method that is asked by.
        method: CheckMethod,
        /// The path and query that are asked for, beginning with a slash.
        uri: String,
        /// The `Host` header; absent, the peer's address as nginx sends it.
        host: Option<String>,
        /// With which statuses a check passes.
        status: StatusSet,
    },
}

/// How a page is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckMethod {
    /// As a client does who wants the page.
    #[default]
    Get,
    /// For the answer's head alone: some servers say by it how they are, and let a GET wait for
    /// news.
    Head,
}

/// What was given as a method is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid method {}: it must be \"GET\" or \"HEAD\"", quoted(.0))]
pub struct CheckMethodError(String);

impl FromStr for CheckMethod {
    type Err = CheckMethodError;

    fn from_str(text: &str) -> Result<Self, CheckMethodError> {
        match text {
            "GET" => Ok(Self::Get),
            "HEAD" => Ok(Self::Head),
            _ => Err(CheckMethodError(text.to_owned())),
        }
    }
}

/// Why a configuration could pass no check.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The uri is none.
    #[error("invalid uri {}: it must be a path that begins with \"/\"", quoted(.0))]
    Uri(String),
    /// The host cannot be sent as a header.
    #[error("invalid host {}: it cannot be sent as a header", quoted(.0))]
    Host(String),
    /// The name cannot be in a handshake.
    #[error("invalid name {}: it must be a host name in ASCII", quoted(.0))]
    Name(String),
}

impl CheckConfig {
    /// Whether requests can be made from it.
    ///
    /// # Errors
    ///
    /// A uri, a host or a name that cannot be sent. Each check would fail with this reason.
    pub fn verify(&self) -> Result<(), ConfigError> {
        match &self.kind {
            CheckKind::Tcp { .. } => Ok(()),
            CheckKind::Tls { name, .. } => match name {
                Some(name) if !is_tls_name(name) => Err(ConfigError::Name(name.clone())),
                _ => Ok(()),
            },
            CheckKind::Http { uri, host, .. } => {
                path(uri)?;
                host.as_deref().map(host_header).transpose().map(|_| ())
            }
        }
    }
}

pub(crate) fn path(uri: &str) -> Result<PathAndQuery, ConfigError> {
    let wrong = || ConfigError::Uri(uri.to_owned());
    // A fragment would be cut off without a word.
    if !uri.starts_with('/') || uri.contains('#') {
        return Err(wrong());
    }
    uri.parse().map_err(|_| wrong())
}

pub(crate) fn host_header(host: &str) -> Result<HeaderValue, ConfigError> {
    let wrong = || ConfigError::Host(host.to_owned());
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(wrong());
    }
    HeaderValue::from_str(host).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::NoAnswer;

    fn verify(uri: &str, host: Option<&str>) -> Result<(), ConfigError> {
        let kind = CheckKind::Http {
            method: CheckMethod::Get,
            uri: uri.to_owned(),
            host: host.map(str::to_owned),
            status: StatusSet::default(),
        };
        let second = Duration::from_secs(1);
        CheckConfig { kind, interval: second, timeout: second, fall: 1, rise: 1 }.verify()
    }

    #[test]
    fn only_get_and_head_are_methods() {
        assert_eq!("GET".parse(), Ok(CheckMethod::Get));
        assert_eq!("HEAD".parse(), Ok(CheckMethod::Head));
        for text in ["", "get", "Head", "POST", " GET"] {
            assert_eq!(text.parse::<CheckMethod>(), Err(CheckMethodError(text.to_owned())));
        }
    }

    #[test]
    fn what_cannot_be_sent_is_said() {
        assert_eq!(verify("/", None), Ok(()));
        assert_eq!(verify("/healthz?deep=1&x=%20", Some("node.example:8080")), Ok(()));
        for uri in ["", "healthz", "http://node/healthz", "/a b", "/a\r\nX: y", "/a#b", "*"] {
            assert_eq!(verify(uri, None), Err(ConfigError::Uri(uri.to_owned())), "{uri:?}");
        }
        for host in ["", "a b", "a\r\nX: y", "a\0"] {
            assert_eq!(
                verify("/", Some(host)),
                Err(ConfigError::Host(host.to_owned())),
                "{host:?}"
            );
        }
        for (name, is_good) in
            [(None, true), (Some("db.internal"), true), (Some("10.0.0.7"), false)]
        {
            let kind = CheckKind::Tls { name: name.map(str::to_owned), exchange: None };
            let second = Duration::from_secs(1);
            let config = CheckConfig { kind, interval: second, timeout: second, fall: 1, rise: 1 };
            let expected = name.filter(|_| !is_good).map(|name| ConfigError::Name(name.to_owned()));
            assert_eq!(config.verify().err(), expected);
        }
        let error = verify("/a\nb", None).expect_err("a line feed");
        assert_eq!(
            error.to_string(),
            "invalid uri \"/a\\nb\": it must be a path that begins with \"/\""
        );
    }

    #[test]
    fn messages_are_worded_so() {
        let status = |text| StatusSet::parse(text).expect_err("no status").to_string();
        for (error, message) in [
            (
                ConfigError::Uri("healthz".to_owned()).to_string(),
                "invalid uri \"healthz\": it must be a path that begins with \"/\"",
            ),
            (
                ConfigError::Host("a b".to_owned()).to_string(),
                "invalid host \"a b\": it cannot be sent as a header",
            ),
            (
                ConfigError::Name("10.0.0.7".to_owned()).to_string(),
                "invalid name \"10.0.0.7\": it must be a host name in ASCII",
            ),
            (
                CheckMethodError("POST".to_owned()).to_string(),
                "invalid method \"POST\": it must be \"GET\" or \"HEAD\"",
            ),
            (status("2xx"), "invalid status \"2xx\": it must be a number from 100 to 599"),
            (status("399-200"), "invalid range 399-200: it ends before it begins"),
            (NoAnswer::StatusLine.to_string(), "invalid response: no HTTP status line"),
            (NoAnswer::Header.to_string(), "invalid response: malformed header"),
            (NoAnswer::TooLong.to_string(), "invalid response: the header exceeds 1048576 bytes"),
        ] {
            assert_eq!(error, message);
        }
    }
}
