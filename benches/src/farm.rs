//! A peer at every address of 127/8, which keeps connections: as many peers as one likes, each with
//! an address of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::thread::{JoinHandle, spawn};

use harness::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Descriptors for two nginx that keep a connection to each of 10 000 peers.
const DESCRIPTORS: u64 = 32_768;
/// What each request here fits into.
const LONGEST: usize = 4_096;

/// A thread that answers on all connections. It ends when this is dropped.
pub struct Farm {
    port: u16,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Answers requests until the client closes, or asks for that.
async fn serve(mut connection: TcpStream, waits: bool) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut request = [0; LONGEST];
    loop {
        // nginx sends the whole of a request without a body at once.
        let count = connection.read(&mut request).await?;
        let closes = request[..count].windows(17).any(|bytes| bytes == b"Connection: close");
        if count == 0 {
            return Ok(());
        }
        let name = if closes { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\nConnection: \
             {name}\r\n\r\na"
        );
        connection.write_all(head.as_bytes()).await?;
        if closes && !waits {
            return Ok(());
        }
    }
}

async fn accept(listener: TcpListener, waits: bool, mut end: oneshot::Receiver<()>) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let connection = tokio::select! {
            // Cancel safe: `accept` gives a connection in the poll that takes it.
            biased;
            _ = &mut end => return Ok(()),
            connection = listener.accept() => connection,
        };
        // Whoever asked sees the failure, and says so. Nobody but this machine has any business
        // here.
        if let Ok((connection, client)) = connection
            && client.ip().is_loopback()
        {
            tokio::spawn(serve(connection, waits));
        }
    }
}

/// Makes room for many connections, here and in what is started from here, as far as that is
/// allowed.
///
/// # Errors
///
/// Those of asking.
pub fn allow_descriptors() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Only root may have more than the hard limit; without that, it is what there is.
    if soft < DESCRIPTORS
        && setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, hard.max(DESCRIPTORS)).is_err()
    {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

impl Farm {
    /// Starts one on a free port, which closes a connection as soon as it has answered, unless it
    /// is kept.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub fn start() -> Result<Self> {
        Self::start_that(false, 0)
    }

    /// Starts one that leaves it to the client to close: whether an answer and the end of the
    /// connection come as one event or as two would be chance, and a third of a percent of the
    /// instructions of a request.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub fn waiting() -> Result<Self> {
        Self::waiting_on(0)
    }

    /// The same on a certain port.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub fn waiting_on(port: u16) -> Result<Self> {
        Self::start_that(true, port)
    }

    fn start_that(waits: bool, port: u16) -> Result<Self> {
        // There is no way to listen on the whole of 127/8 alone.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ending) = oneshot::channel();
        let thread = spawn(move || {
            if let Err(error) = runtime.block_on(accept(listener, waits, ending)) {
                eprintln!("the peers: {error}");
            }
        });
        Ok(Self { port, end: Some(end), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        if let (Some(end), Some(thread)) = (self.end.take(), self.thread.take()) {
            let _ = end.send(());
            let _ = thread.join();
        }
    }
}
