//! Where a router says its status.

use std::path::{Path, PathBuf};

use hyper::Uri;
use nginx_syntax::quoted;

/// The path at which `serve` says it, where a URL names none.
const PATH: &str = "/etcd";

/// What a URL of a unix socket begins with, as nginx's `proxy_pass` has it.
const UNIX: &str = "http://unix:";

/// A URL of `etcd_status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusPlace {
    /// As it is named to people.
    pub(crate) name: String,
    pub(super) peer: RouterAddress,
    /// Path and query.
    pub(super) target: String,
}

/// What listens there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RouterAddress {
    Unix(PathBuf),
    Tcp {
        /// Without brackets.
        host: String,
        port: u16,
        /// As the header `Host` has it.
        authority: String,
        tls: bool,
    },
}

impl StatusPlace {
    /// The socket of the router that runs here.
    pub(crate) fn of_socket(socket: &Path) -> Self {
        let name = format!("{UNIX}{}:{PATH}", socket.display());
        Self { name, peer: RouterAddress::Unix(socket.to_owned()), target: PATH.to_owned() }
    }

    /// Reads a URL: `http://127.0.0.1:8080/etcd`, `https://router.example`,
    /// `http://unix:/run/status.sock:/etcd`.
    ///
    /// # Errors
    ///
    /// What it should be.
    pub(crate) fn parse(given: &str) -> Result<Self, String> {
        if given.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err("a URL has no spaces and no control characters".to_owned());
        }
        let name = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
        if let Some(rest) = name.strip_prefix(UNIX) {
            let (socket, target) = rest.split_once(':').unwrap_or((rest, PATH));
            if !socket.starts_with('/') {
                return Err(format!("{} has no path of a socket", quoted(given)));
            }
            let target = target_of(target);
            return Ok(Self { peer: RouterAddress::Unix(socket.into()), name, target });
        }
        let uri: Uri = name.parse().map_err(|error| format!("it is no URL: {error}"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("it must begin with \"http://\" or \"https://\"".to_owned()),
        };
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if authority.contains('@') {
            return Err("it must not contain a user name or a password".to_owned());
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err("it has no host".to_owned());
        }
        let has_port = authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        let port = match uri.port_u16() {
            Some(port @ 1..) => port,
            None if !has_port => {
                if tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err("its port must be a number from 1 to 65535".to_owned()),
        };
        let target = target_of(uri.path_and_query().map_or("", |target| target.as_str()));
        let peer = RouterAddress::Tcp { host, port, authority, tls };
        Ok(Self { name, peer, target })
    }

    /// The same with more parameters in its query, each of which has a name and a value.
    pub(crate) fn with_query(&self, parameters: &[(&str, &str)]) -> Self {
        let mut target = self.target.clone();
        for (name, value) in parameters {
            let separator = if target.contains('?') { '&' } else { '?' };
            target += &format!("{separator}{name}={}", encoded(value));
        }
        Self { target, ..self.clone() }
    }
}

fn target_of(given: &str) -> String {
    match given {
        "" | "/" => PATH.to_owned(),
        query if query.starts_with('?') => format!("{PATH}{query}"),
        query if query.starts_with("/?") => format!("{PATH}{}", &query[1..]),
        target => target.to_owned(),
    }
}

/// Percent-encoded, all but what needs it nowhere (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{RouterAddress, StatusPlace};

    #[test]
    fn urls_lead_to_a_router_and_a_path() {
        for (given, host, port, tls, target) in [
            ("http://127.0.0.1:8080/status", "127.0.0.1", 8080, false, "/status"),
            ("router-1:8080", "router-1", 8080, false, "/etcd"),
            ("router-1", "router-1", 80, false, "/etcd"),
            ("https://router.example/", "router.example", 443, true, "/etcd"),
            ("http://[::1]:81/a?b=c", "::1", 81, false, "/a?b=c"),
            ("http://a?upstream=b", "a", 80, false, "/etcd?upstream=b"),
        ] {
            let place = StatusPlace::parse(given).expect(given);
            let RouterAddress::Tcp { host: to, port: at, tls: is_tls, .. } = &place.peer else {
                panic!("{place:?}")
            };
            assert_eq!((&**to, *at, *is_tls, &*place.target), (host, port, tls, target), "{given}");
        }
        let socket = StatusPlace::of_socket(Path::new("/run/a b.sock"));
        assert_eq!(socket.name, "http://unix:/run/a b.sock:/etcd");
        let named = StatusPlace::parse("http://unix:/run/status.sock").expect("a socket");
        assert_eq!(named.peer, RouterAddress::Unix("/run/status.sock".into()));
        assert_eq!(named.target, "/etcd");
    }

    #[test]
    fn what_is_no_url_is_rejected() {
        for (given, words) in [
            ("ftp://a", "http://"),
            ("http://", "URL"),
            ("http://user:secret@a/", "user name"),
            ("http://a b", "spaces"),
            ("http://unix:a", "socket"),
            ("http://a:port", "port"),
            ("http://a:0", "port"),
            ("http://[::1]:99999", "port"),
            ("", "URL"),
        ] {
            let error = StatusPlace::parse(given).expect_err(given);
            assert!(error.contains(words) && !error.contains("secret"), "{given}: {error}");
        }
    }

    #[test]
    fn parameters_are_encoded() {
        let place = StatusPlace::parse("a").expect("a URL");
        let asked = place.with_query(&[("peer", "a&b=é /"), ("peers", "0")]);
        assert_eq!(asked.target, "/etcd?peer=a%26b%3D%C3%A9%20%2F&peers=0");
    }
}
