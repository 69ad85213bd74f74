//! Peers that have left the service: removed, drained, down, failed.
//!
//! Who keeps idle connections to a peer has to close them then, in every worker. The ring in which
//! withdrawals are noted lies between the list of workers and the blocks; see
//! [`protocol`](crate::protocol).

use crate::{
    layout,
    protocol::{WithdrawalEntry, Withdrawn},
    worker::Worker,
    zone::Zone,
};

impl Zone {
    fn withdrawals(&self) -> &[WithdrawalEntry] {
        let header = self.header();
        // SAFETY: `format` wrote as many there (zeroes), and they are atomics throughout.
        unsafe {
            self.memory.slice(
                layout::withdrawals(header.process_entries, header.columns),
                header.withdrawals as usize,
            )
        }
    }

    /// Notes that the peer of this id has left the service.
    pub(crate) fn record_withdrawal(&self, peer: u64) {
        self.header().withdrawal_count.record(self.withdrawals(), peer);
    }
}

impl Worker {
    /// Calls `tell` with each peer that has left the service since the last call, or since the
    /// worker joined; `now` in milliseconds.
    pub fn read_withdrawals(&mut self, now: u64, tell: impl FnMut(Withdrawn)) {
        let zone = *self.zone();
        self.withdrawals_mut().read(&zone.header().withdrawal_count, zone.withdrawals(), now, tell);
    }

    /// Whether [`Worker::read_withdrawals`] has anything to tell: one load, for each request.
    pub fn has_withdrawals(&self) -> bool {
        self.withdrawals().has_unread(&self.zone().header().withdrawal_count)
    }
}
