//! A node whose header and body come when they are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Ended when it is dropped; the connections end by themselves.
pub(super) struct TimedNode {
    address: String,
    requests: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl TimedNode {
    /// One that sends the header so long after the request, and the last byte so long after that;
    /// `Duration::MAX` is never.
    pub(super) async fn start(header: Duration, body: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                // A client that has gone needs no answer.
                tokio::spawn(async move { answer(stream, &counter, header, body).await.ok() });
            }
        });
        Ok(Self { address, requests, accepting })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// How many it has got.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for TimedNode {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers one request.
async fn answer(
    mut stream: TcpStream,
    counter: &AtomicU64,
    header: Duration,
    body: Duration,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut request).await? > 0, "the request ends");
    }
    counter.fetch_add(1, Ordering::Relaxed);
    sleep(header).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n").await?;
    sleep(body).await;
    stream.write_all(b"ok").await?;
    Ok(())
}
