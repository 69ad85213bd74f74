//! Where a node listens, and how it treats those who connect.

use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Stream};
use crate::counters::Counters;

/// A hanging node keeps this many connections before it closes the oldest: more than a test opens,
/// fewer than the file descriptors of a process.
const HANGING_CONNECTIONS: usize = 256;

/// Pause after a failed accept, so that a lack of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Where to listen, as nginx writes it: `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`. Port 0 is
/// any free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IPv4 or IPv6 address and a port.
    Ip(SocketAddr),
    /// The path of a unix socket; what is there already is replaced if it is a socket.
    Unix(String),
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a path is missing after unix:".to_owned()),
            Some(path) => Ok(Self::Unix(path.to_owned())),
            None => text.parse().map(Self::Ip).map_err(|error| format!("{text}: {error}")),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{path}"),
        }
    }
}

/// What goes wrong for those who connect. Connections that are open already are not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing.
    None,
    /// Connections are accepted and closed at once.
    Close,
    /// Connections are accepted, and never read from.
    Hang,
    /// TCP connections are accepted and reset at once; others are closed.
    Reset,
}

#[derive(Debug)]
pub(crate) struct CurrentFault(AtomicU8);

impl CurrentFault {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(Fault::None as u8))
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.0.store(fault as u8, Relaxed);
    }

    fn get(&self) -> Fault {
        match self.0.load(Relaxed) {
            fault if fault == Fault::Close as u8 => Fault::Close,
            fault if fault == Fault::Hang as u8 => Fault::Hang,
            fault if fault == Fault::Reset as u8 => Fault::Reset,
            _ => Fault::None,
        }
    }
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    async fn accept(&self) -> Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// Accepts for the server, counts, and applies the fault of the moment.
pub(crate) struct NodeListener {
    socket: Socket,
    address: ListenAddress,
    counters: Arc<Counters>,
    fault: Arc<CurrentFault>,
    killed: CancellationToken,
    hanging: Vec<Box<dyn Stream>>,
    /// Dropped with the listener: tells that the address is free again.
    _listening: watch::Sender<()>,
}

impl NodeListener {
    pub(crate) async fn bind(
        address: &ListenAddress,
        counters: Arc<Counters>,
        fault: Arc<CurrentFault>,
        killed: CancellationToken,
        listening: watch::Sender<()>,
    ) -> Result<Self> {
        let (socket, address) = match address {
            ListenAddress::Ip(address) => {
                let listener = TcpListener::bind(address).await?;
                let bound = listener.local_addr()?;
                (Socket::Tcp(listener), ListenAddress::Ip(bound))
            }
            ListenAddress::Unix(path) => {
                remove_socket(path)?;
                (Socket::Unix(UnixListener::bind(path)?), address.clone())
            }
        };
        Ok(Self {
            socket,
            address,
            counters,
            fault,
            killed,
            hanging: Vec::new(),
            _listening: listening,
        })
    }

    pub(crate) fn from_tcp(
        listener: TcpListener,
        counters: Arc<Counters>,
        fault: Arc<CurrentFault>,
        killed: CancellationToken,
        listening: watch::Sender<()>,
    ) -> Result<Self> {
        let address = ListenAddress::Ip(listener.local_addr()?);
        let socket = Socket::Tcp(listener);
        Ok(Self {
            socket,
            address,
            counters,
            fault,
            killed,
            hanging: Vec::new(),
            _listening: listening,
        })
    }

    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }
}

fn remove_socket(path: &str) -> Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{path} is there and is not a socket"),
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

impl axum::serve::Listener for NodeListener {
    type Io = Connection;
    type Addr = ListenAddress;

    async fn accept(&mut self) -> (Connection, ListenAddress) {
        loop {
            let stream = match self.socket.accept().await {
                Ok(stream) => stream,
                // Out of file descriptors, or a client that was gone before it was accepted:
                // neither ends a server.
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            self.counters.accepted();
            match self.fault.get() {
                Fault::None => {
                    let open = self.counters.connection();
                    let killed = self.killed.clone().cancelled_owned();
                    return (Connection::new(stream, killed, open), self.address.clone());
                }
                Fault::Close => drop(stream),
                Fault::Reset => stream.reset(),
                Fault::Hang => {
                    if self.hanging.len() == HANGING_CONNECTIONS {
                        self.hanging.remove(0);
                    }
                    self.hanging.push(stream);
                }
            }
        }
    }

    fn local_addr(&self) -> Result<ListenAddress> {
        Ok(self.address.clone())
    }
}
