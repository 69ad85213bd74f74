//! A client that speaks UDP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::{Result, SOON, ensure};

/// The longest datagram.
const LONGEST: usize = 2048;

/// A socket that is connected to nginx: its datagrams are one session, as nginx sees them.
#[derive(Debug)]
pub struct UdpClient {
    socket: UdpSocket,
}

impl UdpClient {
    /// Binds a socket, and connects it to `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn open(address: &str) -> Result<Self> {
        Self::open_from(Ipv4Addr::LOCALHOST.into(), address).await
    }

    /// The same from an address of this machine's.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn open_from(from: IpAddr, address: &str) -> Result<Self> {
        let socket = UdpSocket::bind((from, 0)).await?;
        socket.connect(address).await?;
        Ok(Self { socket })
    }

    /// Where it sends from.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn local(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Sends a datagram.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn send(&self, text: &str) -> Result<()> {
        self.socket.send(text.as_bytes()).await?;
        Ok(())
    }

    /// The next datagram, if one comes in this time.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn receive(&self, time: Duration) -> Result<Option<String>> {
        let mut buffer = [0; LONGEST];
        let Ok(received) = timeout(time, self.socket.recv(&mut buffer)).await else {
            return Ok(None);
        };
        Ok(Some(String::from_utf8(buffer[..received?].to_vec())?))
    }

    /// Sends a datagram, and gives the name of the node that answers with it.
    ///
    /// # Errors
    ///
    /// When no such answer comes soon.
    pub async fn ask(&self, text: &str) -> Result<String> {
        self.send(text).await?;
        let answer = self.receive(SOON).await?.ok_or_else(|| format!("no answer to {text}"))?;
        let (node, echo) = answer.split_once(' ').ok_or_else(|| answer.clone())?;
        ensure!(echo == text, "{answer:?} instead of {text:?}");
        Ok(node.to_owned())
    }
}
