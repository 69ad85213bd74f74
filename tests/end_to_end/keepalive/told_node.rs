//! A node that numbers its connections, and does with each request what the test tells it.

use std::net::SocketAddr;

use harness::{Result, SOON};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

/// A node under the test's control. Dropping it closes all its connections.
pub struct ToldNode {
    address: SocketAddr,
    events: mpsc::UnboundedReceiver<Event>,
    _listener: AbortOnDropHandle<()>,
}

/// What has come to a node.
enum Event {
    Request(Request),
    /// The other side has closed the connection with this number.
    Closed(usize),
}

/// A request that waits. Dropping it closes its connection.
pub struct Request {
    /// The number of its connection: 0 is the first that was accepted.
    pub connection: usize,
    answer: oneshot::Sender<Then>,
}

/// What the node does after its answer.
#[derive(PartialEq, Eq)]
enum Then {
    WaitForMore,
    Close,
}

impl Request {
    /// Lets the node answer.
    pub fn answer(self) {
        // Nobody waits for it any more where the connection is closed.
        let _ = self.answer.send(Then::WaitForMore);
    }

    /// Lets the node answer, and close the connection without having said so.
    pub fn answer_and_close(self) {
        let _ = self.answer.send(Then::Close);
    }
}

impl ToldNode {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (sender, events) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, number, sender.clone()));
                number += 1;
            }
        });
        Ok(Self { address, events, _listener: AbortOnDropHandle::new(accepting) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next request. What is closed meanwhile is passed over.
    pub async fn request(&mut self) -> Result<Request> {
        loop {
            if let Event::Request(request) = self.event().await? {
                return Ok(request);
            }
        }
    }

    /// Waits until the other side closes a connection, and gives its number.
    pub async fn closed(&mut self) -> Result<usize> {
        match self.event().await? {
            Event::Closed(connection) => Ok(connection),
            Event::Request(request) => {
                Err(format!("a request on connection {}", request.connection).into())
            }
        }
    }

    async fn event(&mut self) -> Result<Event> {
        Ok(timeout(SOON, self.events.recv()).await?.ok_or("the node has ended")?)
    }
}

async fn serve(mut stream: TcpStream, connection: usize, events: mpsc::UnboundedSender<Event>) {
    let mut read = Vec::new();
    loop {
        while !read.ends_with(b"\r\n\r\n") {
            let mut bytes = [0; 4096];
            match stream.read(&mut bytes).await {
                Ok(length) if length > 0 => read.extend_from_slice(&bytes[..length]),
                _ => {
                    let _ = events.send(Event::Closed(connection));
                    return;
                }
            }
        }
        read.clear();
        let (answer, told) = oneshot::channel();
        let _ = events.send(Event::Request(Request { connection, answer }));
        let Ok(then) = told.await else { return };
        let written = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        if written.is_err() || then == Then::Close {
            return;
        }
    }
}
