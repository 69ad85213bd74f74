//! Giving a peer back, and what is learnt of it then.

use core::sync::atomic::Ordering;

use peer_balance::Deficit;

use super::{
    Now, Worker,
    among::PickedGroup,
    picked_peer::{PickedPeer, Traits},
    times::{Times, end_in_flight},
};
use crate::layout::{Health, Peer};

/// How a request at a peer went, as nginx's `state` in `peer.free` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The peer answered, whatever it said.
    Answered,
    /// The peer failed, by what `proxy_next_upstream` calls a failure.
    Failed,
}

impl Worker {
    /// Ends a request's hold on its peer. Returns whether the failures have just reached
    /// `max_fails`.
    ///
    /// `times` is what the peer took to answer, where it did and the method goes by it: the group's
    /// own ([`PickedPeer::own_method`]) or the upstream's. Times that the group's own method does
    /// not go by are passed over. The rules are those of
    /// `ngx_http_upstream_free_round_robin_peer`.
    #[inline]
    pub fn release(
        &mut self,
        held: PickedPeer,
        outcome: RequestOutcome,
        times: Option<Times>,
        now: Now,
    ) -> bool {
        let mut place = Some(held);
        let is_plain = outcome == RequestOutcome::Answered && times.is_none();
        if is_plain && self.release_at_once(&mut place) {
            return false;
        }
        place.is_some_and(|held| {
            let positions = self.zone.positions();
            let position = if held.is_backup() { &positions.backup } else { &positions.primary };
            let position = position.load(Ordering::Relaxed) as u32;
            self.release_with_care(held, outcome, times, now, position)
        })
    }

    /// As [`Worker::release`], of a peer that is one of a group.
    pub fn release_in(
        &mut self,
        group: PickedGroup,
        held: PickedPeer,
        outcome: RequestOutcome,
        times: Option<Times>,
        now: Now,
    ) -> bool {
        if outcome == RequestOutcome::Failed {
            let position = self.position_in(group, held.is_backup());
            return self.release_with_care(held, outcome, times, now, position as u32);
        }
        self.release(held, outcome, times, now)
    }

    /// As [`Worker::release`], whatever the peer and the request are like. `position` is how far
    /// round robin has come in the peer's tier.
    #[inline(never)]
    pub(super) fn release_with_care(
        &mut self,
        mut held: PickedPeer,
        outcome: RequestOutcome,
        times: Option<Times>,
        now: Now,
        position: u32,
    ) -> bool {
        // SAFETY: the count that keeps the peer is given back below, last.
        let peer = unsafe { self.zone.peer(held.peer) };
        end_in_flight(peer, &mut held);
        if let Some(times) = times.filter(|times| times.are_for(&held)) {
            times.note(peer, &held, now);
        }
        let mut disabled = false;
        // A limit may have come while the request held a peer that had none.
        let mut recovered = held.traits.has(Traits::LIMITED)
            || self.zone.header().limited.load(Ordering::Relaxed) != 0;
        let forgiven = match outcome {
            RequestOutcome::Failed => {
                peer.failures.fetch_add(1, Ordering::Relaxed);
                if !held.is_single() {
                    disabled = self.fail(peer, &held, now, position);
                }
                held.is_single()
            }
            _ if held.is_single() => true,
            // The peer is taken back only if it answered a request made after its last failure.
            RequestOutcome::Answered => answers_after_failure(peer),
        };
        if forgiven {
            recovered |= self.forgive(peer, &held, now);
        }
        self.uncount(held.peer, held.counted());
        if recovered {
            self.zone.note_recovery();
        }
        disabled
    }

    /// The peer has answered a session that still holds it, as a connection that is made is an
    /// answer: as `ngx_stream_upstream_notify_round_robin_peer`.
    pub fn note_answer(&mut self, held: &PickedPeer, now: Now) {
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has
        // one.
        let peer = unsafe { self.zone.peer(held.peer) };
        if answers_after_failure(peer) && self.forgive(peer, held, now) {
            self.zone.note_recovery();
        }
    }

    /// The failures of a peer no longer count. Returns whether there were any.
    fn forgive(&self, peer: &Peer, held: &PickedPeer, now: Now) -> bool {
        let fails = peer.fails.load(Ordering::Relaxed);
        if fails == 0 {
            return false;
        }
        if held.max_fails != 0 && fails >= held.max_fails {
            self.note_state(peer, held.index(), now.milliseconds);
        }
        if held.slow_start != 0 && held.max_fails != 0 && fails >= held.max_fails {
            self.zone.extend_ramps(now.milliseconds, held.slow_start);
            peer.ages.set_ramp_from(now.milliseconds);
        }
        peer.fails.store(0, Ordering::Relaxed);
        true
    }

    /// The peer with this index, held by a request, is in another state since `now` (ms), as the
    /// status shows states, unless another one hides it.
    pub(super) fn note_state(&self, peer: &Peer, index: usize, now: u64) {
        let is_shown = peer.in_service.load(Ordering::Relaxed) != 0
            && !matches!(Health::load(&peer.health), Health::Failing | Health::Pending);
        if let Some(statistics) = self.statistics.filter(|_| is_shown) {
            statistics.set_state_since(index, peer.id, now);
        }
    }

    /// Counts a failure; says whether `max_fails` has just been reached.
    fn fail(&self, peer: &Peer, held: &PickedPeer, now: Now, position: u32) -> bool {
        peer.accessed.store(now.seconds, Ordering::Relaxed);
        peer.checked.store(now.seconds, Ordering::Relaxed);
        // Release: a worker that sees the failure sees its time too, and does not take the peer for
        // one whose time is up.
        let fails = peer.fails.fetch_add(1, Ordering::Release).saturating_add(1);
        if held.max_fails == 0 {
            return false;
        }
        let disabled = fails >= held.max_fails;
        // One of the workers comes here with this number. Later failures are of trials, which begin
        // the state again: see `hold_peer`.
        if fails == held.max_fails {
            self.note_state(peer, held.index(), now.milliseconds);
        }
        // Two failures in the same instant may count as one here: the weight recovers a little
        // sooner.
        let before = Deficit(peer.deficit.load(Ordering::Relaxed));
        let Deficit(after) = before.failed(held.weight.into(), held.max_fails, position, disabled);
        peer.deficit.store(after, Ordering::Relaxed);
        if disabled {
            self.disabled.set(held.id);
            self.zone.record_withdrawal(held.id);
        }
        disabled
    }
}

/// Whether what the peer answers was asked after its last failure.
fn answers_after_failure(peer: &Peer) -> bool {
    peer.accessed.load(Ordering::Relaxed) < peer.checked.load(Ordering::Relaxed)
}
