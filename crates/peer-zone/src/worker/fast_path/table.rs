//! What a pick without anything special looks at in a table, whether that of all peers or of a
//! group.

use core::{
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

use peer_balance::{Deficit, KEYED_TRIES, Method};

use super::{
    super::{
        Now,
        keyed::KeyProgress,
        picked_peer::{PickedPeer, Traits},
        table::Table,
    },
    Missed, Take,
};
use crate::{
    layout::{Entry, Health, Peer, PlanHeader},
    memory::Offset,
    zone::Zone,
};

/// Why a peer is not held at once.
enum NotHeld {
    /// Something special holds for it.
    Special,
    /// The request does not take it.
    NotTaken,
}

impl Table<'_> {
    /// See [`Worker::pick_at_once`]; `next` is how far round robin has come.
    #[inline(always)]
    pub(super) fn take_at_once<const IS_WIDE: bool>(
        &self,
        (method, cycle): (Method, NonZeroU64),
        next: &AtomicU64,
        first: Option<u64>,
        take: impl Take,
    ) -> Result<(), Missed> {
        let plan = &self.header.primary;
        let is_random = matches!(method, Method::Random);
        let is_least_conn = matches!(method, Method::LeastConn);
        if !IS_WIDE && plan.stride != 0 {
            return Err(Missed::Narrow(first));
        }
        if (is_random || is_least_conn) && plan.in_service < 2 {
            return Err(Missed::Careful(first));
        }
        let position = match first {
            Some(position) => position,
            None if is_random => self.draw_position(plan),
            None => next.fetch_add(1, Ordering::Relaxed),
        };
        let careful = Missed::Careful(Some(position));
        let index = if IS_WIDE {
            Some(self.index_at(plan, position))
        } else {
            self.index_without_stride(plan, cycle, position)
        };
        let &place = index.and_then(|index| self.places.get(index)).ok_or(careful)?;
        let is_fit = |_: &Entry, peer: &Peer| {
            is_random || has_all_its_weight(peer) && !(is_least_conn && Zone::open(peer) != 0)
        };
        // Those that compare several have several.
        let is_single = || !(is_random || is_least_conn) && self.is_single();
        self.hold_at(place, is_single, is_fit, take).map_err(|reason| match reason {
            NotHeld::NotTaken if !IS_WIDE => Missed::Narrow(Some(position)),
            NotHeld::Special | NotHeld::NotTaken => careful,
        })
    }

    /// See [`Worker::pick_own_at_once`].
    #[inline(always)]
    pub(super) fn take_own_at_once(
        &self,
        method: Method,
        own: &[u8],
        progress: &mut KeyProgress,
        take: impl Take,
    ) -> Result<(), Missed> {
        let careful = Missed::Careful(None);
        if self.header.primaries < 2 || own.is_empty() {
            return Err(careful);
        }
        let mut after = KeyProgress::default();
        let place = self.place_of_key(method, own, &mut after).ok_or(careful)?;
        let is_fit = |entry: &Entry, _: &Peer| entry.parameters().is_in_service();
        // There are several.
        self.hold_at(place, || false, is_fit, take).map_err(|_| careful)?;
        *progress = after;
        Ok(())
    }

    /// See [`Worker::pick_of_two_at_once`].
    #[inline(always)]
    pub(super) fn take_of_two_at_once(
        &self,
        method: Method,
        now: Now,
        take: impl Take,
    ) -> Result<(), Missed> {
        let careful = Missed::Careful(None);
        if self.header.primary.in_service < 2 {
            return Err(careful);
        }
        let before = self.worker.random.get();
        let held = self
            .place_of_two(method, now)
            .is_some_and(|place| self.hold_at(place, || false, |_, _| true, take).is_ok());
        if !held {
            self.worker.random.set(before);
            return Err(careful);
        }
        Ok(())
    }

    /// As [`Table::index_at`], for a plan that is not computed; `None` if the table is not what it
    /// should be.
    #[inline(always)]
    fn index_without_stride(
        &self,
        plan: &PlanHeader,
        cycle: NonZeroU64,
        position: u64,
    ) -> Option<usize> {
        let position = (position % cycle) as usize;
        if plan.length == 0 {
            return Some(position);
        }
        self.plan_sequence(plan).get(position).map(|&index| index as usize)
    }

    /// As [`Table::pick_of_two`], if nothing special holds for the two; without taking the peer.
    #[inline(never)]
    fn place_of_two(&self, method: Method, now: Now) -> Option<Offset> {
        let is_better = match method {
            Method::RandomTwo => Self::has_fewer_connections,
            Method::PeakEwma => Self::answers_sooner,
            _ => return None,
        };
        let plan = &self.header.primary;
        let draw = || {
            let place = *self.places.get(self.index_at(plan, self.draw_position(plan)))?;
            let entry = self.entry(place);
            let peer = self.peer(entry);
            is_unremarkable(peer).then_some((place, (entry, peer)))
        };
        let (first, known) = draw()?;
        for _ in 0..KEYED_TRIES {
            let (second, other) = draw()?;
            if other.1.id != known.1.id {
                return Some(if is_better(other, known, now) { second } else { first });
            }
        }
        Some(first)
    }

    /// Gives the request the peer of the entry at this place and counts it there, if nothing
    /// special holds for the peer and it `is_fit`.
    #[inline(always)]
    fn hold_at(
        &self,
        place: Offset,
        is_single: impl FnOnce() -> bool,
        is_fit: impl FnOnce(&Entry, &Peer) -> bool,
        take: impl Take,
    ) -> Result<(), NotHeld> {
        let entry = self.entry(place);
        let at = entry.peer;
        let peer = self.peer(entry);
        if !is_unremarkable(peer) || !is_fit(entry, peer) {
            return Err(NotHeld::Special);
        }
        // SAFETY: the table is pinned, and no peer that it lists is freed.
        let address = unsafe { self.zone.request_address(at) };
        // It counts before anybody else can look: nothing comes in between.
        let held = || {
            let traits = Traits::SINGLE.only_if(is_single());
            PickedPeer { peer: at, traits, ..PickedPeer::new(entry, peer) }
        };
        if !take.take(held, &address) {
            return Err(NotHeld::NotTaken);
        }
        self.count(at);
        peer.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether no failure has left the peer less than its weight.
#[inline(always)]
fn has_all_its_weight(peer: &Peer) -> bool {
    Deficit(peer.deficit.load(Ordering::Relaxed)) == Deficit::NONE
}

/// Whether the peer has neither failed nor fails its checks.
#[inline(always)]
fn is_unremarkable(peer: &Peer) -> bool {
    let is_healthy = matches!(Health::load(&peer.health), Health::Unchecked | Health::Passing);
    is_healthy && peer.fails.load(Ordering::Acquire) == 0
}
