//! One check of one peer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::answer::Head;
use crate::config::{
    CheckConfig, CheckKind, CheckMethod, ConfigError, LONGEST, SHORTEST, host_header, path,
};
use crate::peer::Address;
use crate::status::StatusSet;

/// What the peer's log shows the checks as.
const AGENT: &str = "firehose-router";

/// Bytes that are read of an answer at a time.
const AT_ONCE: usize = 4 << 10;

/// The body says nothing, but a node that is still writing it would get a broken pipe or a
/// reset, and might log that with each check. So it is read after the verdict: so much of it,
const MAX_BODY: usize = 1 << 20;

/// for so long, and no longer than a check may take,
const BODY_TIME: Duration = Duration::from_secs(5);

/// and of so many answers at once; others are cut off. Each has a file descriptor, beside those of
/// the checks under way.
const MAX_BODIES: usize = 64;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckOutcome {
    Passed,
    Failed(String),
    /// For a lack of this machine's own.
    NotMade,
}

/// What all attempts have in common.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    timeout: Duration,
    request: Option<Arc<Page>>,
    bodies: Bodies,
}

/// The bodies that are read after the verdict.
#[derive(Clone, Debug)]
struct Bodies {
    places: Arc<Semaphore>,
    time: Duration,
}

/// What is asked for, and which answers are good.
#[derive(Debug)]
struct Page {
    method: CheckMethod,
    path: Result<PathAndQuery, ConfigError>,
    host: Option<Result<HeaderValue, ConfigError>>,
    status: StatusSet,
}

impl Attempts {
    pub(crate) fn new(config: &CheckConfig) -> Self {
        let request = match &config.kind {
            CheckKind::Tcp => None,
            CheckKind::Http { method, uri, host, status } => Some(Arc::new(Page {
                method: *method,
                path: path(uri),
                host: host.as_deref().map(host_header),
                status: status.clone(),
            })),
        };
        let timeout = config.timeout.clamp(SHORTEST, LONGEST);
        let bodies =
            Bodies { places: Arc::new(Semaphore::new(MAX_BODIES)), time: timeout.min(BODY_TIME) };
        Self { timeout, request, bodies }
    }

    /// One check of `target`.
    pub(crate) fn make(
        &self,
        target: &Address,
    ) -> impl Future<Output = CheckOutcome> + Send + use<> {
        let (request, target, limit) = (self.request.clone(), target.clone(), self.timeout);
        let bodies = self.bodies.clone();
        async move {
            match timeout(limit, attempt(request.as_deref(), &target, &bodies)).await {
                Ok(Ok(())) => CheckOutcome::Passed,
                Ok(Err(Trouble::Peer(reason))) => CheckOutcome::Failed(reason),
                Ok(Err(Trouble::Here)) => CheckOutcome::NotMade,
                Err(_) => CheckOutcome::Failed(format!("timed out after {limit:?}")),
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

async fn attempt(request: Option<&Page>, target: &Address, bodies: &Bodies) -> Result<(), Trouble> {
    match target {
        Address::Ip(address) => {
            let stream = TcpStream::connect(address).await.map_err(not_connected)?;
            ask(request, target, stream, bodies).await
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(not_connected)?;
            ask(request, target, stream, bodies).await
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

async fn ask<S>(
    request: Option<&Page>,
    target: &Address,
    mut stream: S,
    bodies: &Bodies,
) -> Result<(), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(page) = request else { return Ok(()) };
    let request = page.request(target).map_err(|error| Trouble::Peer(error.to_string()))?;
    let status = answer(&mut stream, &request).await.map_err(Trouble::Peer)?;
    bodies.drain(stream);
    if page.status.contains(status) {
        Ok(())
    } else {
        Err(Trouble::Peer(format!("status {status}")))
    }
}

/// The status of the answer to `request`.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &[u8],
) -> Result<u16, String> {
    let written = stream.write_all(request).await;
    let mut head = Head::new();
    let mut bytes = [0; AT_ONCE];
    loop {
        // A node that refuses a request before it has read it may have answered all the same.
        match (stream.read(&mut bytes).await, &written) {
            (Ok(0), Ok(())) => return Err("connection closed without a response".to_owned()),
            (Ok(0), Err(error)) => return Err(io_reason(error)),
            (Ok(length), _) => {
                let taken = bytes.get(..length).unwrap_or_default();
                if let Some(status) = head.read(taken).map_err(|error| error.to_string())? {
                    return Ok(status);
                }
            }
            (Err(error), _) => return Err(io_reason(&error)),
        }
    }
}

impl Page {
    /// The request's bytes.
    fn request(&self, target: &Address) -> Result<Vec<u8>, ConfigError> {
        let host = match &self.host {
            Some(host) => host.clone()?,
            None => host_header(&target.host())?,
        };
        let path = self.path.clone()?;
        let method: &[u8] = match self.method {
            CheckMethod::Get => b"GET ",
            CheckMethod::Head => b"HEAD ",
        };
        // An answer is all that is wanted of the connection.
        let parts: [&[u8]; 7] = [
            method,
            path.as_str().as_bytes(),
            b" HTTP/1.1\r\nHost: ",
            host.as_bytes(),
            b"\r\nUser-Agent: ",
            AGENT.as_bytes(),
            b"\r\nConnection: close\r\n\r\n",
        ];
        Ok(parts.concat())
    }
}

impl Bodies {
    /// Reads what is still to come, and throws it away; ends the connection at once where too many
    /// are being read already.
    fn drain(&self, stream: impl AsyncRead + Unpin + Send + 'static) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            let time = self.time;
            tokio::spawn(async move {
                // Out of time, or a reset: it is over either way.
                let _ = timeout(time, discard(stream)).await;
                drop::<OwnedSemaphorePermit>(place);
            });
        }
    }
}

async fn discard(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; AT_ONCE];
    let mut total = 0;
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        total += length;
        if total > MAX_BODY {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_this_machine_is_not_the_peer_s_failure() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL] {
            assert!(
                matches!(not_connected(io::Error::from_raw_os_error(code)), Trouble::Here),
                "{code}"
            );
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
