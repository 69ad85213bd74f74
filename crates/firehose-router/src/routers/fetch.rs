//! Asks a router for its status.

use std::{fmt, io, path::Path, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{ACCEPT, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    place::{RouterAddress, StatusPlace},
    tls::handshake,
};
use crate::terminal::{cut, shown};

/// How long a connection may take, and then the beginning of an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer may take that comes bit by bit: that of 100 000 peers has 80 MB.
const ANSWER: Duration = Duration::from_secs(60);

/// The largest answer, in bytes.
const LIMIT: usize = 512 << 20;

/// As much of an answer that is none as is shown, in columns.
const SHOWN: usize = 200;

/// Why there is no status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// The router does not know what is asked for: an upstream that it has not, or a parameter.
    Refused(String),
    /// The router does not answer, or with something else.
    Failed(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(reason) | Self::Failed(reason)) = self;
        formatter.write_str(reason)
    }
}

/// The text of the status.
///
/// # Errors
///
/// One line that says why there is none.
pub(crate) async fn fetch(
    place: &StatusPlace,
    cacert: Option<&Path>,
) -> Result<String, FetchError> {
    let answer = timeout(ANSWER, ask(place, cacert)).await;
    answer.unwrap_or_else(|_| Err(failed(format!("no answer within {} s", ANSWER.as_secs()))))
}

async fn ask(place: &StatusPlace, cacert: Option<&Path>) -> Result<String, FetchError> {
    match &place.peer {
        RouterAddress::Unix(socket) => {
            let stream = in_time("connection", UnixStream::connect(socket)).await?;
            let stream = stream.map_err(|error| failed(not_connected(&error)))?;
            exchange(stream, place, "localhost").await
        }
        RouterAddress::Tcp { host, port, authority, tls } => {
            let connecting = TcpStream::connect((&**host, *port));
            let stream = in_time("connection", connecting).await?;
            let stream = stream.map_err(|error| failed(not_connected(&error)))?;
            if !tls {
                return exchange(stream, place, authority).await;
            }
            let stream = in_time("TLS handshake", handshake(stream, host, cacert)).await?;
            exchange(stream.map_err(failed)?, place, authority).await
        }
    }
}

async fn exchange<S>(stream: S, place: &StatusPlace, host: &str) -> Result<String, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unusable = |error: hyper::Error| failed(format!("invalid response: {error}"));
    let request = Request::get(&*place.target)
        .header(HOST, host)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("firehose-router/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(error.to_string()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(unusable)?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = in_time("answer", sender.send_request(request)).await?.map_err(unusable)?;
        let status = response.status();
        let text = body(response).await?;
        if status == StatusCode::OK { Ok(text) } else { Err(not_ok(status, &text)) }
    };
    let answer = answer.await;
    connection.abort();
    answer
}

async fn body(response: Response<Incoming>) -> Result<String, FetchError> {
    let body = Limited::new(response.into_body(), LIMIT).collect().await;
    let body = body.map_err(|error| failed(format!("the answer is not complete: {error}")))?;
    String::from_utf8(body.to_bytes().into())
        .map_err(|_| failed("the answer is not valid UTF-8".to_owned()))
}

/// What another status means.
fn not_ok(status: StatusCode, text: &str) -> FetchError {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // nginx's own pages are of no use to anybody here.
    let line = if line.starts_with('<') { "" } else { line.trim() };
    let said = cut(&shown(line), SHOWN);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let advice = match status {
        StatusCode::FORBIDDEN => " (see \"allow\" of the location with \"etcd_status\")",
        StatusCode::NOT_FOUND if said.is_empty() => " (the URL must be that of \"etcd_status\")",
        _ => "",
    };
    let reason = format!("status {}{said}{advice}", status.as_u16());
    let is_refusal = matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND);
    if is_refusal && !said.is_empty() {
        FetchError::Refused(reason)
    } else {
        FetchError::Failed(reason)
    }
}

fn not_connected(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket: no router runs there".to_owned(),
        io::ErrorKind::ConnectionRefused => {
            "connection refused: no router listens there".to_owned()
        }
        _ => error.to_string(),
    }
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> Result<T, FetchError> {
    let late = || failed(format!("no {what} within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, future).await.map_err(|_| late())
}

fn failed(reason: String) -> FetchError {
    FetchError::Failed(reason)
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::{FetchError, not_ok};

    #[test]
    fn other_statuses_say_what_is_wrong() {
        for (status, text, expected) in [
            (
                StatusCode::FORBIDDEN,
                "<html>\n403",
                FetchError::Failed(
                    "status 403 (see \"allow\" of the location with \"etcd_status\")".to_owned(),
                ),
            ),
            (
                StatusCode::NOT_FOUND,
                "<html>",
                FetchError::Failed(
                    "status 404 (the URL must be that of \"etcd_status\")".to_owned(),
                ),
            ),
            (
                StatusCode::NOT_FOUND,
                "no upstream \"a\x1b\"\n",
                FetchError::Refused("status 404: no upstream \"a\\u{1b}\"".to_owned()),
            ),
            (StatusCode::BAD_GATEWAY, "", FetchError::Failed("status 502".to_owned())),
        ] {
            assert_eq!(not_ok(status, text), expected);
        }
    }
}
