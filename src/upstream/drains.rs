//! Drains: the open connections of a peer that is being left are closed, as `etcd_drain` says.
//!
//! Each worker knows which of its requests are at which peer, and closes its own share; since when
//! a peer is being left stands in the zone, so that old workers and new ones go by the same moment
//! (`crates/peer-zone`, `drain_times.rs`). How many are due when is in `crates/peer-drain`.

mod closing;
mod open;

use core::{cell::Cell, fmt, ptr::NonNull, time::Duration};

use peer_drain::{Drain, Pace};
use peer_zone::{DrainPolicy, Withdrawn, Zone};

use self::open::Next;
pub(crate) use self::{closing::Closing, open::Draining};
use super::{core_conf::CoreConf, holder::Holder, state::Upstream};
use crate::{
    config::{DrainConf, PaceConf, Time},
    nginx::{
        alarm::{self, TICK},
        callback::end_process,
        exclusive::Exclusive,
    },
};

/// How often a worker looks while it closes connections.
const DRAIN_TICK: Duration = peer_drain::DRAIN_TICK;

/// What an upstream has of drains.
pub(crate) struct Drains<R> {
    /// Its open connections; only in workers, where there is `etcd_drain`, or may be a drain of a
    /// group's own.
    open: Exclusive<Option<Draining<R>>>,
    /// What `etcd_drain` comes to just now, as its variables say; looked up each time that this
    /// process looks for what is due.
    now: Cell<Option<Drain>>,
}

impl<R> Default for Drains<R> {
    fn default() -> Self {
        Self { open: Exclusive::default(), now: Cell::default() }
    }
}

impl<R> fmt::Debug for Drains<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Drains").finish_non_exhaustive()
    }
}

impl<R> Drains<R> {
    /// Makes room for the connections of a worker process that starts, of which there can be as
    /// many as `connections`. There are never more requests at peers than those; memory that is
    /// not used is not touched.
    pub(crate) fn start(&self, upstream: &Upstream, connections: usize, core: &CoreConf) {
        let Some(zone) = upstream.zone().filter(|_| upstream.settings().drains()) else { return };
        let replaced = self.open.replace(Some(Draining::new(connections, zone))).map(drop);
        replaced.unwrap_or_else(|lent| lent.report("the list of open connections"));
        self.refresh(upstream, core, 0);
    }

    /// For how long (ms) cookies still lead to a peer that says `drain`; `None`: for as long as it
    /// does. With `etcd_drain` its connections are closed after that: clients that were led there
    /// again would be closed again, and it would never be empty.
    pub(crate) fn grace(&self, upstream: &Upstream) -> Option<u64> {
        upstream.settings().drain.as_ref().filter(|conf| conf.on.drain)?;
        self.now.get().map(|drain| drain.timeout)
    }

    /// Looks up what variables say of the upstream's drains at `now` (ms), and tells all workers
    /// how this one closes its connections.
    pub(crate) fn refresh(&self, upstream: &Upstream, core: &CoreConf, now: u64) {
        let Some(conf) = &upstream.settings().drain else {
            upstream.with_worker(|worker| worker.set_drain_policy(None));
            return;
        };
        let drain = evaluate(conf, core);
        if self.now.replace(drain) != drain {
            self.open.with_some(|open| open.note_change(now));
        }
        let closing = drain.map(|drain| DrainPolicy { after: drain.timeout, on: conf.on });
        upstream.with_worker(|worker| worker.set_drain_policy(closing));
    }

    /// Lists a request that holds the peer of this id; `has_cookie`: perhaps by a cookie. It stays
    /// in the list until [`leave`](Self::leave), which nginx's `free` calls before the request
    /// ends, or until a drain takes it out.
    #[inline]
    pub(crate) fn enter(
        &self,
        upstream: &Upstream,
        request: &Holder<R>,
        id: u64,
        has_cookie: bool,
    ) {
        if upstream.settings().drains()
            && let Some(zone) = upstream.zone()
        {
            self.enter_zone(zone, upstream, request, id, has_cookie);
        }
    }

    fn enter_zone(
        &self,
        zone: Zone,
        upstream: &Upstream,
        request: &Holder<R>,
        id: u64,
        has_cookie: bool,
    ) {
        // nginx calls `free` before it asks for another peer. It must not be listed twice, since
        // `leave` takes one entry off.
        if request.slot.get().is_some() {
            return;
        }
        let place = zone.index_of(id);
        let entered = self.open.with_some(|open| {
            // At once, so that `leave` finds it whatever happens next.
            request.slot.set(open.add(place, NonNull::from(request)));
            open.knows(place)
        });
        let Some(is_known) = entered else { return };
        // A cookie may lead to a peer that is being left already.
        if has_cookie && !is_known {
            let is_in_service = request
                .with_held(|held| upstream.with_worker(|worker| worker.is_in_service(held)))
                .flatten();
            if is_in_service == Some(false) {
                self.open.with_some(Draining::<R>::note_some);
                alarm::within(TICK);
            }
        }
    }

    /// Takes a request off the list that held the peer of this id; nothing if it is not listed.
    ///
    /// The request's memory is about to be freed. The process ends if the request cannot be taken
    /// off, because the next drain would read that memory.
    #[inline]
    pub(crate) fn leave(&self, upstream: &Upstream, request: &Holder<R>, id: u64) {
        let Some(slot) = request.slot.take() else { return };
        let removed = upstream.zone().and_then(|zone| {
            self.open.with_some(|open| open.remove(zone.index_of(id), slot)).flatten()
        });
        if removed.is_none() {
            end_process("a request cannot be taken off the list of open connections");
        }
    }

    /// Takes note of a peer that has left the service.
    pub(crate) fn note_withdrawal(&self, zone: &Zone, departed: Withdrawn) {
        self.open.with_some(|open| match departed {
            Withdrawn::Peer(id) => open.note_withdrawal(zone.index_of(id), id),
            Withdrawn::Many => open.note_some(),
        });
    }

    /// Closes what is due at `now` (ms). Returns after which time to look again, if a peer is being
    /// left that this process has connections to.
    ///
    /// Closing a connection makes nginx call the module for its request, and perhaps give that
    /// another peer: nothing is lent meanwhile.
    pub(crate) fn close_due(
        &self,
        upstream: &Upstream,
        now: u64,
        closing: &Closing<R>,
    ) -> Option<Duration> {
        let conf = upstream.settings();
        let etcd = conf.etcd.as_ref()?;
        let of_upstream =
            conf.drain.as_ref().zip(self.now.get()).map(|(conf, drain)| (drain, conf.on));
        if of_upstream.is_none() && !conf.has_settings() {
            return None;
        }
        let planned = self.open.with_some(|open| {
            if open.is_idle() {
                return None;
            }
            let how = (of_upstream, conf.has_settings());
            upstream.with_worker(|worker| open.plan(&etcd.upstream, worker, how, now))
        });
        let (plan, is_closing) = planned.flatten()?;
        let zone = upstream.zone()?;
        for mut due in plan {
            let mut next = || self.open.with_some(|open| open.next(&mut due, &zone, closing, now));
            while let Some(Next { request, is_sending }) = next().flatten() {
                // Who sees the end finds it counted.
                zone.count_drained(1);
                // SAFETY: it was in the list, and so its request lives, with a peer; `next` has
                // taken it out. Nothing is lent here, and no reference to it is kept.
                unsafe { (closing.close)(request, is_sending) };
            }
        }
        let is_idle = self.open.with_some(|open| open.is_idle()) == Some(true);
        let time = if is_closing { DRAIN_TICK } else { TICK };
        (!is_idle).then_some(time)
    }
}

/// When connections are closed, as variables say just now; `None` while the directive has variables
/// and none of them has a value: then no connection is.
fn evaluate(conf: &DrainConf, core: &CoreConf) -> Option<Drain> {
    let (mut has_variables, mut has_values) = (false, false);
    let mut now = |time: &Time| match time {
        Time::Fixed(time) => *time,
        Time::Of(name, otherwise) => {
            has_variables = true;
            let time = core.variable(name).and_then(|variable| variable.to_time());
            has_values |= time.is_some();
            time.unwrap_or(*otherwise)
        }
    };
    let timeout = now(&conf.timeout);
    let pace = match &conf.pace {
        PaceConf::Spread(spread) => Pace::Spread(now(spread)),
        PaceConf::Rate(rate) => Pace::Rate(*rate),
    };
    (has_values || !has_variables).then_some(Drain { timeout, pace })
}
