//! What a node answers.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::header::{CONTENT_TYPE, HOST, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::body::{Counted, paced};
use crate::firehose;
use crate::node_state::NodeState;

/// Longest wait of `/slow`, `/poll` and `/paced`: beyond nginx's read timeout of 60 s, so that the
/// timeout can be seen.
const MAX_WAIT: Duration = Duration::from_secs(120);
/// Largest answer of `/bytes` and `/paced`: far above any of nginx's buffers.
const MAX_BYTES: usize = 64 << 20;

pub(crate) async fn answer(
    State(state): State<Arc<NodeState>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    body: Bytes,
) -> Response {
    let _open = state.counters.request();
    let plain = upgrade.is_err().then(|| state.counters.plain());
    let delay = state.behavior.delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay.min(MAX_WAIT)).await;
    }
    if let Ok(upgrade) = upgrade {
        let name = node_header(&state.name);
        let path = uri.to_string();
        let mut response = upgrade.on_upgrade(|socket| converse(socket, path, state));
        response.headers_mut().extend(name);
        return response;
    }
    let mut response = match split(uri.path()) {
        _ if let Some(status) = state.behavior.status() => status.into_response(),
        _ if let Some(poll) = state.behavior.firehose() => {
            firehose::answer(&state, poll, &method, &uri, &body).await
        }
        ("slow", _) => {
            tokio::time::sleep(wait(&uri)).await;
            describe(&state, &method, &uri, &headers, &body)
        }
        ("poll", _) => tokio::select! {
            // Cancel safe: both only wait, and the answer ends both.
            () = tokio::time::sleep(wait(&uri)) => StatusCode::NO_CONTENT.into_response(),
            () = state.stopping.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
        ("status", code) => {
            match code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()) {
                Some(code) => code.into_response(),
                None => {
                    (StatusCode::BAD_REQUEST, "/status/CODE: from 100 to 999\n").into_response()
                }
            }
        }
        ("healthz", _) => {
            state.counters.health_check();
            state.behavior.health().into_response()
        }
        ("host", name) => {
            if is_host(&headers, name) { StatusCode::OK } else { StatusCode::NOT_FOUND }
                .into_response()
        }
        ("bytes", count) => match count.parse() {
            Ok(count @ 0..=MAX_BYTES) => Body::from(vec![b'x'; count]).into_response(),
            _ => (StatusCode::BAD_REQUEST, "/bytes/N: from 0 to 67108864\n").into_response(),
        },
        ("paced", count) => match count.parse() {
            Ok(count @ 0..=MAX_BYTES) => paced(count, wait(&uri)),
            _ => (StatusCode::BAD_REQUEST, "/paced/N?ms=M: N from 0 to 67108864\n").into_response(),
        },
        _ => describe(&state, &method, &uri, &headers, &body),
    };
    response.headers_mut().extend(node_header(&state.name));
    response.map(|body| Counted::body(body, plain))
}

fn node_header(name: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_static("x-node"), HeaderValue::from_str(name).ok()?))
}

/// The path's first segment, and what follows it.
fn split(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    path.split_once('/').unwrap_or((path, ""))
}

/// Whether the request's `Host` is this one.
fn is_host(headers: &HeaderMap, name: &str) -> bool {
    headers.get(HOST).is_some_and(|host| host.as_bytes() == name.as_bytes())
}

/// The query's `ms=`; without it, no wait.
fn wait(uri: &Uri) -> Duration {
    let milliseconds = uri
        .query()
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("ms=")))
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    Duration::from_millis(milliseconds).min(MAX_WAIT)
}

/// Says who answers, and what of the request reached it.
fn describe(
    state: &NodeState,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let mut text = format!("node: {}\nrequest: {method} {uri}\n", state.name);
    for (name, value) in headers {
        let of_proxy =
            name.as_str().starts_with("x-") || matches!(name.as_str(), "forwarded" | "via");
        if of_proxy || name == HOST || name == UPGRADE {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name}: {}", value.as_bytes().escape_ascii());
        }
    }
    if !body.is_empty() {
        let _ = writeln!(text, "body: {} bytes", body.len());
    }
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Sends the node's name, then echoes and passes broadcasts on, until the client or the node ends
/// it.
async fn converse(mut socket: WebSocket, path: String, state: Arc<NodeState>) {
    let _open = state.counters.websocket();
    let (entered, mut broadcasts) = state.sessions.enter(path);
    if socket.send(Message::Text(state.name.as_str().into())).await.is_err() {
        return;
    }
    let silence = state.behavior.repeat();
    loop {
        // What comes by one branch is not lost by another: a message stays in the socket, a
        // broadcast in its channel.
        let message = tokio::select! {
            // Cancel safe: `recv` gives what it takes in the same poll; what is sent is not a
            // branch.
            message = socket.recv() => message,
            Some(broadcast) = broadcasts.recv() => {
                if socket.send(Message::Text(broadcast.text)).await.is_err() {
                    return;
                }
                entered.sent(broadcast.number);
                continue;
            }
            () = pause(silence) => {
                let text = format!("{} is still here\n", state.name);
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
                continue;
            }
            () = state.stopping.cancelled() => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "the node stops".into() };
                // The client may be gone as well: there is nobody left to tell.
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
        };
        let echoed = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                socket.send(message).await
            }
            // Pings are answered, and a close is confirmed, by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => Ok(()),
            Some(Err(_)) | None => return,
        };
        if echoed.is_err() {
            return;
        }
    }
}

/// Never ends without a length.
async fn pause(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}
