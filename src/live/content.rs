//! What the watcher has of the keys of live variables.

use core::{fmt::Debug, sync::atomic::AtomicU64};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use etcd_watch::{Item, Limits};
use live_value::messages::Nouns;

/// What the watcher has of the keys: the values that are in hand, or those of an etcd that is to
/// succeed the one that they came from.
pub(crate) trait Content: Debug + Send {
    /// How much of etcd is taken.
    fn limits(&self) -> Limits;

    /// How messages call it.
    fn nouns(&self) -> Nouns;

    /// What another etcd begins with, beside this.
    fn successor(&self) -> Box<dyn Content>;

    /// What [`encode`](Self::encode) gave, as a content like this one. The words may be any while
    /// somebody writes them.
    fn restore(&self, words: &[AtomicU64]) -> Box<dyn Content>;

    /// As it lies in shared memory; `None` where there is nothing.
    fn encode(&self) -> Option<Vec<u64>>;

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

    /// What the log says of it: `3 networks`.
    fn summary(&self) -> String;
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
