//! A node to route to: answers HTTP and WebSocket, for demonstrations and tests.
//!
//! Every path is answered with the node's name and what the node saw of the request, so that a
//! client of a proxy learns which node served it and what the proxy passed on. See [`Node`] for
//! starting one in-process.

#![forbid(unsafe_code)]

mod answers;
mod behavior;
mod body;
mod channels;
mod connection;
mod counters;
mod firehose;
mod listener;
mod node;
mod node_state;
mod sessions;

pub use axum::http::StatusCode;
pub use body::paced_byte;
pub use counters::Counts;
pub use firehose::FIREHOSE_POLL;
pub use listener::{Fault, ListenAddress};
pub use node::{ClosedPort, Node};
pub use sessions::{OpenSession, broadcast_number};
