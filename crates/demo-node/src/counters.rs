//! What a node counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A node's counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted since the start, those turned away by a [`Fault`](crate::Fault)
    /// included.
    pub accepted: u64,
    /// Connections open now.
    pub connections: u64,
    /// Requests since the start, WebSocket handshakes included.
    pub requests: u64,
    /// Of these, the ones for `/healthz`, or by HEAD where it answers as Firehose does.
    pub health_checks: u64,
    /// Requests in hand now: they have come, and their answer's head has not gone out. A
    /// WebSocket's handshake is one, the session is not.
    pub requests_open: u64,
    /// The most that were in hand at the same time.
    pub requests_most: u64,
    /// Requests open now, those of WebSockets left out: they have come, and the last of their
    /// answer has not been handed to the connection.
    pub plain_open: u64,
    /// WebSocket sessions open now.
    pub websockets: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    connections: AtomicU64,
    requests: AtomicU64,
    health_checks: AtomicU64,
    requests_open: AtomicU64,
    requests_most: AtomicU64,
    plain_open: AtomicU64,
    websockets: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Counts {
        Counts {
            accepted: self.accepted.load(Relaxed),
            connections: self.connections.load(Relaxed),
            requests: self.requests.load(Relaxed),
            health_checks: self.health_checks.load(Relaxed),
            requests_open: self.requests_open.load(Relaxed),
            requests_most: self.requests_most.load(Relaxed),
            plain_open: self.plain_open.load(Relaxed),
            websockets: self.websockets.load(Relaxed),
        }
    }

    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn request(self: &Arc<Self>) -> Open {
        self.requests.fetch_add(1, Relaxed);
        let open = Open::new(self.clone(), |counters| &counters.requests_open);
        self.requests_most.fetch_max(self.requests_open.load(Relaxed), Relaxed);
        open
    }

    pub(crate) fn plain(self: &Arc<Self>) -> Open {
        Open::new(self.clone(), |counters| &counters.plain_open)
    }

    pub(crate) fn health_check(&self) {
        self.health_checks.fetch_add(1, Relaxed);
    }

    pub(crate) fn connection(self: &Arc<Self>) -> Open {
        Open::new(self.clone(), |counters| &counters.connections)
    }

    pub(crate) fn websocket(self: &Arc<Self>) -> Open {
        Open::new(self.clone(), |counters| &counters.websockets)
    }
}

/// Counts something as open until it is dropped, however its task ends.
#[derive(Debug)]
pub(crate) struct Open {
    counters: Arc<Counters>,
    which: fn(&Counters) -> &AtomicU64,
}

impl Open {
    fn new(counters: Arc<Counters>, which: fn(&Counters) -> &AtomicU64) -> Self {
        which(&counters).fetch_add(1, Relaxed);
        Self { counters, which }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.which)(&self.counters).fetch_sub(1, Relaxed);
    }
}
