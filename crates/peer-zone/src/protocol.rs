//! The protocols between processes, each over a few atomics and nothing else, so that loom can try
//! every interleaving.

mod lease;
mod owner;
mod pin;
mod restart_backoff;
mod shared_columns;
mod sync;
mod withdrawals;
mod word_index;

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
    word_index::{NamedWord, WordIndex},
};
