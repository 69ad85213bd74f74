//! Drains: the open connections of a peer that is being left are closed, as `etcd_drain` says.
//!
//! Each worker knows which of its requests are at which peer, and closes its own share; since when
//! a peer is being left stands in the zone, so that old workers and new ones go by the same moment
//! (`crates/peer-zone`, `leaving.rs`). When how many are due is in `crates/peer-drain`.

mod close;

use core::{ptr::NonNull, time::Duration};
use std::collections::HashMap;

use ngx::ffi::{NGX_LOG_NOTICE, ngx_cycle_t};
use peer_drain::{Drain, OpenConnections, Pace, RateLimiter, Slot, due};
use peer_zone::{DrainPolicy, DrainReasons, PickedPeer, Withdrawn, Worker, Zone};

pub(crate) use self::close::linger;
use crate::{
    conf::{MainConf, UpstreamConf},
    log, monotonic,
    peer::RequestPeer,
};

/// How often a worker looks while it closes connections.
pub(crate) const LOOK: Duration = peer_drain::DRAIN_TICK;

/// Peers that can be noted as being left between two ticks, without memory being asked for on a
/// request's way. Where there are more they are looked for at the next tick.
const NOTED: usize = 64;

/// A worker's open connections to the peers of one upstream, and those of the peers that are being
/// left.
#[derive(Debug)]
pub(crate) struct Draining {
    open: OpenConnections<NonNull<RequestPeer>>,
    /// By the peers' places in the zone.
    leaving: HashMap<usize, Leaving>,
    /// Peers may be being left of which nobody has told.
    is_incomplete: bool,
    /// When (ms) variables last changed what `etcd_drain` comes to; 0: not since this worker's
    /// start. Nothing is closed for a time that was over before: what was left long ago would be
    /// closed all at once.
    changed: u64,
}

/// A peer that is being left, while this worker has connections to it.
#[derive(Debug)]
struct Leaving {
    id: u64,
    /// When it was last looked at, in milliseconds.
    last: u64,
    /// Whether the log says that its connections are being closed.
    is_announced: bool,
}

/// Makes room for the connections of a worker process that starts, in the upstreams that drain.
pub(crate) fn start(cycle: &ngx_cycle_t, main: &MainConf) {
    for conf in main.upstreams() {
        let (Some(_), Some(zone)) = (&conf.drain, conf.zone) else { continue };
        conf.draining = Some(Draining {
            // There are never more requests at peers than connections; memory that is not used is
            // not touched.
            open: OpenConnections::new(cycle.connection_n, zone.index_limit()),
            leaving: HashMap::with_capacity(NOTED),
            is_incomplete: false,
            changed: 0,
        });
        refresh(conf, main, 0);
    }
}

/// Looks up what variables say of the upstream's drains at `now` (ms), and tells all workers how
/// this one closes its connections.
pub(crate) fn refresh(conf: &mut UpstreamConf, main: &MainConf, now: u64) {
    let Some(drain) = &conf.drain else {
        if let Some(worker) = &conf.worker {
            worker.set_drain_policy(None);
        }
        return;
    };
    let before = std::mem::replace(&mut conf.drain_now, drain.drain(main));
    if before != conf.drain_now
        && let Some(draining) = &mut conf.draining
    {
        draining.changed = now;
    }
    if let Some(worker) = &conf.worker {
        worker.set_drain_policy(
            conf.drain_now.map(|now| DrainPolicy { after: now.timeout, on: drain.on }),
        );
    }
}

/// Notes that a request has a peer; `has_cookie`: perhaps by a cookie. Returns what [`leave`]
/// takes.
pub(crate) fn enter(
    conf: &mut UpstreamConf,
    peer: NonNull<RequestPeer>,
    held: &PickedPeer,
    has_cookie: bool,
) -> Option<Slot> {
    let draining = conf.draining.as_mut()?;
    let place = place_of(conf.zone?, held);
    let slot = draining.open.add(place, peer);
    // A cookie may lead to a peer that is being left already.
    if has_cookie
        && !draining.is_incomplete
        && !draining.leaving.contains_key(&place)
        && let Some(worker) = conf.worker.as_ref()
        && !worker.is_in_service(held)
    {
        draining.is_incomplete = true;
    }
    slot
}

/// Notes that it has it no more.
pub(crate) fn leave(conf: &mut UpstreamConf, held: &PickedPeer, slot: Slot) {
    if let Some(zone) = conf.zone
        && let Some(draining) = &mut conf.draining
    {
        draining.open.remove(place_of(zone, held), slot);
    }
}

fn place_of(zone: Zone, held: &PickedPeer) -> usize {
    zone.index_of(held.id())
}

/// Takes note of a peer that has left the service.
pub(crate) fn note(zone: Zone, draining: &mut Draining, departed: Withdrawn) {
    match departed {
        Withdrawn::Peer(id) => draining.note(zone.index_of(id), id),
        Withdrawn::Many => draining.is_incomplete = true,
    }
}

impl Draining {
    fn note(&mut self, place: usize, id: u64) {
        // The place may be another peer's by now.
        if self.held_at(place).is_some_and(|held| held.id() == id) {
            if self.leaving.len() < self.leaving.capacity() {
                self.note_held(place, id);
            } else {
                self.is_incomplete = true;
            }
        }
    }

    fn note_held(&mut self, place: usize, id: u64) {
        let leaving =
            self.leaving.entry(place).or_insert(Leaving { id, last: 0, is_announced: false });
        if leaving.id != id {
            *leaving = Leaving { id, last: 0, is_announced: false };
        }
    }

    /// What a request at the peer of this place holds.
    fn held_at(&self, place: usize) -> Option<&PickedPeer> {
        // SAFETY: a request's peer stands in the list from `enter` to `leave` or to the end of
        // `close`, and lives for as long.
        unsafe { self.open.first(place)?.as_ref() }.held()
    }

    /// Where nobody has told of all: every peer that this worker has connections to may be being
    /// left.
    fn complete(&mut self) {
        if !std::mem::take(&mut self.is_incomplete) {
            return;
        }
        let places: Vec<usize> = self.open.peers().collect();
        for place in places {
            if let Some(id) = self.held_at(place).map(PickedPeer::id) {
                self.note_held(place, id);
            }
        }
    }

    /// How many connections are to be closed at `now` (ms) at which places, and whether more are to
    /// be soon.
    fn plan(
        &mut self,
        name: &str,
        worker: &Worker,
        (drain, on): (Drain, DrainReasons),
        now: u64,
    ) -> (Vec<(usize, usize)>, bool) {
        self.complete();
        let mut plan = Vec::new();
        let mut is_closing = false;
        let Self { open, leaving, changed, .. } = self;
        leaving.retain(|&place, peer| {
            // SAFETY: as in `held_at`.
            let held = open.first(place).and_then(|first| unsafe { first.as_ref() }.held());
            let Some(held) = held.filter(|held| held.id() == peer.id) else { return false };
            let Some(since) = worker.draining_since(held, on, now) else { return false };
            let begins = drain.begins(since).max(*changed);
            if now < begins {
                return true;
            }
            is_closing = true;
            let count = open.count(place);
            if !std::mem::replace(&mut peer.is_announced, true) {
                announce(name, worker, held, count);
            }
            let closes = match drain.pace {
                Pace::Spread(spread) => {
                    let ends = begins.saturating_add(spread);
                    due(count, begins, ends, peer.last, now, worker.random())
                }
                Pace::Rate(rate) => {
                    let (limiter, now) = (RateLimiter::new(rate), monotonic::microseconds());
                    (0..count)
                        .take_while(|_| {
                            worker.zone().update_pace(|state| limiter.next_state(state, now))
                        })
                        .count()
                }
            };
            peer.last = now;
            if closes > 0 {
                plan.push((place, closes));
            }
            true
        });
        (plan, is_closing)
    }
}

fn announce(name: &str, worker: &Worker, held: &PickedPeer, count: usize) {
    let (_, address, key) = worker.address(held);
    let peer = String::from_utf8_lossy(if key.is_empty() { address } else { key });
    log::at(
        NGX_LOG_NOTICE,
        &format!("etcd: upstream \"{name}\": peer \"{peer}\": closing {count} connections"),
    );
}

/// Closes what is due at `now` (ms) in an upstream. Returns whether more is about to be.
///
/// # Safety
///
/// `conf` is an upstream's of this process's cycle, and there is no reference to it: closing a
/// connection makes nginx call the module for its request, and perhaps give that another peer.
pub(crate) unsafe fn look(conf: *mut UpstreamConf, now: u64) -> bool {
    let (plan, is_closing) = {
        // SAFETY: the caller's promise; the reference is gone before anything is closed.
        let conf = unsafe { &mut *conf };
        let (Some(drain), Some(now_so)) = (&conf.drain, conf.drain_now) else { return false };
        let (Some(draining), Some(worker), Some(etcd)) =
            (&mut conf.draining, &conf.worker, &conf.etcd)
        else {
            return false;
        };
        if draining.leaving.is_empty() && !draining.is_incomplete {
            return false;
        }
        draining.plan(&etcd.upstream, worker, (now_so, drain.on), now)
    };
    for (place, closes) in plan {
        for _ in 0..closes {
            // SAFETY: as above.
            let next =
                unsafe { (*conf).draining.as_mut() }.and_then(|draining| draining.open.pop(place));
            let Some(peer) = next else { break };
            // SAFETY: it was in the list, and so its request lives; there is no reference to the
            // upstream.
            unsafe {
                if let Some(zone) = (*conf).zone {
                    zone.count_drained(1);
                }
                close::close(peer);
            }
        }
    }
    is_closing
}
