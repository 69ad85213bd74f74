//! How a server of Firehose (<https://github.com/firehoseio/firehose>) answers what is no
//! WebSocket, as of its 1.4.6.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::channels::next_message;
use crate::node_state::NodeState;

/// How long a GET waits for a message there.
pub const FIREHOSE_POLL: Duration = Duration::from_secs(20);

/// `HEAD` says how the server is, a GET waits for a message on its path, a PUT publishes one.
pub(crate) async fn answer(
    state: &NodeState,
    poll: Duration,
    method: &Method,
    uri: &Uri,
    body: &Bytes,
) -> Response {
    match *method {
        Method::HEAD => {
            state.counters.health_check();
            state.behavior.health().into_response()
        }
        Method::GET if uri.path() == "/metrics@firehose" => "{}\n".into_response(),
        Method::GET => {
            let messages = state.channels.subscribe();
            tokio::select! {
                // Cancel safe: the answer ends all three.
                message = next_message(messages, uri.path()) => message.into_response(),
                () = tokio::time::sleep(poll) => StatusCode::NO_CONTENT.into_response(),
                () = state.stopping.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
        Method::PUT => {
            state.channels.publish(uri.path(), body.clone());
            StatusCode::ACCEPTED.into_response()
        }
        _ => StatusCode::NOT_IMPLEMENTED.into_response(),
    }
}
