//! What a kind of live variables says of itself.

use core::{any::Any, fmt::Debug, net::IpAddr, sync::atomic::AtomicU64};
use std::collections::BTreeMap;

use etcd_watch::{Item, Keys, Limits, Origin};
use live_value::messages::Nouns;
use serde::Serialize;

use super::memory::LiveMemory;

/// A kind of live variables: implemented for what its directive says of one of them.
pub(crate) trait LiveKind: Any + Debug + Send + Sync {
    /// What is followed, and for which variable.
    fn source(&self) -> Source<'_>;

    /// The size of the shared memory, in bytes. Variables of this kind with the same keys share it.
    fn zone_size(&self) -> usize;

    /// Where in etcd's history the values are that the configuration has, if it says so.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// Whether the values that the configuration has outlive a wiped etcd, until etcd has been read
    /// for the first time.
    fn holds_initial(&self) -> bool {
        false
    }

    /// An empty content, of at most `room` words in shared memory.
    fn content(&self, room: usize) -> Box<dyn Content>;

    /// Gives the variable's value for a request to `give`, once.
    fn look_up(
        &self,
        memory: Option<LiveMemory>,
        request: &dyn Request,
        give: &mut dyn FnMut(Value<'_>),
    );

    /// What the status shows of the values.
    fn figures(&self, memory: LiveMemory) -> BTreeMap<&'static str, Figure>;
}

/// What a live variable is made of.
#[derive(Clone, Debug)]
pub(crate) struct Source<'a> {
    /// The directive.
    pub(crate) directive: &'static str,
    /// The variable's name, with the dollar sign.
    pub(crate) name: &'a str,
    /// The cluster's name.
    pub(crate) cluster: &'a str,
    /// [`Keys::One`], or [`Keys::Beginning`] for a prefix.
    pub(crate) keys: Keys,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: &'a str,
}

impl Source<'_> {
    /// The key, or the prefix.
    pub(crate) fn text(&self) -> &str {
        match &self.keys {
            Keys::One(text)
            | Keys::Below(text)
            | Keys::Beginning(text)
            | Keys::BelowWithout { prefix: text, .. } => text,
        }
    }

    /// Whether it is one key.
    pub(crate) fn is_one_key(&self) -> bool {
        matches!(self.keys, Keys::One(_))
    }
}

/// What the watcher has of the keys: the values that are in hand, or those of an etcd that is to
/// succeed the one that they came from.
pub(crate) trait Content: Debug + Send {
    /// How much of etcd is taken.
    fn limits(&self) -> Limits;

    /// How messages call it.
    fn nouns(&self) -> Nouns;

    /// What another etcd begins with, beside this.
    fn successor(&self) -> Box<dyn Content>;

    /// Goes on with what [`encode`](Self::encode) gave.
    fn restore(&mut self, words: &[AtomicU64]);

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
    pub(crate) rejected: Vec<Rejection>,
}

/// A value that is not valid.
#[derive(Debug)]
pub(crate) struct Rejection {
    /// The key without the prefix, fit to be logged.
    pub(crate) key: String,
    /// Why it is not valid, in one line.
    pub(crate) reason: String,
    /// By which the value is known again, also in another process.
    pub(crate) hash: u64,
}

/// What may be asked of a request.
pub(crate) trait Request {
    /// The client's address; `None` where it has come by a unix socket.
    fn client(&self) -> Option<IpAddr>;
}

/// A variable's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// It was copied, and has to be copied again to last.
    Copied(&'a [u8]),
    /// It lasts as long as the cycle.
    Lasting(&'a str),
    /// There is none.
    Nothing,
}

/// A figure in the status.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Figure {
    Flag(bool),
    Number(usize),
}
