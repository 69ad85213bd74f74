//! A relay in front of an etcd: an endpoint that can be cut off, stalled, and counted at.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Open,
    /// Connections are closed, those that are and those that come.
    Cut,
    /// Connections stay open and carry nothing.
    Stalled,
}

pub struct Relay {
    port: u16,
    mode: watch::Sender<Mode>,
    accepted: Arc<AtomicUsize>,
    acceptor: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

impl Relay {
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mode = watch::Sender::new(Mode::Open);
        let accepted = Arc::new(AtomicUsize::new(0));
        let acceptor = tokio::spawn(accept(listener, to, mode.clone(), Arc::clone(&accepted)));
        Self { port, mode, accepted, acceptor }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    to: u16,
    mode: watch::Sender<Mode>,
    accepted: Arc<AtomicUsize>,
) {
    loop {
        let Ok((near, _)) = listener.accept().await else { return };
        accepted.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(carry(near, to, mode.subscribe()));
    }
}

async fn carry(mut near: TcpStream, to: u16, mut mode: watch::Receiver<Mode>) {
    if *mode.borrow() == Mode::Cut {
        return;
    }
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let copying = copy_bidirectional(&mut near, &mut far);
    tokio::pin!(copying);
    loop {
        let now = *mode.borrow_and_update();
        tokio::select! {
            // Cancel safe: the copying is one future that goes on from turn to turn, and a change
            // is taken in the poll that tells of it.
            _ = &mut copying, if now == Mode::Open => return,
            changed = mode.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        if *mode.borrow() == Mode::Cut {
            return;
        }
    }
}
