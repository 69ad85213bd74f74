//! A network between nginx and etcd that halts at one answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::{Result, SOON};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The answer has not come yet.
    Waiting,
    Shut,
    Open,
}

/// A TCP proxy before one server. When the server first sends the mark, what the client sends after
/// that is held back, until the gate is opened: the client has the answer, and what it asks next is
/// asked later.
#[derive(Debug)]
pub struct Gate {
    address: String,
    state: watch::Sender<State>,
    _acceptor: AbortOnDropHandle<()>,
}

impl Gate {
    /// Starts to forward to `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn to(target: &str, mark: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let state = watch::Sender::new(State::Waiting);
        let acceptor = accept(listener, target.to_owned(), mark.to_owned(), state.clone());
        Ok(Self { address, state, _acceptor: AbortOnDropHandle::new(tokio::spawn(acceptor)) })
    }

    /// What the directive `endpoint` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the server has sent the mark.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn shut(&self) -> Result<()> {
        let mut state = self.state.subscribe();
        tokio::time::timeout(SOON, state.wait_for(|state| *state == State::Shut)).await??;
        Ok(())
    }

    /// Forwards what was held back, and everything from now on.
    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }
}

async fn accept(listener: TcpListener, target: String, mark: String, state: watch::Sender<State>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let Ok(server) = TcpStream::connect(&target).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        connections.spawn(ask(from_client, to_server, state.subscribe()));
        connections.spawn(answer(from_server, to_client, mark.clone(), state.clone()));
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|state| *state != State::Shut).await.is_err()
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
}

/// The answer with the mark is small, and comes in one piece.
async fn answer(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mark: String,
    state: watch::Sender<State>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let part = &buffer[..length];
        if part.windows(mark.len()).any(|window| window == mark.as_bytes()) {
            // Before the client can ask what comes next.
            state.send_if_modified(|state| {
                let is_first = *state == State::Waiting;
                if is_first {
                    *state = State::Shut;
                }
                is_first
            });
        }
        if to.write_all(part).await.is_err() {
            return;
        }
    }
}
