//! Messages that were published on a path, for the polls that are open.

use axum::body::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// Messages that a poll may be behind.
const BEHIND: usize = 64;

/// A message and its path.
type Message = (String, Bytes);

/// What is published on all paths of a node.
#[derive(Debug)]
pub(crate) struct Channels(Sender<Message>);

impl Default for Channels {
    fn default() -> Self {
        Self(Sender::new(BEHIND))
    }
}

impl Channels {
    /// The messages from now on, of all paths.
    pub(crate) fn subscribe(&self) -> Receiver<Message> {
        self.0.subscribe()
    }

    /// Publishes a message on a path.
    pub(crate) fn publish(&self, path: &str, message: Bytes) {
        // An error means that nobody waits.
        let _ = self.0.send((path.to_owned(), message));
    }
}

/// The next message on this path.
pub(crate) async fn next_message(mut messages: Receiver<Message>, path: &str) -> Bytes {
    loop {
        match messages.recv().await {
            Ok((on, message)) if on == path => return message,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            // The node is gone, and with it all that wait.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
