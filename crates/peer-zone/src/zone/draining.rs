//! Since when peers are drained, and the pace at which all workers close connections.

use core::sync::atomic::Ordering;

use super::Zone;
use crate::{
    drain_policy::DrainReasons,
    layout::{Health, Peer},
};

impl Zone {
    /// Since when (ms) the peer is drained for one of these reasons.
    pub(crate) fn draining_since(
        &self,
        peer: &Peer,
        reasons: DrainReasons,
        now: u64,
    ) -> Option<u64> {
        let fails = || {
            let is_left = Health::load(&peer.health) == Health::Failing && !peer.is_used_failing();
            is_left.then(|| peer.failing.moment(now)).flatten()
        };
        [
            reasons.removed.then(|| peer.removed.moment(now)).flatten(),
            reasons.drain.then(|| peer.drains.moment(now)).flatten(),
            reasons.check.then(fails).flatten(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Adds `count` connections closed by a drain to
    /// [`Statistics::drained`](super::statistics::Statistics::drained).
    pub fn count_drained(&self, count: u64) {
        self.header().drained.fetch_add(count, Ordering::Relaxed);
    }

    /// Changes the word that all workers share to keep to a pace, as `next` says, from what is
    /// there to what is to be; says whether `next` allowed it. It is asked again where another
    /// worker was faster.
    pub fn update_pace(&self, next: impl FnMut(u64) -> Option<u64>) -> bool {
        self.header().pace.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}
