//! What etcd has for an upstream, and what of it the peers are made of.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use etcd_watch::{
    Continuity, Event, Holding, Item, Origin, Replaced, Replica, messages::state_of_etcd,
};
use host_names::HostNames;
use peer_zone::Publisher;
use upstream_peers::{
    Ages, ChangedPeers, Membership, MembershipChange, OutsideAddresses, Peer, messages,
};

use super::{expiry::Expiry, terms::Terms};
use crate::{
    watcher::upstream_log::UpstreamLog,
    zones::report::{self, HoldingReason, Rejection},
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
    /// Peers that were held have made way for those of another etcd.
    pub(super) hold_ended: bool,
    /// Values that are rejected.
    pub(super) rejected: Vec<Rejection>,
}

/// What etcd has.
pub(super) struct Contents {
    prefix: Rc<str>,
    terms: Terms,
    members: Replica<Membership>,
    /// When the peers in hand joined.
    ages: Ages,
    /// Until when (ms) a predecessor held peers whose leases had run out; `None` from the first
    /// list on.
    leases_held_until: Option<u64>,
    expiry: Option<Expiry>,
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
        origin: Option<Origin>,
        last_contact: u64,
        held: Option<&report::Holding>,
        log: UpstreamLog,
    ) -> Self {
        if let Some(max_conns) = terms.max_conns.as_ref().and_then(|number| number()) {
            terms.defaults.max_conns = max_conns;
        }
        let mut members = terms.membership();
        in_hand.for_each(|peer| members.seed(peer));
        let mut members = Replica::new(members, origin, terms.hold);
        let mut leases_held_until = None;
        if let Some(&report::Holding { reason, until, .. }) = held {
            match reason.continuity() {
                Some(continuity) => members = members.resume(Holding { continuity, until }),
                None => leases_held_until = Some(until),
            }
        }
        let expiry = terms.expiry_guard.map(|guard| Expiry::new(guard, terms.hold, log.clone()));
        Self {
            prefix,
            terms,
            members,
            ages: Ages::new(origin.map_or(0, |origin| origin.revision), last_contact),
            leases_held_until,
            expiry,
            has_other_members: false,
            news: News { peers: true, ..News::default() },
            log,
        }
    }

    /// What has come since the last call.
    pub(super) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Where the peers in hand came from. While they are held that is the etcd before: another
    /// watcher that takes over must see the same difference.
    pub(super) fn origin(&self) -> Option<Origin> {
        self.members.origin()
    }

    /// Whether the peers in hand outlive an etcd that has others, or none.
    pub(super) fn is_held(&self) -> bool {
        self.members.holding().is_some()
    }

    /// etcd's revision.
    pub(super) fn revision(&self) -> i64 {
        self.members.latest().map_or(0, |latest| latest.revision)
    }

    /// What is in hand, and what a new etcd has beside it.
    fn memberships(&self) -> impl Iterator<Item = &Membership> {
        std::iter::once(self.members.in_hand()).chain(self.members.successor())
    }

    /// The host names in use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.memberships().flat_map(Membership::names)
    }

    /// Whether [`names`](Self::names) may be others than at the last call.
    pub(super) fn take_change_of_names(&mut self) -> bool {
        self.members.in_hand_mut().take_change_of_names()
            | self.members.newest_mut().take_change_of_names()
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
        self.members.in_hand().peers(|name| names.addresses(name))
    }

    /// The peers of these keys are to be published again, though etcd says the same of them.
    pub(super) fn look_again(&mut self, keys: &[Arc<str>]) {
        let members = self.members.in_hand_mut();
        keys.iter().for_each(|key| members.look_again(key));
        self.news.peers |= !keys.is_empty();
    }

    /// Those of the peers that may be others than at the last call.
    pub(super) fn take_changed_peers(&mut self) -> ChangedPeers {
        self.members.in_hand_mut().take_changed()
    }

    /// The keys whose host names have addresses that are left out, since no peer may be there.
    pub(super) fn outside(&self, names: &HostNames) -> BTreeMap<Arc<str>, OutsideAddresses> {
        self.members.in_hand().outside(|name| names.addresses(name))
    }

    /// When its peers joined.
    pub(super) fn ages(&self) -> &Ages {
        &self.ages
    }

    /// All peers in use were asked for when they joined, at `now` (ms).
    pub(super) fn settle_ages(&mut self, names: &HostNames, now: u64) {
        let unresolved = self.members.in_hand().unresolved(|name| names.addresses(name));
        self.ages.settle(unresolved, now);
    }

    /// Values that are rejected.
    pub(super) fn rejections(&self) -> impl Iterator<Item = Rejection> {
        let rejected = self.memberships().flat_map(Membership::rejected);
        rejected.map(|(key, reason)| Rejection {
            key: format!("{}{key}", self.prefix),
            reason: reason.to_string(),
        })
    }

    /// The servers of valid values that etcd has which have not the labels that are wanted.
    pub(super) fn unselected(&self) -> usize {
        if let Some(successor) = self.members.successor() {
            return successor.unselected(|_| false);
        }
        let expiry = self.expiry.as_ref();
        self.members.in_hand().unselected(|key| expiry.is_some_and(|expiry| expiry.keeps(key)))
    }

    /// Why peers are in hand that etcd does not have, if there are some.
    pub(super) fn holding(&self) -> Option<report::Holding> {
        let peers = self.members.in_hand().len();
        let (reason, until, peers) = if let Some(held) = self.members.holding() {
            (HoldingReason::of(held.continuity), held.until, peers)
        } else if let Some(until) = self.leases_held_until {
            // Which of them are held shows with the first list.
            (HoldingReason::ExpiredLeases, until, peers)
        } else {
            let (peers, until) = self.expiry.as_ref()?.kept()?;
            (HoldingReason::ExpiredLeases, until, peers)
        };
        Some(report::Holding { reason, until, peers })
    }

    /// Takes in all that etcd has, at `now` (ms).
    pub(super) fn list(&mut self, listed: Origin, items: &[Item], now: u64) {
        let before = self.members.latest();
        let listing = self.members.list(listed, now, |_| self.terms.membership());
        if listing.continuity != Continuity::Same {
            self.log_hold(listing.continuity, listed, before, now);
        }
        if self.members.successor().is_some() {
            // Names of a successor are others than those of one before it.
            self.has_other_members = true;
            self.news.status = true;
            // No list is one of those that are held.
            self.members.in_hand_mut().drop_unwanted();
            let outcome = self.members.newest_mut().replace(items.iter().map(parts));
            self.note_leases(items);
            self.ages.applied(listed.revision, now);
            self.note_outcome(outcome);
        } else {
            self.replace(items, now);
            self.ages.listed(listed.revision, now);
        }
        self.leases_held_until = None;
        self.news.rejections = true;
        self.news.peers = true;
    }

    fn replace(&mut self, items: &[Item], now: u64) {
        let until = self.leases_held_until;
        if let Some(expiry) = &mut self.expiry {
            let outcomes = expiry.remove_missing(self.members.in_hand_mut(), items, until, now);
            self.news.status = true;
            outcomes.into_iter().for_each(|outcome| self.note_outcome(outcome));
        }
        let expiry = self.expiry.as_ref();
        let stays = |key: &str| expiry.is_some_and(|expiry| expiry.keeps(key));
        let outcome = self.members.in_hand_mut().replace_but(items.iter().map(parts), stays);
        self.note_outcome(outcome);
    }

    /// Takes in what has changed in etcd, up to a revision, at `now` (ms).
    pub(super) fn apply(&mut self, revision: i64, events: &[Event], now: u64) {
        self.members.note_revision(revision);
        self.news.peers = true;
        self.ages.applied(revision, now);
        for event in events {
            match event {
                Event::Put(item) => {
                    self.note_leases(std::slice::from_ref(item));
                    let (key, value, create_revision) = parts(item);
                    let outcome = self.members.newest_mut().put(key, value, create_revision);
                    self.note_outcome(outcome);
                }
                Event::Delete { key, .. } => self.delete(key, now),
            }
        }
    }

    /// etcd cannot be followed: the peers in hand that are not selected go, since no others come.
    pub(super) fn note_loss(&mut self) {
        self.news.peers |= self.members.in_hand_mut().drop_unwanted();
    }

    /// etcd has told that there was nothing new up to a revision.
    pub(super) fn note_alive(&mut self, revision: i64, now: u64) {
        self.ages.alive(revision, now);
    }

    fn delete(&mut self, key: &[u8], now: u64) {
        let is_held = self.members.successor().is_some();
        if let Some(expiry) = self.expiry.as_mut().filter(|_| !is_held)
            && let Ok(key) = str::from_utf8(key)
        {
            let outcomes = expiry.remove(self.members.in_hand_mut(), key, now);
            self.news.status = true;
            outcomes.into_iter().for_each(|outcome| self.note_outcome(outcome));
        } else {
            let (in_hand, successor) = self.members.delete(|members| members.delete(key));
            self.note_outcome(in_hand);
            successor.into_iter().for_each(|outcome| self.note_outcome(outcome));
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
        self.news.status |= outcome.unselected_changed;
        self.news.rejected.extend(outcome.rejected.into_iter().map(|(key, reason)| Rejection {
            key: format!("{}{key}", self.prefix),
            reason: reason.to_string(),
        }));
    }

    /// The leases that have to be looked up, to tell what has run out from what somebody has
    /// deleted.
    pub(super) fn leases_to_look_up(&self) -> impl Iterator<Item = i64> {
        self.expiry.iter().flat_map(Expiry::leases_to_look_up)
    }

    /// What has been found out about a lease.
    pub(super) fn note_lease(&mut self, lease: i64, is_alive: bool) {
        let Some(expiry) = &mut self.expiry else { return };
        let outcomes = expiry.note_lease(self.members.in_hand_mut(), lease, is_alive);
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
        self.news.peers |= self.members.in_hand_mut().set_defaults(self.terms.defaults);
        self.news.peers |= self.members.newest_mut().set_defaults(self.terms.defaults);
        self.log.notice(messages::default_max_conns(max_conns));
    }

    /// etcd is another one, or in an older state, than `before`.
    fn log_hold(&self, continuity: Continuity, listed: Origin, before: Option<Origin>, now: u64) {
        let (Some(before), Some(held)) = (before, self.members.holding()) else { return };
        let state = |origin: Origin| (origin.cluster_id, origin.revision);
        let seconds = held.until.saturating_sub(now).div_ceil(1_000);
        let etcd = state_of_etcd(continuity);
        self.log.warn(messages::held(etcd, state(listed), state(before), seconds));
    }

    /// The new content takes over once it has a peer that can be reached, or none is in hand. A
    /// peer whose host name is still being resolved cannot be reached yet.
    pub(super) fn adopt_successor(&mut self, names: &HostNames) {
        let replaced = self.members.adopt_if(|in_hand, new| {
            in_hand.is_empty() || !new.peers(|name| names.addresses(name)).is_empty()
        });
        replaced.into_iter().for_each(|it| self.note_adoption(!it.former.is_empty()));
    }

    /// The new content takes over when the time is up, whatever it has. What etcd has is not known
    /// unless it `is_followed`.
    pub(super) fn end_hold(&mut self, now: u64, is_followed: bool) {
        let Some(Replaced { former, continuity }) = self.members.end_hold(now, is_followed) else {
            return;
        };
        self.log.warn(messages::hold_ended(state_of_etcd(continuity), former.len()));
        self.note_adoption(true);
    }

    fn note_adoption(&mut self, ends_hold: bool) {
        self.news.hold_ended |= ends_hold;
        self.has_other_members = true;
        self.ages.adopted();
        self.news.peers = true;
        self.news.rejections = true;
    }

    /// Peers that outlive their leases go when their time is up, or when they fail their checks.
    pub(super) fn end_expired(&mut self, checked: Option<&Publisher>, now: u64) {
        let Some(expiry) = &mut self.expiry else { return };
        let outcomes = expiry.end_due(self.members.in_hand_mut(), checked, now);
        self.news.status |= !outcomes.is_empty();
        outcomes.into_iter().for_each(|outcome| self.note_outcome(outcome));
    }
}

/// An item as a membership takes it.
fn parts(item: &Item) -> (&[u8], &[u8], i64) {
    (&item.key, &item.value, item.create_revision)
}
