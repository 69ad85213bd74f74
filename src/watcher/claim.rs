//! The right to publish.

use std::cell::Cell;

use peer_zone::protocol::{Lease, Publishing};

/// The right to publish, for as long as the lease is held.
pub(super) struct Claim {
    lease: &'static Lease,
    /// What `Lease::claim` returned.
    claim: u64,
    /// How many prefixes have not settled yet.
    unsettled: Cell<usize>,
}

impl Claim {
    /// That of a thread that has `claim`, with so many prefixes.
    pub(super) fn new(lease: &'static Lease, claim: u64, prefixes: usize) -> Self {
        let claim = Self { lease, claim, unsettled: Cell::new(prefixes) };
        if prefixes == 0 {
            claim.settle();
        }
        claim
    }

    /// Says, once for each prefix, that it has its first list published, or that there is none to
    /// be had just now: what a list could do to this process it has not done.
    pub(super) fn settle(&self) {
        let left = self.unsettled.get().saturating_sub(1);
        self.unsettled.set(left);
        if left == 0 {
            self.lease.restart_backoff().settled(self.claim);
        }
    }

    /// Calls `write` with the right to write; `None` where the lease has gone to another process.
    pub(super) fn publishing<T>(&self, write: impl FnOnce(&Publishing) -> T) -> Option<T> {
        let publishing = self.lease.begin(self.claim)?;
        let result = write(&publishing);
        self.lease.end(self.claim, publishing);
        Some(result)
    }
}
