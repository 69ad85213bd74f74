//! A server that answers with bytes of the test's choice.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use peer_check::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What comes after the answer.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing more, until the client closes.
    Hold,
    /// These bytes, again and again, until the client closes.
    Repeat(&'static [u8]),
}

/// Ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    request: Arc<Mutex<String>>,
    _serving: JoinSet<()>,
}

impl Server {
    /// Starts on a free port; each request is answered with `answer`.
    pub async fn start(answer: &[u8], then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let request = Arc::new(Mutex::new(String::new()));
        let (answer, last) = (answer.to_vec(), Arc::clone(&request));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, answer.clone(), then, Arc::clone(&last)));
            }
        });
        Self { address, request, _serving: serving }
    }

    pub fn address(&self) -> Address {
        Address::Ip(self.address)
    }

    /// The last request.
    pub fn request(&self) -> String {
        self.request.lock().expect("no panic").clone()
    }
}

/// Errors mean that the client is gone, which ends it as well.
async fn serve(mut stream: TcpStream, answer: Vec<u8>, then: Then, last: Arc<Mutex<String>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut request).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    *last.lock().expect("no panic") = String::from_utf8_lossy(&request).into_owned();
    if stream.write_all(&answer).await.is_err() {
        return;
    }
    match then {
        Then::Close => {}
        Then::Hold => while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {},
        Then::Repeat(bytes) => while stream.write_all(bytes).await.is_ok() {},
    }
}
