//! Where the node is.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    time::Duration,
};

use tokio::net::lookup_host;

use super::{
    docker::Docker,
    error::AnnounceError,
    lookup::{Lookup, LookupError, NodeError},
    messages,
    options::AnnounceOptions,
};
use crate::etcd::Etcd;

/// Where the node is.
pub(super) enum NodeAddress {
    Address(String),
    /// A port of this host's, with its colon.
    Here {
        port: String,
        host: Host,
    },
    Container {
        docker: Docker,
        name: String,
        port: u16,
        host: Host,
        lookup: Lookup<String>,
    },
}

/// This host's address.
pub(super) enum Host {
    Named(String),
    /// The one by which etcd would be reached, at `HOST:PORT`.
    Towards(String, Lookup<String>),
}

impl NodeAddress {
    /// The place that the flags name.
    pub(super) fn new(options: &AnnounceOptions, etcd: &Etcd) -> Result<Self, AnnounceError> {
        match (&options.addr, &options.container) {
            (Some(port), _) if port.starts_with(':') => {
                Ok(Self::Here { port: port.clone(), host: Host::new(options, etcd) })
            }
            (Some(address), _) => Ok(Self::Address(address.clone())),
            (None, Some(name)) => {
                Docker::check_name(name)?;
                let docker = Docker::new(&options.docker_host)?;
                let lookup = Lookup::new(format!("Docker at {}", docker.url()));
                let (port, host) = (options.port, Host::new(options, etcd));
                Ok(Self::Container { docker, name: name.clone(), port, host, lookup })
            }
            (None, None) => Err(AnnounceError::NoAddress),
        }
    }

    /// An address by which to find out what is wrong with the flags: that is wrong wherever the
    /// node is.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Address(address) => address.clone(),
            Self::Here { port, .. } => format!("192.0.2.1{port}"),
            Self::Container { .. } => "192.0.2.1:80".to_owned(),
        }
    }

    /// The address. Nobody is waited for longer than `patience`.
    ///
    /// # Errors
    ///
    /// Where there is none, or it is not known yet.
    pub(super) async fn address(&mut self, limit: Duration) -> Result<String, NodeError> {
        match self {
            Self::Address(address) => Ok(address.clone()),
            Self::Here { port, host } => Ok(join(&host.address(limit).await?, port)),
            Self::Container { docker, name, port, host, lookup } => {
                let host = host.address(limit).await?;
                let (docker, name, port) = (docker.clone(), name.clone(), *port);
                let start = || async move {
                    docker.address(&name, port, &host).await.map_err(|error| {
                        let reason = error.to_string();
                        if error.is_gone() {
                            LookupError::Gone(reason)
                        } else {
                            LookupError::NoAnswer(reason)
                        }
                    })
                };
                lookup.run(limit, start).await
            }
        }
    }
}

impl Host {
    /// As it is named, or by which this host would reach etcd.
    fn new(options: &AnnounceOptions, etcd: &Etcd) -> Self {
        let given = options.host.clone().or_else(|| std::env::var("COREOS_PRIVATE_IPV4").ok());
        if let Some(host) = given.filter(|host| !host.is_empty()) {
            return Self::Named(host);
        }
        let endpoint = etcd.config.endpoints.first().map(String::as_str).unwrap_or_default();
        let authority = endpoint.split("://").nth(1).unwrap_or_default().trim_end_matches('/');
        let has_port = authority.rfind(':').is_some_and(|colon| !authority[colon..].contains(']'));
        let target = if has_port { authority.to_owned() } else { format!("{authority}:2379") };
        let lookup = Lookup::new(format!("name resolution of {target}"));
        Self::Towards(target, lookup)
    }

    /// The address, asked for until it is known once.
    async fn address(&mut self, limit: Duration) -> Result<String, NodeError> {
        let (target, lookup) = match self {
            Self::Named(host) => return Ok(host.clone()),
            Self::Towards(target, lookup) => (target, lookup),
        };
        if let Some(known) = lookup.last() {
            return Ok(known.clone());
        }
        let target = target.clone();
        let start = || async move {
            towards(&target).await.map(|address| address.to_string()).map_err(|error| {
                LookupError::NoAnswer(messages::own_address_unknown(&target, error))
            })
        };
        lookup.run(limit, start).await
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
pub(super) fn has_port(address: &str) -> bool {
    address.starts_with("unix:")
        || address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// The address that this machine would send from. Nothing is sent.
async fn towards(target: &str) -> std::io::Result<IpAddr> {
    let target = lookup_host(target)
        .await?
        .next()
        .ok_or_else(|| std::io::Error::other("it has no address"))?;
    let from: (IpAddr, u16) = match target.ip() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), 0),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), 0),
    };
    let socket = UdpSocket::bind(from)?;
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}
