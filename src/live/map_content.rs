//! What the watcher has of the keys of an `etcd_map`.

use core::sync::atomic::AtomicU64;

use client_networks::shown;
use etcd_watch::{Item, Limits};
use live_map::words_for;
use live_value::{Tag, messages::Nouns};
use map_keys::{Entries, Reason, Rejected, Rules, Update, copy};

use super::{
    content::{Content, ContentUpdate, RejectedValue, hash_of},
    memory::LiveMemory,
};
use crate::{config::MapConf, zones::memory::holding};

/// The entries, which lie in shared memory, unless they are of an etcd that is to succeed the one
/// before.
#[derive(Debug)]
pub(super) struct MapContent {
    entries: Entries<'static>,
    /// Where the values lie that requests see.
    words: &'static [AtomicU64],
    /// The size of the zone that they are in, in bytes.
    zone_size: usize,
}

impl MapContent {
    /// None yet.
    pub(super) fn new(conf: &MapConf, memory: LiveMemory) -> Self {
        let entries = Entries::beside(conf.rules());
        Self { entries, words: memory.words(), zone_size: conf.zone_size }
    }

    fn update(&self, update: Update) -> ContentUpdate {
        let rejected = update.rejected.into_iter().map(|rejected| {
            let Rejected { key, reason, hash } = rejected;
            let mut text = reason.to_string();
            if let Reason::NoRoom { all, .. } = reason {
                let size = written(zone_size_for(all));
                text += &format!(": increase \"zone\" of the \"etcd_map\" directive to {size}");
            }
            let hash = hash_of((&key, &text, hash));
            RejectedValue { key: shown(&key), reason: text, hash }
        });
        ContentUpdate { is_changed: update.is_changed, rejected: rejected.collect() }
    }
}

impl MapConf {
    /// Which keys and values are taken.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            has_hostnames: self.has_hostnames,
            is_split: self.split.is_some(),
            is_secret: self.is_secret,
            max_length: self.max_length,
        }
    }
}

/// The size of a zone, in bytes, that has room for entries of so many bytes in all.
pub(crate) fn zone_size_for(bytes: usize) -> usize {
    /// nginx keeps 24 bytes for each page of a zone: less than this part of it.
    const LIST_OF_PAGES: usize = 128;
    let words = words_for(bytes) * size_of::<u64>();
    holding(words + words / LIST_OF_PAGES)
}

/// The size of a zone as it is written.
pub(crate) fn written(size: usize) -> String {
    match (size.div_ceil(1 << 10), size.div_ceil(1 << 20)) {
        (kilobytes, ..=1) => format!("{kilobytes}k"),
        (_, megabytes) => format!("{megabytes}m"),
    }
}

impl Content for MapContent {
    /// More than the zone has room for, so that what does not fit is known by its key.
    fn limits(&self) -> Limits {
        /// The fewest keys that are refused together: as for networks.
        const KEYS: usize = 200_000;
        /// The same in bytes.
        const BYTES: usize = 64 << 20;
        /// Bytes of a zone that a key takes at least.
        const KEY: usize = 32;
        Limits {
            keys: KEYS.max(self.zone_size / KEY),
            bytes: BYTES.max(self.zone_size.saturating_mul(2)),
            remedy: "delete keys that are not needed, or increase \"zone\"",
        }
    }

    fn nouns(&self) -> Nouns {
        Nouns {
            subject: "variable",
            values: "values",
            kept: "current values are kept",
            removed: "current values are removed",
            one: "valid value",
            last_valid: "the key's last valid value is kept, if any",
        }
    }

    fn successor(&self) -> Box<dyn Content> {
        let entries = Entries::beside(self.entries.rules());
        Box::new(Self { entries, words: self.words, zone_size: self.zone_size })
    }

    fn restore(&self, _memory: &LiveMemory) -> Option<Box<dyn Content>> {
        let entries = Entries::shared(self.entries.rules(), self.words);
        Some(Box::new(Self { entries, words: self.words, zone_size: self.zone_size }))
    }

    fn publish(&mut self, _memory: &LiveMemory, tag: Tag) {
        self.entries.publish(tag);
    }

    fn copy(&self, old: &LiveMemory, new: &LiveMemory, tag: Tag) {
        let Some(table) = old.table() else { return };
        // Where somebody writes all the time, the next watcher has them from etcd; and it says what
        // has no room.
        let _ = copy(*table, new.words(), self.entries.rules().is_secret, tag);
    }

    fn is_set(&self) -> bool {
        !self.entries.is_empty()
    }

    fn succeed(&mut self, former: Box<dyn Content>) -> ContentUpdate {
        // There is one writer of the memory at a time.
        drop(former);
        let update = self.entries.succeed(self.words);
        self.update(update)
    }

    fn replace(&mut self, items: &[Item]) -> ContentUpdate {
        let items = items.iter().map(|item| (&item.key[..], &item.value[..]));
        let update = self.entries.replace(items);
        self.update(update)
    }

    fn put(&mut self, item: &Item) -> ContentUpdate {
        let update = self.entries.put(&item.key, &item.value);
        self.update(update)
    }

    fn delete(&mut self, key: &[u8]) -> bool {
        self.entries.delete(key)
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys whose values are not valid do not take anybody's place.
    fn is_replacement(&self) -> bool {
        !self.entries.is_empty()
    }

    fn wants_list(&self) -> bool {
        self.entries.wants_list()
    }

    fn is_secret(&self) -> bool {
        self.entries.rules().is_secret
    }

    fn is_heard(&self) -> bool {
        false
    }

    fn summary(&self) -> String {
        format!("{} entries", self.entries.len())
    }
}
