//! A node that speaks TCP: it says its name, and then whatever it is told.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::{Ending, Result};

/// What is read at a time.
const BUFFER: usize = 16 << 10;

/// A session of a node, as the node sees it.
#[derive(Clone, Debug, Default)]
pub struct NodeSession {
    /// Bytes that came.
    pub received: u64,
    /// Bytes that the system has taken, the name among them.
    pub sent: u64,
    /// How the client's direction ended, if it has.
    pub end: Option<Ending>,
}

/// A node. When a connection comes it says `NAME\n`, and then it echoes; when the client has said
/// its last, so does the node. Dropping it closes everything.
#[derive(Debug)]
pub struct TcpNode {
    name: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the client's address, as long as they last and after.
    sessions: Vec<NodeSession>,
    /// What takes words for those that are open, by their numbers.
    open: BTreeMap<usize, mpsc::UnboundedSender<Vec<u8>>>,
    /// Whether new connections hear nothing, and are not echoed.
    is_silent: bool,
    /// What passes before a new connection hears the name.
    delay: Duration,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TcpNode {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn start(name: &str) -> Result<Self> {
        Self::listen(name, "127.0.0.1:0").await
    }

    /// Starts one there.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn listen(name: &str, address: &str) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let acceptor = tokio::spawn(accept(listener, name.to_owned(), Arc::clone(&shared)));
        let acceptor = Some(AbortOnDropHandle::new(acceptor));
        Ok(Self { name: name.to_owned(), address, shared, acceptor })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its sessions, in the order of their beginnings.
    pub fn sessions(&self) -> Vec<NodeSession> {
        self.shared.state().sessions.clone()
    }

    /// How many connections have come.
    pub fn accepted(&self) -> usize {
        self.shared.state().sessions.len()
    }

    /// How many of them are open.
    pub fn open_sessions(&self) -> usize {
        self.shared.state().open.len()
    }

    /// From now on new connections are accepted, and hear nothing.
    pub fn be_silent(&self) {
        self.shared.state().is_silent = true;
    }

    /// From now on new connections hear the name after this time.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Says this on each open session.
    pub fn say(&self, text: &str) {
        for session in self.shared.state().open.values() {
            // One that has ended takes nothing.
            let _ = session.send(text.as_bytes().to_vec());
        }
    }

    /// Closes all sessions, as a node does that ends in order, and accepts no more.
    pub async fn stop(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.abort();
            // That it was aborted is what it gives.
            let _ = acceptor.await;
        }
    }

    /// Accepts again, where it did before.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await?;
        let acceptor = accept(listener, self.name.clone(), Arc::clone(&self.shared));
        self.acceptor = Some(AbortOnDropHandle::new(tokio::spawn(acceptor)));
        Ok(())
    }
}

async fn accept(listener: TcpListener, name: String, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while sessions.try_join_next().is_some() {}
        let (sender, words) = mpsc::unbounded_channel();
        let (number, is_silent, delay) = {
            let mut state = shared.state();
            let number = state.sessions.len();
            state.sessions.push(NodeSession::default());
            state.open.insert(number, sender.clone());
            (number, state.is_silent, state.delay)
        };
        if !is_silent {
            // The receiver is in hand.
            let _ = sender.send(format!("{name}\n").into_bytes());
        }
        drop(sender);
        let session = Serving { number, is_silent, delay, shared: Arc::clone(&shared) };
        sessions.spawn(session.run(stream, words));
    }
}

/// A session that is being served; when it is dropped, it is over.
struct Serving {
    number: usize,
    is_silent: bool,
    delay: Duration,
    shared: Arc<Shared>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shared.state().open.remove(&self.number);
    }
}

impl Serving {
    async fn run(self, mut stream: TcpStream, mut words: mpsc::UnboundedReceiver<Vec<u8>>) {
        let mut buffer = vec![0; BUFFER];
        sleep(self.delay).await;
        loop {
            let said = tokio::select! {
                // Cancel safe: a read and `recv` give what they take in the same poll.
                Some(said) = words.recv() => said,
                read = stream.read(&mut buffer) => match read {
                    Ok(count @ 1..) => {
                        self.record(|session| session.received += count as u64);
                        if self.is_silent { Vec::new() } else { buffer[..count].to_vec() }
                    }
                    Ok(_) => return self.end(Ending::Eof),
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                        return self.end(Ending::Reset);
                    }
                    Err(error) => return self.end(Ending::Other(error.to_string())),
                },
            };
            // What ended the writing is found by the reading.
            if stream.write_all(&said).await.is_ok() {
                self.record(|session| session.sent += said.len() as u64);
            }
        }
    }

    fn end(&self, how: Ending) {
        self.record(|session| session.end = Some(how));
    }

    fn record(&self, change: impl FnOnce(&mut NodeSession)) {
        change(&mut self.shared.state().sessions[self.number]);
    }
}
