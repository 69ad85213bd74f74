//! The node: where it is, and whether it answers.

use std::net::{IpAddr, UdpSocket};

use upstream_peers::{Value, parse_value};

use super::{
    AnnounceError,
    check::Check,
    docker::{Docker, DockerError},
    health::Health,
    options::AnnounceOptions,
};
use crate::etcd::Etcd;

/// Where the node is.
enum Place {
    Address(String),
    Container { docker: Docker, name: String, port: u16, host: String },
}

/// The node.
pub(super) struct Node {
    key: String,
    place: Place,
    /// Parameters, as they stand behind the address.
    parameters: String,
    check: Check,
    health: Health,
    /// What was announced last, or would have been.
    value: Option<String>,
    /// Why it has not answered yet, as it was said.
    not_yet: Option<String>,
}

impl Node {
    /// The node that the flags name.
    pub(super) fn new(options: &AnnounceOptions, etcd: &Etcd) -> Result<Self, AnnounceError> {
        let place = match (&options.addr, &options.container) {
            (Some(port), _) if port.starts_with(':') => Place::Address(join(&host(options, etcd)?, port)),
            (Some(address), _) => Place::Address(address.clone()),
            (None, Some(name)) => Place::Container {
                docker: Docker::new(&options.docker_host)?,
                name: name.clone(),
                port: options.port,
                host: host(options, etcd)?,
            },
            (None, None) => return Err(AnnounceError::NoPlace),
        };
        let node = Self {
            key: options.key.clone(),
            place,
            parameters: options.value.trim().to_owned(),
            check: Check::new(&options.check, options.check_method, options.check_timeout)?,
            health: Health::new(options.fall, options.rise),
            value: None,
            not_yet: None,
        };
        // What is wrong with parameters is wrong wherever the node is.
        let address = if let Place::Address(address) = &node.place { address } else { "192.0.2.1:80" };
        if !has_port(address) {
            return Err(AnnounceError::NoPort(address.to_owned()));
        }
        node.read(address)?;
        Ok(node)
    }

    /// The value of an address, and what it says.
    fn read(&self, address: &str) -> Result<(String, Value), AnnounceError> {
        let text = format!("{address} {}", self.parameters).trim_end().to_owned();
        match parse_value(&self.key, text.as_bytes()) {
            Ok(value) => Ok((text, value)),
            Err(error) => Err(AnnounceError::Value(text, error)),
        }
    }

    /// Looks at the node once. Returns what is to be announced; `None`: nothing.
    pub(super) async fn look(&mut self) -> Option<String> {
        let was_up = self.health.is_up();
        let looked = self.look_once().await;
        let has_changed = self.health.take(looked.is_ok());
        match looked {
            Ok(value) => {
                if has_changed {
                    tracing::info!("the node answers: {value}");
                } else if was_up && self.value.as_ref().is_some_and(|before| *before != value) {
                    tracing::info!("the node has moved: {value}");
                }
                self.value = Some(value);
            }
            Err(reason) if has_changed => tracing::warn!("the node does not answer: {reason}"),
            Err(reason) if self.value.is_none() && self.not_yet.as_ref() != Some(&reason) => {
                tracing::info!("the node does not answer yet: {reason}");
                self.not_yet = Some(reason);
            }
            Err(_) => {}
        }
        self.value.clone().filter(|_| self.health.is_up())
    }

    async fn look_once(&self) -> Result<String, String> {
        let address = match &self.place {
            Place::Address(address) => address.clone(),
            Place::Container { docker, name, port, host } => {
                docker.address(name, *port, host).await.map_err(|error: DockerError| error.to_string())?
            }
        };
        let (text, value) = self.read(&address).map_err(|error| error.to_string())?;
        self.check.make(&value.target).await?;
        Ok(text)
    }
}

/// This host's address with a port, which has its colon.
fn join(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]{port}")
    } else {
        format!("{host}{port}")
    }
}

/// nginx would take 80 where there is none, which no node of Firehose's listens on.
fn has_port(address: &str) -> bool {
    address.starts_with("unix:")
        || address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// This host's address: as it is named, or by which it would reach etcd.
fn host(options: &AnnounceOptions, etcd: &Etcd) -> Result<String, AnnounceError> {
    let given = options.host.clone().or_else(|| std::env::var("COREOS_PRIVATE_IPV4").ok());
    if let Some(host) = given.filter(|host| !host.is_empty()) {
        return Ok(host);
    }
    let endpoint = etcd.config.endpoints.first().map(String::as_str).unwrap_or_default();
    let authority = endpoint.split("://").nth(1).unwrap_or_default().trim_end_matches('/');
    let has_port = authority.rfind(':').is_some_and(|colon| !authority[colon..].contains(']'));
    let target = if has_port { authority.to_owned() } else { format!("{authority}:2379") };
    towards(&target).map(|address| address.to_string()).map_err(|error| AnnounceError::NoHost(target, error))
}

/// The address that this machine would send from. Nothing is sent.
fn towards(target: &str) -> std::io::Result<IpAddr> {
    use std::net::ToSocketAddrs;
    let target =
        target.to_socket_addrs()?.next().ok_or_else(|| std::io::Error::other("it has no address"))?;
    let from: (IpAddr, u16) = match target.ip() {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
    };
    let socket = UdpSocket::bind(from)?;
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}
