//! How a connection ended, as the reads of its socket tell it: a library above may call an end of
//! file a reset.

use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What the reader of a connection met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The end of file.
    Eof,
    /// A WebSocket's close frame with this code (1005 where it had none), and then the end of file.
    CloseFrame(u16),
    /// A reset, before any end of file: what was still on its way is lost.
    Reset,
    /// Anything else, in words.
    Other(String),
}

/// How and when a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When the reader met it.
    pub at: Instant,
    /// What it was.
    pub how: Ending,
}

/// A TCP stream that notes how it ends.
#[derive(Debug)]
pub struct Observed {
    stream: TcpStream,
    end: Option<End>,
}

impl Observed {
    /// Notes from now on.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, end: None }
    }

    /// How it ended, as far as it has.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let how = match &polled {
            Poll::Ready(Ok(())) if room > 0 && buffer.filled().len() == before => Ending::Eof,
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::ConnectionReset => Ending::Reset,
            Poll::Ready(Err(error)) if error.kind() != ErrorKind::Interrupted => {
                Ending::Other(error.to_string())
            }
            _ => return polled,
        };
        self.end.get_or_insert_with(|| End { at: Instant::now(), how });
        polled
    }
}

impl AsyncWrite for Observed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
