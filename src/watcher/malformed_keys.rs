//! The keys of live variables whose present values are not valid: what the log says of them, and
//! what the status shows.

use std::collections::BTreeMap;

use live_value::messages::Messages;

use super::lines::Lines;
use crate::live::{KeyState, RejectedValue};

/// How many keys of one list or change are logged as rejected; the rest is counted.
const MAX_LOGGED: usize = 8;

/// Of how many it is kept why they are rejected, to be shown once those that are shown are
/// corrected.
const MAX_SHOWN: usize = 64;

/// Keys whose present values are not valid, each with what was said of it.
#[derive(Default)]
pub(super) struct MalformedKeys(BTreeMap<String, Malformed>);

struct Malformed {
    /// Of what was said of it.
    hash: u64,
    /// What the status can say of it, for the first of them.
    reason: Option<String>,
}

impl MalformedKeys {
    /// Whether the same was said of this key.
    pub(super) fn has(&self, rejected: &RejectedValue) -> bool {
        self.0.get(&rejected.key).is_some_and(|known| known.hash == rejected.hash)
    }

    /// Adds a key with a value that is rejected.
    pub(super) fn add(&mut self, rejected: &RejectedValue, messages: &Messages) {
        let RejectedValue { key, reason, hash } = rejected;
        let may_be_shown = self.0.len() < MAX_SHOWN;
        let reason = may_be_shown.then(|| messages.rejection(key, reason));
        self.0.insert(key.clone(), Malformed { hash: *hash, reason });
    }

    /// The key is gone, or has another value. Returns the hash of what was said of it.
    pub(super) fn remove(&mut self, key: &str) -> Option<u64> {
        self.0.remove(key).map(|malformed| malformed.hash)
    }

    /// What the status shows as rejected is so at present, and a successor knows all of them.
    pub(super) fn show(&self, state: &KeyState) {
        state.set_known(self.0.values().map(|it| it.hash));
        if self.0.is_empty() {
            state.accept();
            return;
        }
        let shown = state.rejection();
        if shown.is_some_and(|hash| self.0.values().any(|it| it.hash == hash)) {
            return;
        }
        let other = self.0.values().find_map(|it| Some((it.hash, it.reason.as_ref()?)));
        if let Some((hash, reason)) = other {
            state.show_rejection(reason, hash);
        }
    }
}

/// Counts and logs what is rejected, unless another watcher has.
pub(super) fn log(
    rejected: &[RejectedValue],
    messages: &Messages,
    state: &KeyState,
    lines: &Lines,
) {
    let is_news = |rejected: &&RejectedValue| {
        state.reject(&messages.rejection(&rejected.key, &rejected.reason), rejected.hash)
    };
    let news: Vec<_> = rejected.iter().filter(is_news).collect();
    let last = news.len().saturating_sub(1);
    for (index, RejectedValue { key, reason, .. }) in news.iter().copied().enumerate() {
        // The last one says how much room all of them need, if it is that.
        if index + 1 < MAX_LOGGED || index == last {
            lines.error(messages.rejected(key, reason));
        }
    }
    if news.len() > MAX_LOGGED {
        lines.error(messages.more_rejected(news.len() - MAX_LOGGED));
    }
}
