//! Picking a peer: which method, which tier, and when there is no need to look.

use core::sync::atomic::Ordering;

use peer_balance::Method;

use super::{
    Now, Worker,
    among::Among,
    claim::PickRequest,
    exhausted::Exhausted,
    fast_path::Missed,
    keyed::KeyProgress,
    picked_peer::{PickedPeer, Traits},
    table::Table,
};
use crate::{layout::Entry, zone::peers::RequestAddress};

/// The result of a pick.
#[derive(Debug)]
pub enum Pick {
    /// This peer: it counts as one open connection until [`Worker::release`].
    Peer(PickedPeer),
    /// No peer can take a request just now (nginx's `NGX_BUSY`).
    Busy,
}

/// What a pick goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct PickContext<'k> {
    /// The balancing method, but for groups that have one of their own.
    pub method: Method,
    /// By what to choose: the key of `hash`, the address of `ip_hash` as [`peer_balance::ip_hash`]
    /// takes it. Without one they choose as round robin does. It is what the method of the group
    /// goes by, if the request asks for one ([`Worker::traits_among`]); for [`Among::Any`] what
    /// `method` goes by, and groups that go by something else have none.
    pub key: &'k [u8],
    /// The id of the peer that the request's cookie names; `None` without a cookie. Groups in which
    /// cookies lead nowhere do not look at it.
    pub sticky: Option<u64>,
    /// For how long (ms) after a peer has begun to say `drain` a cookie still leads there; `None`:
    /// for ever. Groups with a closing of their own go by that.
    pub grace: Option<u64>,
    /// The peer that the cookie names comes behind those without `backup` where it has `backup`
    /// itself: as with nginx's own `sticky`, whose sessions leave a backup as soon as there is
    /// another peer.
    pub leaves_backups: bool,
    /// Among which peers to choose.
    pub among: Among<'k>,
    /// Whether the request can go elsewhere if none of these takes it: the only one of a group is
    /// not the only choice then.
    pub has_others: bool,
}

impl Worker {
    /// Picks a peer that is in service, has not failed, is not full, and is not `tried` (by its id)
    /// already; one with `backup` only where there is no other. The peer that a cookie names comes
    /// before all others, even where it gets no new sessions (`drain`).
    ///
    /// `progress` is the request's own, from one try to the next.
    pub fn pick(
        &mut self,
        context: &PickContext<'_>,
        progress: &mut KeyProgress,
        now: Now,
        tried: impl Fn(u64) -> bool,
        has_tried: bool,
    ) -> Pick {
        let mut first = None;
        let (group, is_any) = match context.among {
            Among::Everyone => (None, false),
            Among::Group(name) => (Some(name), false),
            Among::Any(_) => (None, true),
        };
        if !is_any && !has_tried && context.sticky.is_none() && context.method.looks_at_few() {
            let mut held = None;
            let take = |peer, _: &RequestAddress<'_>| {
                held = Some(peer);
                true
            };
            let method = context.method;
            let missed = match method {
                Method::RoundRobin | Method::LeastConn | Method::Random => match group {
                    Some(name) => self.pick_in_group_at_once::<true>(method, name, None, take),
                    None => self.pick_at_once::<true>(method, None, take),
                },
                Method::RandomTwo | Method::PeakEwma | Method::LeastTime(_) => match group {
                    Some(name) => self.pick_of_two_in_group_at_once((method, name), now, take),
                    None => self.pick_of_two_at_once(method, now, take),
                },
                Method::Hash | Method::HashConsistent | Method::IpHash => {
                    let key = context.key;
                    match group {
                        Some(name) => {
                            self.pick_own_in_group_at_once((method, name), key, progress, take)
                        }
                        None => self.pick_own_at_once(method, key, progress, take),
                    }
                }
            };
            if let Some(held) = held {
                return Pick::Peer(held);
            }
            if let Err(Missed::Narrow(position) | Missed::Careful(position)) = missed {
                first = position;
            }
        }
        self.pick_with_care(context, progress, now, tried, (has_tried, first))
    }

    /// As [`Worker::pick`], whatever the peers and the request are like. `first` is a position of
    /// the method that the request has got already.
    #[inline(never)]
    pub fn pick_with_care(
        &mut self,
        context: &PickContext<'_>,
        progress: &mut KeyProgress,
        now: Now,
        tried: impl Fn(u64) -> bool,
        (has_tried, first): (bool, Option<u64>),
    ) -> Pick {
        // Before all else, and Acquire: what is recovered from here on, the peers below may not
        // show yet.
        let recoveries = self.zone.header().recoveries.load(Ordering::Acquire);
        let exhausted = self.exhausted;
        let is_by_chance = has_tried && self.is_by_chance(&tried);
        let has_ramps = self.zone.has_ramps(now.milliseconds);
        let Some(mut table) = self.table_among(context.among) else { return Pick::Busy };
        let own;
        let context = if table.header.own.is_none() {
            context
        } else {
            own = table.own_context(context);
            &own
        };
        let least_time = context.method.least_time();
        let has_others = context.has_others || table.groups() > 1;
        let tried = &tried;
        let request = PickRequest { now, tried, is_by_chance, has_ramps, least_time, has_others };
        let state = Exhausted {
            place: table.place,
            generation: table.header.generation,
            now: now.seconds,
            recoveries,
        };
        let is_exhausted = exhausted == Some(state);
        let held = match context.among {
            Among::Any(_) if is_exhausted && !table.looks_for_session(context) => None,
            Among::Any(number) => {
                let picked = table.pick_any(context, progress, &request, number);
                picked.map(|(held, group)| {
                    table.worker.last_group.set(group);
                    held
                })
            }
            Among::Everyone | Among::Group(_) => {
                let (at_once, at_last) = table.named(context);
                if let Some(held) =
                    at_once.and_then(|entry| table.pick_named(entry, context.grace, &request))
                {
                    return Pick::Peer(held);
                }
                if is_exhausted {
                    None
                } else {
                    table.pick_primary(context, progress, &request, first)
                }
                .or_else(|| table.pick_named(at_last?, context.grace, &request))
                .or_else(|| if is_exhausted { None } else { table.pick_backup(context, &request) })
            }
        };
        drop(table);
        if let Some(held) = held {
            if !is_exhausted {
                // It is over: the state differs in something that does not come back.
                self.exhausted = None;
            }
            return Pick::Peer(held);
        }
        // A request that has tried some says nothing of what others may pick.
        if !has_tried && !is_exhausted {
            self.exhausted = Some(state);
        }
        Pick::Busy
    }
}

impl Table<'_> {
    /// The entry of the peer that a cookie names: to be tried before all others, or behind those
    /// without `backup`.
    #[inline]
    fn named(&self, context: &PickContext<'_>) -> (Option<&Entry>, Option<&Entry>) {
        let place = context.sticky.and_then(|id| self.sticky_place(id));
        let named = place.map(|place| self.entry(place));
        let is_backup = |entry: &&Entry| context.leaves_backups && entry.parameters().backup;
        (named.filter(|entry| !is_backup(entry)), named.filter(is_backup))
    }

    /// The peer that a cookie names or, without one, any without `backup`.
    pub(super) fn pick_named_or_primary<F: Fn(u64) -> bool>(
        &self,
        context: &PickContext<'_>,
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let (at_once, at_last) = self.named(context);
        let pick_named = |entry: Option<&Entry>| self.pick_named(entry?, context.grace, request);
        pick_named(at_once)
            .or_else(|| self.pick_primary(context, progress, request, None))
            .or_else(|| pick_named(at_last))
    }

    #[inline]
    fn pick_primary<F: Fn(u64) -> bool>(
        &self,
        context: &PickContext<'_>,
        progress: &mut KeyProgress,
        request: &PickRequest<'_, F>,
        first: Option<u64>,
    ) -> Option<PickedPeer> {
        let primary = self.primary(request);
        let mut turn = None;
        let held = match context.method {
            Method::RoundRobin => {
                turn = first;
                None
            }
            Method::LeastConn => self.pick_least_conn(&primary, request, first),
            Method::Random => self.pick_random(&primary, request, first),
            Method::RandomTwo => self.pick_of_two(&primary, request, Self::has_fewer_connections),
            Method::LeastTime(least_time) => self.pick_least_time(&primary, request, least_time),
            Method::PeakEwma => self.pick_of_two(&primary, request, Self::answers_sooner),
            Method::Hash => self.pick_by_hash(&primary, context.key, progress, request),
            Method::HashConsistent => self.pick_by_ring(&primary, context.key, progress, request),
            Method::IpHash => self.pick_by_address(&primary, context.key, progress, request),
        };
        held.or_else(|| self.pick_round_robin(&primary, request, turn))
    }

    pub(super) fn pick_backup<F: Fn(u64) -> bool>(
        &self,
        context: &PickContext<'_>,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        let backup = self.backup(request);
        let held = match context.method {
            Method::LeastConn => self.pick_least_conn(&backup, request, None),
            Method::LeastTime(least_time) => self.pick_least_time(&backup, request, least_time),
            // As in nginx, which turns to round robin for its backups.
            _ => None,
        };
        held.or_else(|| self.pick_round_robin(&backup, request, None))
    }

    /// The peer of this entry, which a cookie names, if it may serve: also one that gets no new
    /// sessions, and whatever its weight.
    pub(super) fn pick_named<F: Fn(u64) -> bool>(
        &self,
        entry: &Entry,
        grace: Option<u64>,
        request: &PickRequest<'_, F>,
    ) -> Option<PickedPeer> {
        if entry.parameters().drain {
            let peer = self.peer(entry);
            let grace = match self.zone().closing_of(peer) {
                None => grace,
                Some(own) => own.filter(|own| own.on.drain).map(|own| own.after),
            };
            if grace.is_some_and(|grace| peer.has_drained_for(grace, request.now.milliseconds)) {
                return None;
            }
        }
        let held = self.claim_for_session(entry, request)?;
        Some(PickedPeer { traits: held.traits.with(Traits::NAMED), ..held })
    }
}
