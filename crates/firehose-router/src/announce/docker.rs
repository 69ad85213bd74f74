//! Where a container is reached, as Docker's API tells.

use std::{collections::HashMap, io, path::PathBuf, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

/// How long Docker may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The largest answer, in bytes: what Docker says of a container with many mounts has some 20 kB.
const LIMIT: usize = 4 << 20;

/// What is wrong with the container, or with Docker.
#[derive(Debug, Error)]
pub(super) enum DockerError {
    #[error("DOCKER_HOST \"{0}\" is neither unix:///PATH nor tcp://HOST:PORT")]
    Url(String),
    #[error("Docker does not answer at {0}: {1}")]
    Io(String, io::Error),
    #[error("Docker does not answer at {0} within {seconds} s", seconds = ANSWER.as_secs())]
    Late(String),
    #[error("Docker's answer cannot be used: {0}")]
    Answer(String),
    #[error("there is no container \"{0}\"")]
    NoContainer(String),
    #[error("the container \"{0}\" does not run")]
    NotRunning(String),
    #[error("the container \"{0}\" neither publishes its port {1} nor has an address of its own")]
    NoAddress(String, u16),
}

impl DockerError {
    /// Whether it is Docker's word about the container. Everything else says something about Docker alone.
    pub(super) fn is_about_the_container(&self) -> bool {
        matches!(self, Self::NoContainer(_) | Self::NotRunning(_) | Self::NoAddress(..))
    }
}

/// Docker's API.
#[derive(Clone, Debug)]
pub(super) struct Docker {
    url: String,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Unix(PathBuf),
    Tcp(String),
}

/// What is needed of `GET /containers/NAME/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    state: State,
    network_settings: NetworkSettings,
    host_config: Option<HostConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    network_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    ports: Option<HashMap<String, Option<Vec<Binding>>>>,
    networks: Option<HashMap<String, Option<Network>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: String,
    host_port: String,
}

#[derive(Deserialize)]
struct Network {
    #[serde(rename = "IPAddress", default)]
    ip_address: String,
}

impl Docker {
    /// The API at `DOCKER_HOST`.
    ///
    /// # Errors
    ///
    /// Where that is something else.
    pub(super) fn new(url: &str) -> Result<Self, DockerError> {
        let place = match url.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Place::Unix(path.into()),
            _ => {
                let authority = url.strip_prefix("tcp://").map(|rest| rest.trim_end_matches('/'));
                let authority =
                    authority.filter(|authority| authority.contains(':') && !authority.contains('/'));
                Place::Tcp(authority.ok_or_else(|| DockerError::Url(url.to_owned()))?.to_owned())
            }
        };
        Ok(Self { url: url.to_owned(), place })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// `HOST:PORT` at which the container's port is reached; `host` is this machine's address, where it is published on all of them.
    ///
    /// # Errors
    ///
    /// Where Docker does not know, or the container does not run.
    pub(super) async fn address(
        &self,
        container: &str,
        port: u16,
        host: &str,
    ) -> Result<String, DockerError> {
        let answer = match timeout(ANSWER, self.inspect(container)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(DockerError::Late(self.url.clone())),
        };
        let read: Container =
            serde_json::from_slice(&answer).map_err(|error| DockerError::Answer(error.to_string()))?;
        read.address(container, port, host)
    }

    async fn inspect(&self, container: &str) -> Result<Bytes, DockerError> {
        let failed = |error| DockerError::Io(self.url.clone(), error);
        match &self.place {
            Place::Unix(path) => ask(UnixStream::connect(path).await.map_err(failed)?, container).await,
            Place::Tcp(authority) => {
                ask(TcpStream::connect(authority).await.map_err(failed)?, container).await
            }
        }
    }
}

async fn ask<S>(stream: S, container: &str) -> Result<Bytes, DockerError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let unusable = |error: hyper::Error| DockerError::Answer(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unusable)?;
    let driver = tokio::spawn(connection);
    // What Docker allows in a name needs no escaping in a path.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if container.is_empty() || !container.bytes().all(is_name) {
        return Err(DockerError::NoContainer(container.escape_debug().collect()));
    }
    let request = Request::get(format!("/containers/{container}/json"))
        .header(HOST, "docker")
        .body(Empty::<Bytes>::new())
        .map_err(|error| DockerError::Answer(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(unusable)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LIMIT).collect().await;
    driver.abort();
    match status {
        200 => Ok(body.map_err(|error| DockerError::Answer(error.to_string()))?.to_bytes()),
        404 => Err(DockerError::NoContainer(container.to_owned())),
        status => Err(DockerError::Answer(format!("status {status}"))),
    }
}

impl Container {
    fn address(self, name: &str, port: u16, host: &str) -> Result<String, DockerError> {
        if !self.state.running {
            return Err(DockerError::NotRunning(name.to_owned()));
        }
        let mut ports = self.network_settings.ports.unwrap_or_default();
        let bindings = ports.remove(&format!("{port}/tcp")).flatten().unwrap_or_default();
        // IPv4 first, as Docker lists it: an empty address stands for all of them as well.
        if let Some(Binding { host_ip, host_port }) = bindings.into_iter().next() {
            let is_any = matches!(host_ip.as_str(), "" | "0.0.0.0" | "::");
            return Ok(join(if is_any { host } else { &host_ip }, &host_port));
        }
        if self.host_config.and_then(|config| config.network_mode).as_deref() == Some("host") {
            return Ok(join(host, &port.to_string()));
        }
        let networks = self.network_settings.networks.unwrap_or_default();
        let mut addresses: Vec<_> =
            networks.into_iter().filter_map(|(name, network)| Some((name, network?.ip_address))).collect();
        addresses.retain(|(_, address)| !address.is_empty());
        addresses.sort_unstable();
        match addresses.first() {
            Some((_, address)) => Ok(join(address, &port.to_string())),
            None => Err(DockerError::NoAddress(name.to_owned(), port)),
        }
    }
}

/// An address and a port, an IPv6 one in brackets.
fn join(address: &str, port: &str) -> String {
    if address.contains(':') && !address.starts_with('[') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Container, Docker};

    fn address(json: &str, port: u16) -> Result<String, String> {
        let container: Container = serde_json::from_str(json).expect("a container");
        container.address("node", port, "192.0.2.9").map_err(|error| error.to_string())
    }

    #[test]
    fn addresses() {
        let published = r#"{"State":{"Running":true},"HostConfig":{"NetworkMode":"default"},"NetworkSettings":{
            "Ports":{"7474/tcp":[{"HostIp":"0.0.0.0","HostPort":"39283"},{"HostIp":"::","HostPort":"39283"}],
                     "80/tcp":[{"HostIp":"10.0.0.1","HostPort":"8080"}],"81/tcp":null},
            "Networks":{"bridge":{"IPAddress":"172.17.0.2"},"none":null}}}"#;
        assert_eq!(address(published, 7474).as_deref(), Ok("192.0.2.9:39283"));
        assert_eq!(address(published, 80).as_deref(), Ok("10.0.0.1:8080"));
        assert_eq!(address(published, 81).as_deref(), Ok("172.17.0.2:81"));
        let on_host = r#"{"State":{"Running":true},"HostConfig":{"NetworkMode":"host"},"NetworkSettings":{"Ports":{},"Networks":{"host":{"IPAddress":""}}}}"#;
        assert_eq!(address(on_host, 7474).as_deref(), Ok("192.0.2.9:7474"));
        let stopped = r#"{"State":{"Running":false},"NetworkSettings":{"Ports":{}}}"#;
        assert!(address(stopped, 7474).is_err_and(|error| error.contains("does not run")));
        let nowhere = r#"{"State":{"Running":true},"NetworkSettings":{"Ports":null,"Networks":null}}"#;
        assert!(address(nowhere, 7474).is_err_and(|error| error.contains("7474")));
    }

    #[test]
    fn urls() {
        for good in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "tcp://docker:2375/"] {
            assert!(Docker::new(good).is_ok(), "{good}");
        }
        for bad in ["", "unix://docker.sock", "tcp://docker", "ssh://host", "http://a:1/b"] {
            assert!(Docker::new(bad).is_err(), "{bad}");
        }
    }
}
