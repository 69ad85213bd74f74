//! An etcd cluster as the configuration names it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use thiserror::Error;

use crate::setting_names::SettingNames;

/// One etcd cluster as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The name by which the configuration refers to it.
    pub name: String,
    /// URLs of the members, each as [`check_endpoint`] takes it, in the order in which they are
    /// tried.
    pub endpoints: Vec<String>,
    /// How long a connection may take to be made before the next endpoint is tried.
    pub connect_timeout: Duration,
    /// What `https://` endpoints are verified by, and what this side shows them.
    pub tls: Tls,
    /// Who logs in, where etcd asks for it.
    pub login: Option<Login>,
    /// How all of this is called where it is configured.
    pub setting_names: SettingNames,
}

/// The certificates of a connection; all files are in PEM, and read again for each new connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities that etcd's may be signed by; the system's where there is
    /// none.
    pub trusted_certificate: Option<PathBuf>,
    /// The certificate (with its chain) and the key that this side shows.
    pub identity: Option<Identity>,
    /// The name that etcd's certificate must have, in place of the endpoint's host.
    pub name: Option<String>,
}

/// A client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A user of etcd's and the file that has the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// A file with the password, read again at each login; a line break at its end is not a part of
    /// it.
    pub password_file: PathBuf,
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What is wrong with an endpoint's URL.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EndpointError {
    /// It begins with neither `http://` nor `https://`.
    #[error("must begin with \"http://\" or \"https://\"")]
    Scheme,
    /// There is no host in it.
    #[error("has no host")]
    Host,
    /// The port is no number between 1 and 65535.
    #[error("has an invalid port")]
    Port,
    /// There is a user or a password in it, which would end up in logs.
    #[error("must not contain a user name or a password")]
    UserInfo,
    /// There is a path, a query or a fragment in it.
    #[error("must not have a path other than \"/\"")]
    Behind,
    /// It cannot be read as a URL for another reason.
    #[error("is not a valid URL")]
    Malformed,
}

/// Checks a URL as `endpoint` takes it: `http` or `https`, a host, an optional port, nothing behind
/// it but an optional `/`.
///
/// # Errors
///
/// Says what is wrong with it, so that `endpoint "URL" ERROR` is a sentence.
pub fn check_endpoint(url: &str) -> Result<(), EndpointError> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .ok_or(EndpointError::Scheme)?;
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(EndpointError::UserInfo);
    }
    if !matches!(behind, "" | "/") {
        return Err(EndpointError::Behind);
    }
    // Behind the bracket that ends an IPv6 address, or at the only colon of any other host.
    let (host, port) = match authority.rfind(']') {
        Some(bracket) => authority.split_at(bracket + 1),
        None if authority.starts_with('[') => return Err(EndpointError::Malformed),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(EndpointError::Host);
    }
    if !port.is_empty() {
        let digits = port.strip_prefix(':').ok_or(EndpointError::Malformed)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !digits.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(EndpointError::Port);
        }
    }
    let uri: Uri = url.parse().map_err(|_| EndpointError::Malformed)?;
    // `http` takes anything between brackets; what is not an address would only fail when it is
    // connected to.
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_err()) {
        return Err(EndpointError::Malformed);
    }
    if uri.host() == Some(host) { Ok(()) } else { Err(EndpointError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::{EndpointError, check_endpoint};

    #[test]
    fn good_urls_are_accepted() {
        for url in [
            "http://127.0.0.1:2379",
            "http://127.0.0.1:2379/",
            "https://etcd-0.internal:2379",
            "https://etcd",
            "http://[::1]:2379",
            "http://[2001:db8::1]",
            "http://etcd_0:65535",
        ] {
            assert_eq!(check_endpoint(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn bad_urls_are_rejected() {
        for (url, error) in [
            ("", EndpointError::Scheme),
            ("127.0.0.1:2379", EndpointError::Scheme),
            ("etcd:2379", EndpointError::Scheme),
            ("ftp://etcd:2379", EndpointError::Scheme),
            ("HTTP://etcd:2379", EndpointError::Scheme),
            ("http:/etcd:2379", EndpointError::Scheme),
            ("unix:///run/etcd.sock", EndpointError::Scheme),
            ("http://", EndpointError::Host),
            ("http:///", EndpointError::Host),
            ("http://:2379", EndpointError::Host),
            ("http://etcd:", EndpointError::Port),
            ("http://etcd:0", EndpointError::Port),
            ("http://etcd:65536", EndpointError::Port),
            ("http://etcd:+80", EndpointError::Port),
            ("http://etcd:port", EndpointError::Port),
            ("http://::1:2379", EndpointError::Host),
            ("http://fe80::1", EndpointError::Port),
            ("http://user:secret@etcd:2379", EndpointError::UserInfo),
            ("http://user@etcd", EndpointError::UserInfo),
            ("http://etcd:2379/v3", EndpointError::Behind),
            ("http://etcd:2379//", EndpointError::Behind),
            ("http://etcd?a=b", EndpointError::Behind),
            ("http://etcd/#a", EndpointError::Behind),
            ("http://etcd 0:2379", EndpointError::Malformed),
            ("http://et\ncd", EndpointError::Malformed),
            ("http://[::1", EndpointError::Malformed),
            ("http://[::g]:2379", EndpointError::Malformed),
            ("http://[::1]2379", EndpointError::Malformed),
            ("http://[]:2379", EndpointError::Malformed),
        ] {
            assert_eq!(check_endpoint(url), Err(error), "{url}");
        }
    }
}
