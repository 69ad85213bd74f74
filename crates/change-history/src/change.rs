//! What a change is, as it is written and as it is read.

use std::{collections::BTreeSet, sync::Arc};

/// Why peers have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An event of the watch.
    Event,
    /// A list of all keys.
    List,
    /// The peers with which nginx began: those of the state file and of the configuration.
    Start,
    /// Peers that were held are not any more.
    HoldEnded,
    /// Peers outlived their leases, and go now.
    Expiry,
    /// A peer begins to fail its checks, or passes them again.
    Check,
    /// The addresses of a host name have changed.
    Names,
}

impl Cause {
    const ALL: [Self; 7] = [
        Self::Event,
        Self::List,
        Self::Start,
        Self::HoldEnded,
        Self::Expiry,
        Self::Check,
        Self::Names,
    ];

    /// The cause in one word, as the status names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::List => "list",
            Self::Start => "start",
            Self::HoldEnded => "hold_ended",
            Self::Expiry => "expiry",
            Self::Check => "check",
            Self::Names => "names",
        }
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Some keys by name, and how many more there are: a change of a whole fleet takes no more memory
/// than one of a few peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    named: Vec<Arc<str>>,
    more: u64,
    /// The one that was added last, named or not.
    last: Option<Arc<str>>,
}

impl Keys {
    /// So many keys are named at most: more do not fit into a slot, unless they are very short.
    const NAMED: usize = 128;

    /// Adds a key, if it is another one than the last.
    pub fn push(&mut self, key: &Arc<str>) {
        if self.last.as_ref() == Some(key) {
            return;
        }
        self.last = Some(Arc::clone(key));
        if self.named.len() < Self::NAMED {
            self.named.push(Arc::clone(key));
        } else {
            self.more += 1;
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// These and others.
    fn and(mut self, others: Self) -> Self {
        self.extend(&others.named);
        self.more += others.more;
        self
    }

    pub(crate) fn named(&self) -> &[Arc<str>] {
        &self.named
    }

    pub(crate) fn more(&self) -> u64 {
        self.more
    }
}

impl<'a> Extend<&'a Arc<str>> for Keys {
    fn extend<T: IntoIterator<Item = &'a Arc<str>>>(&mut self, keys: T) {
        keys.into_iter().for_each(|key| self.push(key));
    }
}

/// The keys whose peers have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedKeys {
    /// Those that have come.
    pub added: Keys,
    /// Those that have gone.
    pub removed: Keys,
    /// Those that have stayed, and are not as they were.
    pub changed: Keys,
}

impl ChangedKeys {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// The same, where these have neither come nor gone: they have moved within what was published
    /// at once.
    #[must_use]
    pub fn with_moved(mut self, moved: &BTreeSet<Arc<str>>) -> Self {
        for keys in [&mut self.added, &mut self.removed, &mut self.changed] {
            keys.named.retain(|key| !moved.contains(key));
        }
        self.changed.extend(moved);
        self
    }

    /// These and others.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self {
            added: self.added.and(others.added),
            removed: self.removed.and(others.removed),
            changed: self.changed.and(others.changed),
        }
    }
}

/// A change that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// When it was published, in milliseconds since 1970.
    pub time: u64,
    /// etcd's revision.
    pub revision: u64,
    /// Why.
    pub cause: Cause,
    /// Whose peers.
    pub keys: &'a ChangedKeys,
    /// What there is to say beside.
    pub detail: Option<&'a str>,
}

/// A change as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number; the first change has 1.
    pub number: u64,
    /// When it was published, in milliseconds since 1970.
    pub time: u64,
    /// etcd's revision.
    pub revision: u64,
    /// Why.
    pub cause: Cause,
    /// The keys that have come.
    pub added: Vec<String>,
    /// The keys that have gone.
    pub removed: Vec<String>,
    /// The keys that have stayed, and are not as they were.
    pub changed: Vec<String>,
    /// The number of keys that are in none of the three lists, because there was no room for them.
    pub omitted: u64,
    /// What there is to say beside.
    pub detail: Option<String>,
}
