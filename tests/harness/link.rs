//! A network between nginx and etcd that can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
    Silent,
}

/// A TCP proxy before one server.
#[derive(Debug)]
pub struct Link {
    address: String,
    state: watch::Sender<State>,
    _acceptor: AbortOnDropHandle<()>,
}

impl Link {
    /// Starts to forward to `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn to(target: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (state, receiver) = watch::channel(State::Whole);
        let acceptor = tokio::spawn(accept(listener, target.to_owned(), receiver));
        Ok(Self { address, state, _acceptor: AbortOnDropHandle::new(acceptor) })
    }

    /// What the directive `endpoint` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes all connections, and every new one at once.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Forwards nothing any more and closes nothing, as a network that drops every packet.
    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// New connections are forwarded again. Those that were silent are closed.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn accept(listener: TcpListener, target: String, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(forward(stream, target.clone(), state.clone()));
    }
}

async fn forward(mut client: TcpStream, target: String, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Whole {
        let Ok(mut server) = TcpStream::connect(target).await else { return };
        // The server's end stays open while the link is silent: the server is not to notice either.
        tokio::select! {
            // Cancel safe: what was on its way is lost, as is meant.
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = state.changed() => (),
        }
        if *state.borrow_and_update() == State::Silent {
            let _ = state.changed().await;
        }
    } else if *state.borrow() == State::Silent {
        let _ = state.changed().await;
    }
}
