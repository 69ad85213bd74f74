//! A peer as the checks know it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::health::HealthState;

/// Characters that the reason of a [`Verdict`] has at most: one line of a log.
pub const MAX_REASON: usize = 200;

/// Which peer it is. Of no meaning to the checks, but for being equal or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    /// The key; none for an ordinary server's.
    pub key: Option<Arc<str>>,
    /// The address in the caller's own form.
    pub address: Arc<[u8]>,
}

/// Where a peer is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 or IPv6 address and a port.
    Ip(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// A peer's state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which peer's.
    pub id: PeerId,
    /// [`HealthState::Passing`] or [`HealthState::Failing`].
    pub state: HealthState,
    /// For `Failing`: why the last check failed. One line without control characters,
    /// [`MAX_REASON`] characters long at most.
    pub reason: Option<String>,
}

impl Address {
    /// The `Host` header that nginx sends to this address (`$proxy_host`, see
    /// `ngx_http_proxy_set_vars`): without the port of its scheme, and `localhost` for a unix
    /// socket.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Ip(SocketAddr::V4(address)) if address.port() == 80 => address.ip().to_string(),
            Self::Ip(SocketAddr::V6(address)) if address.port() == 80 => {
                format!("[{}]", address.ip())
            }
            Self::Ip(SocketAddr::V4(address)) => address.to_string(),
            // Not its own text, which has the scope of a link-local address.
            Self::Ip(SocketAddr::V6(address)) => format!("[{}]:{}", address.ip(), address.port()),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// As nginx writes it: `10.0.0.7:80`, `[2001:db8::1]:80`, `unix:/run/app.sock`.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// `text` as a verdict's reason.
pub(crate) fn reason(text: &str) -> String {
    let mut reason = String::new();
    let mut length = 0;
    for character in text.chars() {
        let kept = if character.is_control() { ' ' } else { character };
        length += 1;
        if length == MAX_REASON {
            reason.push('…');
            break;
        }
        reason.push(kept);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_nginx_s() {
        for (address, host) in [
            ("10.0.0.7:80", "10.0.0.7"),
            ("10.0.0.7:8080", "10.0.0.7:8080"),
            ("10.0.0.7:443", "10.0.0.7:443"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        ] {
            assert_eq!(Address::Ip(address.parse().expect("an address")).host(), host);
        }
        assert_eq!(Address::Unix("/run/app.sock".into()).host(), "localhost");
        assert_eq!(Address::Unix("/run/app.sock".into()).to_string(), "unix:/run/app.sock");
    }

    #[test]
    fn reasons_are_one_short_line() {
        assert_eq!(reason("status 500"), "status 500");
        assert_eq!(reason("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(reason(&"é".repeat(199)), "é".repeat(199));
        assert_eq!(reason(&"é".repeat(4000)), "é".repeat(199) + "…");
    }
}
