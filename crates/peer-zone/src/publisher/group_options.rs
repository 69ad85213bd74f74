//! What groups have of their own: as it is wanted, and as the group at hand has it.

use std::sync::Arc;

use super::{
    Publisher,
    closings::TooManyClosings,
    options::{GroupOptions, TableOptions, WantedOptions},
};
use crate::{
    layout::{OwnTraits, TableHeader},
    peer_spec::PeerSpec,
    protocol::Publishing,
};

/// Of a group that has nothing of its own.
static NOTHING: GroupOptions =
    GroupOptions { method: None, hash_key: None, is_sticky: None, checking: None, closing: None };

impl Publisher {
    /// Sets what the group of this name has of its own, at `now` (ms); it need not be there (yet).
    /// The default is nothing.
    ///
    /// How active checks decide acts at once, all else with the next publication of the group's
    /// peers: [`publish`](Publisher::publish), or [`publish_keys`](Publisher::publish_keys) of any
    /// of its keys. The closing is that of the peers then, and at once that of peers that are gone
    /// but have open connections.
    ///
    /// # Errors
    ///
    /// There are too many closings that differ; the options are as before.
    pub fn set_group_options(
        &mut self,
        group: &str,
        options: GroupOptions,
        now: u64,
        _publishing: &Publishing,
    ) -> Result<(), TooManyClosings> {
        let closing = self.index_of_closing(options.closing, group)?;
        let checking = options.checking;
        let known = self.groups.as_ref().and_then(|groups| groups.get(group));
        if known.is_some_and(|known| known.own.checking != checking) {
            self.with_group(&group.into(), |publisher| publisher.set_checking(checking, now));
        }
        self.set_closing_of_removed(group, closing);
        if options == NOTHING {
            self.group_options.remove(group);
        } else {
            self.group_options.insert(group.into(), WantedOptions { options, closing });
        }
        Ok(())
    }

    /// Says which groups peers were in that a predecessor has removed, and whose open connections
    /// are to be closed as these say: a zone does not have their names.
    pub fn name_groups_of_removed(
        &mut self,
        group_of: impl Fn(&PeerSpec) -> Option<Arc<str>>,
        _publishing: &Publishing,
    ) {
        self.removed.change_each(|removed| {
            let group = group_of(&removed.spec);
            if removed.spec.group != group {
                removed.spec = Arc::new(PeerSpec { group, ..PeerSpec::clone(&removed.spec) });
            }
        });
    }

    /// What the group of this name is to have of its own.
    pub fn group_options(&self, group: &str) -> &GroupOptions {
        self.group_options.get(group).map_or(&NOTHING, |wanted| &wanted.options)
    }

    /// The group at hand, which is about to be published, has of its own what it is to have.
    pub(super) fn take_group_options(&mut self, now: u64) {
        let wanted = self.group_options.get(&self.group.name);
        self.group.closing = wanted.map_or(0, |wanted| wanted.closing);
        let own = wanted.map_or_else(GroupOptions::default, |wanted| wanted.options.clone());
        if own.checking != self.group.own.checking {
            // A publisher before this one has had options for it.
            self.set_checking(own.checking, now);
        }
        let is_other =
            (own.traits(), &own.hash_key) != (self.group.own.traits(), &self.group.own.hash_key);
        if let Some(groups) = self.groups.as_mut().filter(|_| is_other) {
            // It may be for what had no room.
            groups.reserve.may_shrink = true;
        }
        self.group.own = own;
    }

    /// The upstream's options, with those of the group at hand.
    pub(super) fn options(&self) -> TableOptions {
        self.options.of_group(&self.group.own)
    }

    /// Whether the last table of the group at hand says what the group has of its own.
    pub(super) fn has_table_of_own(&self) -> bool {
        self.current_table()
            .is_some_and(|table| self.names_own_options(table) && self.names_own_checking(table))
    }

    /// Whether the table of the group at hand, of this header, says how active checks decide: for a
    /// successor.
    pub(super) fn names_own_checking(&self, table: &TableHeader) -> bool {
        table.own.checking() == self.group.own.traits().checking()
    }

    /// As [`has_table_of_own`](Self::has_table_of_own), of the table of this header, but for what
    /// is nothing to requests. A plain one need not have the key.
    pub(super) fn names_own_options(&self, table: &TableHeader) -> bool {
        let own = &self.group.own;
        let key = own.key_for(&self.options());
        let is_key = || {
            let text = self.zone.group_hash_key(self.group.table);
            key.map_or(&[][..], |key| key.as_bytes()) == text
        };
        let for_requests = |traits: OwnTraits| traits.with_lack_of_key(false).with_checking(None);
        for_requests(table.own) == for_requests(own.traits())
            && if table.own.lacks_key() { key.is_some() } else { is_key() }
    }
}
