//! What active checks say, and what follows from it for the peers.

use core::sync::atomic::Ordering;

use super::{
    Publisher,
    options::{CheckPolicy, TableOptions},
    records::Listed,
};
use crate::{
    layout::Health,
    memory::Offset,
    peer_spec::{PeerSpec, identity},
    protocol::Publishing,
};

impl Publisher {
    /// Says what the upstream needs beside its peers, at `now` (ms); to be called before the first
    /// [`publish`](Publisher::publish).
    pub fn set_options(&mut self, options: TableOptions, now: u64, _publishing: &Publishing) {
        self.options = options;
        // What an earlier configuration's checks have found does not count any more, nor if one
        // that is gone just now comes back; and without `mandatory` nobody waits for a first check.
        let is_outdated = |health| match options.checking {
            None => true,
            Some(CheckPolicy { mandatory, .. }) => !mandatory && health == Health::Pending,
        };
        let listed = self.listed.iter().map(|peer| peer.place);
        for place in listed.chain(self.removed.iter().map(|peer| peer.place)) {
            let health = self.load_health_at(place);
            if is_outdated(health) {
                self.store_health(place, Health::Unchecked);
                if shown(health).is_some() {
                    self.note_state(place, now);
                }
                // SAFETY: the publisher frees peers, and has not freed this one.
                unsafe { self.zone.peer(place) }.failing.end();
            }
        }
        self.update_panic(now);
    }

    /// The peers that were published last, each with the state of its checks.
    pub fn listed_with_health(&self) -> impl Iterator<Item = (&PeerSpec, Health)> {
        self.listed.iter().map(|peer| (&*peer.spec, self.load_health(peer)))
    }

    /// The state of a peer's checks; `None` if there is no such peer.
    pub fn health(&self, key: Option<&str>, socket_address: &[u8]) -> Option<Health> {
        self.find(key, socket_address).map(|peer| self.load_health(peer))
    }

    /// Takes what a peer's checks say, at `now` (ms). Says whether it said otherwise before.
    pub fn set_health(
        &mut self,
        key: Option<&str>,
        socket_address: &[u8],
        health: Health,
        now: u64,
        _publishing: &Publishing,
    ) -> bool {
        let Some(listed) = self.find(key, socket_address) else { return false };
        let before = self.load_health(listed);
        if before == health {
            return false;
        }
        // SAFETY: the publisher frees peers, and has not freed this one.
        let peer = unsafe { self.zone.peer(listed.place) };
        if matches!(before, Health::Failing | Health::Pending) && health != Health::Failing {
            // It joins now, or again.
            self.begin_ramp(listed, now);
        }
        let (place, is_in_service) = (listed.place, listed.is_in_service);
        self.store_health(place, health);
        if is_in_service && shown(before) != shown(health) {
            self.note_state(place, now);
        }
        self.update_failing_time(place, now);
        if health == Health::Failing {
            // Last: who is told of it finds all the rest, and gives it no new connections.
            self.zone.record_withdrawal(peer.id);
        }
        if is_in_service {
            for (health, step) in [(before, -1), (health, 1)] {
                match health {
                    Health::Failing => self.failing = self.failing.saturating_add_signed(step),
                    Health::Pending => self.pending = self.pending.saturating_add_signed(step),
                    Health::Unchecked | Health::Passing => {}
                }
            }
        }
        self.store_panic(now);
        self.zone.note_recovery();
        true
    }

    /// What is known of a new peer.
    pub(super) fn health_at_first(&self) -> Health {
        match self.options.checking {
            Some(CheckPolicy { mandatory: true, .. }) => Health::Pending,
            _ => Health::Unchecked,
        }
    }

    /// Counts the peers in service again, and decides whether all are to be used though they fail.
    pub(super) fn update_panic(&mut self, now: u64) {
        self.count_health();
        self.store_panic(now);
    }

    /// Counts the peers in service, and those of them that fail or have not passed a check yet.
    pub(super) fn count_health(&mut self) {
        (self.in_service, self.failing, self.pending) = (0, 0, 0);
        if self.options.checking.is_none() {
            return;
        }
        for index in 0..self.listed.len() {
            let health = self.load_health(&self.listed[index]);
            self.count_peer(self.listed[index].is_in_service, health, 1);
        }
    }

    /// Counts a peer of this health, or with -1 counts it no more.
    pub(super) fn count_peer(&mut self, is_in_service: bool, health: Health, step: isize) {
        if !is_in_service || self.options.checking.is_none() {
            return;
        }
        self.in_service = self.in_service.saturating_add_signed(step);
        match health {
            Health::Failing => self.failing = self.failing.saturating_add_signed(step),
            Health::Pending => self.pending = self.pending.saturating_add_signed(step),
            Health::Unchecked | Health::Passing => {}
        }
    }

    /// Whether every peer in service fails, but for those that get no requests yet: a new peer that
    /// waits for its first check is no reason to send nobody anywhere.
    pub(super) fn store_panic(&self, now: u64) {
        let may_panic = self.options.checking.is_some_and(|checking| checking.panic);
        let is_nobody_well = self.failing > 0 && self.failing + self.pending == self.in_service;
        let panics = may_panic && is_nobody_well;
        let header = self.zone.header();
        if (header.panic.load(Ordering::Relaxed) != 0) == panics {
            return;
        }
        let failing =
            || self.listed.iter().filter(|peer| self.load_health(peer) == Health::Failing);
        if !panics {
            // Those that still fail have been in use until now.
            failing().for_each(|listed| self.peer(listed).failing.begin_anew(now));
        }
        header.panic.store(u32::from(panics), Ordering::Relaxed);
        if !panics {
            failing().for_each(|listed| self.zone.record_withdrawal(self.peer(listed).id));
        }
        self.zone.note_recovery();
    }

    /// Since when the peer at `place` fails its checks, where it does. Returns whether it has just
    /// begun to.
    pub(super) fn update_failing_time(&self, place: Offset, now: u64) -> bool {
        // SAFETY: the publisher frees peers, and has not freed this one.
        let failing = &unsafe { self.zone.peer(place) }.failing;
        if self.load_health_at(place) == Health::Failing {
            failing.begin(now)
        } else {
            failing.end();
            false
        }
    }

    pub(super) fn find(&self, key: Option<&str>, socket_address: &[u8]) -> Option<&Listed> {
        if key.is_none() {
            let mut of_lines = self.listed.iter().take_while(|peer| peer.spec.key.is_none());
            return of_lines.find(|peer| *peer.spec.socket_address == *socket_address);
        }
        let at =
            self.listed.binary_search_by(|peer| identity(&peer.spec).cmp(&(key, socket_address)));
        at.ok().map(|at| &self.listed[at])
    }

    pub(super) fn load_health(&self, listed: &Listed) -> Health {
        self.load_health_at(listed.place)
    }

    fn load_health_at(&self, place: Offset) -> Health {
        // SAFETY: the publisher frees peers, and has not freed this one.
        Health::load(&unsafe { self.zone.peer(place) }.health)
    }

    fn store_health(&self, place: Offset, health: Health) {
        // SAFETY: as above.
        unsafe { self.zone.peer(place) }.health.store(health as u8, Ordering::Relaxed);
    }
}

/// What of a peer's health is a state of its own in the status.
fn shown(health: Health) -> Option<Health> {
    matches!(health, Health::Failing | Health::Pending).then_some(health)
}
