//! Where the entries lie: in shared memory and nowhere else, but for those of an etcd that is to
//! succeed the one before.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug, Formatter},
    sync::atomic::AtomicU64,
};

use live_map::{Full, MapWriter, Name};
use live_value::Tag;

/// Entries, each by its key in lower case.
pub(crate) enum Place<'w> {
    /// Those that requests see.
    Shared(Box<MapWriter<'w>>),
    /// Those that are to take their place.
    Beside(BTreeMap<Vec<u8>, Vec<u8>>),
}

/// An entry that is to be put.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'i> {
    pub(crate) name: Name<'i>,
    /// Its key in etcd.
    pub(crate) key: &'i [u8],
    pub(crate) value: &'i [u8],
}

/// Values may be secrets.
impl Debug for Place<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let name = if matches!(self, Self::Shared(_)) { "Shared" } else { "Beside" };
        write!(formatter, "{name}({} entries)", self.len())
    }
}

impl<'w> Place<'w> {
    /// Shared memory, with what is there.
    pub(crate) fn shared(words: &'w [AtomicU64], is_secret: bool) -> Self {
        Self::Shared(Box::new(MapWriter::take_over(words, is_secret)))
    }

    /// A place beside it, with nothing.
    pub(crate) fn beside() -> Self {
        Self::Beside(BTreeMap::new())
    }

    /// The entries, by their keys in lower case, where they do not lie in shared memory.
    pub(crate) fn entries(&self) -> Option<&BTreeMap<Vec<u8>, Vec<u8>>> {
        match self {
            Self::Shared(_) => None,
            Self::Beside(entries) => Some(entries),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Shared(writer) => writer.len(),
            Self::Beside(entries) => entries.len(),
        }
    }

    /// Bytes that are used in shared memory, and those that there are.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        match self {
            Self::Shared(writer) => (writer.bytes_used(), writer.bytes_total()),
            Self::Beside(_) => (0, 0),
        }
    }

    pub(crate) fn has(&self, name: &Name<'_>, key: &[u8]) -> bool {
        match self {
            Self::Shared(writer) => {
                writer.map().get(name, |_| ()).is_ok_and(|found| found.is_some())
            }
            Self::Beside(entries) => entries.contains_key(&*key.to_ascii_lowercase()),
        }
    }

    /// Returns whether it has changed.
    pub(crate) fn put(&mut self, wanted: Wanted<'_>) -> Result<bool, Full> {
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
    pub(crate) fn delete(&mut self, name: &Name<'_>, key: &[u8]) -> bool {
        match self {
            Self::Shared(writer) => writer.delete(name),
            Self::Beside(entries) => entries.remove(&*key.to_ascii_lowercase()).is_some(),
        }
    }

    /// Keeps the entries that `is_wanted` says so of, by their keys in lower case. Returns whether
    /// others are gone.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Shared(writer) => writer.retain(|name| is_wanted(&name.to_key())),
            Self::Beside(entries) => {
                let before = entries.len();
                entries.retain(|key, _| is_wanted(key));
                entries.len() != before
            }
        }
    }

    /// Tells requests that this is what etcd has.
    pub(crate) fn publish(&mut self, tag: Tag) {
        if let Self::Shared(writer) = self {
            writer.publish(tag);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Self::Beside(entries) = self {
            entries.values_mut().for_each(|value| wipe(value));
        }
    }
}

/// Overwrites a value that is not needed any more: it may be a secret.
pub fn wipe(value: &mut [u8]) {
    value.fill(0);
    // So that the compiler does not find that nobody reads the zeroes.
    std::hint::black_box(value);
}
