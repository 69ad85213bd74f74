//! A worker's requests at the peers of one upstream, and which of these are being left.

use core::ptr::NonNull;
use std::collections::HashMap;

use ngx::ffi::NGX_LOG_NOTICE;
use peer_drain::{DRAIN_TICK, Drain, OpenConnections, Pace, RateLimiter, Slot, due};
use peer_zone::{Closing as GroupClosing, DrainReasons, PickedPeer, Worker, Zone};

use super::closing::Closing;
use crate::{
    nginx::{clock, log},
    upstream::holder::Holder,
};

/// Peers that can be noted as being left between two ticks, without memory being asked for on a
/// request's way. Where there are more they are looked for at the next tick.
const NOTED: usize = 64;

/// A worker's open connections to the peers of one upstream, and those of the peers that are being
/// left.
pub(crate) struct Draining<R> {
    /// Those that live: a request is added once it has a peer, and removed before it ends. There is
    /// never a `&mut` to one (see [`Holder`]).
    open: OpenConnections<NonNull<Holder<R>>>,
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
#[derive(Clone, Copy, Debug)]
struct Leaving {
    id: u64,
    /// When it was last looked at, in milliseconds.
    last: u64,
    /// Whether the log says that its connections are being closed.
    is_announced: bool,
    /// Whether it was looked at.
    is_known: bool,
    /// How its connections were to be closed at the last look; `None`: not.
    drain: Option<Drain>,
    /// When (ms) that last became another; 0: not since the first look. See
    /// [`Draining::changed`].
    changed: u64,
}

/// What is due at a tick: connections to a peer.
pub(super) struct Due {
    /// The place of their peer.
    place: usize,
    /// How many that were not due before.
    turns: usize,
    /// How many of those that wait are to be looked at.
    waiting: usize,
    /// How many may turn out to have to wait.
    looks: usize,
    /// Since when (ms) connections to this peer are closed.
    begins: u64,
    /// How much later (ms) than it should the tick comes. The peer may have been stopped for as
    /// long, if the machine was, and must have been silent before.
    late: u32,
    /// What limits them, if they have a rate.
    limiter: Option<RateLimiter>,
}

/// A connection that is closed now.
pub(super) struct Next<R> {
    pub(super) request: NonNull<Holder<R>>,
    /// It has waited long enough for a peer that is still sending.
    pub(super) is_sending: bool,
}

/// How long (ms) a connection that is due waits for what its peer is still sending to a client that
/// is slow to read it: nginx's own `lingering_time` is three times as long, in which a request is
/// over.
const PATIENCE: u64 = 10_000;

/// How long (ms) one waits that carries messages, all of which have been passed on as they came:
/// long enough for a gap between two of them, and no longer than the end of a drain may be late.
const PATIENCE_WITH_MESSAGES: u64 = 500;

/// A peer is not sending if nothing has come for so long (ms): longer than what is under way takes
/// in a data centre, and than Linux delays the acknowledgement (40 ms, `TCP_DELACK_MIN`) that the
/// kernel of a peer without `TCP_NODELAY` waits for before it sends the rest.
const QUIET: u32 = 45;

/// For a connection that has waited for so long (ms), its peer is not sending if nothing has come
/// for [`BETWEEN`]: what it sends seems to be messages, less than [`QUIET`] apart, and none of them
/// should be cut.
const OFTEN: u64 = PATIENCE / 2;

/// Longer (ms) than between parts of a message that is sent at once, and no longer than a tick of a
/// drain.
const BETWEEN: u32 = 10;

/// So many connections to a peer are looked at in a tick without being closed: each look asks the
/// kernel twice (1 µs), and a tick is of 10 ms.
const LOOKS: usize = 128;

/// Whatever for a peer is left.
const ANY: DrainReasons = DrainReasons { removed: true, drain: true, check: true };

/// How connections to a peer are closed, and for which reasons: as its group says or, if that says
/// nothing, as the upstream does. `None`: they are not.
fn drain_of(
    worker: &Worker,
    held: &PickedPeer,
    of_upstream: Option<(Drain, DrainReasons)>,
) -> Option<(Drain, DrainReasons)> {
    let Some(of_group) = worker.closing(held) else { return of_upstream };
    let GroupClosing { after, spread, on } = of_group?;
    Some((Drain { timeout: after, pace: Pace::Spread(spread) }, on))
}

impl<R> Draining<R> {
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
    pub(super) fn add(&mut self, place: usize, request: NonNull<Holder<R>>) -> Option<Slot> {
        self.open.add(place, request)
    }

    /// Takes it out; `None` where it is not there.
    pub(super) fn remove(&mut self, place: usize, slot: Slot) -> Option<NonNull<Holder<R>>> {
        self.open.remove(place, slot)
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
        let new =
            Leaving { id, last: 0, is_announced: false, is_known: false, drain: None, changed: 0 };
        let leaving = self.leaving.entry(place).or_insert(new);
        if leaving.id != id {
            *leaving = new;
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
    /// be soon. `of_upstream` is how they are closed, and for which reasons, at peers whose group
    /// says nothing else; `None`: they are not. `has_settings`: groups may say something else.
    pub(super) fn plan(
        &mut self,
        name: &str,
        worker: &Worker,
        (of_upstream, has_settings): (Option<(Drain, DrainReasons)>, bool),
        now: u64,
    ) -> (Vec<Due>, bool) {
        self.complete();
        let mut plan = Vec::new();
        let mut is_closing = false;
        let Self { open, leaving, changed, .. } = self;
        leaving.retain(|&place, peer| {
            let Some(first) = first_at(open, place) else { return false };
            let found = first.with_held(|held| {
                (held.id() == peer.id).then(|| {
                    let drain = drain_of(worker, held, of_upstream);
                    let since = drain.and_then(|(_, on)| worker.draining_since(held, on, now));
                    let is_left = since.is_some()
                        || (has_settings && worker.draining_since(held, ANY, now).is_some());
                    is_left.then(|| drain.map(|(drain, _)| drain).zip(since))
                })
            });
            let Some(drained) = found.flatten().flatten() else {
                open.resume(place);
                return false;
            };
            let drain = drained.map(|(drain, _)| drain);
            if peer.is_known && peer.drain != drain {
                peer.changed = now;
            }
            (peer.is_known, peer.drain) = (true, drain);
            let Some((drain, since)) = drained else {
                // Settings may come by which its connections are closed.
                open.resume(place);
                return true;
            };
            let begins = drain.begins(since).max(*changed).max(peer.changed);
            if now < begins {
                open.resume(place);
                return true;
            }
            is_closing = true;
            let (count, waiting) = (open.count(place), open.count_waiting(place));
            if !std::mem::replace(&mut peer.is_announced, true) {
                first.with_held(|held| announce(name, worker, held, count + waiting));
            }
            let (turns, limiter) = match drain.pace {
                Pace::Spread(spread) => {
                    let ends = begins.saturating_add(spread);
                    (due(count, begins, ends, peer.last, now, worker.random()), None)
                }
                Pace::Rate(rate) => (count, Some(RateLimiter::new(rate))),
            };
            // It is 0 at the first tick.
            let passed = if peer.last == 0 { 0 } else { now.saturating_sub(peer.last) };
            let late = passed.saturating_sub(DRAIN_TICK.as_millis() as u64);
            let late = u32::try_from(late).unwrap_or(u32::MAX);
            peer.last = now;
            let waiting = waiting.min(LOOKS);
            if turns + waiting > 0 && limiter.is_none_or(|limiter| has_turn(worker.zone(), limiter))
            {
                plan.push(Due { place, turns, waiting, looks: LOOKS, begins, late, limiter });
            }
            true
        });
        (plan, is_closing)
    }

    /// Takes out the next connection to be closed of what is due at `now` (ms). Those whose peer is
    /// sending wait, and take nobody's turn meanwhile.
    pub(super) fn next(
        &mut self,
        due: &mut Due,
        zone: &Zone,
        closing: &Closing<R>,
        now: u64,
    ) -> Option<Next<R>> {
        let (open, place, late) = (&mut self.open, due.place, due.late);
        while due.waiting > 0 {
            due.waiting -= 1;
            let Some((request, since)) = open.first_waiting(place) else { break };
            // What has waited before this drain does not count.
            let waited = u64::from((now as u32).wrapping_sub(since)).min(now - due.begins);
            // SAFETY: see `first_at`; and each holds a peer.
            let found = unsafe { look_at(request.as_ref(), closing, waited, late) };
            if found != Found::Sending {
                let is_sending = found == Found::SendingForLong;
                let request = takes_turn(zone, due.limiter).then(|| open.pop_waiting(place));
                return request.flatten().map(|request| Next { request, is_sending });
            }
            open.wait_again(place);
        }
        while due.turns > 0 {
            due.turns -= 1;
            // SAFETY: as above.
            let found = unsafe { look_at(open.first(place)?.as_ref(), closing, 0, late) };
            if found == Found::Quiet {
                let request = takes_turn(zone, due.limiter).then(|| open.pop(place));
                return request.flatten().map(|request| Next { request, is_sending: false });
            }
            due.looks = due.looks.checked_sub(1)?;
            open.wait(place, now as u32);
        }
        None
    }
}

/// What a look at a connection that is due has found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It can be closed.
    Quiet,
    /// Its peer is sending, or has sent what is not read yet.
    Sending,
    /// So it is, and has been waited for long enough.
    SendingForLong,
}

/// Looks at a connection that has waited for so long (ms) since it was due; `late` as in [`Due`].
///
/// # Safety
///
/// The request lives and holds a peer.
unsafe fn look_at<R>(request: &Holder<R>, closing: &Closing<R>, waited: u64, late: u32) -> Found {
    // SAFETY: the caller's promise.
    let is_behind = unsafe { (closing.is_behind)(request) };
    // If it never was, the peer's kernel holds nothing back.
    let keeps_up = !request.note_behind(is_behind);
    // SAFETY: as above.
    let has_messages = keeps_up && unsafe { (closing.has_messages)(request) };
    let time = if has_messages || waited >= OFTEN { BETWEEN } else { QUIET };
    // SAFETY: as above.
    if !is_behind && unsafe { (closing.is_silent)(request, time.saturating_add(late)) } {
        return Found::Quiet;
    }
    match (has_messages, waited) {
        (true, PATIENCE_WITH_MESSAGES..) => Found::Quiet,
        (false, PATIENCE..) => Found::SendingForLong,
        _ => Found::Sending,
    }
}

/// Whether a connection may be closed now, at this rate.
fn has_turn(zone: &Zone, limiter: RateLimiter) -> bool {
    let (mut has_turn, now) = (false, clock::microseconds());
    zone.update_pace(|state| {
        has_turn = limiter.next_state(state, now).is_some();
        None
    });
    has_turn
}

/// Whether a connection is closed now: another worker may have been faster.
fn takes_turn(zone: &Zone, limiter: Option<RateLimiter>) -> bool {
    let now = clock::microseconds();
    limiter.is_none_or(|limiter| zone.update_pace(|state| limiter.next_state(state, now)))
}

/// A request at the peer of this place: of those that do not wait, the oldest.
fn first_at<R>(open: &OpenConnections<NonNull<Holder<R>>>, place: usize) -> Option<&Holder<R>> {
    let first = open.first(place).or_else(|| Some(open.first_waiting(place)?.0))?;
    // SAFETY: a request is in the list from `enter` on. It leaves the list before nginx frees its
    // memory: in `leave`, which ends the process where that fails, or in `next`. The list is
    // borrowed meanwhile, and nobody makes a `&mut` to a request.
    Some(unsafe { first.as_ref() })
}

fn announce(name: &str, worker: &Worker, held: &PickedPeer, count: usize) {
    let (_, address, key) = worker.address(held);
    let peer = String::from_utf8_lossy(if key.is_empty() { address } else { key });
    let message = module_messages::closing(&peer, count);
    log::at(NGX_LOG_NOTICE, &format!("etcd: upstream \"{name}\": {message}"));
}
