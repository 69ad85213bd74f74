//! Where a peer listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nginx_syntax::disturbs_a_line;
use thiserror::Error;

use crate::excerpt::Excerpt;

/// The port where none is given, as in nginx.
pub(crate) const DEFAULT_PORT: u16 = 80;

/// Bytes that a path of a unix socket has at most: Linux's `sun_path` less the zero at its end
/// (unix(7)).
const MAX_UNIX_PATH: usize = 107;

/// Characters of a host name, and of one of its labels, at most (RFC 1035, section 2.3.4, as text).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// An address to connect to. It is printed as nginx writes it: `10.0.0.7:80`, `[::1]:80`,
/// `unix:/run/a.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SocketAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The path of a unix socket, absolute.
    Unix(String),
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{path}"),
        }
    }
}

impl SocketAddress {
    /// As it is printed. All addresses of a list are, and most are IPv4 ones.
    pub fn text(&self) -> String {
        let Self::Ip(SocketAddr::V4(address)) = self else { return self.to_string() };
        let mut text = String::with_capacity("255.255.255.255:65535".len());
        for (octet, end) in address.ip().octets().into_iter().zip(['.', '.', '.', ':']) {
            push_number(&mut text, octet.into());
            text.push(end);
        }
        push_number(&mut text, address.port());
        text
    }
}

fn push_number(text: &mut String, number: u16) {
    let mut divisor = 10_000;
    while divisor > number && divisor > 1 {
        divisor /= 10;
    }
    while divisor > 0 {
        // A digit.
        text.push(char::from(b'0' + (number / divisor % 10) as u8));
        divisor /= 10;
    }
}

/// What a value names: an address, or a name for addresses. It is printed as nginx writes it,
/// always with the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One address.
    Address(SocketAddress),
    /// A host name, to be resolved.
    Name {
        /// In small letters; perhaps with a dot at the end.
        host: String,
        /// The port at each of the host's addresses.
        port: u16,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(formatter, "{address}"),
            Self::Name { host, port } => write!(formatter, "{host}:{port}"),
        }
    }
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Nothing stands before the port, or nothing at all.
    #[error("no host in {0}")]
    NoHost(Excerpt),
    /// A URL, or a path without `unix:`.
    #[error(
        "{0} is a URL or a path: the address must be HOST:PORT, unix:/PATH or http://HOST:PORT"
    )]
    NotAnAddress(Excerpt),
    /// A word that could be anything.
    #[error("{0} is not an address: a host name without a dot requires a port, HOST:PORT")]
    Word(Excerpt),
    /// Nothing says which port is meant.
    #[error("no port in {0}: it must be HOST:PORT")]
    NoPort(Excerpt),
    /// A URL with more than the address in it.
    #[error("{0} has a path or a query: it must be HOST:PORT or http://HOST:PORT")]
    Path(Excerpt),
    /// Where a URL must be.
    #[error("{0} is not a URL: it must be SCHEME://HOST:PORT")]
    NotAUrl(Excerpt),
    /// An IPv6 address that could be taken for one with a port.
    #[error("the IPv6 address {0} must be in brackets: [ADDRESS]:PORT")]
    BareIpv6(Excerpt),
    /// What stands in brackets, or behind them, is not as it should be.
    #[error("invalid IPv6 address {0}: it must be [ADDRESS]:PORT")]
    Ipv6(Excerpt),
    /// Not a number, or 0, or too great.
    #[error("invalid port {0}: it must be a number from 1 to 65535")]
    Port(Excerpt),
    /// Neither an IPv4 address nor a name that a host can have.
    #[error("invalid host {0}: it is neither an IPv4 address nor a host name")]
    Host(Excerpt),
    /// `unix:` without an absolute path.
    #[error("no absolute path of a unix socket in {0}")]
    UnixPath(Excerpt),
    /// A path that the system cannot take.
    #[error("the unix socket's path is too long: {0} bytes, the maximum is 107")]
    UnixPathTooLong(usize),
    /// A path that could not be written down in nginx's configuration.
    #[error(
        "the unix socket's path {0} contains white space, a control character, or one of \
         ; {{ }} \" ' \\"
    )]
    UnixPathCharacter(Excerpt),
}

impl Target {
    /// Reads what nginx takes as the address of a `server`: `HOST[:PORT]`, `[IPV6][:PORT]`,
    /// `unix:/PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(path) =
            text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("unix:")).map(|_| &text[5..])
        {
            return unix(text, path).map(Self::Address);
        }
        let excerpt = || Excerpt::new(text);
        if let Some(inner) = text.strip_prefix('[') {
            let (address, port) =
                inner.split_once(']').ok_or_else(|| AddressError::Ipv6(excerpt()))?;
            let address: Ipv6Addr = address.parse().map_err(|_| AddressError::Ipv6(excerpt()))?;
            let port = match port.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if port.is_empty() => DEFAULT_PORT,
                None => return Err(AddressError::Ipv6(excerpt())),
            };
            return Ok(Self::ip(address.into(), port));
        }
        if text.contains('/') {
            return Err(AddressError::NotAnAddress(excerpt()));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(AddressError::BareIpv6(excerpt()));
        }
        let (host, port) = match text.split_once(':') {
            Some(("", _)) => return Err(AddressError::NoHost(excerpt())),
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, DEFAULT_PORT),
        };
        Self::host(host, port)
    }

    /// As [`Target::parse`], but the port must be there.
    pub(crate) fn parse_with_port(text: &str) -> Option<Self> {
        has_port(text).then(|| Self::parse(text).ok())?
    }

    /// As [`Target::parse`], with the server as nginx writes it, but the port is this one if there
    /// is none.
    pub(crate) fn parse_with_default(
        text: &str,
        port: Option<u16>,
    ) -> Result<(String, Self), AddressError> {
        let server = if text.is_empty() || has_port(text) {
            text.to_owned()
        } else {
            let port = port.ok_or_else(|| AddressError::NoPort(Excerpt::new(text)))?;
            format!("{text}:{port}")
        };
        let target = Self::parse(&server)?;
        Ok((server, target))
    }

    /// That it is not a word that could be anything: a host name must have a dot if `server`, as it
    /// is written, has no port.
    pub(crate) fn check_name(&self, server: &str) -> Result<(), AddressError> {
        match self {
            Self::Name { .. } if !server.contains(['.', ':']) => {
                Err(AddressError::Word(Excerpt::new(server)))
            }
            _ => Ok(()),
        }
    }

    /// That `server`, as it is written, says the port, if this has one.
    pub(crate) fn check_port(&self, server: &str) -> Result<(), AddressError> {
        let is_socket = matches!(self, Self::Address(SocketAddress::Unix(_)));
        if is_socket || has_port(server) {
            return Ok(());
        }
        Err(AddressError::NoPort(Excerpt::new(server)))
    }

    /// The target of an IPv4 address or a name.
    pub(crate) fn host(host: &str, port: u16) -> Result<Self, AddressError> {
        if host.is_empty() {
            return Err(AddressError::NoHost(Excerpt::new(host)));
        }
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Ok(Self::ip(address.into(), port));
        }
        // With a port it would be written as the path of a unix socket is.
        if host.eq_ignore_ascii_case("unix") {
            return Err(AddressError::UnixPath(Excerpt::new(host)));
        }
        if !is_name(host) {
            return Err(AddressError::Host(Excerpt::new(host)));
        }
        Ok(Self::Name { host: host.to_ascii_lowercase(), port })
    }

    pub(crate) fn ip(address: IpAddr, port: u16) -> Self {
        Self::Address(SocketAddress::Ip(SocketAddr::new(address, port)))
    }
}

/// Whether a port is said, of an address that is not a unix socket's.
fn has_port(text: &str) -> bool {
    let (_, after_host) = text.rsplit_once(']').unwrap_or(("", text));
    after_host.contains(':')
}

fn unix(text: &str, path: &str) -> Result<SocketAddress, AddressError> {
    if !path.starts_with('/') {
        return Err(AddressError::UnixPath(Excerpt::new(text)));
    }
    if path.len() > MAX_UNIX_PATH {
        return Err(AddressError::UnixPathTooLong(path.len()));
    }
    let is_special = |character: char| {
        character.is_whitespace() || disturbs_a_line(character) || ";{}\"'\\".contains(character)
    };
    if path.contains(is_special) {
        return Err(AddressError::UnixPathCharacter(Excerpt::new(path)));
    }
    Ok(SocketAddress::Unix(path.to_owned()))
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    nginx_syntax::number(text)
        .filter(|&port| port != 0)
        .ok_or_else(|| AddressError::Port(Excerpt::new(text)))
}

/// Whether a resolver may be asked for it. Underscores are in many container's names. A last label
/// of digits alone would be a mistyped IPv4 address: there is no such domain (RFC 3696, section 2).
fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    host.len() <= MAX_NAME
        && host.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}
