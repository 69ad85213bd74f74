//! A server that answers with bytes of the test's choice.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use peer_check::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What comes after the answer.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing more, until the client closes.
    Hold,
    /// These bytes, again and again, until the client closes.
    Repeat(&'static [u8]),
    /// So many bytes of a body, a moment later and in pieces; then the connection is closed.
    Late(usize),
}

/// How long the body comes after the header, and each of its pieces after the one before.
const MOMENT: Duration = Duration::from_millis(20);

/// How many answers could be written to their end, and how many could not.
#[derive(Debug, Default)]
struct Written {
    whole: AtomicUsize,
    failed: AtomicUsize,
}

/// Ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    request: Arc<Mutex<String>>,
    written: Arc<Written>,
    _serving: JoinSet<()>,
}

impl Server {
    /// Starts on a free port; each request is answered with `answer`.
    pub async fn start(answer: &[u8], then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let request = Arc::new(Mutex::new(String::new()));
        let (answer, last) = (answer.to_vec(), Arc::clone(&request));
        let written = Arc::<Written>::default();
        let count = Arc::clone(&written);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, last, count) = (answer.clone(), Arc::clone(&last), Arc::clone(&count));
                connections.spawn(async move {
                    let counter = match serve(stream, answer, then, last).await {
                        Ok(()) => &count.whole,
                        Err(_) => &count.failed,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, request, written, _serving: serving }
    }

    /// How many answers were written to their end.
    pub fn written(&self) -> usize {
        self.written.whole.load(Ordering::Relaxed)
    }

    /// How many could not be written to their end.
    pub fn failed(&self) -> usize {
        self.written.failed.load(Ordering::Relaxed)
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
async fn serve(
    mut stream: TcpStream,
    answer: Vec<u8>,
    then: Then,
    last: Arc<Mutex<String>>,
) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    *last.lock().expect("no panic") = String::from_utf8_lossy(&request).into_owned();
    stream.write_all(&answer).await?;
    match then {
        Then::Close => {}
        Then::Hold => while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {},
        Then::Repeat(bytes) => loop {
            stream.write_all(bytes).await?;
        },
        Then::Late(length) => {
            for _ in 0..4 {
                sleep(MOMENT).await;
                stream.write_all(&vec![b'x'; length / 4]).await?;
            }
            // A closed socket answers with a reset, which comes a moment later.
            sleep(MOMENT).await;
            stream.write_all(b"x").await?;
        }
    }
    Ok(())
}
