//! Where the watcher has the entries of an `etcd_map`: in shared memory and nowhere else, but for
//! those of an etcd that is to succeed the one before.

use core::{
    fmt::{self, Debug, Formatter},
    sync::atomic::AtomicU64,
};
use std::collections::BTreeMap;

use live_map::{Entry, Full, MapWriter, Name};
use live_value::Tag;

/// Entries, each by its key in lower case.
pub(super) enum Place {
    /// Those that requests see.
    Shared(MapWriter<'static>),
    /// Those that are to take their place.
    Beside(BTreeMap<Vec<u8>, Vec<u8>>),
}

/// An entry that is to be put.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'i> {
    pub(super) name: Name<'i>,
    /// Its key in etcd.
    pub(super) key: &'i [u8],
    pub(super) value: &'i [u8],
}

/// Values may be secrets.
impl Debug for Place {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let name = if matches!(self, Self::Shared(_)) { "Shared" } else { "Beside" };
        write!(formatter, "{name}({} entries)", self.len())
    }
}

impl Place {
    /// Shared memory, with what is there.
    pub(super) fn shared(words: &'static [AtomicU64], is_secret: bool) -> Self {
        Self::Shared(MapWriter::take_over(words, is_secret))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Shared(writer) => writer.len(),
            Self::Beside(entries) => entries.len(),
        }
    }

    /// Bytes that are used in shared memory, and those that there are.
    pub(super) fn bytes(&self) -> (usize, usize) {
        match self {
            Self::Shared(writer) => (writer.bytes_used(), writer.bytes_total()),
            Self::Beside(_) => (0, 0),
        }
    }

    pub(super) fn has(&self, name: &Name<'_>, key: &[u8]) -> bool {
        match self {
            Self::Shared(writer) => {
                writer.map().get(name, |_| ()).is_ok_and(|found| found.is_some())
            }
            Self::Beside(entries) => entries.contains_key(&*key.to_ascii_lowercase()),
        }
    }

    /// Returns whether it has changed.
    pub(super) fn put(&mut self, wanted: Wanted<'_>) -> Result<bool, Full> {
        let Wanted { name, key, value } = wanted;
        match self {
            Self::Shared(writer) => writer.put(&name, value),
            Self::Beside(entries) => {
                let former = entries.insert(key.to_ascii_lowercase(), value.to_vec());
                Ok(former.is_none_or(|former| former != value))
            }
        }
    }

    /// Returns whether it was there.
    pub(super) fn delete(&mut self, name: &Name<'_>, key: &[u8]) -> bool {
        match self {
            Self::Shared(writer) => writer.delete(name),
            Self::Beside(entries) => entries.remove(&*key.to_ascii_lowercase()).is_some(),
        }
    }

    /// Keeps the entries that `is_wanted` says so of, by their keys in lower case. Returns whether
    /// others are gone.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> bool {
        let before = self.len();
        match self {
            Self::Shared(writer) => {
                let name_of =
                    |entry: &Entry| Name::new(entry.kind, &entry.text).map(|name| name.to_key());
                let others: Vec<Entry> = writer
                    .entries()
                    .filter_map(|mut entry| {
                        wipe(&mut entry.value);
                        let is_other = !name_of(&entry).is_some_and(|key| is_wanted(&key));
                        is_other.then_some(entry)
                    })
                    .collect();
                for entry in &others {
                    if let Some(name) = Name::new(entry.kind, &entry.text) {
                        writer.delete(&name);
                    }
                }
            }
            Self::Beside(entries) => entries.retain(|key, _| is_wanted(key)),
        }
        self.len() != before
    }

    /// Tells requests that this is what etcd has.
    pub(super) fn publish(&mut self, tag: Tag) {
        if let Self::Shared(writer) = self {
            writer.publish(tag);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Beside(entries) = self {
            entries.values_mut().for_each(|value| wipe(value));
        }
    }
}

/// Overwrites a value that is not needed any more: it may be a secret.
pub(super) fn wipe(value: &mut [u8]) {
    value.fill(0);
    // So that the compiler does not find that nobody reads the zeroes.
    core::hint::black_box(value);
}
