//! Peers that have left the service: removed, drained, down, failed.
//!
//! Who keeps idle connections to a peer has to close them then, in every worker. The ring in which
//! withdrawals are noted lies between the list of workers and the blocks; see
//! [`protocol`](crate::protocol).

use super::Worker;
use crate::protocol::Withdrawn;

impl Worker {
    /// Calls `tell` with each peer that has left the service since the last call, or since the
    /// worker joined; `now` in milliseconds.
    pub fn read_withdrawals(&mut self, now: u64, tell: impl FnMut(Withdrawn)) {
        let zone = *self.zone();
        self.withdrawals_mut().read(&zone.header().withdrawal_count, zone.withdrawals(), now, tell);
    }

    /// Whether [`Worker::read_withdrawals`] has anything to tell: one load, for each request.
    #[inline]
    pub fn has_withdrawals(&self) -> bool {
        self.withdrawals().has_unread(&self.zone().header().withdrawal_count)
    }
}
