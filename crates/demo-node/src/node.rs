//! Starting and ending a node within this process.

use std::io::Result;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::answers::answer;
use crate::behavior::Behavior;
use crate::channels::Channels;
use crate::counters::{Counters, Counts};
use crate::listener::{CurrentFault, Fault, ListenAddress, NodeListener};
use crate::node_state::NodeState;
use crate::sessions::{OpenSession, Sessions};

/// Connections that may wait to be accepted: what the system allows by default.
const BACKLOG: u32 = 4096;

/// A node that listens, on the tokio runtime it was started on. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    name: String,
    address: ListenAddress,
    counters: Arc<Counters>,
    fault: Arc<CurrentFault>,
    behavior: Arc<Behavior>,
    sessions: Arc<Sessions>,
    stopping: CancellationToken,
    killed: CancellationToken,
    listening: watch::Receiver<()>,
    server: JoinHandle<()>,
}

/// What a node and its listener share.
struct Parts {
    counters: Arc<Counters>,
    fault: Arc<CurrentFault>,
    killed: CancellationToken,
    listening: watch::Receiver<()>,
}

impl Parts {
    fn new() -> (Self, watch::Sender<()>) {
        let (sender, listening) = watch::channel(());
        let counters = Arc::new(Counters::default());
        let fault = Arc::new(CurrentFault::new());
        (Self { counters, fault, killed: CancellationToken::new(), listening }, sender)
    }
}

impl Node {
    /// Starts a node on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub async fn start(name: &str) -> Result<Self> {
        Self::listen(name, &ListenAddress::Ip(([127, 0, 0, 1], 0).into())).await
    }

    /// Starts a node on `address`.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub async fn listen(name: &str, address: &ListenAddress) -> Result<Self> {
        let (parts, sender) = Parts::new();
        let (counters, fault) = (parts.counters.clone(), parts.fault.clone());
        let listener =
            NodeListener::bind(address, counters, fault, parts.killed.clone(), sender).await?;
        Ok(Self::serve(name, listener, parts))
    }

    fn serve(name: &str, listener: NodeListener, parts: Parts) -> Self {
        let Parts { counters, fault, killed, listening } = parts;
        let stopping = CancellationToken::new();
        let address = listener.address().clone();
        let behavior = Arc::new(Behavior::default());
        let sessions = Arc::new(Sessions::default());
        let state = Arc::new(NodeState {
            name: name.to_owned(),
            counters: counters.clone(),
            behavior: behavior.clone(),
            channels: Channels::default(),
            sessions: sessions.clone(),
            stopping: stopping.clone(),
        });
        let app = axum::Router::new().fallback(answer).with_state(state);
        let (stop, kill) = (stopping.clone().cancelled_owned(), killed.clone());
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(stop).into_future();
            tokio::select! {
                // Cancel safe: a node that is killed drops its connections, as is meant.
                // The server's own errors are none: its listener never fails.
                _ = served => (),
                () = kill.cancelled() => (),
            }
        });
        let name = name.to_owned();
        Self {
            name,
            address,
            counters,
            fault,
            behavior,
            sessions,
            stopping,
            killed,
            listening,
            server,
        }
    }

    /// The name it answers with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens; its text is what nginx and etcd take.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// What it has counted up to now.
    pub fn counts(&self) -> Counts {
        self.counters.snapshot()
    }

    /// Its WebSocket sessions that are open, in the order in which they were opened.
    pub fn sessions(&self) -> Vec<OpenSession> {
        self.sessions.open()
    }

    /// Sends a text of at least `size` bytes on every WebSocket session that is open, and gives its
    /// number: 1, 2, …
    ///
    /// It does not wait for them; what is sent [`OpenSession::sent`] tells. A client finds the
    /// number with [`broadcast_number`](crate::broadcast_number).
    pub fn broadcast(&self, size: usize) -> u64 {
        self.sessions.broadcast(size)
    }

    /// From now on new connections suffer `fault`.
    pub fn set_fault(&self, fault: Fault) {
        self.fault.set(fault);
    }

    /// From now on each answer waits for so long first, two minutes at most, whatever the path.
    pub fn set_delay(&self, delay: Duration) {
        self.behavior.set_delay(delay);
    }

    /// From now on each request, but a WebSocket's, is answered with this status and no body; with
    /// `None`, as its path says.
    pub fn set_status(&self, status: Option<StatusCode>) {
        self.behavior.set_status(status);
    }

    /// From now on it answers as a server of Firehose does, whose GETs wait for a message for as
    /// long as `poll` says ([`FIREHOSE_POLL`](crate::FIREHOSE_POLL)) and then end with 204: HEAD is
    /// answered at once, whatever the path, GET of `/metrics@firehose` as well, and PUT publishes
    /// to those who wait. WebSockets are as ever. With `None`, as its path says.
    pub fn set_firehose(&self, poll: Option<Duration>) {
        self.behavior.set_firehose(poll);
    }

    /// WebSocket sessions that are opened from now on are told the name again after each silence of
    /// this length.
    pub fn set_repeat(&self, silence: Option<Duration>) {
        self.behavior.set_repeat(silence);
    }

    /// From now on `/healthz`, or HEAD where it answers as Firehose does, has this status, from 100
    /// to 999, at first 200.
    pub fn set_health(&self, status: u16) {
        self.behavior.set_health(status);
    }

    /// Ends in order: no new connections, running requests are answered, WebSockets are closed with
    /// "going away".
    pub async fn stop(mut self) {
        self.stopping.cancel();
        // An error means that it has ended by itself.
        let _ = (&mut self.server).await;
    }

    /// Ends at once and cuts every connection, as a killed process does; the address is free
    /// afterwards.
    pub async fn kill(mut self) {
        self.killed.cancel();
        // Nothing is ever sent: the wait ends when the listener is dropped.
        while self.listening.changed().await.is_ok() {}
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.killed.cancel();
    }
}

/// A port of 127.0.0.1 that refuses connections, and that nobody else can take.
#[derive(Debug)]
pub struct ClosedPort {
    socket: TcpSocket,
    address: ListenAddress,
}

impl ClosedPort {
    /// Reserves a free port.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub fn reserve() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let address = ListenAddress::Ip(socket.local_addr()?);
        Ok(Self { socket, address })
    }

    /// Where connections are refused.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Starts a node on the port.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub fn open(self, name: &str) -> Result<Node> {
        let (parts, sender) = Parts::new();
        let (counters, fault) = (parts.counters.clone(), parts.fault.clone());
        let listener = self.socket.listen(BACKLOG)?;
        let listener =
            NodeListener::from_tcp(listener, counters, fault, parts.killed.clone(), sender)?;
        Ok(Node::serve(name, listener, parts))
    }
}
