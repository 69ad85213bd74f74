//! What active checks say, and what follows from it for the peers.

use core::sync::atomic::Ordering;

use super::{
    Publisher,
    group::Group,
    options::{CheckPolicy, TableOptions},
    records::Listed,
};
use crate::{layout::Health, memory::Offset, peer_spec::PeerSpec, protocol::Publishing};

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
        if options.is_grouped && self.zone.header().table.current() == 0 {
            self.groups.get_or_insert_default();
        }
        let listed = self.all_listed().map(|peer| peer.place);
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
        let groups = self.groups.as_ref().map(|groups| groups.names().to_vec());
        match groups {
            Some(names) => {
                for name in &names {
                    self.with_group(name, |publisher| publisher.update_panic(now));
                }
            }
            None => self.update_panic(now),
        }
    }

    /// The peers that were published last, each with the state of its checks.
    pub fn listed_with_health(&self) -> impl Iterator<Item = (&PeerSpec, Health)> {
        self.all_listed().map(|peer| (&*peer.spec, self.load_health(peer)))
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
        let names = self.groups.as_ref().map(|groups| groups.of_key(key).to_vec());
        let Some(names) = names else {
            return self.set_listed_health(key, socket_address, health, now);
        };
        let mut all = names.iter();
        all.any(|name| {
            self.with_group(name, |publisher| {
                publisher.set_listed_health(key, socket_address, health, now)
            })
        })
    }

    /// As [`set_health`](Self::set_health), of the peers at hand.
    fn set_listed_health(
        &mut self,
        key: Option<&str>,
        socket_address: &[u8],
        health: Health,
        now: u64,
    ) -> bool {
        let Some(listed) = self.group.find(key, socket_address) else { return false };
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
                    Health::Failing => {
                        self.group.failing = self.group.failing.saturating_add_signed(step)
                    }
                    Health::Pending => {
                        self.group.pending = self.group.pending.saturating_add_signed(step)
                    }
                    Health::Unchecked | Health::Passing => {}
                }
            }
        }
        if health == Health::Failing && self.group.panics {
            peer.is_used_failing.store(1, Ordering::Relaxed);
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
        (self.group.in_service, self.group.failing, self.group.pending) = (0, 0, 0);
        if self.options.checking.is_none() {
            return;
        }
        for index in 0..self.group.listed.len() {
            let health = self.load_health(&self.group.listed[index]);
            self.count_peer(self.group.listed[index].is_in_service, health, 1);
        }
    }

    /// Counts a peer of this health, or with -1 counts it no more.
    pub(super) fn count_peer(&mut self, is_in_service: bool, health: Health, step: isize) {
        if !is_in_service || self.options.checking.is_none() {
            return;
        }
        self.group.in_service = self.group.in_service.saturating_add_signed(step);
        match health {
            Health::Failing => self.group.failing = self.group.failing.saturating_add_signed(step),
            Health::Pending => self.group.pending = self.group.pending.saturating_add_signed(step),
            Health::Unchecked | Health::Passing => {}
        }
    }

    /// Whether every peer in service fails, but for those that get no requests yet: a new peer that
    /// waits for its first check is no reason to send nobody anywhere.
    pub(super) fn store_panic(&mut self, now: u64) {
        let Group { in_service, failing, pending, panics: before, .. } = self.group;
        let may_panic = self.options.checking.is_some_and(|checking| checking.panic);
        let panics = may_panic && failing > 0 && failing + pending == in_service;
        if before == panics {
            return;
        }
        let failing =
            || self.group.listed.iter().filter(|peer| self.load_health(peer) == Health::Failing);
        if !panics {
            // Those that still fail have been in use until now.
            failing().for_each(|listed| self.peer(listed).failing.begin_anew(now));
        }
        for listed in &self.group.listed {
            let is_used = panics && self.load_health(listed) == Health::Failing;
            self.peer(listed).is_used_failing.store(u8::from(is_used), Ordering::Relaxed);
        }
        for removed in self.removed.iter().filter(|_| !panics && self.groups.is_none()) {
            // SAFETY: the publisher frees peers, and has not freed this one.
            let peer = unsafe { self.zone.peer(removed.place) };
            peer.is_used_failing.store(0, Ordering::Relaxed);
        }
        if !panics {
            failing().for_each(|listed| self.zone.record_withdrawal(self.peer(listed).id));
        }
        self.count_panic(panics);
        self.zone.note_recovery();
    }

    /// Every peer in service of the group at hand fails, and all are used; or not any more.
    pub(super) fn count_panic(&mut self, panics: bool) {
        let before = std::mem::replace(&mut self.group.panics, panics);
        let panicking = &self.zone.header().panic;
        match (before, panics) {
            (false, true) => panicking.fetch_add(1, Ordering::Relaxed),
            (true, false) => panicking.fetch_sub(1, Ordering::Relaxed),
            (true, true) | (false, false) => 0,
        };
    }

    /// The peers that a group has got from others are used, or not, as those are that it had.
    pub(super) fn share_panic(&self) {
        for listed in &self.group.listed {
            let is_used = self.group.panics && self.load_health(listed) == Health::Failing;
            self.peer(listed).is_used_failing.store(u8::from(is_used), Ordering::Relaxed);
        }
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
        let Some(groups) = &self.groups else { return self.group.find(key, socket_address) };
        let mut of_key = groups.of_key(key).iter().filter_map(|name| groups.get(name));
        of_key.find_map(|group| group.find(key, socket_address))
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
