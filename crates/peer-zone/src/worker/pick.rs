//! Picking a peer by round robin.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use peer_balance::Stride;

use super::{Held, Table, Worker};
use crate::{
    layout::{Entry, Parameters, PlanHeader},
    memory::Offset,
};

/// How many positions of the plan are tried before the peers are walked. Each position lost to an unavailable peer is a load or two;
/// with half of the peers unavailable, 64 in a row are unavailable once in 10^19 picks.
const POSITIONS_TRIED: u32 = 64;

/// How often a place below `max_conns` is tried for that another worker wants in the same instant. Each attempt takes some tens of
/// nanoseconds and two workers rarely meet even once; one that loses every time goes on to the next peer.
const ATTEMPTS: u32 = 4;

/// What came of a pick.
#[derive(Debug)]
pub enum Pick {
    /// The request holds this peer.
    Peer(Held),
    /// No peer can take a request just now (nginx's `NGX_BUSY`).
    Busy,
}

/// That nothing could be picked, and all that could change it: until one of these has, nothing can be picked again, and there is
/// no need to look at each peer to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted {
    place: Offset,
    generation: u64,
    /// Failures are forgiven as seconds pass.
    now: u32,
    /// Connections closed where `max_conns` counts, failures forgiven because a peer answered.
    revivals: u32,
}

/// Whether failures keep a peer from being picked, by the rule of `ngx_http_upstream_get_peer`.
pub(super) fn has_failed(fails: u32, checked: u32, parameters: &Parameters, now: u32) -> bool {
    parameters.max_fails != 0
        && fails >= parameters.max_fails
        && now.saturating_sub(checked) <= parameters.fail_timeout
}

impl Worker {
    /// Picks a peer at `now` (seconds): the next in round robin that is in service, has not failed, is not full, and is not
    /// `tried` (by its id) already; one with `backup` only where there is no other.
    pub fn pick(&mut self, now: u32, tried: impl Fn(u64) -> bool, has_tried: bool) -> Pick {
        // Before all else, and Acquire: what is revived from here on, the peers below may not show yet.
        let revivals = self.zone.header().revivals.load(Ordering::Acquire);
        let exhausted = self.exhausted;
        let Some(table) = self.table() else { return Pick::Busy };
        let state = Exhausted { place: table.place, generation: table.header.generation, now, revivals };
        if exhausted == Some(state) {
            return Pick::Busy;
        }
        if let Some(held) = table.pick(now, tried) {
            return Pick::Peer(held);
        }
        drop(table);
        // A request that has tried some says nothing of what others may pick.
        if !has_tried {
            self.exhausted = Some(state);
        }
        Pick::Busy
    }
}

impl Table<'_> {
    fn pick(&self, now: u32, tried: impl Fn(u64) -> bool) -> Option<Held> {
        let primaries = self.header.primaries as usize;
        let backups = primaries + self.header.backups as usize;
        let positions = self.worker.zone.positions();
        let groups = [
            (&self.entries[..primaries], &self.header.primary, &positions.primary),
            (&self.entries[primaries..backups], &self.header.backup, &positions.backup),
        ];
        groups.into_iter().find_map(|(entries, plan, position)| {
            self.pick_of(entries, plan, position, |entry| self.take(entry, now, &tried))
        })
    }

    /// Walks the plan from the shared position on. Each position that is passed over is used up, so that what it would have got goes
    /// to all others by their weights, not to its neighbour.
    fn pick_of(
        &self,
        entries: &[Entry],
        plan: &PlanHeader,
        position: &AtomicU64,
        take: impl Fn(&Entry) -> Option<Held>,
    ) -> Option<Held> {
        if plan.cycle == 0 {
            return None;
        }
        let next = || position.fetch_add(1, Ordering::Relaxed);
        for _ in 0..POSITIONS_TRIED.min(plan.in_service.saturating_mul(2)) {
            let index = if plan.stride == 0 {
                self.plan_sequence(plan)[(next() % plan.cycle) as usize] as usize
            } else {
                let stride = Stride { cycle: plan.cycle, stride: plan.stride };
                peer_balance::pick(self.plan_cumulative(plan), &stride, next())
            };
            if let Some(held) = take(&entries[index]) {
                return Some(held);
            }
        }
        // Nearly all are unavailable: whoever is not must still be found. The walk starts anywhere, so that the first is not favoured.
        let start = (next() % entries.len() as u64) as usize;
        let (before, from) = entries.split_at(start);
        from.iter().chain(before).find_map(take)
    }

    /// Takes the peer of `entry` for a request, if it may be picked.
    fn take(&self, entry: &Entry, now: u32, tried: impl Fn(u64) -> bool) -> Option<Held> {
        let parameters = &entry.parameters;
        if !parameters.is_in_service() {
            return None;
        }
        // SAFETY: the table is pinned, and no peer that it lists is freed.
        let peer = unsafe { self.worker.zone.peer(entry.peer) };
        let is_single = self.is_single();
        let fails = peer.fails.load(Ordering::Acquire);
        let checked = peer.checked.load(Ordering::Relaxed);
        if fails != 0 && !is_single && has_failed(fails, checked, parameters, now) {
            return None;
        }
        if tried(peer.id) {
            return None;
        }
        // Before the trial below: a peer that is full must not lose its trial to a request that cannot have it.
        if !self.count_within_limit(entry) {
            return None;
        }
        if fails != 0 && now.saturating_sub(checked) > parameters.fail_timeout {
            // Of all that find a failed peer's time up, one tries it; the others wait for its `fail_timeout` anew.
            let mine =
                peer.checked.compare_exchange(checked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if !mine && !is_single && has_failed(fails, now, parameters, now) {
                self.give_up(entry);
                return None;
            }
        }
        peer.requests.fetch_add(1, Ordering::Relaxed);
        Some(Held {
            peer: entry.peer,
            id: peer.id,
            max_conns: parameters.max_conns,
            max_fails: parameters.max_fails,
            is_single,
        })
    }

    /// Counts a connection, unless that would be one too many.
    ///
    /// Each worker first counts and then looks at the sum, so that of two that want the last place at most one gets it. Where both give
    /// up, each tries again: there was a place. Without looking before it counts, a worker would keep others from a place that it cannot have itself.
    fn count_within_limit(&self, entry: &Entry) -> bool {
        let limit = entry.parameters.max_conns;
        if limit == 0 {
            self.worker.count(entry.peer);
            return true;
        }
        // SAFETY: the table is pinned, and no peer that it lists is freed.
        let connections = || unsafe { self.worker.zone.connections(entry.peer) };
        for _ in 0..ATTEMPTS {
            if connections() >= limit {
                return false;
            }
            self.worker.count(entry.peer);
            // Orders the count before the loads of the other columns.
            fence(Ordering::SeqCst);
            if connections() <= limit {
                return true;
            }
            self.give_up(entry);
        }
        false
    }

    /// Takes back a count that has come to nothing. Another may have found the peer full for it.
    fn give_up(&self, entry: &Entry) {
        self.worker.uncount(entry.peer);
        if entry.parameters.max_conns != 0 {
            self.worker.zone.revive();
        }
    }
}
