//! A node that speaks UDP.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use crate::Result;

/// The longest datagram.
const LONGEST: usize = 2048;

/// A node. It answers a datagram `TEXT` with `NAME TEXT`, as often as it is told. Dropping it
/// closes its socket.
#[derive(Debug)]
pub struct UdpNode {
    name: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// How many answers a datagram gets.
    answers: AtomicU64,
    received: AtomicU64,
    /// From which addresses datagrams came, each once, in this order.
    from: Mutex<Vec<SocketAddr>>,
}

impl UdpNode {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub async fn start(name: &str) -> Result<Self> {
        Self::listen(name, "127.0.0.1:0").await
    }

    /// Starts one there.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub async fn listen(name: &str, address: &str) -> Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared {
            answers: AtomicU64::new(1),
            received: AtomicU64::new(0),
            from: Mutex::default(),
        });
        let server = tokio::spawn(serve(socket, name.to_owned(), Arc::clone(&shared)));
        let server = AbortOnDropHandle::new(server);
        Ok(Self { name: name.to_owned(), address, shared, _server: server })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many answers a datagram gets from now on.
    pub fn set_answers(&self, count: u64) {
        self.shared.answers.store(count, Ordering::Relaxed);
    }

    /// How many datagrams have come.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// From how many addresses: nginx has a socket for each session.
    pub fn sessions(&self) -> usize {
        self.shared.from.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn serve(socket: UdpSocket, name: String, shared: Arc<Shared>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        // An error is of a datagram that was sent: nobody took it.
        let Ok((count, from)) = socket.recv_from(&mut buffer).await else { continue };
        {
            let mut all = shared.from.lock().unwrap_or_else(PoisonError::into_inner);
            if all.last() != Some(&from) && !all.contains(&from) {
                all.push(from);
            }
        }
        shared.received.fetch_add(1, Ordering::Relaxed);
        let answer = [name.as_bytes(), b" ", &buffer[..count]].concat();
        for _ in 0..shared.answers.load(Ordering::Relaxed) {
            // A socket that is full loses it, as a network does.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}
