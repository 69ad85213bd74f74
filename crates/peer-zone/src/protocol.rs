//! The protocols between processes, each over a few atomics and nothing else, so that loom can try
//! every interleaving.

mod lease;
mod owner;
mod pin;
mod restart_backoff;
mod shared_columns;
mod withdrawals;

pub use self::{
    lease::{Lease, Publishing},
    owner::{Holder, Owner, Process},
    pin::{Pin, Root},
    restart_backoff::{RestartBackoff, RestartDelay},
    shared_columns::{ColumnUse, SHARED_COLUMNS, SharedColumns},
    withdrawals::{
        ENTRY_TIMEOUT, ID_BITS, MAX_WITHDRAWALS, WithdrawalCount, WithdrawalEntry,
        WithdrawalReader, Withdrawn,
    },
};

/// The atomics in use: loom's while loom checks the protocols, the machine's otherwise.
pub(crate) mod sync {
    #[cfg(not(loom))]
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}
