//! The ring of withdrawals, which lies between the list of processes and the blocks.

use super::Zone;
use crate::{layout, protocol::WithdrawalEntry};

impl Zone {
    pub(crate) fn withdrawals(&self) -> &[WithdrawalEntry] {
        let header = self.header();
        // SAFETY: `format` wrote as many there (zeroes), and they are atomics throughout.
        unsafe {
            self.memory.slice(
                layout::withdrawals(header.process_entries, header.columns),
                header.withdrawals as usize,
            )
        }
    }

    /// Counted up whenever a peer leaves the service.
    pub fn withdrawal_count(&self) -> u64 {
        self.header().withdrawal_count.current()
    }

    /// Notes that the peer of this id has left the service.
    pub(crate) fn record_withdrawal(&self, peer: u64) {
        self.header().withdrawal_count.record(self.withdrawals(), peer);
    }
}
