//! How a server of Firehose (<https://github.com/firehoseio/firehose>) answers what is no
//! WebSocket, as of its 1.4.6.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use crate::answers::About;

/// How long a GET waits for a message there.
pub const FIREHOSE_POLL: Duration = Duration::from_secs(20);

/// Messages that a poll may be behind.
const BEHIND: usize = 64;

/// A message and its path.
type Message = (String, Bytes);

/// What was published, for the polls that are open.
#[derive(Debug)]
pub(crate) struct Channels(Sender<Message>);

impl Default for Channels {
    fn default() -> Self {
        Self(Sender::new(BEHIND))
    }
}

/// `HEAD` says how the server is, a GET waits for a message on its path, a PUT publishes one.
pub(crate) async fn answer(
    about: &About,
    poll: Duration,
    method: &Method,
    uri: &Uri,
    body: &Bytes,
) -> Response {
    match *method {
        Method::HEAD => {
            about.counters.health_check();
            about.manner.health().into_response()
        }
        Method::GET if uri.path() == "/metrics@firehose" => "{}\n".into_response(),
        Method::GET => {
            let published = about.channels.0.subscribe();
            tokio::select! {
                // Cancel safe: the answer ends all three.
                message = next(published, uri.path()) => message.into_response(),
                () = tokio::time::sleep(poll) => StatusCode::NO_CONTENT.into_response(),
                () = about.stopping.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
        Method::PUT => {
            // An error means that nobody waits.
            let _ = about.channels.0.send((uri.path().to_owned(), body.clone()));
            StatusCode::ACCEPTED.into_response()
        }
        _ => StatusCode::NOT_IMPLEMENTED.into_response(),
    }
}

/// The next message on this path.
async fn next(mut published: Receiver<Message>, path: &str) -> Bytes {
    loop {
        match published.recv().await {
            Ok((on, message)) if on == path => return message,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            // The node is gone, and with it whoever waits.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
