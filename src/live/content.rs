//! What the watcher has of the keys of live variables.

use core::{any::Any, fmt::Debug};
use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    sync::Arc,
};

use etcd_watch::{Item, Limits};
use live_value::{Tag, messages::Nouns};
use upstream_settings::InHand;

use super::memory::LiveMemory;

/// What the watcher has of the keys: the values that are in hand, or those of an etcd that is to
/// succeed the one that they came from.
pub(crate) trait Content: Any + Debug + Send {
    /// How much of etcd is taken.
    fn limits(&self) -> Limits;

    /// How messages call it.
    fn nouns(&self) -> Nouns;

    /// What another etcd begins with, beside this.
    fn successor(&self) -> Box<dyn Content>;

    /// What lies in shared memory, as a content like this one; `None` where there is nothing.
    fn restore(&self, memory: &LiveMemory) -> Option<Box<dyn Content>>;

    /// Writes to shared memory what has changed since it was written there.
    fn publish(&mut self, memory: &LiveMemory, tag: Tag);

    /// Writes what lies in shared memory to memory of another size.
    fn copy(&self, old: &LiveMemory, new: &LiveMemory, tag: Tag) {
        match self.restore(old) {
            Some(mut content) => content.publish(new, tag),
            None => new.write(None, tag),
        }
    }

    /// Whether there is something to be published, and not only that there is nothing.
    fn is_set(&self) -> bool;

    /// Takes the place of what was in hand until now, for good.
    fn succeed(&mut self, former: Box<dyn Content>) -> ContentUpdate;

    /// Takes a list, in the place of all that is there. A key is given without the prefix.
    fn replace(&mut self, items: &[Item]) -> ContentUpdate;

    /// Takes a key's new value.
    fn put(&mut self, item: &Item) -> ContentUpdate;

    /// Takes the deletion of a key. Returns whether anything is gone with it.
    fn delete(&mut self, key: &[u8]) -> bool;

    /// Whether there is nothing that could outlive a wiped etcd.
    fn is_empty(&self) -> bool;

    /// Whether it may take the place of values that outlive a wiped etcd.
    fn is_replacement(&self) -> bool;

    /// It has taken their place because their time is over.
    fn drop_former(&mut self) {}

    /// Whether values that were left out may find room now: a fresh list tells.
    fn wants_list(&self) -> bool {
        false
    }

    /// Whether the values are secrets, of which no copy is to stay.
    fn is_secret(&self) -> bool {
        false
    }

    /// Whether anybody beside requests goes by the values, and has to be told of a change.
    fn is_heard(&self) -> bool {
        true
    }

    /// The settings of groups, if it is those.
    fn settings(&self) -> Option<Arc<InHand>> {
        None
    }

    /// What the log says of it: `3 networks`.
    fn summary(&self) -> String;
}

impl dyn Content {
    /// What lies in shared memory; this, which is empty, where there is nothing. To be called with
    /// the right to write.
    pub(crate) fn restored(self: Box<Self>, memory: &LiveMemory) -> Box<Self> {
        self.restore(memory).unwrap_or(self)
    }

    /// Goes on with what lies in memory of another size; this is empty.
    pub(super) fn go_on(&self, old: &LiveMemory, new: &LiveMemory) {
        // Before the values: values that are newer than what is known of them are compared with
        // etcd once more, older ones would pass for etcd's last word.
        new.state.go_on(old.state);
        // What is written is what etcd has said.
        if let Some(tag) = old.tag() {
            self.copy(old, new, tag);
        }
    }
}

/// What a list or a value has done to a [`Content`].
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct ContentUpdate {
    /// Whether it differs from before.
    pub(crate) is_changed: bool,
    /// Values that are not valid.
    pub(crate) rejected: Vec<RejectedValue>,
}

/// A value that is not valid.
#[derive(Debug)]
pub(crate) struct RejectedValue {
    /// The key without the prefix, fit to be logged.
    pub(crate) key: String,
    /// Why it is not valid, in one line.
    pub(crate) reason: String,
    /// See [`hash_of`].
    pub(crate) hash: u64,
}

/// By which something is known again, also by another process of the same nginx.
pub(crate) fn hash_of(what: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(what)
}
