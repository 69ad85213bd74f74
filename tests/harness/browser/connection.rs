//! Calls and events of the DevTools protocol.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::{Result, SOON, ensure};

/// The deadline of an answer: axe takes its time on a busy machine.
const ANSWER: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Received {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    events: Vec<(String, Value)>,
}

/// A connection to the browser, or to a tab.
#[derive(Debug)]
pub(super) struct Connection {
    received: Arc<Mutex<Received>>,
    sink: AsyncMutex<SplitSink<WebSocketStream<TcpStream>, Message>>,
    reader: JoinHandle<()>,
}

impl Connection {
    pub(super) async fn open(address: &str, path: &str) -> Result<Self> {
        let tcp = timeout(SOON, TcpStream::connect(address)).await??;
        // A picture of a page, or a coverage, is one message.
        let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let url = format!("ws://{address}{path}");
        let (stream, _) = timeout(SOON, client_async_with_config(url, tcp, Some(limits))).await??;
        let (sink, stream) = stream.split();
        let received = Arc::new(Mutex::new(Received::default()));
        let reader = tokio::spawn(read(stream, Arc::clone(&received)));
        Ok(Self { received, sink: AsyncMutex::new(sink), reader })
    }

    fn received(&self) -> std::sync::MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a method, and gives its result.
    pub(super) async fn call(&self, method: &str, parameters: Value) -> Result<Value> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut received = self.received();
            received.next += 1;
            let id = received.next;
            received.waiting.insert(id, sender);
            id
        };
        let call = json!({ "id": id, "method": method, "params": parameters });
        self.sink.lock().await.send(Message::text(call.to_string())).await?;
        let mut answer = timeout(ANSWER, receiver)
            .await
            .map_err(|_| format!("{method}: no answer"))?
            .map_err(|_| format!("{method}: the browser has closed the connection"))?;
        ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        Ok(answer["result"].take())
    }

    /// The events with this name that have come so far.
    pub(super) fn events(&self, name: &str) -> Vec<Value> {
        let received = self.received();
        let named = received.events.iter().filter(|(event, _)| event == name);
        named.map(|(_, parameters)| parameters.clone()).collect()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(mut stream: SplitStream<WebSocketStream<TcpStream>>, received: Arc<Mutex<Received>>) {
    while let Some(Ok(message)) = stream.next().await {
        let Ok(text) = message.to_text() else { continue };
        let Ok(mut value) = serde_json::from_str::<Value>(text) else { continue };
        let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = value["id"].as_u64() {
            if let Some(waiting) = received.waiting.remove(&id) {
                // Whoever has given up does not want the answer.
                let _ = waiting.send(value);
            }
        } else if let Some(name) = value["method"].as_str().map(str::to_owned) {
            received.events.push((name, value["params"].take()));
        }
    }
    received.lock().unwrap_or_else(PoisonError::into_inner).waiting.clear();
}
