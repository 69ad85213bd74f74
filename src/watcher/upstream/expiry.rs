//! `expiry_guard`: leases that run out together do not take their peers with them.

use std::collections::HashMap;

use etcd_watch::Item;
use peer_zone::{Health, Publisher};
use upstream_peers::{ExpiryGuard, Membership, MembershipChange, Removed, Vanishing, messages};

use crate::watcher::upstream_log::UpstreamLog;

/// The guard of an upstream's peers.
pub(super) struct Expiry {
    guard: ExpiryGuard<Removed>,
    /// How long (ms) peers outlive their leases.
    hold: u64,
    log: UpstreamLog,
}

impl Expiry {
    /// Peers stay where more than so many percent of them would go, for `hold` (ms).
    pub(super) fn new(percent: u8, hold: u64, log: UpstreamLog) -> Self {
        Self { guard: ExpiryGuard::new(percent, hold), hold, log }
    }

    /// Notes with which leases keys are there.
    pub(super) fn note_leases(&mut self, items: &[Item]) {
        for item in items {
            if let Ok(key) = str::from_utf8(&item.key) {
                self.guard.put(key, item.lease);
            }
        }
    }

    /// A key is gone in etcd: its peer goes, or stays, since too many others' leases have run out
    /// with its own. Returns what changes.
    pub(super) fn remove(
        &mut self,
        members: &mut Membership,
        key: &str,
        now: u64,
    ) -> Vec<MembershipChange> {
        if members.is_aside(key) {
            // It is no peer's, and none is missing with it.
            self.guard.forget_key(key);
            return vec![members.remove_aside(key, |key| self.guard.keeps(key))];
        }
        let was_keeping = self.guard.is_keeping();
        match self.guard.vanish(key, members.len(), now) {
            Vanishing::Goes => {
                let (outcome, removed) = members.remove(key);
                if let Some(removed) = removed {
                    self.guard.let_go(key, removed);
                }
                vec![outcome]
            }
            Vanishing::Stays(back) => {
                if !was_keeping {
                    self.log.warn(messages::leases_expired(self.hold / 1_000));
                }
                back.into_iter().map(|removed| members.put_back(removed)).collect()
            }
        }
    }

    /// As [`remove`](Self::remove), for all that a new list lacks. `until` (ms): a predecessor has
    /// kept what it had until then.
    pub(super) fn remove_missing(
        &mut self,
        members: &mut Membership,
        items: &[Item],
        until: Option<u64>,
        now: u64,
    ) -> Vec<MembershipChange> {
        let missing = members.missing(items.iter().map(|item| item.key.as_slice()));
        // What is there first: the share that is gone is one of the list that was.
        self.note_leases(items);
        // A predecessor kept what it had, and did not know of these that they were deleted.
        if let Some(until) = until {
            missing.iter().for_each(|key| self.guard.hold(key, until));
        }
        let mut outcomes = Vec::new();
        for key in missing {
            if !self.guard.keeps(&key) {
                outcomes.extend(self.remove(members, &key, now));
            }
        }
        outcomes
    }

    /// Whether the peers of a key outlive it.
    pub(super) fn keeps(&self, key: &str) -> bool {
        self.guard.keeps(key)
    }

    /// How many peers outlive their keys, and until when (ms), if any do.
    pub(super) fn kept(&self) -> Option<(usize, u64)> {
        self.guard.kept()
    }

    /// The leases that have to be looked up, to tell what has run out from what somebody has
    /// deleted.
    pub(super) fn leases_to_look_up(&self) -> impl Iterator<Item = i64> {
        self.guard.leases()
    }

    /// What has been found out about a lease. Returns what changes.
    pub(super) fn note_lease(
        &mut self,
        members: &mut Membership,
        lease: i64,
        is_alive: bool,
    ) -> Vec<MembershipChange> {
        let deleted = self.guard.judge(lease, is_alive);
        deleted.into_iter().map(|key| members.delete(key.as_bytes())).collect()
    }

    /// Peers go whose time is up, or who fail their checks, where there are some. Returns what
    /// changes.
    pub(super) fn end_due(
        &mut self,
        members: &mut Membership,
        checked: Option<&Publisher>,
        now: u64,
    ) -> Vec<MembershipChange> {
        if !self.guard.is_keeping() {
            return Vec::new();
        }
        // Of a host name's addresses one that passes is enough.
        let mut passing: HashMap<&str, bool> = HashMap::new();
        for (peer, health) in checked.iter().flat_map(|publisher| publisher.listed_with_health()) {
            let Some(key) = peer.key.as_deref() else { continue };
            match health {
                Health::Passing => {
                    passing.insert(key, true);
                }
                Health::Failing => {
                    passing.entry(key).or_insert(false);
                }
                Health::Unchecked | Health::Pending => {}
            }
        }
        let due = self.guard.due(now, |key| passing.get(members.peer_name(key)).copied());
        let outcomes: Vec<MembershipChange> =
            due.iter().map(|key| members.delete(key.as_bytes())).collect();
        if !due.is_empty() && !self.guard.is_keeping() {
            self.log.notice(messages::NONE_KEPT);
        }
        outcomes
    }
}
