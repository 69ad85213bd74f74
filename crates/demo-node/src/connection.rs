//! One accepted connection: counted while it is open, and cut when its node is killed.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::counters::Open;

/// Both kinds of stream behind one type.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Closes it without taking leave, where its kind can be.
    fn reset(self: Box<Self>);
}

impl Stream for TcpStream {
    fn reset(self: Box<Self>) {
        // Where it fails, the connection is closed in order, which the test in question then sees.
        let _ = self.set_zero_linger();
    }
}

impl Stream for UnixStream {
    fn reset(self: Box<Self>) {}
}

/// The server's side of one connection.
///
/// The server spawns a task per connection, and one more per WebSocket, none of which can be
/// aborted from outside: failing the reads is what ends them all.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    _open: Open,
}

impl Connection {
    pub(crate) fn new(
        stream: Box<dyn Stream>,
        killed: WaitForCancellationFutureOwned,
        open: Open,
    ) -> Self {
        Self { stream, killed: Box::pin(killed), _open: open }
    }

    fn check(&mut self, context: &mut Context<'_>) -> Result<()> {
        match Future::poll(self.killed.as_mut(), context) {
            Poll::Ready(()) => Err(Error::new(ErrorKind::ConnectionReset, "the node was killed")),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
