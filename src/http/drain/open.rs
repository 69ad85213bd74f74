//! A worker's requests at the peers of one upstream, and which of these are being left.

use core::ptr::NonNull;
use std::collections::HashMap;

use ngx::ffi::NGX_LOG_NOTICE;
use peer_drain::{Drain, OpenConnections, Pace, RateLimiter, Slot, due};
use peer_zone::{DrainReasons, PickedPeer, Worker, Zone};

use crate::{
    http::open_request::OpenRequest,
    nginx::{clock, log},
};

/// Peers that can be noted as being left between two ticks, without memory being asked for on a
/// request's way. Where there are more they are looked for at the next tick.
const NOTED: usize = 64;

/// A worker's open connections to the peers of one upstream, and those of the peers that are being
/// left.
#[derive(Debug)]
pub(crate) struct Draining {
    /// Those that live: a request is added once it has a peer, and removed before it ends. There is
    /// never a `&mut` to one (see [`OpenRequest`]).
    open: OpenConnections<NonNull<OpenRequest>>,
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

impl Draining {
    /// Makes room for as many requests, at peers of this zone.
    pub(super) fn new(requests: usize, zone: Zone) -> Self {
        Self {
            open: OpenConnections::new(requests, zone.index_limit()),
            leaving: HashMap::with_capacity(NOTED),
            is_incomplete: false,
            changed: 0,
        }
    }

    /// Variables have changed what `etcd_drain` comes to, at `now` (ms).
    pub(super) fn note_change(&mut self, now: u64) {
        self.changed = now;
    }

    /// Whether there is nothing to look after.
    pub(super) fn is_idle(&self) -> bool {
        self.leaving.is_empty() && !self.is_incomplete
    }

    /// Adds a request that has the peer of this place.
    pub(super) fn add(&mut self, place: usize, request: NonNull<OpenRequest>) -> Option<Slot> {
        self.open.add(place, request)
    }

    /// Takes it out; `None` where it is not there.
    pub(super) fn remove(&mut self, place: usize, slot: Slot) -> Option<NonNull<OpenRequest>> {
        self.open.remove(place, slot)
    }

    /// Takes out the oldest request at the peer of this place.
    pub(super) fn pop(&mut self, place: usize) -> Option<NonNull<OpenRequest>> {
        self.open.pop(place)
    }

    /// Whether it is known that the peer of this place is being left, or may be.
    pub(super) fn knows(&self, place: usize) -> bool {
        self.is_incomplete || self.leaving.contains_key(&place)
    }

    /// Peers may be being left of which nobody has told.
    pub(super) fn note_some(&mut self) {
        self.is_incomplete = true;
    }

    /// Notes that a peer has left the service.
    pub(super) fn note_withdrawal(&mut self, place: usize, id: u64) {
        // The place may be another peer's by now.
        if self.id_at(place) == Some(id) {
            if self.leaving.len() < self.leaving.capacity() {
                self.note_peer(place, id);
            } else {
                self.is_incomplete = true;
            }
        }
    }

    fn note_peer(&mut self, place: usize, id: u64) {
        let leaving =
            self.leaving.entry(place).or_insert(Leaving { id, last: 0, is_announced: false });
        if leaving.id != id {
            *leaving = Leaving { id, last: 0, is_announced: false };
        }
    }

    /// The id of the peer that the requests at this place have.
    fn id_at(&self, place: usize) -> Option<u64> {
        first_at(&self.open, place)?.id()
    }

    /// Where nobody has told of all: every peer that this worker has connections to may be being
    /// left.
    fn complete(&mut self) {
        if !std::mem::take(&mut self.is_incomplete) {
            return;
        }
        let places: Vec<usize> = self.open.peers().collect();
        for place in places {
            if let Some(id) = self.id_at(place) {
                self.note_peer(place, id);
            }
        }
    }

    /// How many connections are to be closed at `now` (ms) at which places, and whether more are to
    /// be soon.
    pub(super) fn plan(
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
            let Some(first) = first_at(open, place) else { return false };
            let since = first.with_held(|held| {
                let is_the_same = held.id() == peer.id;
                is_the_same.then(|| worker.draining_since(held, on, now)).flatten()
            });
            let Some(since) = since.flatten() else { return false };
            let begins = drain.begins(since).max(*changed);
            if now < begins {
                return true;
            }
            is_closing = true;
            let count = open.count(place);
            if !std::mem::replace(&mut peer.is_announced, true) {
                first.with_held(|held| announce(name, worker, held, count));
            }
            let closes = match drain.pace {
                Pace::Spread(spread) => {
                    let ends = begins.saturating_add(spread);
                    due(count, begins, ends, peer.last, now, worker.random())
                }
                Pace::Rate(rate) => {
                    let (limiter, now) = (RateLimiter::new(rate), clock::microseconds());
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

/// The oldest request at the peer of this place.
fn first_at(open: &OpenConnections<NonNull<OpenRequest>>, place: usize) -> Option<&OpenRequest> {
    // SAFETY: a request is in the list from `enter` on. It leaves the list before nginx frees its
    // memory: in `leave`, which ends the process where that fails, or in `pop`. The list is
    // borrowed meanwhile, and nobody makes a `&mut` to a request.
    Some(unsafe { open.first(place)?.as_ref() })
}

fn announce(name: &str, worker: &Worker, held: &PickedPeer, count: usize) {
    let (_, address, key) = worker.address(held);
    let peer = String::from_utf8_lossy(if key.is_empty() { address } else { key });
    let message = module_messages::closing(&peer, count);
    log::at(NGX_LOG_NOTICE, &format!("etcd: upstream \"{name}\": {message}"));
}
