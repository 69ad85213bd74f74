//! What a publication means for the peers: drains, ramps, withdrawals.

use core::sync::atomic::Ordering;
use std::collections::HashMap;

use super::{Publisher, records::Listed, slots::SlotSet};
use crate::{layout::Peer, memory::Offset};

impl Publisher {
    /// Tells those who keep idle connections of the peers that get no new requests any more, and
    /// starts the ramp of those that join again. `before` is what was listed, of which `stays` is
    /// listed still.
    pub(super) fn apply_changes(&self, before: &[Listed], stays: &SlotSet, now: u64) {
        let gone = before.iter().filter(|peer| !stays.contains(peer.place));
        for gone in gone.filter(|peer| !self.is_departing(peer)) {
            self.apply_removal(gone, now);
        }
        let was = SlotSet::new(self.zone.index_limit(), before.iter().map(|peer| peer.place));
        let (lines, keyed) =
            before.split_at(before.partition_point(|peer| peer.spec.key.is_none()));
        // Lines may be in another order than before; of the others, what stays is in the same order
        // in both.
        let lines: HashMap<Offset, &Listed> = lines.iter().map(|line| (line.place, line)).collect();
        let mut keyed = keyed.iter().filter(|peer| stays.contains(peer.place));
        for new in &self.group.listed {
            let old = match new.spec.key {
                _ if !was.contains(new.place) => self.departing(new.place),
                None => lines.get(&new.place).copied(),
                Some(_) => keyed.find(|old| old.place == new.place),
            };
            self.apply_change(old, new, now);
        }
    }

    /// The peer is gone.
    pub(super) fn apply_removal(&self, gone: &Listed, now: u64) {
        self.peer(gone).removed.begin(now);
        if self.groups.is_some() {
            // It is of no group any more, whose panic might end.
            self.peer(gone).set_used_failing(false);
        }
        self.note_state(gone.place, now);
        self.withdraw(self.peer(gone));
    }

    /// What was the peer `old`, if it was listed, is `new` now.
    pub(super) fn apply_change(&self, old: Option<&Listed>, new: &Listed, now: u64) {
        let joined_again = old.is_none_or(|old| old.spec.joined != new.spec.joined);
        if joined_again
            || old.is_some_and(|old| old.spec.create_revision != new.spec.create_revision)
        {
            let peer = self.peer(new);
            peer.ages.set(new.spec.joined, new.spec.create_revision);
            if joined_again {
                // One that there was no room for begins now, however long its key has been there.
                let waited = old.is_none() && self.zone.left_out() > 0;
                self.begin_ramp(new, if waited { now } else { new.spec.joined });
            }
            if old.is_none() {
                // One that returns before it is forgotten is as new to its checks.
                peer.health.store(self.health_at_first() as u8, Ordering::Relaxed);
                peer.failing.end();
            }
        }
        if old.is_none() {
            self.peer(new).removed.end();
        }
        self.peer(new).closing.set(self.group.closing);
        let out_of_service = |peer: &Listed| {
            let parameters = &peer.spec.parameters;
            (parameters.down, parameters.drain)
        };
        if old.is_none_or(|old| out_of_service(old) != out_of_service(new)) {
            self.note_state(new.place, now);
        }
        let drains = self.update_drain_time(new, now);
        match (old.map(|old| old.is_in_service), new.is_in_service) {
            (Some(true) | None, false) => self.withdraw(self.peer(new)),
            (None, true) => self.peer(new).in_service.store(1, Ordering::Relaxed),
            (Some(false), true) => {
                self.peer(new).in_service.store(1, Ordering::Relaxed);
                self.begin_ramp(new, now);
            }
            // Who is told of it may have connections to close for `drain` that `down` has left
            // alone.
            (Some(false), false) if drains => self.withdraw(self.peer(new)),
            (Some(true), true) | (Some(false), false) => {}
        }
    }

    /// `slow_start` counts from this moment (ms) for a peer.
    pub(super) fn begin_ramp(&self, listed: &Listed, from: u64) {
        self.zone.extend_ramps(from, listed.spec.parameters.slow_start);
        self.peer(listed).ages.set_ramp_from(from);
    }

    /// Since when a peer says `drain`, where it does. Returns whether it has just begun to.
    pub(super) fn update_drain_time(&self, listed: &Listed, now: u64) -> bool {
        let drains = &self.peer(listed).drains;
        if listed.spec.parameters.drain {
            drains.begin(now)
        } else {
            drains.end();
            false
        }
    }

    /// The peer gets no new requests. Who looks for the withdrawal sees that, too, and keeps no
    /// connection to it from then on.
    pub(super) fn withdraw(&self, peer: &Peer) {
        peer.in_service.store(0, Ordering::Relaxed);
        self.zone.record_withdrawal(peer.id);
    }
}
