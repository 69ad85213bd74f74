//! What the watcher has of the settings of an upstream's groups.

use core::sync::atomic::AtomicU64;
use std::{collections::HashMap, mem, sync::Arc};

use client_networks::shown;
use etcd_watch::{Item, Limits};
use live_value::{Tag, messages::Nouns};
use upstream_settings::{Entries, Entry, InHand, Rejected, SettingsError, Update};

use super::{
    content::{Content, ContentUpdate, RejectedValue, hash_of},
    map_content::{written, zone_size_for},
    memory::LiveMemory,
};
use crate::config::SettingsConf;

/// The settings; their values lie in shared memory, unless they are of an etcd that is to succeed
/// the one before.
#[derive(Debug)]
pub(super) struct SettingsContent {
    entries: Entries<'static>,
    /// Where the values lie that the next watcher goes on with.
    words: &'static [AtomicU64],
    /// The size of the zone that they are in, in bytes.
    zone_size: usize,
    /// What the upstream goes by.
    in_hand: Arc<InHand>,
    /// The revisions of the keys that came since it was handed something.
    revisions: HashMap<Vec<u8>, i64>,
}

impl SettingsContent {
    /// None yet.
    pub(super) fn new(conf: &SettingsConf, memory: LiveMemory) -> Self {
        Self {
            entries: Entries::beside(conf.rules()),
            words: memory.words(),
            zone_size: conf.zone_size,
            in_hand: Arc::default(),
            revisions: HashMap::new(),
        }
    }

    /// The same, with these settings.
    fn with(&self, entries: Entries<'static>) -> Self {
        let in_hand = Arc::clone(&self.in_hand);
        let (words, zone_size) = (self.words, self.zone_size);
        Self { entries, words, zone_size, in_hand, revisions: HashMap::new() }
    }

    fn update(&self, update: Update) -> ContentUpdate {
        let rejected = update.rejected.into_iter().map(|Rejected { key, error }| {
            let mut reason = error.to_string();
            if let SettingsError::NoRoom { all, .. } = error {
                let size = written(SettingsConf::zone_for(zone_size_for(all)));
                reason += &format!(": increase \"zone\" of the \"etcd\" directive to {size}");
            }
            RejectedValue { hash: hash_of((&key, &reason)), key: shown(&key), reason }
        });
        ContentUpdate { is_changed: update.is_changed, rejected: rejected.collect() }
    }

    /// Hands the upstream what has changed.
    fn hand_over(&mut self) {
        let revisions = mem::take(&mut self.revisions);
        for group in self.entries.take_changed() {
            let revision = revisions.get(group.as_bytes());
            let put_at = revision.map(|revision| revision.unsigned_abs());
            let entry = self.entries.get(&group).cloned().map(|entry| Entry { put_at, ..entry });
            self.in_hand.set(&group, entry);
        }
    }
}

impl Content for SettingsContent {
    /// More than the zone has room for, so that what does not fit is known by its key.
    fn limits(&self) -> Limits {
        /// The fewest keys that are refused together: as for networks.
        const KEYS: usize = 200_000;
        /// The same in bytes.
        const BYTES: usize = 64 << 20;
        Limits {
            keys: KEYS,
            bytes: BYTES.max(self.zone_size.saturating_mul(2)),
            remedy: "delete keys that are not needed, or increase \"zone\" of the upstream",
        }
    }

    fn nouns(&self) -> Nouns {
        Nouns {
            subject: "upstream",
            values: "settings of groups",
            kept: "current settings of groups are kept",
            removed: "current settings of groups are removed",
            one: "valid value",
            last_valid: "the group's last valid settings are kept, if any",
        }
    }

    fn successor(&self) -> Box<dyn Content> {
        Box::new(self.with(Entries::beside(self.entries.rules().clone())))
    }

    fn restore(&self, _memory: &LiveMemory) -> Option<Box<dyn Content>> {
        let mut restored = self.with(Entries::shared(self.entries.rules().clone(), self.words));
        // Before the upstream applies any: without them its groups would be others for a moment.
        restored.hand_over();
        Some(Box::new(restored))
    }

    fn publish(&mut self, _memory: &LiveMemory, tag: Tag) {
        self.hand_over();
        self.entries.publish(tag);
    }

    fn copy(&self, old: &LiveMemory, new: &LiveMemory, tag: Tag) {
        let Some(table) = old.table() else { return };
        // Where somebody writes all the time, the next watcher has them from etcd; and it says what
        // has no room.
        let _ = map_keys::copy(*table, new.words(), false, tag);
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
        self.revisions = items.iter().map(|item| (item.key.clone(), item.mod_revision)).collect();
        let items = items.iter().map(|item| (&item.key[..], &item.value[..]));
        let update = self.entries.replace(items);
        self.update(update)
    }

    fn put(&mut self, item: &Item) -> ContentUpdate {
        self.revisions.insert(item.key.clone(), item.mod_revision);
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

    fn settings(&self) -> Option<Arc<InHand>> {
        Some(Arc::clone(&self.in_hand))
    }

    fn summary(&self) -> String {
        match self.entries.len() {
            1 => "settings of 1 group".to_owned(),
            count => format!("settings of {count} groups"),
        }
    }
}
