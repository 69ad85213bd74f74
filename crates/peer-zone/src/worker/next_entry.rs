//! Where a request looks next in the order of round robin: at a position of its own, or, in most
//! retries, anywhere.
//!
//! A retry that used up a position would use up that of the next peer: of two peers of which one is
//! dead and has `max_fails=0` that of the one that lives, so that each request would come to the
//! dead one first. Nor have retries a sequence of their own, in which second ones would do the same
//! to third ones. What is drawn is spread over the others by their weights, whatever other requests
//! do.
//!
//! A failure that makes its peer unavailable leads nobody there any longer. The retry after it goes
//! on in turn, so that the peers that are left get as many requests each as before.
//!
//! nginx's retries change the current weights of the peers that they consider, but leave the sum of
//! all of them as it is (`ngx_http_upstream_get_peer` in
//! `src/http/ngx_http_upstream_round_robin.c`). One dead peer of several gets its share of first
//! tries there, as here.

use super::{Worker, claim::Weighing, table::Table, tier::Tier, weighted_draw::below};
use crate::layout::Entry;

impl Table<'_> {
    /// The entry at which a request looks next, of a plan that is not empty, and how a visit there
    /// counts. `first` is a position that the request has got already.
    #[inline]
    pub(super) fn next_entry(&self, tier: &Tier<'_>, first: Option<u64>) -> (&Entry, Weighing) {
        if tier.is_by_chance {
            return (self.draw(tier), Weighing::ByChance(tier.position()));
        }
        let position = first.unwrap_or_else(|| tier.next());
        (self.entry_at(tier, position), Weighing::At(position))
    }

    /// Which of so many, at least one, that are all alike is looked at first: they take turns.
    pub(super) fn first_of(&self, tier: &Tier<'_>, count: usize) -> usize {
        let count = count as u64;
        let first = if tier.is_by_chance {
            below(self.worker.random(), count)
        } else {
            tier.next() % count
        };
        first as usize
    }
}

impl Worker {
    /// Whether a request that has `tried` some peers gets its next one by chance. nginx asks for it
    /// as soon as it has given the last one back.
    pub(super) fn is_by_chance(&self, tried: impl Fn(u64) -> bool) -> bool {
        // It is known of one retry only: the peer may be available again when the next one comes.
        let disabled = self.disabled.take();
        disabled == 0 || !tried(disabled)
    }
}
