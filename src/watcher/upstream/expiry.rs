//! `expiry_guard`: leases that run out together do not take their peers with them.

use std::collections::HashMap;

use etcd_watch::Item;
use peer_zone::Health;
use upstream_peers::Vanishing;

use super::Upstream;

impl Upstream {
    /// Notes with which leases keys are there.
    pub(super) fn note_leases(&mut self, items: &[Item]) {
        let Some(guard) = &mut self.expiry_guard else { return };
        for item in items {
            if let Ok(key) = str::from_utf8(&item.key) {
                guard.put(key, item.lease);
            }
        }
        self.said.changed();
    }

    /// Whether a key that is gone in etcd stays, since too many others' leases have run out with
    /// its own.
    pub(super) fn keep_if_expired(&mut self, key: &[u8], now: u64) -> bool {
        let (Some(guard), Ok(key)) = (&mut self.expiry_guard, str::from_utf8(key)) else {
            return false;
        };
        let was_keeping = guard.is_keeping();
        match guard.vanish(key, self.members.in_hand().len(), now) {
            Vanishing::Goes => {
                let (outcome, removed) = self.members.in_hand_mut().remove(key);
                if let Some(removed) = removed {
                    guard.let_go(key, removed);
                }
                self.note(outcome);
            }
            Vanishing::Stays(back) => {
                for removed in back {
                    let outcome = self.members.in_hand_mut().put_back(removed);
                    self.note(outcome);
                }
                if !was_keeping {
                    self.lines.warn(format!(
                        "etcd: upstream \"{}\": too many leases have run out at the same time \
                         (\"expiry_guard=\"): their peers stay while they pass their checks, or \
                         for {} s (\"hold=\")",
                        self.name,
                        self.hold / 1_000,
                    ));
                }
                self.said.changed();
            }
        }
        true
    }

    /// As [`keep_if_expired`](Self::keep_if_expired), for all that a new list lacks.
    pub(super) fn keep_expired(&mut self, items: &[Item], now: u64) {
        if self.expiry_guard.is_none() {
            return;
        }
        let missing = self.members.in_hand().missing(items.iter().map(|item| item.key.as_slice()));
        // What is there first: the share that is gone is one of the list that was.
        self.note_leases(items);
        // A predecessor kept what it had, and did not know of these that they were deleted.
        if let (Some(until), Some(guard)) = (self.leases_held_until, &mut self.expiry_guard) {
            missing.iter().for_each(|key| guard.keep(key, until));
        }
        for key in missing {
            if self.expiry_guard.as_ref().is_some_and(|guard| !guard.keeps(&key)) {
                self.keep_if_expired(key.as_bytes(), now);
            }
        }
    }

    /// The leases that have to be looked up, to tell what has run out from what somebody has
    /// deleted.
    pub(in crate::watcher) fn leases_in_doubt(&self) -> impl Iterator<Item = i64> {
        self.expiry_guard.iter().flat_map(|guard| guard.leases())
    }

    /// What has been found out about a lease.
    pub(in crate::watcher) fn judge_lease(&mut self, lease: i64, is_alive: bool) {
        let Some(guard) = &mut self.expiry_guard else { return };
        let deleted = guard.judge(lease, is_alive);
        if deleted.is_empty() {
            return;
        }
        for key in deleted {
            let outcome = self.members.in_hand_mut().delete(key.as_bytes());
            self.note(outcome);
        }
        self.said.changed();
    }

    /// Peers go whose time is up, or who fail their checks.
    pub(super) fn let_expired_go(&mut self, now: u64) {
        let Some(guard) = &mut self.expiry_guard else { return };
        if !guard.is_keeping() {
            return;
        }
        // Of a host name's addresses one that passes is enough.
        let mut passing: HashMap<&str, bool> = HashMap::new();
        if self.checks.is_some() {
            for (peer, health) in self.publisher.listed_with_health() {
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
        }
        let due = guard.due(now, |key| passing.get(key).copied());
        if due.is_empty() {
            return;
        }
        let is_over = !guard.is_keeping();
        for key in due {
            let outcome = self.members.in_hand_mut().delete(key.as_bytes());
            self.note(outcome);
        }
        if is_over {
            self.lines.notice(format!(
                "etcd: upstream \"{}\": no peer outlives its lease any more",
                self.name
            ));
        }
        self.said.changed();
    }
}
