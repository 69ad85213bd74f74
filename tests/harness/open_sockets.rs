//! WebSockets of which nothing matters but that they are open, as cheap as can be.

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Result, SOON, ensure};

/// Sockets that are being opened at the same time.
const TOGETHER: usize = 64;
/// What a node's answer and first message fit into.
const LONGEST: usize = 4096;
/// What precedes a text of up to 125 bytes from a server (RFC 6455, 5.2).
const FRAME_HEAD: usize = 2;

/// Sessions whose opening has come to its end, with the node's first message. Closed when they are
/// dropped.
#[derive(Debug)]
pub struct OpenSockets {
    sockets: Vec<TcpStream>,
}

/// Whether the whole of an answer has come, and of the message behind it.
fn is_whole(received: &[u8]) -> Result<bool> {
    let Some(head) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(false);
    };
    ensure!(received.starts_with(b"HTTP/1.1 101 "), "{}", received[..head].escape_ascii());
    let message = &received[head + 4..];
    Ok(message.get(1).is_some_and(|&length| message.len() >= FRAME_HEAD + usize::from(length)))
}

async fn open(address: &str, path: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut buffer = [0; LONGEST];
    let mut filled = 0;
    while !is_whole(&buffer[..filled])? {
        ensure!(filled < LONGEST, "an answer of more than {LONGEST} bytes");
        let count = socket.read(&mut buffer[filled..]).await?;
        ensure!(count > 0, "closed: {}", buffer[..filled].escape_ascii());
        filled += count;
    }
    Ok(socket)
}

impl OpenSockets {
    /// Opens as many with `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened.
    pub async fn open(address: &str, path: &str, count: usize) -> Result<Self> {
        let openings = (0..count).map(async |_| timeout(SOON, open(address, path)).await?);
        Ok(Self { sockets: stream::iter(openings).buffer_unordered(TOGETHER).try_collect().await? })
    }

    /// How many of them have not ended.
    pub fn count_open(&self) -> usize {
        // Nodes say nothing by themselves after their first message.
        let is_open = |socket: &&TcpStream| {
            let looked = socket.try_read(&mut [0]);
            looked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        self.sockets.iter().filter(is_open).count()
    }
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn an_answer_is_whole_with_its_message() {
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02n0";
        for cut in 0..answer.len() {
            assert!(!is_whole(&answer[..cut]).expect("an upgrade"));
        }
        assert!(is_whole(answer).expect("an upgrade"));
        assert!(is_whole(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").is_err());
    }
}
