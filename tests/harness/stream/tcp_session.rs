//! A client that speaks TCP with a node.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::{End, Ending, Observed, Result, SOON, ensure};

/// Sessions that are being opened at the same time.
const TOGETHER: usize = 64;
/// The longest name of a node.
const LONGEST_NAME: usize = 64;

/// An open session. Dropping it closes the socket.
#[derive(Debug)]
pub struct TcpSession {
    stream: Observed,
    local: SocketAddr,
    node: String,
}

impl TcpSession {
    /// Connects to `HOST:PORT`, and hears the node's name.
    ///
    /// # Errors
    ///
    /// When there is no connection, or it is closed before the name has come.
    pub async fn open(address: &str) -> Result<Self> {
        Self::open_from(None, address, b"").await
    }

    /// The same from an address of this machine's, beginning with some bytes of its own.
    ///
    /// # Errors
    ///
    /// As with [`open`](Self::open), and those of binding.
    pub async fn open_from(from: Option<IpAddr>, address: &str, first: &[u8]) -> Result<Self> {
        let mut session = Self::connect(from, address).await?;
        session.send(first).await?;
        session.node = session.line().await?;
        Ok(session)
    }

    /// Connects, and waits for nothing.
    ///
    /// # Errors
    ///
    /// When there is no connection.
    pub async fn connect(from: Option<IpAddr>, address: &str) -> Result<Self> {
        let stream = match from {
            None => timeout(SOON, TcpStream::connect(address)).await??,
            Some(from) => {
                let address: SocketAddr = address.parse()?;
                let socket =
                    if from.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                socket.bind((from, 0).into())?;
                timeout(SOON, socket.connect(address)).await??
            }
        };
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        Ok(Self { stream: Observed::new(stream), local, node: String::new() })
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Where it was opened from; nginx's `$remote_addr:$remote_port`.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends this.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(timeout(SOON, self.stream.write_all(bytes)).await??)
    }

    /// The next line, without its end.
    ///
    /// # Errors
    ///
    /// When the session ends before it does.
    pub async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        timeout(SOON, async {
            loop {
                let mut byte = [0];
                let count = self.stream.read(&mut byte).await?;
                ensure!(count > 0, "closed after {:?}", line.escape_ascii().to_string());
                if byte == *b"\n" {
                    return Ok(String::from_utf8(line)?);
                }
                line.push(byte[0]);
                ensure!(line.len() <= LONGEST_NAME, "no line: {}", line.escape_ascii());
            }
        })
        .await
        .map_err(|_| "no line came in time")?
    }

    /// Sends this, and waits until it has come back.
    ///
    /// # Errors
    ///
    /// When the session has ended, or something else comes.
    pub async fn echo(&mut self, text: &str) -> Result<()> {
        self.send(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        timeout(SOON, self.stream.read_exact(&mut answer))
            .await
            .map_err(|_| format!("no echo from {}", self.node))?
            .map_err(|error| format!("no echo from {}: {error}", self.node))?;
        ensure!(answer == text.as_bytes(), "{} instead of {text}", answer.escape_ascii());
        Ok(())
    }

    /// Says its last, and reads on.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn shut(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Says its last, and waits until the other side has done so.
    ///
    /// # Errors
    ///
    /// When the session does not end, or by a reset.
    pub async fn finish(mut self) -> Result<()> {
        self.shut().await?;
        let (end, _) = self.ended(SOON).await?;
        ensure!(end.how == Ending::Eof, "{end:?}");
        Ok(())
    }

    /// Waits for its end, and gives what came until then.
    ///
    /// # Errors
    ///
    /// When it has not ended by the deadline.
    pub async fn ended(&mut self, deadline: Duration) -> Result<(End, Vec<u8>)> {
        let mut rest = Vec::new();
        // The adapter notes what comes of it.
        let read = timeout(deadline, self.stream.read_to_end(&mut rest)).await;
        ensure!(read.is_ok(), "open after {deadline:?}, {} bytes came", rest.len());
        let end = self.stream.end().cloned();
        Ok((end.unwrap_or(End { at: Instant::now(), how: Ending::Eof }), rest))
    }

    /// Whether it goes on for so long without a byte and without an end.
    pub async fn is_quiet(&mut self, time: Duration) -> bool {
        timeout(time, self.stream.read_u8()).await.is_err()
    }
}

/// Opens as many sessions.
///
/// # Errors
///
/// When one of them cannot be opened.
pub async fn open_tcp(address: &str, count: usize) -> Result<Vec<TcpSession>> {
    let openings = (0..count).map(async |_| TcpSession::open(address).await);
    stream::iter(openings).buffered(TOGETHER).try_collect().await
}

/// Lets all say something, and waits until it has come back to each.
///
/// # Errors
///
/// When it does not come back to one.
pub async fn echo_each(sessions: &mut [TcpSession], text: &str) -> Result<()> {
    try_join_all(sessions.iter_mut().map(|session| session.echo(text))).await?;
    Ok(())
}

/// Waits for the end of all, and gives the ends and what came before them.
///
/// # Errors
///
/// When some have not ended by the deadline.
pub async fn ended_each(
    sessions: &mut [TcpSession],
    deadline: Duration,
) -> Result<Vec<(End, Vec<u8>)>> {
    try_join_all(sessions.iter_mut().map(|session| session.ended(deadline))).await
}
