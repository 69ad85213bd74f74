//! The WebSocket sessions that a node holds, and what it has sent on each of its own accord.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a broadcast begins with, before its number: nothing else that a node sends does, unless a
/// client said it.
const MARK: char = '#';

/// The number of a broadcast, from the text that a client receives; none for another message.
pub fn broadcast_number(text: &str) -> Option<u64> {
    text.strip_prefix(MARK)?.split(' ').next()?.parse().ok()
}

/// An open WebSocket session, as its node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// What it was opened with, the query included.
    pub path: String,
    /// The last broadcast that the system has taken from the node in whole; when it was opened, the
    /// last one there had been.
    pub sent: u64,
}

/// A broadcast on its way to one session.
#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) number: u64,
    pub(crate) text: Utf8Bytes,
}

#[derive(Debug)]
struct Entry {
    session: OpenSession,
    sender: UnboundedSender<Broadcast>,
}

#[derive(Debug, Default)]
struct State {
    opened: u64,
    broadcasts: u64,
    open: BTreeMap<u64, Entry>,
}

/// Those of one node.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<State>);

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a text of at least `size` bytes to all sessions that are open, and gives its number.
    pub(crate) fn broadcast(&self, size: usize) -> u64 {
        let mut state = self.state();
        state.broadcasts += 1;
        let number = state.broadcasts;
        let head = format!("{MARK}{number} ");
        let text =
            Utf8Bytes::from(format!("{head}{}", "x".repeat(size.saturating_sub(head.len()))));
        for entry in state.open.values() {
            // One whose session has just ended needs none.
            let _ = entry.sender.send(Broadcast { number, text: text.clone() });
        }
        number
    }

    /// Those that are open, in the order in which they were opened.
    pub(crate) fn open(&self) -> Vec<OpenSession> {
        self.state().open.values().map(|entry| entry.session.clone()).collect()
    }

    /// Takes a session in until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, path: String) -> (Entered, UnboundedReceiver<Broadcast>) {
        let (sender, receiver) = unbounded_channel();
        let mut state = self.state();
        state.opened += 1;
        let (id, sent) = (state.opened, state.broadcasts);
        state.open.insert(id, Entry { session: OpenSession { path, sent }, sender });
        (Entered { sessions: self.clone(), id }, receiver)
    }
}

/// A session's place among those that are open.
pub(crate) struct Entered {
    sessions: Arc<Sessions>,
    id: u64,
}

impl Entered {
    /// The system has taken a broadcast in whole.
    pub(crate) fn sent(&self, number: u64) {
        if let Some(entry) = self.sessions.state().open.get_mut(&self.id) {
            entry.session.sent = number;
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.sessions.state().open.remove(&self.id);
    }
}
