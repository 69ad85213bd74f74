//! What active checks say, and what follows from it for the peers.

use core::sync::atomic::Ordering;
use std::sync::Arc;

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
        if options.is_grouped && self.zone.header().table.current() == 0 {
            self.groups.get_or_insert_default();
        }
        for removed in self.removed.iter() {
            let group = removed.spec.group.as_deref().unwrap_or_default();
            let group = self.groups.as_ref().and_then(|groups| groups.get(group));
            let options = group.map_or(options, |group| options.of_group(&group.own));
            self.forget_checks(removed.place, options.checking, now);
        }
        let groups = self.groups.as_ref().map(|groups| groups.names().to_vec());
        match groups {
            Some(names) => {
                for name in &names {
                    self.with_group(name, |publisher| publisher.apply_checking(now));
                }
            }
            None => self.apply_checking(now),
        }
    }

    /// Active checks of the group at hand decide so from now on (ms).
    pub(super) fn set_checking(&mut self, checking: Option<Option<CheckPolicy>>, now: u64) {
        self.group.own.checking = checking;
        let checking = self.options().checking;
        for removed in self.removed.of_group(&self.group.name) {
            self.forget_checks(removed.place, checking, now);
        }
        self.apply_checking(now);
    }

    /// The peers at hand are as their checks, which may decide otherwise than before, say.
    fn apply_checking(&mut self, now: u64) {
        let checking = self.options().checking;
        for listed in &self.group.listed {
            self.forget_checks(listed.place, checking, now);
        }
        self.update_panic(now);
    }

    /// What earlier checks have found of the peer at `place` does not count any more where these
    /// decide, nor if one that is gone just now comes back; and without `mandatory` nobody waits
    /// for a first check.
    pub(super) fn forget_checks(&self, place: Offset, checking: Option<CheckPolicy>, now: u64) {
        let health = self.load_health_at(place);
        let is_outdated = match checking {
            None => health != Health::Unchecked,
            Some(CheckPolicy { mandatory, .. }) => !mandatory && health == Health::Pending,
        };
        // SAFETY: the publisher frees peers, and has not freed this one.
        let peer = unsafe { self.zone.peer(place) };
        if is_outdated {
            self.store_health(place, Health::Unchecked);
            if shown(health).is_some() {
                self.note_state(place, now);
            }
            peer.failing.end();
            self.zone.note_recovery();
        } else if checking.is_none() {
            peer.failing.end();
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
        // What a check of before says late is nothing to a group without checks.
        if self.group.own.checking == Some(None) {
            return false;
        }
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
            peer.set_used_failing(true);
        }
        self.store_panic(now);
        self.zone.note_recovery();
        true
    }

    /// The peers of a group whose keys are of this revision of etcd's or a later one have to pass a
    /// check first, if checks are mandatory there: what the group has of its own came later than
    /// they, but is not younger.
    pub fn hold_back_from(
        &mut self,
        group: &str,
        revision: u64,
        now: u64,
        _publishing: &Publishing,
    ) {
        if self.groups.as_ref().is_some_and(|groups| groups.get(group).is_some()) {
            self.with_group(&group.into(), |publisher| publisher.hold_back_listed(revision, now));
        }
    }

    /// As [`hold_back_from`](Self::hold_back_from), of the group at hand.
    fn hold_back_listed(&mut self, revision: u64, now: u64) {
        if self.health_at_first() != Health::Pending {
            return;
        }
        let is_new = |listed: &&Listed| listed.spec.create_revision >= revision;
        let new: Vec<Arc<PeerSpec>> =
            self.group.listed.iter().filter(is_new).map(|it| Arc::clone(&it.spec)).collect();
        for spec in new {
            let key = spec.key.as_deref();
            self.set_listed_health(key, &spec.socket_address, Health::Pending, now);
        }
    }

    /// What is known of a new peer.
    pub(super) fn health_at_first(&self) -> Health {
        match self.options().checking {
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
        if self.options().checking.is_none() {
            return;
        }
        for index in 0..self.group.listed.len() {
            let health = self.load_health(&self.group.listed[index]);
            self.count_peer(self.group.listed[index].is_in_service, health, 1);
        }
    }

    /// Counts a peer of this health, or with -1 counts it no more.
    pub(super) fn count_peer(&mut self, is_in_service: bool, health: Health, step: isize) {
        if !is_in_service || self.options().checking.is_none() {
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
        let may_panic = self.options().checking.is_some_and(|checking| checking.panic);
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
            self.peer(listed).set_used_failing(is_used);
        }
        for removed in self.removed.iter().filter(|_| !panics && self.groups.is_none()) {
            // SAFETY: the publisher frees peers, and has not freed this one.
            let peer = unsafe { self.zone.peer(removed.place) };
            peer.set_used_failing(false);
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

    /// The group at hand has got these of the `moved` peers that it lists: what the checks of their
    /// former group have found counts as far as its own decide by it.
    pub(super) fn receive(&mut self, moved: &[Listed], now: u64) {
        let checking = self.options().checking;
        for it in moved {
            let listed = self.group.find(it.spec.key.as_deref(), &it.spec.socket_address);
            if listed.is_some_and(|listed| listed.place == it.place) {
                self.forget_checks(it.place, checking, now);
            }
        }
        self.update_panic(now);
        self.share_panic();
    }

    /// The peers that a group has got from others are used, or not, as those are that it had.
    fn share_panic(&self) {
        for listed in &self.group.listed {
            let is_used = self.group.panics && self.load_health(listed) == Health::Failing;
            self.peer(listed).set_used_failing(is_used);
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
