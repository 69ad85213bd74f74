//! The request of a check by HTTP, and its answer.

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::answer::Head;
use crate::config::{CheckMethod, ConfigError, host_header, path};
use crate::failure::{Failure, Fault};
use crate::peer::Address;
use crate::status::StatusSet;

/// What the peer's log shows the checks as.
const AGENT: &str = "firehose-router";

/// Bytes that are read of an answer at a time.
const AT_ONCE: usize = 4 << 10;

/// What is asked for, and which answers are good.
#[derive(Debug)]
pub(crate) struct Page {
    method: CheckMethod,
    path: Result<PathAndQuery, ConfigError>,
    host: Option<Result<HeaderValue, ConfigError>>,
    status: StatusSet,
}

impl Page {
    pub(crate) fn new(
        method: CheckMethod,
        uri: &str,
        host: Option<&str>,
        status: &StatusSet,
    ) -> Self {
        let (path, host) = (path(uri), host.map(host_header));
        Self { method, path, host, status: status.clone() }
    }

    /// Asks `target` for it; gives the status of the answer.
    ///
    /// # Errors
    ///
    /// Where there is no answer.
    pub(crate) async fn ask<S>(&self, target: &Address, stream: &mut S) -> Result<u16, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = self.request(target).map_err(|error| Failure::new(Fault::Other, error))?;
        answer(stream, &request).await
    }

    /// Whether a check with this status passes.
    pub(crate) fn is_good(&self, status: u16) -> bool {
        self.status.contains(status)
    }

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

/// The status of the answer to `request`.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &[u8],
) -> Result<u16, Failure> {
    let written = stream.write_all(request).await;
    let mut head = Head::new();
    let mut bytes = [0; AT_ONCE];
    loop {
        // A node that refuses a request before it has read it may have answered all the same.
        match (stream.read(&mut bytes).await, &written) {
            (Ok(0), Ok(())) => return Err(Failure::closed()),
            (Ok(0), Err(error)) => return Err(Failure::of_system(error)),
            (Ok(length), _) => {
                let taken = bytes.get(..length).unwrap_or_default();
                let invalid = |error| Failure::new(Fault::InvalidAnswer, error);
                if let Some(status) = head.read(taken).map_err(invalid)? {
                    return Ok(status);
                }
            }
            (Err(error), _) => return Err(Failure::of_system(&error)),
        }
    }
}
