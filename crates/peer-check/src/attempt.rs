//! One check of one peer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::{CheckConfig, ConfigError, Kind, LONGEST, SHORTEST, host_header, path};
use crate::peer::Address;
use crate::status::StatusSet;

/// An answer whose status line and headers have more bytes than this fails the check: what is read is
/// bounded, and it is more than nginx itself takes by default (`proxy_buffer_size`, a page).
pub const MAX_ANSWER_HEAD: usize = 16 << 10;

/// What the peer's log shows the checks as.
const AGENT: HeaderValue = HeaderValue::from_static("firehose-router");

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// For a lack of this machine's own.
    NotMade,
}

/// What all attempts have in common.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    timeout: Duration,
    request: Option<Arc<Get>>,
}

/// What is asked for, and which answers are good.
#[derive(Debug)]
struct Get {
    path: Result<PathAndQuery, ConfigError>,
    host: Option<Result<HeaderValue, ConfigError>>,
    status: StatusSet,
}

impl Attempts {
    pub(crate) fn new(config: &CheckConfig) -> Self {
        let request = match &config.kind {
            Kind::Tcp => None,
            Kind::Http { uri, host, status } => Some(Arc::new(Get {
                path: path(uri),
                host: host.as_deref().map(host_header),
                status: status.clone(),
            })),
        };
        Self { timeout: config.timeout.clamp(SHORTEST, LONGEST), request }
    }

    /// One check of `target`.
    pub(crate) fn make(&self, target: &Address) -> impl Future<Output = Outcome> + Send + use<> {
        let (request, target, limit) = (self.request.clone(), target.clone(), self.timeout);
        async move {
            match timeout(limit, attempt(request.as_deref(), &target)).await {
                Ok(Ok(())) => Outcome::Passed,
                Ok(Err(Trouble::Peer(reason))) => Outcome::Failed(reason),
                Ok(Err(Trouble::Here)) => Outcome::NotMade,
                Err(_) => Outcome::Failed(format!("timed out after {limit:?}")),
            }
        }
    }
}

/// Why a check did not pass.
enum Trouble {
    Peer(String),
    /// This machine lacks what it takes to make a check.
    Here,
}

async fn attempt(request: Option<&Get>, target: &Address) -> Result<(), Trouble> {
    match target {
        Address::Ip(address) => {
            let stream = TcpStream::connect(address).await.map_err(not_connected)?;
            ask(request, target, stream).await
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(not_connected)?;
            ask(request, target, stream).await
        }
    }
}

fn not_connected(error: io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL) => {
            Trouble::Here
        }
        _ => Trouble::Peer(io_reason(&error)),
    }
}

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".to_owned(),
        // The system's own, when it gives up before the check does.
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}

async fn ask<S>(request: Option<&Get>, target: &Address, stream: S) -> Result<(), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(get) = request else { return Ok(()) };
    let request = get.request(target).map_err(|error| Trouble::Peer(error.to_string()))?;
    let (mut sender, connection) = http1::Builder::new()
        // Servers that go by the letter are rare, and still there.
        .title_case_headers(true)
        .max_buf_size(MAX_ANSWER_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Trouble::Peer(http_reason(&error)))?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        // What ended it is told to the request as well.
        _ = connection => answer.await,
    };
    let status = answered.map_err(|error| Trouble::Peer(http_reason(&error)))?.status().as_u16();
    if get.status.contains(status) { Ok(()) } else { Err(Trouble::Peer(format!("status {status}"))) }
}

impl Get {
    fn request(&self, target: &Address) -> Result<Request<Empty<Bytes>>, ConfigError> {
        let host = match &self.host {
            Some(host) => host.clone()?,
            None => host_header(&target.host())?,
        };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from(self.path.clone()?);
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, AGENT);
        // An answer is all that is wanted of it.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }
}

/// Says it in our words where the library's are about its own affairs. None quotes what came over the
/// network.
fn http_reason(error: &hyper::Error) -> String {
    if error.is_parse() {
        return format!("not HTTP: {error}");
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "closed without an answer".to_owned();
    }
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.map_or_else(|| error.to_string(), io_reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_this_machine_is_not_the_peer_s_failure() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL] {
            assert!(matches!(not_connected(io::Error::from_raw_os_error(code)), Trouble::Here), "{code}");
        }
        for (code, expected) in [
            (libc::ECONNREFUSED, "connection refused"),
            (libc::ECONNRESET, "connection reset"),
            (libc::ETIMEDOUT, "connection timed out"),
            (libc::EHOSTUNREACH, "No route to host (os error 113)"),
        ] {
            match not_connected(io::Error::from_raw_os_error(code)) {
                Trouble::Peer(reason) => assert_eq!(reason, expected),
                Trouble::Here => panic!("{expected} is of the peer"),
            }
        }
    }
}
