//! What groups of an upstream have of their own, as far as it is applied.

use std::{collections::BTreeMap, mem, sync::Arc};

use peer_zone::GroupOptions;
use saved_state::SavedSettings;
use upstream_settings::{Change, Entry, InHand, Reader};

/// The settings of an upstream's groups, as far as they are applied.
pub(super) struct FollowedSettings {
    in_hand: Arc<InHand>,
    reader: Reader,
    /// What is still to be applied.
    changes: Vec<Change>,
    /// The prefix of their keys.
    prefix: String,
    /// What is applied, as it is written: for the file that keeps it.
    values: Arc<BTreeMap<Arc<str>, Arc<str>>>,
    /// Counts what was applied.
    count: u64,
    /// What groups are to have of their own whose drains found no room.
    refused: BTreeMap<Arc<str>, GroupOptions>,
    /// Whether to look whether they have it now.
    tries_again: bool,
}

impl FollowedSettings {
    /// Nothing is applied yet.
    pub(super) fn new(prefix: String, in_hand: Arc<InHand>) -> Self {
        let mut reader = Reader::default();
        let changes = in_hand.changes(&mut reader);
        Self {
            in_hand,
            reader,
            changes,
            prefix,
            values: Arc::default(),
            count: 0,
            refused: BTreeMap::new(),
            tries_again: false,
        }
    }

    /// Takes what has changed.
    pub(super) fn read(&mut self) {
        self.changes.extend(self.in_hand.changes(&mut self.reader));
    }

    /// Whether there is something to apply.
    pub(super) fn are_due(&self) -> bool {
        !self.changes.is_empty() || self.tries_again
    }

    /// Whether etcd's first list is in hand, or cannot be had just now.
    pub(super) fn are_settled(&self) -> bool {
        self.in_hand.is_settled()
    }

    /// The drain of a group was not applied, for want of room.
    pub(super) fn note_refused(&mut self, group: Arc<str>, options: GroupOptions) {
        self.refused.insert(group, options);
    }

    /// Whether there are drains that could not be applied.
    pub(super) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// What could not be applied may have room now.
    pub(super) fn try_again(&mut self) {
        self.tries_again = self.has_refused();
    }

    /// What is to be tried again.
    pub(super) fn take_refused(&mut self) -> BTreeMap<Arc<str>, GroupOptions> {
        self.tries_again = false;
        mem::take(&mut self.refused)
    }

    /// What is to be applied, each group's in its order.
    pub(super) fn take(&mut self) -> Vec<Change> {
        let changes = mem::take(&mut self.changes);
        for (group, value) in &changes {
            self.refused.remove(group);
            self.note_applied(group, value.as_ref());
        }
        changes
    }

    fn note_applied(&mut self, group: &Arc<str>, value: Option<&Entry>) {
        let values = Arc::make_mut(&mut self.values);
        match value {
            Some(value) => values.insert(Arc::clone(group), Arc::clone(&value.text)),
            None => values.remove(group),
        };
        self.count += 1;
    }

    /// Counts what was applied.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What is applied, as a file keeps it.
    pub(super) fn to_saved(&self) -> SavedSettings {
        SavedSettings { prefix: self.prefix.clone(), values: Arc::clone(&self.values) }
    }
}
