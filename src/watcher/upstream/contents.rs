//! What etcd has for an upstream, and what of it the peers are made of.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use etcd_watch::{Event, Item};
use host_names::HostNames;
use peer_zone::Publisher;
use upstream_peers::{
    Ages, Allow, Membership, MembershipChange, OutsideAddresses, Parameters, Peer,
};

use super::{expiry::Expiry, successor::Successor};
use crate::{
    live::LiveNumber,
    watcher::upstream_log::UpstreamLog,
    zones::report::{Holding, HoldingReason, Rejection},
};

/// What has come of what etcd says, until it is taken.
#[derive(Default)]
pub(super) struct News {
    /// The peers, or the revision, may be others.
    pub(super) peers: bool,
    /// The rejected values may be others.
    pub(super) rejections: bool,
    /// What the status shows of it may be something else.
    pub(super) status: bool,
    /// Values that are rejected.
    pub(super) rejected: Vec<Rejection>,
}

/// The cluster and the revision of what etcd has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) cluster_id: u64,
    pub(super) revision: u64,
}

/// How the upstream takes what etcd has.
pub(super) struct Terms {
    /// The parameters of peers whose values do not set them.
    pub(super) defaults: Parameters,
    /// What `max_conns` of the defaults goes by, where that changes.
    pub(super) max_conns: Option<LiveNumber>,
    pub(super) allow: Allow,
    /// How long (ms) peers outlive a wiped etcd.
    pub(super) hold: u64,
    /// With how many percent of the leases run out together peers outlive them.
    pub(super) expiry_guard: Option<u8>,
}

/// What etcd has.
pub(super) struct Contents {
    prefix: Rc<str>,
    terms: Terms,
    members: Membership,
    /// When the members' peers joined.
    ages: Ages,
    /// What another or a restored etcd lists, while none of it is a valid peer: the peers in hand
    /// stay until one is, or for `hold`.
    successor: Option<Successor>,
    /// Why and until when a predecessor held peers, until the first list.
    held: Option<Holding>,
    expiry: Option<Expiry>,
    /// Of what is in `members` (or `successor`).
    position: Position,
    /// Whether a successor has taken the members' place, or come or gone, whose names are others.
    has_other_members: bool,
    news: News,
    log: UpstreamLog,
}

impl Contents {
    /// Goes on from peers in hand.
    pub(super) fn new(
        prefix: Rc<str>,
        mut terms: Terms,
        in_hand: impl Iterator<Item = Peer>,
        (position, last_contact): (Position, u64),
        held: Option<Holding>,
        log: UpstreamLog,
    ) -> Self {
        if let Some(max_conns) = terms.max_conns.as_ref().and_then(|number| number()) {
            terms.defaults.max_conns = max_conns;
        }
        let mut members = Membership::new(terms.defaults).within(terms.allow.clone());
        in_hand.for_each(|peer| members.seed(peer));
        let expiry = terms.expiry_guard.map(|guard| Expiry::new(guard, terms.hold, log.clone()));
        Self {
            prefix,
            terms,
            members,
            ages: Ages::new(position.revision.cast_signed(), last_contact),
            successor: None,
            held,
            expiry,
            position,
            has_other_members: false,
            news: News { peers: true, ..News::default() },
            log,
        }
    }

    /// What has come since the last call.
    pub(super) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// The cluster and the revision; `None` while a successor waits: the peers are still those of
    /// before then, and another watcher that takes over must see the same difference.
    pub(super) fn settled_position(&self) -> Option<Position> {
        self.successor.is_none().then_some(self.position)
    }

    /// The revision.
    pub(super) fn revision(&self) -> u64 {
        self.position.revision
    }

    fn memberships(&self) -> impl Iterator<Item = &Membership> {
        let successor = self.successor.iter().map(|successor| &successor.members);
        std::iter::once(&self.members).chain(successor)
    }

    /// What follows etcd: the members, or those that are about to succeed them.
    fn newest(&mut self) -> &mut Membership {
        self.successor.as_mut().map_or(&mut self.members, |successor| &mut successor.members)
    }

    /// The host names in use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.memberships().flat_map(Membership::names)
    }

    /// Whether [`names`](Self::names) may be others than at the last call.
    pub(super) fn take_change_of_names(&mut self) -> bool {
        let successor = self.successor.as_mut().map(|successor| &mut successor.members);
        let of_successor = successor.is_some_and(Membership::take_change_of_names);
        self.members.take_change_of_names()
            | of_successor
            | std::mem::take(&mut self.has_other_members)
    }

    /// Calls `each` with each key that has a host name, the name, and how many addresses it has.
    pub(super) fn each_named(&self, names: &HostNames, mut each: impl FnMut(&str, &str, usize)) {
        for members in self.memberships() {
            for (key, name, peers) in members.named(|name| names.addresses(name)) {
                each(key, name, peers);
            }
        }
    }

    /// The peers, by the present addresses of host names.
    pub(super) fn peers(&self, names: &HostNames) -> Vec<Peer> {
        self.members.peers(|name| names.addresses(name))
    }

    /// The keys whose host names have addresses that are left out, since no peer may be there.
    pub(super) fn outside(&self, names: &HostNames) -> BTreeMap<Arc<str>, OutsideAddresses> {
        self.members.outside(|name| names.addresses(name))
    }

    /// When its peers joined.
    pub(super) fn ages(&self) -> &Ages {
        &self.ages
    }

    /// All peers in use were asked for when they joined, at `now` (ms).
    pub(super) fn settle_ages(&mut self, names: &HostNames, now: u64) {
        self.ages.settle(self.members.unresolved(|name| names.addresses(name)), now);
    }

    /// Values that are rejected.
    pub(super) fn rejections(&self) -> impl Iterator<Item = Rejection> {
        let rejected = self.memberships().flat_map(Membership::rejected);
        rejected.map(|(key, reason)| Rejection {
            key: format!("{}{key}", self.prefix),
            reason: reason.to_string(),
        })
    }

    /// Why peers are in hand that etcd does not have, if there are some.
    pub(super) fn holding(&self) -> Option<Holding> {
        if let Some(Successor { reason, until, .. }) = self.successor {
            return Some(Holding { reason, until, peers: self.members.len() });
        }
        let (peers, until) = self.expiry.as_ref()?.kept()?;
        Some(Holding { reason: HoldingReason::ExpiredLeases, until, peers })
    }

    /// Takes in all that etcd has, at `now` (ms).
    pub(super) fn list(&mut self, cluster_id: u64, listed: i64, items: &[Item], now: u64) {
        let position = Position { cluster_id, revision: listed.unsigned_abs() };
        let is_other = self.position.cluster_id != 0 && cluster_id != self.position.cluster_id;
        let is_older = !is_other && position.revision < self.position.revision;
        if is_other || is_older {
            let reason =
                if is_other { HoldingReason::AnotherCluster } else { HoldingReason::OlderState };
            self.succeed(reason, position, now);
        }
        if let Some(successor) = &mut self.successor {
            let outcome = successor.members.replace(items.iter().map(parts));
            self.note_leases(items);
            self.ages.applied(listed, now);
            self.note_outcome(outcome);
        } else {
            self.replace(items, now);
            self.ages.listed(listed, now);
        }
        self.held = None;
        self.position = position;
        self.news.rejections = true;
        self.news.peers = true;
    }

    fn replace(&mut self, items: &[Item], now: u64) {
        let held = self.held.as_ref();
        let until = held.filter(|held| held.reason == HoldingReason::ExpiredLeases);
        let until = until.map(|held| held.until);
        if let Some(expiry) = &mut self.expiry {
            let outcomes = expiry.remove_missing(&mut self.members, items, until, now);
            self.news.status = true;
            outcomes.into_iter().for_each(|outcome| self.note_outcome(outcome));
        }
        let expiry = self.expiry.as_ref();
        let stays = |key: &str| expiry.is_some_and(|expiry| expiry.keeps(key));
        let outcome = self.members.replace_but(items.iter().map(parts), stays);
        self.note_outcome(outcome);
    }

    /// Takes in what has changed in etcd, up to a revision, at `now` (ms).
    pub(super) fn apply(&mut self, revision: i64, events: &[Event], now: u64) {
        self.position.revision = revision.unsigned_abs();
        self.news.peers = true;
        self.ages.applied(revision, now);
        for event in events {
            match event {
                Event::Put(item) => {
                    self.note_leases(std::slice::from_ref(item));
                    let (key, value, create_revision) = parts(item);
                    let outcome = self.newest().put(key, value, create_revision);
                    self.note_outcome(outcome);
                }
                Event::Delete { key, .. } => self.delete(key, now),
            }
        }
    }

    /// etcd has told that there was nothing new up to a revision.
    pub(super) fn note_alive(&mut self, revision: i64, now: u64) {
        self.ages.alive(revision, now);
    }

    fn delete(&mut self, key: &[u8], now: u64) {
        if let Some(successor) = &mut self.successor {
            let outcome = successor.members.delete(key);
            // Whoever deletes a key means it, whichever cluster the peer in hand came from.
            let _ = self.members.delete(key);
            self.note_outcome(outcome);
        } else if let Some(expiry) = &mut self.expiry
            && let Ok(key) = str::from_utf8(key)
        {
            let outcomes = expiry.remove(&mut self.members, key, now);
            self.news.status = true;
            outcomes.into_iter().for_each(|outcome| self.note_outcome(outcome));
        } else {
            let outcome = self.members.delete(key);
            self.note_outcome(outcome);
        }
    }

    fn note_leases(&mut self, items: &[Item]) {
        if let Some(expiry) = &mut self.expiry {
            expiry.note_leases(items);
            self.news.status = true;
        }
    }

    fn note_outcome(&mut self, outcome: MembershipChange) {
        self.news.rejections |= outcome.rejections_changed;
        self.news.peers |= outcome.changed;
        self.news.rejected.extend(outcome.rejected.into_iter().map(|(key, reason)| Rejection {
            key: format!("{}{key}", self.prefix),
            reason: reason.to_string(),
        }));
    }

    /// The leases that have to be looked up, to tell what has run out from what somebody has
    /// deleted.
    pub(super) fn leases_in_doubt(&self) -> impl Iterator<Item = i64> {
        self.expiry.iter().flat_map(Expiry::leases_in_doubt)
    }

    /// What has been found out about a lease.
    pub(super) fn note_lease(&mut self, lease: i64, is_alive: bool) {
        let Some(expiry) = &mut self.expiry else { return };
        let outcomes = expiry.note_lease(&mut self.members, lease, is_alive);
        self.news.status |= !outcomes.is_empty();
        outcomes.into_iter().for_each(|outcome| self.note_outcome(outcome));
    }

    /// What variables change: the parameters of peers whose values do not set them.
    pub(super) fn read_variables(&mut self) {
        let Some(max_conns) = self.terms.max_conns.as_ref().and_then(|number| number()) else {
            return;
        };
        if max_conns == self.terms.defaults.max_conns {
            return;
        }
        self.terms.defaults.max_conns = max_conns;
        self.news.peers |= self.members.set_defaults(self.terms.defaults);
        if let Some(successor) = &mut self.successor {
            self.news.peers |= successor.members.set_defaults(self.terms.defaults);
        }
        self.log.notice(format!("max_conns={max_conns} for peers whose values do not set it"));
    }

    /// From now on etcd is another one, or in an older state, than what the peers in hand came
    /// from.
    fn succeed(&mut self, reason: HoldingReason, position: Position, now: u64) {
        let held = self.held.take().filter(|held| held.reason != HoldingReason::ExpiredLeases);
        // One that is wiped time and again does not make the peers in hand stay for ever.
        let before =
            self.successor.take().map(|successor| successor.until).or(held.map(|held| held.until));
        let until = before.unwrap_or(now + self.terms.hold);
        let members = Membership::new(self.terms.defaults).within(self.terms.allow.clone());
        let successor = Successor { members, reason, until };
        self.log.warn(format!(
            "etcd is {} than before (cluster {:x}, revision {}; before: cluster {:x}, revision \
             {}); the peers in hand stay until it has a valid one, at most for {} s (\"hold=\")",
            successor.etcd(),
            position.cluster_id,
            position.revision,
            self.position.cluster_id,
            self.position.revision,
            until.saturating_sub(now).div_ceil(1_000),
        ));
        self.successor = Some(successor);
        self.has_other_members = true;
        self.news.status = true;
    }

    /// The new content takes over once it has a peer that can be reached.
    pub(super) fn adopt_successor(&mut self, names: &HostNames) {
        if let Some(successor) = self.successor.take_if(|successor| successor.has_peers(names)) {
            self.adopt(successor);
        }
    }

    /// The new content takes over when the time is up, whatever it has; to be called while etcd is
    /// followed: else what it has is not known.
    pub(super) fn end_hold(&mut self, now: u64) {
        let Some(successor) = self.successor.take_if(|successor| successor.until <= now) else {
            return;
        };
        self.log.warn(format!(
            "the time (\"hold=\") is up for which peers outlive an etcd that is {} than before, \
             and has no valid one: {} keys go",
            successor.etcd(),
            self.members.len(),
        ));
        self.adopt(successor);
    }

    fn adopt(&mut self, successor: Successor) {
        self.members = successor.members;
        self.has_other_members = true;
        self.ages.adopted();
        self.news.peers = true;
        self.news.rejections = true;
    }

    /// Peers that outlive their leases go when their time is up, or when they fail their checks.
    pub(super) fn end_expired(&mut self, checked: Option<&Publisher>, now: u64) {
        let Some(expiry) = &mut self.expiry else { return };
        let outcomes = expiry.end_due(&mut self.members, checked, now);
        self.news.status |= !outcomes.is_empty();
        outcomes.into_iter().for_each(|outcome| self.note_outcome(outcome));
    }
}

/// An item as a membership takes it.
fn parts(item: &Item) -> (&[u8], &[u8], i64) {
    (&item.key, &item.value, item.create_revision)
}
