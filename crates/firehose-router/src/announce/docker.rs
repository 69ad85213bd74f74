//! Where a container is reached, as Docker's API tells.

use std::{collections::HashMap, io, net::IpAddr, path::PathBuf, time::Duration};

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
use upstream_peers::Excerpt;

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
    #[error(
        "invalid name \"{0}\" in --container: only letters, digits, \"_\", \".\" and \"-\" are \
        allowed"
    )]
    Name(String),
    #[error("invalid response from Docker: {0}")]
    Answer(String),
    #[error("there is no container \"{0}\"")]
    NoContainer(String),
    #[error("the container \"{0}\" is not running")]
    NotRunning(String),
    #[error("Docker reports that the container \"{0}\" is being restarted")]
    Restarting(String),
    #[error(
        "Docker reports that the container \"{0}\" is running, but neither publishes its port {1} \
        nor has an address of its own"
    )]
    NoAddress(String, u16),
}

impl DockerError {
    /// Whether it is Docker's word that there is no node any more. A container that runs can be
    /// without an address while Docker starts it, and what another than Docker answers at its place
    /// says nothing.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::NoContainer(_) | Self::NotRunning(_))
    }
}

/// Docker's API.
#[derive(Clone, Debug)]
pub(super) struct Docker {
    url: String,
    address: ApiAddress,
}

#[derive(Clone, Debug)]
enum ApiAddress {
    Unix(PathBuf),
    Tcp(String),
}

/// What is needed of `GET /containers/NAME/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    state: ContainerState,
    network_settings: NetworkSettings,
    host_config: Option<HostConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerState {
    running: bool,
    #[serde(default)]
    restarting: bool,
}

/// What Docker answers where there is no such container, or no such path.
#[derive(Deserialize)]
struct Complaint {
    message: String,
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
        let address = match url.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => ApiAddress::Unix(path.into()),
            _ => {
                let authority = url.strip_prefix("tcp://").map(|rest| rest.trim_end_matches('/'));
                let authority = authority
                    .filter(|authority| authority.contains(':') && !authority.contains('/'));
                ApiAddress::Tcp(
                    authority.ok_or_else(|| DockerError::Url(url.to_owned()))?.to_owned(),
                )
            }
        };
        Ok(Self { url: url.to_owned(), address })
    }

    /// Looks at a container's name. What Docker allows in one needs no escaping in a path.
    ///
    /// # Errors
    ///
    /// Where no container can have it.
    pub(super) fn check_name(name: &str) -> Result<(), DockerError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if begins && name.bytes().all(is_allowed) {
            Ok(())
        } else {
            Err(DockerError::Name(name.escape_debug().collect()))
        }
    }

    /// Its URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// `HOST:PORT` at which the container's port is reached; `host` is this machine's address,
    /// where it is published on all of them.
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
        let read: Container = serde_json::from_slice(&answer)
            .map_err(|error| DockerError::Answer(error.to_string()))?;
        read.address(container, port, host)
    }

    async fn inspect(&self, container: &str) -> Result<Bytes, DockerError> {
        let failed = |error| DockerError::Io(self.url.clone(), error);
        match &self.address {
            ApiAddress::Unix(path) => {
                ask(UnixStream::connect(path).await.map_err(failed)?, container).await
            }
            ApiAddress::Tcp(authority) => {
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
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(unusable)?;
    let driver = tokio::spawn(connection);
    let request = Request::get(format!("/containers/{container}/json"))
        .header(HOST, "docker")
        .body(Empty::<Bytes>::new())
        .map_err(|error| DockerError::Answer(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(unusable)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LIMIT).collect().await;
    driver.abort();
    let body =
        body.map_err(|error| DockerError::Answer(format!("status {status}, {error}")))?.to_bytes();
    match status {
        200 => Ok(body),
        404 if says_no_such_container(&body) => Err(DockerError::NoContainer(container.to_owned())),
        status => {
            let said = Excerpt::new(String::from_utf8_lossy(&body).trim());
            Err(DockerError::Answer(format!("status {status}, {said}")))
        }
    }
}

/// Whether it is Docker's own word, and not that of a proxy before it or of another server. Podman
/// says the same with more before it.
fn says_no_such_container(body: &[u8]) -> bool {
    serde_json::from_slice::<Complaint>(body)
        .is_ok_and(|complaint| complaint.message.to_ascii_lowercase().contains("no such container"))
}

impl Binding {
    /// Whether there is an address in it: while Docker starts a container, its port may be empty.
    fn is_known(&self) -> bool {
        let is_host = self.host_ip.is_empty() || self.host_ip.parse::<IpAddr>().is_ok();
        is_host && self.host_port.parse::<u16>().is_ok_and(|port| port > 0)
    }
}

impl Container {
    fn address(self, name: &str, port: u16, host: &str) -> Result<String, DockerError> {
        if !self.state.running {
            return Err(DockerError::NotRunning(name.to_owned()));
        }
        // Whatever else is said is of the run that has ended.
        if self.state.restarting {
            return Err(DockerError::Restarting(name.to_owned()));
        }
        let mut ports = self.network_settings.ports.unwrap_or_default();
        let bindings = ports.remove(&format!("{port}/tcp")).flatten().unwrap_or_default();
        // IPv4 first, as Docker lists it: an empty address stands for all of them as well.
        if let Some(Binding { host_ip, host_port }) = bindings.into_iter().find(Binding::is_known) {
            let is_any = host_ip.parse::<IpAddr>().map_or(true, |address| address.is_unspecified());
            return Ok(join(if is_any { host } else { &host_ip }, &host_port));
        }
        if self.host_config.and_then(|config| config.network_mode).as_deref() == Some("host") {
            return Ok(join(host, &port.to_string()));
        }
        let networks = self.network_settings.networks.unwrap_or_default();
        let mut addresses: Vec<_> = networks
            .into_iter()
            .filter_map(|(name, network)| Some((name, network?.ip_address)))
            .collect();
        addresses.retain(|(_, address)| address.parse::<IpAddr>().is_ok());
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
    use super::{Container, Docker, DockerError, says_no_such_container};

    fn read(json: &str, port: u16) -> Result<String, DockerError> {
        let container: Container = serde_json::from_str(json).expect("a container");
        container.address("node", port, "192.0.2.9")
    }

    fn address(json: &str, port: u16) -> Result<String, String> {
        read(json, port).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_found_as_published() {
        let published = r#"{
            "State":{"Running":true},"HostConfig":{"NetworkMode":"default"},"NetworkSettings":{
            "Ports":{"7474/tcp":[{"HostIp":"0.0.0.0","HostPort":"39283"},
                                 {"HostIp":"::","HostPort":"39283"}],
                     "80/tcp":[{"HostIp":"10.0.0.1","HostPort":"8080"}],"81/tcp":null},
            "Networks":{"bridge":{"IPAddress":"172.17.0.2"},"none":null}}}"#;
        assert_eq!(address(published, 7474).as_deref(), Ok("192.0.2.9:39283"));
        assert_eq!(address(published, 80).as_deref(), Ok("10.0.0.1:8080"));
        assert_eq!(address(published, 81).as_deref(), Ok("172.17.0.2:81"));
        let on_host = r#"{
            "State":{"Running":true},"HostConfig":{"NetworkMode":"host"},
            "NetworkSettings":{"Ports":{},"Networks":{"host":{"IPAddress":""}}}}"#;
        assert_eq!(address(on_host, 7474).as_deref(), Ok("192.0.2.9:7474"));
        let stopped = r#"{"State":{"Running":false},"NetworkSettings":{"Ports":{}}}"#;
        assert!(address(stopped, 7474).is_err_and(|error| error.contains("is not running")));
        let nowhere =
            r#"{"State":{"Running":true},"NetworkSettings":{"Ports":null,"Networks":null}}"#;
        assert!(address(nowhere, 7474).is_err_and(|error| error.contains("7474")));
    }

    #[test]
    fn only_a_container_that_does_not_run_is_gone() {
        let stopped = r#"{"State":{"Running":false},"NetworkSettings":{"Ports":{}}}"#;
        assert!(read(stopped, 7474).is_err_and(|error| error.is_gone()));
        for (state, settings) in [
            (r#""Running":true"#, r#""Ports":{},"Networks":{}"#),
            (
                r#""Running":true"#,
                r#""Ports":{"7474/tcp":null},"Networks":{"bridge":{"IPAddress":""}}"#,
            ),
            (r#""Running":true"#, r#""Ports":{"7474/tcp":[]},"Networks":{"bridge":{}}"#),
            (r#""Running":true"#, r#""Ports":{"7474/tcp":[{"HostIp":"","HostPort":""}]}"#),
            (r#""Running":true"#, r#""Ports":{"7474/tcp":[{"HostIp":"x y","HostPort":"80"}]}"#),
            (r#""Running":true"#, r#""Networks":{"bridge":{"IPAddress":"nowhere"}}"#),
            (
                r#""Running":true,"Restarting":true"#,
                r#""Networks":{"bridge":{"IPAddress":"172.17.0.2"}}"#,
            ),
        ] {
            let json = format!(r#"{{"State":{{{state}}},"NetworkSettings":{{{settings}}}}}"#);
            let error = read(&json, 7474).expect_err(&json);
            assert!(
                !error.is_gone() && error.to_string().starts_with("Docker reports"),
                "{json}: {error}"
            );
        }
    }

    #[test]
    fn dockers_own_word_is_told_from_a_proxys() {
        for own in [
            r#"{"message":"No such container: node"}"#,
            r#"{"cause":"no such container",
                "message":"no container with name or ID \"node\" found: no such container",
                "response":404}"#,
        ] {
            assert!(says_no_such_container(own.as_bytes()), "{own}");
        }
        for other in ["", "{}", "<html>No such container</html>", r#"{"message":"page not found"}"#]
        {
            assert!(!says_no_such_container(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn only_names_of_containers_are_accepted() {
        assert!(Docker::check_name("firehose_1.a-b").is_ok());
        for wrong in ["", "a/b", "a b", "-a", "/a", "ä"] {
            assert!(Docker::check_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_urls_of_engines_are_accepted() {
        for good in ["unix:///var/run/docker.sock", "tcp://127.0.0.1:2375", "tcp://docker:2375/"] {
            assert!(Docker::new(good).is_ok(), "{good}");
        }
        for bad in ["", "unix://docker.sock", "tcp://docker", "ssh://host", "http://a:1/b"] {
            assert!(Docker::new(bad).is_err(), "{bad}");
        }
    }
}
