//! Requests to the nginx that runs here, by its unix socket.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

/// How long an answer may take: it is nginx's own.
const ANSWER: Duration = Duration::from_secs(3);

/// More than any of these answers has, in bytes.
const LIMIT: u64 = 64 << 10;

/// Asks for a path. Returns the body of a good answer.
///
/// # Errors
///
/// Where there is none within 3 s.
pub(crate) async fn get(socket: &Path, path: &str) -> io::Result<String> {
    timeout(ANSWER, ask(socket, path))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// HTTP/1.0, whose answers end with the connection and have no encodings: nothing that a library
/// would be needed for.
async fn ask(socket: &Path, path: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LIMIT).read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(io::Error::other(format!("status \"{status}\"")));
    }
    Ok(body.to_owned())
}
