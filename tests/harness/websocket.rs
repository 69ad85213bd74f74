//! A WebSocket session with a node.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{Result, SOON, ensure};

/// An open session.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    node: String,
    worker: i32,
}

impl WebSocket {
    /// Opens a session, and learns the node's name.
    ///
    /// # Errors
    ///
    /// Those of connecting, and an answer that is no WebSocket's.
    pub async fn open(address: &str, path: &str) -> Result<Self> {
        let tcp = timeout(SOON, TcpStream::connect(address)).await??;
        let (mut stream, response) =
            timeout(SOON, client_async(format!("ws://{address}{path}"), tcp)).await??;
        let worker =
            response.headers().get("x-worker").and_then(|value| value.to_str().ok()?.parse().ok());
        let first =
            timeout(SOON, stream.next()).await?.ok_or("closed before the first message")??;
        let node = first.to_text()?.to_owned();
        Ok(Self { stream, node, worker: worker.unwrap_or_default() })
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The pid of the nginx worker that it goes through.
    pub fn worker(&self) -> i32 {
        self.worker
    }

    /// Sends a text and waits for it to come back.
    ///
    /// # Errors
    ///
    /// When the session was cut, or something else came.
    pub async fn echo(&mut self, text: &str) -> Result<()> {
        self.stream.send(Message::text(text)).await?;
        let message = timeout(SOON, self.stream.next()).await?.ok_or("the session was cut")??;
        ensure!(message == Message::text(text), "{text:?} came back as {message:?}");
        Ok(())
    }

    /// Closes it in order.
    ///
    /// # Errors
    ///
    /// When it was cut before.
    pub async fn close(mut self) -> Result<()> {
        self.stream.close(None).await?;
        while timeout(SOON, self.stream.next()).await?.transpose()?.is_some() {}
        Ok(())
    }
}
